"""The folder of a run's checkpoints: when they are written, and which of them are undamaged."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...layers.settings import positive
from ..files.sealed import check_seal, sealed
from ..monitors import is_less_better

_UNITS = {
    "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "step": 0, "epoch": 0,
}  # fmt: skip
_NAME = re.compile(r"step-(\d+)\.safetensors")
BEST = "best.safetensors"


class CheckpointWarning(UserWarning):
    """A checkpoint is damaged, or could not be written; the run goes on.

    >>> import warnings
    >>> with warnings.catch_warnings():  # within this block it ends the run
    ...     warnings.simplefilter("error", CheckpointWarning)
    """


class Checkpoint:
    """Where and how often :func:`fit` saves the whole run, so that it can resume after a crash, a kill or a power cut.

    If ``fit`` gets the same Checkpoint, model and data again, it resumes from the newest checkpoint, even within an
    epoch (whose batches stay the same). On the same machine with the same settings, the result has the same bits as
    that of an uninterrupted run. A checkpoint is one file, ``step-000001234.safetensors``, which appears only once it
    is complete and on the disk. It holds the parameters, the buffers and the optimiser's state, as :func:`load` reads
    them; the history, the position in the epoch, the epoch's sums for means and metrics so far; the callbacks' states;
    and the states of all generators: of the shuffles, Dropout, ``Augmented`` and whatever else the data's attributes or
    functions draw from. A thread writes it while the next steps compute; if there is no memory for a copy of the
    arrays, the step waits. A last one is written when the run ends, even by a signal: SIGTERM and SIGHUP then end the
    process as usual.

    A damaged checkpoint is recognised by its checksum: a :class:`CheckpointWarning` is given, and the newest undamaged
    one is used. The warning is also given if a checkpoint cannot be written (the disk is full, the folder is gone);
    training goes on, and the next one is tried. A second run into the same folder is refused.

    Args:
        folder: a folder for this run alone; it is created if necessary.
        every: "5 min", "30 s", "2 h", "1 epoch", "500 steps"; a bare number counts steps.
        keep: the number of newest checkpoints to keep.
        best: a column of the history: the run after the epoch with the column's best value is also kept, in
            ``best.safetensors``.
        resume: False to start from the beginning; the first checkpoint of the new run replaces those of the old one.
        metadata: texts to save as well, as by :func:`save`. A run is resumed only if they are the same.
        mode: "min", "max" or "auto", as for :class:`EarlyStopping`: whether the least or the greatest value is best.

    Raises:
        ValueError, TypeError: every, keep or metadata is none of these.

    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> keep = Checkpoint("run", every="1 epoch", best="loss")
    >>> history = fit(MLP((8, 16, 2), rng=0), x, y, epochs=2, checkpoint=keep, verbose=False)
    >>> history = fit(MLP((8, 16, 2), rng=0), x, y, epochs=3, checkpoint=keep, verbose=False)  # in another process
    going on from step-000000004.safetensors: epoch 2, step 4
    >>> len(history)
    3
    """

    def __init__(
        self,
        folder: str | Path,
        every: str | int = "5 min",
        keep: int = 3,
        best: str | None = None,
        *,
        resume: bool = True,
        metadata: Mapping[str, str] | None = None,
        mode: str = "auto",
    ) -> None:
        self.folder, self.keep, self.resume = Path(folder), keep, resume
        self.best, self.mode = best, mode
        if best is not None:
            is_less_better("Checkpoint", best, mode)
        self.metadata, self.old = dict(metadata or {}), list[Path]()
        self.amount, self.unit = _interval(every)
        positive(keep=keep)
        sealed({}, self.metadata)

    def files(self) -> list[Path]:
        """The checkpoints, the newest one first."""
        found = {path: _NAME.fullmatch(path.name) for path in self.folder.glob("step-*.safetensors")}
        return sorted((path for path, named in found.items() if named), key=_step, reverse=True)

    def path(self, step: int) -> Path:
        """The path of the checkpoint after this number of steps."""
        return self.folder / f"step-{step:09d}.safetensors"

    def replace(self, by: Path | None = None) -> None:
        """Remove the checkpoints of a run that a new one has replaced, except the one at this path."""
        for path in self.old:
            if path != by:
                path.unlink(missing_ok=True)
        self.old = []

    def prune(self, newest: Path) -> None:
        """Remove all but the newest ones to keep; there may also be a damaged one of a later step."""
        for path in [path for path in self.files() if _step(path) < _step(newest)][self.keep - 1 :]:
            path.unlink(missing_ok=True)

    def whole(self) -> Iterator[Path]:
        """The undamaged checkpoints, the newest first; CheckpointWarning for each damaged one."""
        for path in self.files():
            try:
                check_seal(path, required=True)
            except (OSError, ValueError) as error:
                warnings.warn(f"{error}; trying the checkpoint before it", CheckpointWarning, stacklevel=2)
            else:
                yield path


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _interval(every: str | int) -> tuple[float, str]:
    """The amount, and its unit: s, step or epoch."""
    match = re.fullmatch(r"\s*(\d*\.?\d*)\s*([a-z]*)\s*", f"{every} steps" if isinstance(every, int) else str(every))
    amount, unit = match.groups() if match else ("", "")
    unit = unit if unit in _UNITS else unit.removesuffix("s")
    number = float(amount or "1") if amount != "." else 0.0
    if unit not in _UNITS or not number > 0 or (not _UNITS[unit] and number != int(number)):
        raise ValueError(f"Checkpoint: expected every as '5 min', '1 epoch' or '500 steps', got {every!r}")
    return number * (_UNITS[unit] or 1), "s" if _UNITS[unit] else unit
