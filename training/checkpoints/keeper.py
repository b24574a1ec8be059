"""Writes a run's checkpoints, and resumes the run from them."""

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import ALONE, Ranks, to_numpy
from ...data.files import locked, remove_unfinished, write_file
from ...layers import Layer
from ..callbacks import Callback
from ..files.about import made_by
from ..files.saving import RUN, load, opened, state_of
from ..files.sealed import sealed
from ..history import History, numbers
from ..interrupt import saving_first
from ..metrics import Metrics
from ..monitors import Monitor
from ..optimizer import Optimizer
from ..progress import say
from ..score import Sums
from . import generators, states
from .folder import BEST, Checkpoint, CheckpointWarning
from .packing import packed, unpacked, well_formed

_KEY = "xpnn.run"  # the key in the metadata


class Keeper(Callback):
    """Writes a run's checkpoints; the last of its callbacks.

    Attributes:
        resumed: True from the resumption to the first step after it.
    """

    _sums: Sums
    _metrics: Metrics

    def __init__(
        self,
        settings: Checkpoint,
        model: Layer,
        optimizer: Optimizer,
        history: History,
        callbacks: Sequence[Callback],
        data: Mapping[str, Any],
        pool: ThreadPoolExecutor,
        ranks: Ranks,
    ) -> None:
        self._settings, self._pool, self._ranks = settings, pool, ranks
        self._model, self._optimizer, self._history, self._callbacks = model, optimizer, history, callbacks
        self._of_data = generators.generators_in(data)
        self._of_model = generators.generators_in({"model": model, "callbacks": list(callbacks)})
        self._monitor = Monitor(settings.best, settings.mode) if settings.best else None
        self._state: dict[str, Any] = {}
        self._pending: Future[None] | None = None
        settings.old = [] if settings.resume else settings.files()
        self._take_up()
        self.resumed = bool(self._state)
        self._called = self._state["called"] if self.resumed else generators.states_of(self._of_data)
        self._mark()

    # resuming

    def _take_up(self) -> None:
        """Restore model, optimiser, history and the data's generators from the newest undamaged checkpoint."""
        if self._ranks.rank == 0:
            self._take_up_newest()
        found = self._ranks.gather((self._state, self._history[:], self._history.begun, self._optimizer.steps))[0]
        if self._ranks.rank > 0 and found[0]:  # fit broadcasts rank 0's arrays
            self._state, self._history[:], self._history.begun, steps = found
            self._optimizer.resume(steps)
        if self._state:
            with well_formed():
                self._put_back(self._of_data, "called")

    def _take_up_newest(self) -> None:
        for path in self._settings.whole() if self._settings.resume else ():
            begun = self._history or self._history.begun
            if not begun or int(path.stem.removeprefix("step-")) > self._optimizer.steps:
                self._read(path)
            return

    def _read(self, path: Path) -> None:
        with opened(path) as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys() if key.startswith(RUN)}  # noqa: SIM118
        with well_formed(path):
            state = unpacked(json.loads(metadata[_KEY]), arrays)
            rows, begun = [numbers(row) for row in state["history"]], state["sums"] and numbers(state["sums"])
            steps = int(state["step"])
        if any(metadata.get(key) != text for key, text in self._settings.metadata.items()):
            raise ValueError(f"{path} belongs to another run, whose metadata differ: give this run a separate folder")
        load(self._model, path, optimizer=self._optimizer)
        self._history[:], self._history.begun, self._state = rows, begun, state
        say(f"going on from {path.name}: epoch {len(rows)}, step {steps:,}{self._other_rate()}")

    def _other_rate(self) -> str:
        """A note for the message if the learning rate has been changed."""
        before, now = self._state.get("lr"), repr(self._optimizer.lr)
        if before == now or " at 0x" in f"{before}{now}":
            return ""
        return f"; the learning rate was {before} and is now {now}: {self._optimizer.rate:.3g} in the next step"

    def begin(self, shuffles: np.random.Generator | None, sums: Sums, batches: Mapping[str, Any]) -> None:
        """Called before the first or the resumed epoch reads data; ``batches`` holds the settings of its batches.

        Raises:
            ValueError: the resumed epoch would have other batches.
        """
        self._sums, self._batches = sums, batches
        before = self._state.get("batches", {}) if sums.steps else {}
        if other := [name for name, value in before.items() if value != batches.get(name)]:
            raise ValueError(
                f"fit: the checkpoint is within an epoch with {other[0]}={before[other[0]]}, got "
                f"{batches.get(other[0])}: this can change only between epochs"
            )
        if shuffles is not None:
            self._of_data["shuffles"] = shuffles
        if self.resumed:
            with well_formed():
                self._put_back(self._of_data, "epoch")
        self._between_epochs()

    def on_train_begin(self) -> None:
        """After all other callbacks."""
        if self._monitor:
            self._monitor.run = self.run
            self._monitor.on_train_begin()
        with well_formed():
            states.put_back(self._callbacks, self._state.get("callbacks", {}), self._ranks.rank == 0)
        if self._ranks.rank == 0:
            packed(states.states_of(self._callbacks), "callbacks", {})  # a state that cannot be saved raises now

    def go_on(self, metrics: Metrics) -> None:
        """Called once an epoch's order is drawn: restores the rest of a resumed epoch's state."""
        self._metrics = metrics
        if self.resumed:
            with well_formed():
                self._put_back(self._of_model, "model")
                metrics.parts += [(y, outputs, weights) for y, outputs, weights in self._state["metrics"]]
            self.resumed, self._state = False, {}

    def _put_back(self, found: Mapping[str, np.random.Generator], when: str) -> None:
        states = self._state[when]
        for name, generator in found.items():
            if name in states:
                generators.put_back(generator, states[name])

    # writing

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        if self._pending is not None and self._pending.done():
            self.finish()
        if self._due():
            self.write()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._between_epochs()
        if self._monitor and self._monitor.follow(logs):
            self.write(self._settings.folder / BEST)
        if self._due() or (self._settings.unit == "epoch" and epoch % self._settings.amount == 0):
            self.write()

    def end(self, whole: bool) -> None:
        """Called when the run has ended, before callbacks change the model; ``whole`` is False after half a step."""
        self.finish()
        if len(self._history) > self._epochs:  # another callback ended the run before this one's on_epoch_end
            self._between_epochs()
        if whole and self._written != self._now():
            self.write()
            self.finish()

    def _between_epochs(self) -> None:
        self._epoch, self._epochs = generators.states_of(self._of_data), len(self._history)

    def _due(self) -> bool:
        amount, unit = self._settings.amount, self._settings.unit
        if unit == "s":
            return time.monotonic() - self._time >= amount
        return unit == "step" and self._optimizer.steps // amount > self._written[0] // amount

    def _now(self) -> tuple[int, int]:
        return self._optimizer.steps, len(self._history)

    def _mark(self, path: Path | None = None) -> None:
        """Note that the run was written; writing only the best epoch does not postpone the next checkpoint."""
        if path is None:
            self._time, self._written = time.monotonic(), self._now()

    def write(self, path: Path | None = None) -> None:
        """Write the run as it is now, by default to this step's checkpoint; only rank 0 writes."""
        if self._ranks.rank > 0:
            self._mark(path)
            return
        arrays, text = self._packed()
        try:
            copies = {key: copied(array) for key, array in arrays.items()}
        except MemoryError:
            self.finish()
            copies = {}
        self.finish()
        self._mark(path)
        path = path or self._settings.path(self._optimizer.steps)
        self._pending = self._pool.submit(self._store, path, copies or arrays, text)
        if not copies:
            self.finish()

    def _packed(self) -> tuple[dict[str, np.ndarray], str]:
        arrays = {key: to_numpy(value) for key, value in state_of(self._model, self._optimizer).items()}
        state = {
            "step": self._optimizer.steps, "history": list(self._history), "lr": repr(self._optimizer.lr),
            "sums": self._sums.state() if self._sums.steps else None, "metrics": self._metrics.parts,
            "batches": self._batches,
            "called": self._called, "epoch": self._epoch, "model": generators.states_of(self._of_model),
            "callbacks": states.states_of(self._callbacks), "made by": made_by(),
        }  # fmt: skip
        return arrays, json.dumps(packed(state, RUN.rstrip("."), arrays))

    def _store(self, path: Path, arrays: Mapping[str, np.ndarray], text: str) -> None:
        write_file(path, sealed(arrays, {**self._settings.metadata, _KEY: text}))
        if path.name == BEST:
            return
        self._settings.replace(by=path)
        self._settings.prune(path)

    def finish(self) -> None:
        """Wait until the current checkpoint is on the disk; CheckpointWarning if it cannot be written."""
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except OSError as error:
            self._written = -1, 0
            warnings.warn(f"no checkpoint: {error}; training goes on", CheckpointWarning, stacklevel=2)


