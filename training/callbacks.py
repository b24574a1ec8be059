"""What is done besides at certain times of a run: callbacks."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..backend import Array
from ..layers import Layer, Loss
from .checkpoint import save
from .history import History, format_row
from .optimizer import Optimizer
from .progress import bar_of, say
from .score import Sums


class Run:
    """What a callback sees of the run that it takes part in.

    Attributes:
        model, optimizer, loss, history: the run's own, not copies.
        epochs: the last epoch's number.
        steps: of an epoch; None if that is not known.
        done: how many steps the epoch that begins has made before, in a run that was interrupted.
        stop_training: set it to True to end the run after the current epoch.

    >>> Run(MLP((2, 2)), Adam(), SoftmaxCrossEntropy(), History(), epochs=3).stop_training
    False
    """

    def __init__(self, model: Layer, optimizer: Optimizer, loss: Loss, history: History, epochs: int) -> None:
        self.model, self.optimizer, self.loss, self.history, self.epochs = model, optimizer, loss, history, epochs
        self.steps: int | None = None
        self.done = 0
        self.stop_training = False


class Callback:
    """Something to be done at certain times of a run, as in Keras; a subclass defines the methods that it needs.

    Epochs and batches count from 1, as in the history's rows. ``logs`` is the epoch's row, and in ``on_batch_end`` the
    means of the epoch so far: on a device reading them waits for it.

    Attributes:
        run: what it takes part in, from ``on_train_begin`` on.

    >>> class Announce(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(f"epoch {epoch} of {self.run.epochs}:", sorted(logs))
    >>> data = np.ones((4, 2)), np.array([0, 1, 0, 1])
    >>> history = fit(MLP((2, 2), rng=0), *data, epochs=1, callbacks=[Announce()], verbose=False)
    epoch 1 of 1: ['accuracy', 'epoch', 'loss', 'lr', 'seconds']
    """

    run: Run

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
        """After the last epoch, also of a run that a signal or a callback has ended."""


class BatchLogs(Mapping[str, float]):
    """The means of an epoch so far, which are fetched from the device when one is read."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums

    def _values(self) -> dict[str, float]:
        return {key: value for key, value in self._sums.means()._asdict().items() if value is not None}

    def __getitem__(self, key: str) -> float:
        return self._values()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


class Callbacks:
    """All callbacks of a run, in order."""

    def __init__(self, callbacks: Sequence[Callback], sums: Sums) -> None:
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"fit: expected callbacks, such as EarlyStopping(), got {callback!r}")
        self._all, self._sums = callbacks, sums
        self._stepping = [one for one in callbacks if type(one).on_batch_end is not Callback.on_batch_end]
        self._logs = BatchLogs(sums)
        self._run: Run | None = None

    def begin(self, run: Run) -> Run:
        self._run = run
        for callback in self._all:
            callback.run = run
            callback.on_train_begin()
        return run

    def epoch(self, epoch: int, steps: int | None) -> None:
        """An epoch begins, of which the steps in the sums were made before."""
        if self._run is not None:
            self._run.steps, self._run.done = steps, self._sums.steps
        for callback in self._all:
            callback.on_epoch_begin(epoch)

    def step(self, number: int) -> None:
        for callback in self._stepping:
            callback.on_batch_end(number, self._logs)

    def epoch_end(self, epoch: int, row: dict[str, Any]) -> None:
        for callback in self._all:
            done = callback.on_epoch_end(epoch, row)
            if done and self._run is not None:
                self._run.stop_training = True

    def end(self) -> None:
        """The run has ended, unless it has not begun."""
        for callback in self._all if self._run is not None else ():
            callback.on_train_end()


