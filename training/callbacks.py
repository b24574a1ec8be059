"""Callbacks: actions at certain times of a run."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..backend import ALONE, Ranks
from ..data.extras import needed
from ..layers import Layer, Loss
from .history import History, format_row
from .optimizer import Optimizer
from .progress import bar_of, say
from .score import Sums

_SHOWN = 0.2  # seconds between two readings of the loss for a bar: each reading waits for the device


class Run:
    """A run, as its callbacks see it.

    Attributes:
        model, optimizer, loss, history: the run's own, not copies.
        epochs: the last epoch's number.
        steps: the number of steps per epoch; None if unknown.
        done: the number of steps that an interrupted epoch had already made.
        stop_training: set it to True to end the run after the current epoch.
        ranks: the ranks that train together.

    >>> Run(MLP((2, 2)), Adam(), SoftmaxCrossEntropy(), History(), epochs=3).stop_training
    False
    """

    def __init__(
        self, model: Layer, optimizer: Optimizer, loss: Loss, history: History, epochs: int, ranks: Ranks = ALONE
    ) -> None:
        self.ranks = ranks
        self.model, self.optimizer, self.loss, self.history, self.epochs = model, optimizer, loss, history, epochs
        self.steps: int | None = None
        self.done = 0
        self.stop_training = False


class Callback:
    """Actions at certain times of a run, as in Keras; a subclass defines the methods that it needs.

    Epochs and batches count from 1, as in the history's rows. ``logs`` is the epoch's row; in ``on_batch_end`` it holds
    the means of the epoch so far, and reading them waits for the device.

    Every rank has its own callbacks, which see the same values; those that print or write run on rank 0 only.

    Attributes:
        run: the :class:`Run`, set before ``on_train_begin``.
        everywhere: False if the callback runs on rank 0 only.

    >>> class Announce(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(f"epoch {epoch} of {self.run.epochs}:", sorted(logs))
    >>> data = np.ones((4, 2)), np.array([0, 1, 0, 1])
    >>> history = fit(MLP((2, 2), rng=0), *data, epochs=1, callbacks=[Announce()], verbose=False)
    epoch 1 of 1: ['accuracy', 'epoch', 'loss', 'lr', 'seconds']
    """

    run: Run
    everywhere = True

    @property
    def model(self) -> Layer:
        """The model that is trained."""
        return self.run.model

    def on_train_begin(self) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch's first step."""

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """After each step."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> "bool | None":
        """After an epoch and its validation; a true result ends the run."""

    def on_train_end(self) -> None:
        """After the last epoch, also if a signal or a callback has ended the run."""

    def state_dict(self) -> dict[str, Any]:
        """The state that a :class:`Checkpoint` saves: numbers, texts, arrays, and lists and dicts of them.

        By default it consists of the states of attributes that have one, such as an :class:`EMA`.
        """
        return {name: one.state_dict() for name, one in vars(self).items() if _has_state(one)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state, after ``on_train_begin``; its arrays are on the host."""
        for name, one in vars(self).items():
            if name in state and _has_state(one):
                one.load_state_dict(state[name])


def _has_state(value: Any) -> bool:
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict") and not isinstance(value, type)


class BatchLogs(Mapping[str, float]):
    """The means of an epoch so far, fetched from the device when one of them is read."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums

    def _values(self) -> dict[str, float]:
        return self._sums.means().row()

    def __getitem__(self, key: str) -> float:
        return self._values()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


def listed(callbacks: Any) -> list[Callback]:
    """One callback or several as a list; TypeError for anything that is not a callback."""
    given = [callbacks] if isinstance(callbacks, Callback) else callbacks or ()
    given = list(given) if isinstance(given, Iterable) else [given]
    for one in given:
        if not isinstance(one, Callback):
            raise TypeError(f"fit: expected callbacks, such as EarlyStopping(), got {one!r}")
    return given


class Callbacks:
    """All callbacks of a run, in order."""

    _run: Run

    def __init__(self, callbacks: Sequence[Callback], sums: Sums, ranks: Ranks = ALONE) -> None:
        for one in callbacks:
            own = [name for name in dir(type(one)) if name.startswith("on_") and callable(getattr(type(one), name))]
            if never := [name for name in own if not hasattr(Callback, name)]:
                called = ", ".join(name for name in vars(Callback) if name.startswith("on_"))
                warnings.warn(f"{type(one).__name__}.{never[0]} is never called, but {called} are", stacklevel=4)
        self._all = [one for one in callbacks if one.everywhere or ranks.rank == 0]
        self._sums = sums
        self._stepping = [one for one in self._all if type(one).on_batch_end is not Callback.on_batch_end]
        self._logs = BatchLogs(sums)
        self._begun = False

    def begin(self, run: Run) -> Run:
        self._run, self._begun = run, True
        vars(run.model).pop("stop_training", None)
        for callback in self._all:
            callback.run = run
            callback.on_train_begin()
        return run

    def epoch(self, epoch: int, steps: int | None) -> None:
        """An epoch begins; the sums hold the steps that it made before an interruption."""
        self._run.steps, self._run.done = steps, self._sums.steps
        for callback in self._all:
            callback.on_epoch_begin(epoch)

    def step(self, number: int) -> None:
        for callback in self._stepping:
            callback.on_batch_end(number, self._logs)

    def epoch_end(self, epoch: int, row: dict[str, Any]) -> None:
        for callback in self._all:
            done = callback.on_epoch_end(epoch, row)
            if done or vars(self._run.model).pop("stop_training", False):
                self._run.stop_training = True

    def end(self) -> None:
        """The run has ended, unless it has not begun."""
        for callback in self._all if self._begun else ():
            callback.on_train_end()


class ProgressBar(Callback):
    """Shows a bar with the mean loss so far, on a terminal, and a line per epoch, as ``fit(verbose=True)`` does.

    >>> options = {"callbacks": [ProgressBar()], "verbose": False}
    """

    everywhere = False
    _bar: Any = None

    def on_train_begin(self) -> None:
        if self.run.ranks.size > 1:
            say(str(self.run.ranks))

    def on_epoch_begin(self, epoch: int) -> None:
        self._bar = bar_of(f"epoch {epoch}/{self.run.epochs}", self.run.steps, self.run.done)
        self._shown = time.perf_counter()

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        if self._bar is None:
            return
        if time.perf_counter() - self._shown > _SHOWN:
            self._bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)
            self._shown = time.perf_counter()
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.on_train_end()
        say(format_row(logs))

    def on_train_end(self) -> None:
        if self._bar is not None:
            self._bar.close()


class TensorBoard(Callback):
    """Writes each epoch's row for TensorBoard, by tensorboardX.

    Args:
        folder: the run's folder; ``tensorboard --logdir`` shows several side by side. If a run is resumed, the rows
            after its last checkpoint are written again and replace the old ones.

    Raises:
        ImportError: tensorboardX is missing; the message names the extra.

    >>> options = {"callbacks": [TensorBoard("logs/first")]}
    """

    everywhere = False

    def __init__(self, folder: str | Path) -> None:
        library = needed("tensorboardX", "TensorBoard needs tensorboardX", "tensorboard")
        self._open: Callable[..., Any] = partial(library.SummaryWriter, str(folder))

    def on_train_begin(self) -> None:
        past = len(self.run.history)
        self._writer = self._open(purge_step=past + 1 if past else None)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def on_train_end(self) -> None:
        self._writer.close()
