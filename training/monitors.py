"""Callbacks that follow a column of the history: early stopping, checkpoints, the learning rate."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..backend import Array, asarray
from ..layers.settings import real
from .callbacks import Callback
from .files.saving import save

_FALLS = re.compile(r"(?!neg_).*(loss|error|deviance|mse|mae|rmse|mape|nll|perplexity)")
_RISES = re.compile(r"neg_.*|top_\d+|.*(accuracy|acc|score|f1|auc|precision|recall|r2|coef)")


def is_less_better(caller: str, name: str, mode: str) -> bool:
    """Whether the best value of a column is the least; ValueError if "auto" cannot tell this from its name."""
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"{caller}: expected mode 'auto', 'min' or 'max', got {mode!r}")
    if mode != "auto":
        return mode == "min"
    bare = name.removeprefix("val_").lower()
    falls = _FALLS.fullmatch(bare) is not None
    if not falls and not _RISES.fullmatch(bare):
        raise ValueError(f"{caller}: expected mode='min' or mode='max' for {name!r}, since the name tells neither")
    return falls


class Monitor(Callback):
    """Follows one column of the history and keeps its best value."""

    def __init__(self, monitor: str | None, mode: str, min_delta: float = 0.0, patience: float = 1) -> None:
        if not isinstance(monitor, str | None):
            raise TypeError(f"{type(self).__name__}: expected the name of a column to monitor, got {monitor!r}")
        is_less_better(type(self).__name__, monitor or "loss", mode)
        if not (real(patience) >= 1 and (patience == math.inf or patience == int(patience))):
            raise ValueError(f"{type(self).__name__}: expected a patience of at least 1 epoch, got {patience!r}")
        if not math.isfinite(real(min_delta)):
            raise ValueError(f"{type(self).__name__}: expected a finite min_delta, got {min_delta!r}")
        self.patience = patience
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.best, self.wait = math.nan, 0

    def on_train_begin(self) -> None:
        """Reset the monitor; a resumed run is followed from its first row."""
        self.best, self.wait = math.nan, 0
        for row in self.run.history:
            self.follow(row)

    def follow(self, logs: Mapping[str, Any]) -> bool:
        """Whether this row is the best so far; ``wait`` counts the rows since the best one."""
        name = self.monitor or ("val_loss" if "val_loss" in logs else "loss")
        if name not in logs:
            raise ValueError(f"{type(self).__name__}: no column {name!r} to monitor: there are {', '.join(logs)}")
        gain = (self.best - logs[name]) * (1 if is_less_better(type(self).__name__, name, self.mode) else -1)
        better = gain > self.min_delta or (math.isnan(self.best) and not math.isnan(logs[name]))
        self.best, self.wait = (logs[name], 0) if better else (self.best, self.wait + 1)
        return better

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "wait": self.wait}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.wait = state["best"], state["wait"]


class EarlyStopping(Monitor):
    """Ends the run when a column has not improved for some epochs, and restores the best epoch's model.

    Args:
        monitor: the column; by default val_loss, or loss if there are no validation data.
        patience: the number of epochs without improvement that end the run; NaN is no improvement.
        min_delta: the least change that counts as an improvement.
        restore_best: whether to restore the best epoch's model at the end; not if a signal has ended the run, so that
            it can be resumed.
        mode: "min", "max", or "auto", which decides by the column's name: the least value of a loss, error, mse or the
            like is best, the greatest of an accuracy, score, f1 or the like; other names need "min" or "max".

    Raises:
        ValueError: an argument is out of its range; or, in a run, the history has no such column, or mode "auto" cannot
            tell from the column's name which value is best.

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
        super().__init__(monitor, mode, min_delta, patience)
        self.restore_best = restore_best
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

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if state["kept"] is not None:
            params, buffers = state["kept"]
            dtype = self.model.dtype
            self._kept = asarray(params, dtype), {name: asarray(one, one.dtype) for name, one in buffers.items()}

    def on_train_end(self) -> None:
        if self._kept is not None and not self.run.history.interrupted:
            params, buffers = self._kept
            self.model.flat_params[...] = params
            for name, buffer in buffers.items():
                self.model.buffers[name] = buffer


class ModelCheckpoint(Monitor):
    """Saves the model, with the optimiser's state, after epochs.

    Args:
        path: the file, whose folder is created if necessary; it may name columns of the epoch's row, as in
            ``"model-{epoch}.safetensors"``.
        monitor, mode: as for :class:`EarlyStopping`.
        save_best_only: whether to save only after epochs that are the best so far.

    Raises:
        ValueError: as for :class:`EarlyStopping`; or, in a run, ``path`` names a column that the row does not have.

    >>> keep = ModelCheckpoint("best.safetensors")
    >>> history = fit(MLP((2, 2)), np.ones((4, 2)), np.ones(4, int), epochs=2, callbacks=[keep], verbose=False)
    >>> load(MLP((2, 2)), "best.safetensors")
    """

    everywhere = False

    def __init__(
        self, path: str | Path, monitor: str | None = None, save_best_only: bool = True, mode: str = "auto"
    ) -> None:
        super().__init__(monitor, mode)
        self.path, self.save_best_only = path, save_best_only

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.follow(logs) or not self.save_best_only:
            try:
                path = Path(str(self.path).format(**logs))
            except (LookupError, ValueError) as error:
                raise ValueError(
                    f"ModelCheckpoint: {str(self.path)!r} names a column other than {', '.join(logs)}: {error}"
                ) from error
            path.parent.mkdir(parents=True, exist_ok=True)
            save(self.model, path, optimizer=self.run.optimizer)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by a factor when a column has not improved for some epochs.

    Args:
        monitor, min_delta, mode: as for :class:`EarlyStopping`.
        factor: multiplies the learning rate; above 0 and below 1.
        patience: the number of epochs without improvement before each reduction.
        min_lr: the lowest rate.

    Raises:
        ValueError: as for :class:`EarlyStopping`.
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
        super().__init__(monitor, mode, min_delta, patience)
        if not (0 < real(factor) < 1 and real(min_lr) >= 0):
            raise ValueError(
                f"ReduceLROnPlateau: expected a factor above 0 and below 1, min_lr >= 0, got {factor!r}, {min_lr!r}"
            )
        self.factor, self.min_lr = factor, min_lr

    def on_train_begin(self) -> None:
        if callable(self.run.optimizer.lr):
            raise TypeError("ReduceLROnPlateau: expected an optimiser with a fixed learning rate, got a schedule")
        super().on_train_begin()

    def follow(self, logs: Mapping[str, Any]) -> bool:
        better = super().follow(logs)
        if self.wait >= self.patience:
            optimizer: Any = self.run.optimizer
            optimizer.lr, self.wait = max(optimizer.lr * self.factor, self.min_lr), 0
        return better

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.follow(logs)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"lr": self.run.optimizer.lr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.run.optimizer.lr = state["lr"]