class ProgressBar(Callback):
    """A bar with the mean loss so far, on a terminal, and a line an epoch; what ``fit(verbose=True)`` shows.

    >>> options = {"callbacks": [ProgressBar()], "verbose": False}
    """

    _bar: Any = None

    def on_epoch_begin(self, epoch: int) -> None:
        self._bar = bar_of(f"epoch {epoch}/{self.run.epochs}", self.run.steps, self.run.done)
        self._shown = time.perf_counter()

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        if self._bar is None:
            return
        if time.perf_counter() - self._shown > 0.2:
            self._bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)
            self._shown = time.perf_counter()
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.on_train_end()
        say(format_row(logs))

    def on_train_end(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Monitor(Callback):
    """Follows one column of the history, and knows its best value."""

    def __init__(self, monitor: str | None, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: expected mode 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.best, self.wait = math.nan, 0

    def on_train_begin(self) -> None:
        """Begin anew; a run that goes on is followed from its first row."""
        self.best, self.wait = math.nan, 0
        for row in self.run.history:
            self.follow(row)

    def follow(self, logs: Mapping[str, Any]) -> bool:
        """Whether this row is the best one so far; ``wait`` counts the rows since then."""
        name = self.monitor or ("val_loss" if "val_loss" in logs else "loss")
        if name not in logs:
            raise ValueError(f"{type(self).__name__}: no column {name!r} to monitor: there are {', '.join(logs)}")
        losses = self.mode == "min" or (self.mode == "auto" and name.endswith(("loss", "error")))
        gain = (self.best - logs[name]) * (1 if losses else -1)
        better = math.isnan(self.best) or gain > self.min_delta
        self.best, self.wait = (logs[name], 0) if better else (self.best, self.wait + 1)
        return better


class EarlyStopping(_Monitor):
    """Ends the run when a column has not improved for some epochs, and gives the model of the best one back.

    Args:
        monitor: the column; by default val_loss, without validation data loss.
        patience: the number of epochs without improvement that end the run.
        min_delta: what counts as improvement.
        restore_best: whether the model is that of the best epoch afterwards; not in a run that a signal has ended, so
            that it can go on.
        mode: "min", "max", or "auto": the least loss or error, the greatest of anything else.

    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> stopping, options = EarlyStopping(patience=2), {"validation": (x[64:], y[64:]), "verbose": False}
    >>> history = fit(MLP((8, 16, 2), rng=0), x[:64], y[:64], epochs=99, callbacks=[stopping], **options)
    >>> len(history) < 99
    True
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.restore_best = patience, restore_best
        self._kept: tuple[Array, dict[str, Array]] | None = None

    def on_train_begin(self) -> None:
        self._kept = None
        super().on_train_begin()
        self.run.stop_training |= self.wait >= self.patience

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> bool:
        if self.follow(logs) and self.restore_best:
            buffers = {name: buffer.copy() for name, buffer in self.model.buffers.items()}
            self._kept = self.model.flat_params.copy(), buffers
        return self.wait >= self.patience

    def on_train_end(self) -> None:
        if self._kept is not None and not self.run.history.interrupted:
            params, buffers = self._kept
            self.model.flat_params[...] = params
            for name, buffer in buffers.items():
                self.model.buffers[name] = buffer


class ModelCheckpoint(_Monitor):
    """Saves the model, with the optimiser's state, after epochs.

    Args:
        path: of the file; it may name columns of the epoch's row, as in ``"model-{epoch}.safetensors"``.
        monitor, mode: as for :class:`EarlyStopping`.
        save_best_only: whether only an epoch that is the best one so far is saved.

    >>> keep = ModelCheckpoint("best.safetensors")
    >>> history = fit(MLP((2, 2)), np.ones((4, 2)), np.ones(4, int), epochs=2, callbacks=[keep], verbose=False)
    >>> load(MLP((2, 2)), "best.safetensors")
    """

    def __init__(
        self, path: str | Path, monitor: str | None = None, save_best_only: bool = True, mode: str = "auto"
    ) -> None:
        super().__init__(monitor, mode)
        self.path, self.save_best_only = path, save_best_only

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.follow(logs) or not self.save_best_only:
            save(self.model, str(self.path).format(**logs), optimizer=self.run.optimizer)


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by a factor when a column has not improved for some epochs.

    Args:
        monitor, min_delta, mode: as for :class:`EarlyStopping`.
        factor: of the learning rate, above 0 and below 1.
        patience: the number of epochs without improvement before each reduction.
        min_lr: the lowest rate.

    Raises:
        TypeError: the optimiser's learning rate is a schedule.

    >>> plateau = ReduceLROnPlateau(factor=0.5, patience=2)
    """

    def __init__(
        self,
        monitor: str | None = None,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        min_lr: float = 0.0,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: expected a factor above 0 and below 1, got {factor}")
        self.factor, self.patience, self.min_lr = factor, patience, min_lr

    def on_train_begin(self) -> None:
        if callable(self.run.optimizer.lr):
            raise TypeError("ReduceLROnPlateau: expected an optimiser with a fixed learning rate, it has a schedule")
        super().on_train_begin()

    def follow(self, logs: Mapping[str, Any]) -> bool:
        better = super().follow(logs)
        if self.wait >= self.patience:
            optimizer: Any = self.run.optimizer
            optimizer.lr, self.wait = max(optimizer.lr * self.factor, self.min_lr), 0
        return better

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.follow(logs)


class TensorBoard(Callback):
    """Writes each epoch's row for TensorBoard, by tensorboardX.

    Args:
        folder: of the run; ``tensorboard --logdir`` shows several side by side.

    Raises:
        ImportError: tensorboardX is missing; the message names the extra.

    >>> options = {"callbacks": [TensorBoard("logs/first")]}
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoard needs tensorboardX: install xpnn's extra [tensorboard]") from error
        self._writer = SummaryWriter(str(folder))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()
