"""The folder in which a run keeps itself: when it is written to, and which of its files is whole."""

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
    >>> with warnings.catch_warnings():  # a block in which it ends the run
    ...     warnings.simplefilter("error", CheckpointWarning)
    """


class Checkpoint:
    """Where and how often :func:`fit` saves the whole run, so that it goes on after a crash, a kill or a power cut.

    Given to ``fit`` again, with the same model and data, the run goes on from the newest checkpoint, within the epoch
    too (whose batches stay those they were): on the same machine and settings to the same bits. A checkpoint is one
    file, ``step-000001234.safetensors``, which appears when it is whole and on the disk. It holds the parameters, the
    buffers and the optimiser's state, as :func:`load` reads them, and beside them the history, the position in the
    epoch, what the epoch's means and metrics have summed so far, the callbacks' states, and the states of all
    generators: of the shuffles, of Dropout, of ``Augmented`` and of whatever else the data's attributes or functions
    draw from. A thread writes it while the next steps compute; where memory does not suffice for a copy of the arrays,
    the step waits. One is also written when the run ends, also by a signal: SIGTERM and SIGHUP then end the process, as
    they would have done at once.

    A damaged checkpoint is known by its checksum: the newest whole one is taken, and a :class:`CheckpointWarning` says
    so. It also says so if a checkpoint cannot be written (the disk is full, the folder has gone); training goes on, and
    the next one is tried. A second run into the folder is refused.

    Args:
        folder: for this run alone; it is created if there is none.
        every: "5 min", "30 s", "2 h", "1 epoch", "500 steps"; a bare number counts steps.
        keep: how many of the newest are kept.
        best: a column of the history: the run as it was after the epoch with its best value is kept as well, in
            ``best.safetensors``.
        resume: False begins anew; the first checkpoint of the new run replaces those of the old one.
        metadata: texts that are saved as well, as by :func:`save`. A run goes on only where they are the same.
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
        """Remove the checkpoints of the run that another one has replaced, but for the one at this path."""
        for path in self.old:
            if path != by:
                path.unlink(missing_ok=True)
        self.old = []

    def prune(self, newest: Path) -> None:
        """Remove those older than the newest ones that are kept; one of a later step, damaged, may be there too."""
        for path in [path for path in self.files() if _step(path) < _step(newest)][self.keep - 1 :]:
            path.unlink(missing_ok=True)

    def whole(self) -> Iterator[Path]:
        """The checkpoints that are not damaged, the newest one first; CheckpointWarning for each of the others."""
        for path in self.files():
            try:
                check_seal(path, required=True)
            except (OSError, ValueError) as error:
                warnings.warn(f"{error}; the one before is taken, if there is one", CheckpointWarning, stacklevel=2)
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