@contextmanager
def keeping(
    settings: Checkpoint | None,
    model: Layer,
    optimizer: Optimizer,
    history: History,
    callbacks: Sequence[Callback],
    ranks: Ranks = ALONE,
    **data: Any,
) -> Iterator[Keeper | None]:
    """Resume a run from its newest checkpoint, and write checkpoints within this block; do nothing without settings.

    Model, optimiser and history are restored; ``data`` is whatever holds the generators of the data.

    Raises:
        BlockingIOError: another run writes to the folder.
        OSError: the folder cannot be created or written to.
        ValueError: the newest undamaged checkpoint does not fit the run, or some ranks have no settings.
    """
    given = ranks.gather(settings is not None)
    if any(given) and not all(given):
        raise ValueError(
            f"fit: expected checkpoint= on all ranks, although only rank 0 writes: {ranks.name(given.index(False))} "
            "has none"
        )
    if settings is None:
        yield None
        return
    if not isinstance(settings, Checkpoint):
        raise TypeError(f"fit: expected checkpoint=Checkpoint(folder), got {settings!r}")
    if ranks.rank == 0:
        settings.folder.mkdir(parents=True, exist_ok=True)
    first = locked(settings.folder) if ranks.rank == 0 else nullcontext()
    with saving_first(history), first, ThreadPoolExecutor(1, "xpnn checkpoint") as pool:
        if ranks.rank == 0:
            remove_unfinished(settings.folder, "*.safetensors")
        keeper = Keeper(settings, model, optimizer, history, callbacks, data, pool, ranks)
        try:
            yield keeper
        finally:
            keeper.finish()


copied = np.array
"""A copy of an array; MemoryError if there is no room for it."""
