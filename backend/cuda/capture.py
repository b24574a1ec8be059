"""A training step recorded once and then replayed with one launch, for small networks, whose time is mostly launches.

A CUDA graph repeats the recorded operations on the recorded addresses with the recorded scalars. Therefore:

- Arguments are copied into buffers: arrays of the same shape, and 0-d arrays for numbers.
- A graph is recorded with its own memory pool, which nothing else uses while the graph exists: a graph does not keep
  arrays alive, so a replay would overwrite memory that has been given to others. Within the step the pool reuses freed
  memory, so it holds no more than one step's peak.
- If the network's parameters have moved, the step is recorded again.
- Actions of the host in the step (a draw, a count, a copy) happen during recording but in no replay. So a step that
  copies to or from the device runs eagerly, as does one whose recording fails; everything else on the host that changes
  must be an argument.

Source: NVIDIA, "CUDA C++ Programming Guide", section "CUDA Graphs".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..border import border
from ..select import Array, xp

_xp: Any = xp
_REHEARSALS = 2  # the first does lazy initialisations; the second does what the recording will do


def captured(
    step: Callable[..., Any],
    dtype: Any = "float32",
    undo: Callable[[], None] = lambda: None,
    place: Callable[[], object] = lambda: None,
) -> Callable[..., Any]:
    """A step that is recorded at its third call and replayed from then on.

    Only calls with the first call's shapes and dtypes are replayed, so that only one graph takes memory; others run
    eagerly. The step must compute on the device only and multiply matrices by forms; its arguments are the only host
    state that may change. For example::

        step = captured(lambda x, rate: velocity.__iadd__(rate * x))
        for i, x in enumerate(data):
            step(x, schedule(i))
    """
    return Captured(step, dtype, undo, place)


class Captured:
    """A step that is rehearsed, then recorded, then replayed.

    Attributes:
        eager: the reason why the step always runs eagerly; empty if it does not.
        graph: the recorded graph, or None.
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
        """The step's result."""
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
        except Exception as error:  # an error of the step itself is raised again when it runs eagerly
            why = f"{type(error).__name__}: {error}"
        else:
            return self._launch()
        self._give_up(why)  # here, since the error no longer keeps the recording's memory alive
        self._undo()
        return self._step(*args)

    def _rehearse(self, args: tuple[Any, ...]) -> Any:
        """An eager step in the recording's conditions: its memory pool, its stream, its buffers."""
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
        """The graph and its result arrays; nothing is computed yet."""
        held = self._stage.pool.total_bytes()
        self._stage.stream.begin_capture()
        try:
            result = self._step(*self._buffers)
        except BaseException:
            with suppress(Exception):  # CUDA may have aborted the recording itself
                self._stage.stream.end_capture()
            raise
        graph = self._stage.stream.end_capture()
        # a pool that ran out of memory has freed blocks that the graph writes to
        if self._stage.pool.total_bytes() != held:
            raise RuntimeError("the step used other memory than in its rehearsal")
        return graph, result

    def _replay(self, args: tuple[Any, ...]) -> Any:
        self._fill(args)
        return self._launch()

    def _launch(self) -> Any:
        self.graph.launch()
        border.checked = bool(border.faults)  # the graph may have set any flag
        return self._result

    def _fill(self, args: tuple[Any, ...]) -> None:
        """Copy the arguments into the buffers, asynchronously; numbers only if they have changed."""
        if not self._buffers:
            self._buffers = [self._buffer(arg) for arg in args]
            self._numbers = [None] * len(args)
        for i, (buffer, arg) in enumerate(zip(self._buffers, args, strict=True)):
            if isinstance(arg, xp.ndarray):
                buffer[...] = arg
            elif arg != self._numbers[i]:
                buffer.fill(arg)  # the number is a kernel argument, so no copy waits
                self._numbers[i] = arg

    def _buffer(self, arg: Any) -> Array:
        if isinstance(arg, xp.ndarray):
            return xp.empty(arg.shape, dtype=arg.dtype)
        return xp.empty((), dtype=self._dtype)

    def _give_up(self, why: str) -> None:
        """Run eagerly from now on and release the graph's memory."""
        self.eager = why
        self._release()

    def _release(self) -> None:
        self.graph = self._result = None
        self._buffers = []
        if self._stage is not None:
            self._stage.retire()
            self._stage = None

    def __del__(self) -> None:
        with suppress(Exception):  # releasing fails on a lost device
            self._release()


class _Stage:
    """A stream and its memory pool, in which a graph is rehearsed and recorded."""

    def __init__(self) -> None:
        self.stream = _xp.cuda.Stream(non_blocking=True)  # the default stream cannot be captured
        self.pool = _xp.cuda.MemoryPool()

    @classmethod
    def idle(cls) -> "_Stage":
        """A stage that is not in use."""
        try:
            return _idle.pop()
        except IndexError:
            return cls()

    def retire(self) -> None:
        """Free the memory and keep the stage for another graph.

        From CuPy 14.1 on, a deleted pool never frees its memory, so pools are reused.
        """
        _xp.cuda.runtime.memGetInfo()  # raises if the device is lost; freeing would print an error for each block
        self.pool.free_all_blocks()
        _idle.append(self)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Use the stage's stream and pool, in order with the current stream's work before and after."""
        outside = _xp.cuda.get_current_stream()
        self.stream.wait_event(outside.record())
        try:
            with _xp.cuda.using_allocator(self.pool.malloc), self.stream:
                yield
        finally:
            outside.use()  # `with` does not restore a stream that use() made current
            outside.wait_event(self.stream.record())


_idle: list[_Stage] = []
