"""Hours of fit, predict, save, load and every reader in one process: memory, open files and threads stay flat.

    python benchmarks/soak.py [--minutes 60] [--plot soak.png]

Every round has batches and layers of other shapes. Exit status 0: over the second half of the time the largest resident
memory grew by at most 5% of that of the first half, and there were no more open files or threads.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

import xpnn as nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def work(round_: int, folder: Path) -> None:
    """One round: training with checkpoints, inference, files."""
    rng = np.random.default_rng(round_)
    N, width, hidden = (int(rng.integers(low, high)) for low, high in ((20, 200), (2, 40), (2, 60)))
    x, y = rng.standard_normal((N, width)).astype("f"), np.arange(N) % 3
    model = nn.Sequential(nn.Dense(width, hidden, rng=rng), nn.Dropout(0.2, rng=rng), nn.ReLU(), nn.Dense(hidden, 3))
    keep = nn.Checkpoint(folder / "run", every=3, resume=False)
    nn.fit(model, x, y, epochs=2, batch_size=16, checkpoint=keep, validation_split=0.2, rng=rng, verbose=False)
    nn.predict(model, x, batch_size=int(rng.integers(1, 64)))
    images = rng.standard_normal((4, 1, int(rng.integers(12, 30)), 12)).astype("f")
    nn.predict(nn.Sequential(nn.Conv2D(1, 2, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten()), images)
    nn.save(model, folder / "m.safetensors")
    nn.load(model, folder / "m.safetensors")


def measured() -> tuple[float, int, int]:
    """Resident memory in MB, open files, threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")), threading.active_count()


def soak(minutes: float) -> np.ndarray:
    """Rows of seconds, memory, files, threads, one for each round."""
    from peers.hostile_files import ERRORS, TARGETS

    seeds = {name: seed() for name, (_, seed) in TARGETS.items()}
    start, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        while time.monotonic() - start < 60 * minutes:
            work(len(rows), Path(folder))
            for name, (target, _) in TARGETS.items():
                for data in (seeds[name], seeds[name][: len(rows) % len(seeds[name])]):
                    with contextlib.suppress(*ERRORS):
                        target(data)
            rows.append((time.monotonic() - start, *measured()))
    return np.array(rows)


def draw(rows: np.ndarray, path: Path) -> None:
    """The three curves over the time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6))
    for axes, column, name in zip(
        figure.subplots(3, 1, sharex=True), rows.T[1:], ("MB", "files", "threads"), strict=True
    ):
        axes.plot(rows[:, 0] / 60, column)
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes")
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = soak(args.minutes)
    if args.plot:
        draw(rows, args.plot)
    first, second = np.array_split(rows[len(rows) // 10 :, 1:], 2)  # the first tenth fills caches
    for name, before, after in zip(("MB", "open files", "threads"), first.max(0), second.max(0), strict=True):
        print(f"{name:10} at most {before:.0f}, then {after:.0f}")
    print(f"{len(rows)} rounds in {rows[-1, 0] / 60:.1f} minutes")
    return int((second.max(0) > first.max(0) * (1.05, 1, 1)).any())


if __name__ == "__main__":
    sys.exit(main())
