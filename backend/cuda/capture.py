"""A training step recorded once and then replayed with one launch, for networks so small that launching takes the time.

A CUDA graph repeats the very operations, on the very addresses, with the very numbers that it recorded. Hence:

- Arrays come in by way of buffers of its own, and numbers that change from step to step as 0-d arrays beside them.
- It is recorded under a memory pool of its own, which serves nobody else as long as the graph lives: a graph keeps no
  array alive, and memory that anybody else were given would be overwritten by the next launch. Within the step the
  pool hands out again what was freed, so it holds no more than one step needs at a time.
- Where the network's parameters have moved, it is recorded anew.
- What the host does in the step (a draw, a count, a copy) happens while recording and never again. A step that copies
  to or from the device therefore runs eagerly, as does one whose recording fails; whatever else changes on the host
  must come in as a number.

Source: NVIDIA, "CUDA C++ Programming Guide", section "CUDA Graphs".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..border import border
from ..select import Array, xp

_xp: Any = xp
_REHEARSALS = 2  # the first makes what is made at first use; the second is what the recording will be


def captured(
    step: Callable[..., Any],
    dtype: Any = "float32",
    undo: Callable[[], None] = lambda: None,
    place: Callable[[], object] = lambda: None,
) -> Callable[..., Any]:
    """A step that is recorded at its third call and replayed from then on.

    Only calls with the first call's shapes and dtypes are replayed, so one graph's memory is all that is held; others
    run eagerly. The step computes on the device alone, multiplies matrices by forms, and reads nothing of the host that
    changes but its arguments.

    Example:
        >>> step = captured(lambda x, rate: velocity.__iadd__(rate * x))
        >>> for i, x in enumerate(data):
        ...     step(x, schedule(i))
    """
    return Captured(step, dtype, undo, place)


class Captured:
    """A step on its way from rehearsal to replay.

    Attributes:
        eager: why the step runs eagerly for good; empty where it does not.
        graph: what is replayed, once it is recorded.
    """

    def __init__(
        self, step: Callable[..., Any], dtype: Any, undo: Callable[[], None], place: Callable[[], object]
    ) -> None:
        self.eager = ""
        self.graph: Any = None
        self._step, self._dtype, self._undo, self._place = step, dtype, undo, place
        self._stage: Any = None
        self._placed: object = None
        self._rehearsals = 0
        self._signature: list[Any] | None = None
        self._buffers: list[Array] = []
        self._numbers: list[float | None] = []
        self._result: Any = None

    def __call__(self, *args: Any) -> Any:
        """The step's result for these arguments."""
        signature = [(arg.shape, arg.dtype) if isinstance(arg, xp.ndarray) else None for arg in args]
        if self.eager or self._signature not in (None, signature):
            return self._step(*args)
        self._signature = signature
        if (placed := self._place()) is not self._placed:
            self._placed, self._rehearsals, self.graph = placed, 0, None
        if self.graph is not None:
            return self._replay(args)
        if self._rehearsals < _REHEARSALS:
            return self._rehearse(args)
        try:
            with self._stage.entered():
                self._fill(args)
                self.graph, self._result = self._record()
        except Exception as error:  # whatever it was: an eager step tells it, if it was the step's own fault
            why = f"{type(error).__name__}: {error}"
        else:
            return self._launch()
        self._give_up(why)  # here, where the error no longer holds what the recording took
        self._undo()
        return self._step(*args)

    def _rehearse(self, args: tuple[Any, ...]) -> Any:
        """An eager step, as the recording will be: under its memory, on its stream, from its buffers."""
        self._stage = self._stage or _Stage.idle()
        with self._stage.entered():
            self._fill(args)
            crossings = border.crossings
            result = self._step(*self._buffers)
        self._rehearsals += 1
        if self._rehearsals == _REHEARSALS and border.crossings != crossings:
            self._give_up("the step copies to or from the device")
        return result

    def _record(self) -> tuple[Any, Any]:
        """The graph and the arrays that it will write its results to; nothing is computed yet."""
        held = self._stage.pool.total_bytes()
        self._stage.stream.begin_capture()
        try:
            result = self._step(*self._buffers)
        except BaseException:
            with suppress(Exception):  # CUDA may have called the recording off itself
                self._stage.stream.end_capture()
            raise
        graph = self._stage.stream.end_capture()
        # where it ran out, the pool gave back blocks that the graph writes to
        if self._stage.pool.total_bytes() != held:
            raise RuntimeError("the step took other memory than in its rehearsal")
        return graph, result

    def _replay(self, args: tuple[Any, ...]) -> Any:
        self._fill(args)
        return self._launch()

    def _launch(self) -> Any:
        self.graph.launch()
        border.checked = bool(border.faults)  # the graph may have raised any of the flags
        return self._result

    def _fill(self, args: tuple[Any, ...]) -> None:
        """Copy the arguments into the buffers; a number only where it has changed, and without waiting."""
        if not self._buffers:
            self._buffers = [self._buffer(arg) for arg in args]
            self._numbers = [None] * len(args)
        for i, (buffer, arg) in enumerate(zip(self._buffers, args, strict=True)):
            if isinstance(arg, xp.ndarray):
                buffer[...] = arg
            elif arg != self._numbers[i]:
                buffer.fill(arg)  # travels with the kernel's arguments
                self._numbers[i] = arg

    def _buffer(self, arg: Any) -> Array:
        if isinstance(arg, xp.ndarray):
            return xp.empty(arg.shape, dtype=arg.dtype)
        return xp.empty((), dtype=self._dtype)

    def _give_up(self, why: str) -> None:
        """Run eagerly from now on and hold no memory for a graph."""
        self.eager = why
        self._release()

    def _release(self) -> None:
        self.graph = self._result = None
        self._buffers = []
        if self._stage is not None:
            self._stage.retire()
            self._stage = None

    def __del__(self) -> None:
        with suppress(Exception):  # a lost device gives nothing back
            self._release()


class _Stage:
    """Where a graph is rehearsed and recorded: a stream, and the memory of what is done on it."""

    def __init__(self) -> None:
        self.stream = _xp.cuda.Stream(non_blocking=True)  # the default one cannot be captured
        self.pool = _xp.cuda.MemoryPool()

    @classmethod
    def idle(cls) -> "_Stage":
        """One that nobody uses."""
        try:
            return _idle.pop()
        except IndexError:
            return cls()

    def retire(self) -> None:
        """Give the memory back, and wait for the next graph.

        CuPy's pools are not to be thrown away: from 14.1 on they then keep what they hold for good.
        """
        _xp.cuda.runtime.memGetInfo()  # raises where the device is lost, and each block would fail and show it
        self.pool.free_all_blocks()
        _idle.append(self)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The stream and the memory, in order with what the current stream does before and after."""
        outside = _xp.cuda.get_current_stream()
        self.stream.wait_event(outside.record())
        try:
            with _xp.cuda.using_allocator(self.pool.malloc), self.stream:
                yield
        finally:
            outside.use()  # of what was made current so, `with` knows nothing
            outside.wait_event(self.stream.record())


_idle: list[_Stage] = []
