"""An hour of fit, predict, save, load, estimators and every reader: memory, open files and threads stay flat.

    python benchmarks/soak.py [--minutes 60] [--parts 2] [--plot soak.svg]

Each part is a process of its own. Every round has batches and layers of other shapes, and reads of each kind of file a
valid and a cut one. Exit status 0: in the second half of each part the largest resident memory was at most 5% above
that of the first half, and there were no more open files or threads.
"""

import argparse
import contextlib
import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import xpnn as nn
from xpnn.interop.sklearn import NetworkClassifier, NetworkRegressor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

BIN = 15  # seconds of which the plot shows the largest values


def work(round_: int, folder: Path) -> None:
    """One round: training with checkpoints, inference, files, estimators."""
    rng = np.random.default_rng(round_)
    N, width, hidden = (int(rng.integers(low, high)) for low, high in ((20, 200), (2, 40), (2, 60)))
    x, y = rng.standard_normal((N, width)).astype("f"), np.arange(N) % 3
    model = nn.Sequential(nn.Dense(width, hidden, rng=rng), nn.Dropout(0.2, rng=rng), nn.ReLU(), nn.Dense(hidden, 3))
    quiet = {"epochs": 2, "batch_size": 16, "rng": rng, "verbose": False}
    keep = nn.Checkpoint(folder / "run", every=3, resume=False)
    nn.fit(model, x, y, checkpoint=keep, validation_split=0.2, **quiet)
    nn.predict(model, x, batch_size=int(rng.integers(1, 64)))
    nn.save(model, folder / "m.safetensors")
    nn.load(nn.load_model(folder / "m.safetensors"), folder / "m.safetensors")
    height = int(rng.integers(12, 30))
    images = rng.standard_normal((9, 1, height, 12)).astype("f")
    layers = nn.Conv2D(1, 2, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Dense((height - 2) // 2 * 10, 3)
    nn.fit(nn.Sequential(*layers), images, y[:9], **quiet)
    steps = [rng.standard_normal((int(rng.integers(1, 20)), width)).astype("f") for _ in range(9)]
    nn.fit(nn.Sequential(nn.LSTM(width, 5), nn.Dense(5, 3)), steps, y[:9], **quiet)
    for estimator, target in (
        (NetworkClassifier((hidden,), max_iter=2), y),
        (NetworkRegressor((3,), max_iter=2), x[:, 0]),
    ):
        pickle.loads(pickle.dumps(estimator.fit(x, target))).predict(x)


def measured() -> tuple[float, int, int]:
    """Resident memory in MB, open files, threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
    )


def soak(minutes: float) -> np.ndarray:
    """Rows of seconds, memory, files, threads, one for each round."""
    from peers.hostile_files import ERRORS, TARGETS

    warnings.simplefilter("ignore")
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


def draw(parts: list[np.ndarray], path: Path) -> None:
    """The three curves over the time, part after part."""
    from matplotlib.figure import Figure

    figure, before = Figure(figsize=(8, 5), layout="tight"), 0.0
    for axes, name in zip(panels := figure.subplots(3, 1, sharex=True), ("MB", "open files", "threads"), strict=True):
        axes.set_ylabel(name)
    for rows in parts:
        bins = np.split(rows, np.flatnonzero(np.diff(rows[:, 0] // BIN)) + 1)
        shown = np.array([one.max(0) for one in bins])
        for axes, column in zip(panels, shown.T[1:], strict=True):
            axes.plot((before + shown[:, 0]) / 60, column)
            axes.set_ylim(bottom=0)
        before += rows[-1, 0]
    panels[-1].set_xlabel("minutes")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def flat(rows: np.ndarray) -> bool:
    """Whether a part's second half needed no more than its first one; prints both."""
    first, second = np.array_split(rows[len(rows) // 10 :, 1:], 2)  # the first tenth fills caches
    for name, before, after in zip(("MB", "open files", "threads"), first.max(0), second.max(0), strict=True):
        print(f"{name:10} at most {before:.0f}, then {after:.0f}")
    print(f"{len(rows)} rounds in {rows[-1, 0] / 60:.1f} minutes", flush=True)
    return bool((second.max(0) <= first.max(0) * (1.05, 1, 1)).all())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    parts = []
    for _ in range(args.parts):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            parts.append(pool.apply(soak, (args.minutes / args.parts,)))
    if args.plot:
        draw(parts, args.plot)
    return int(sum(map(flat, parts)) < len(parts))


if __name__ == "__main__":
    sys.exit(main())
