"""Read batches in a thread while earlier ones are used."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def read_ahead(batches: Iterable[T], begin: Callable[[], None] = lambda: None) -> Iterator[T]:
    """The same batches; a thread, which first calls ``begin``, reads up to two of them ahead.

    An error in ``batches`` is raised in place of its batch. If the iterator is closed, the thread ends after its
    current batch.

    >>> list(read_ahead(range(3)))
    [0, 1, 2]
    """
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(2)
    ended = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not ended.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            begin()
            for batch in batches:
                if not put("batch", batch):
                    return
            put("end", None)
        except BaseException as error:  # raised in the thread that asks for the batch
            put("error", error)

    threading.Thread(target=read, name="xpnn reader", daemon=True).start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        ended.set()
