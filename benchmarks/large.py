"""What is larger than usual: ``python benchmarks/large.py streaming``, ``parameters`` or ``shapes``.

    streaming    a memory-mapped data set of ten times the memory that the process may have; one epoch
    parameters   10^8 parameters, Adam, checkpoints; three steps
    shapes       convolutions of 4,000 different shapes; memory after each thousand

Prints seconds and the largest resident memory, and exits with 1 if a limit does not hold. Linux.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import xpnn as nn

LIMIT = 400 << 20  # bytes that the process may have for its data; files that it maps do not count


def largest() -> float:
    """The process's largest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    """Its resident memory now, without the pages of mapped files, in MB."""
    pages = [int(word) for word in Path("/proc/self/statm").read_text().split()]
    return (pages[1] - pages[2]) * resource.getpagesize() / 1e6


def streaming(folder: Path) -> bool:
    """One epoch over ten times the limit."""
    features, rows = 1024, 10 * LIMIT // (4 * 1024)
    x = np.memmap(folder / "x", "f4", "w+", shape=(rows, features))
    chunk, rng = 1 << 14, np.random.default_rng(0)
    for start in range(0, rows, chunk):
        x[start : start + chunk] = rng.standard_normal((len(x[start : start + chunk]), 1), "f4") + np.float32(0.5)
    y = (np.asarray(x[:, 0]) > 0.5).astype(np.int64)
    x = np.memmap(folder / "x", "f4", "r", shape=(rows, features))
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    model = nn.MLP((features, 16, 2), rng=0)
    history = nn.fit(model, x, y, epochs=1, batch_size=1024, optimizer=nn.Adam(0.01), verbose=False)
    print(f"{x.nbytes / 1e9:.1f} GB of data, {LIMIT / 1e6:.0f} MB of memory; accuracy {history[-1]['accuracy']:.3f}")
    return history[-1]["accuracy"] > 0.75  # on average over the epoch; 0.5 is chance


def parameters(folder: Path) -> bool:
    """Three steps of 10^8 parameters, and a checkpoint of each."""
    model = nn.MLP((1000, 10_000, 9_000, 10), rng=0)
    x, y = np.random.default_rng(0).standard_normal((96, 1000), "f4"), np.arange(96) % 10
    keep = nn.Checkpoint(folder, every=1, keep=1)
    history = nn.fit(model, x, y, epochs=1, batch_size=32, optimizer=nn.Adam(1e-4), checkpoint=keep, verbose=False)
    (path,) = keep.files()
    size, vectors = path.stat().st_size / 1e9, largest() / (4e-6 * model.flat_params.size)
    print(f"{model.flat_params.size:,} parameters; loss {history[-1]['loss']:.3f}; a checkpoint has {size:.2f} GB")
    print(f"memory as of {vectors:.1f} times the parameters")
    return model.flat_params.size >= 10**8 and np.isfinite(history[-1]["loss"])


def shapes(folder: Path) -> bool:
    """Inference and a step on each of 4,000 shapes."""
    rng, seen, memory = np.random.default_rng(0), set(), []
    model = nn.Sequential(nn.Conv2D(1, 2, 3, rng=0), nn.ReLU(), nn.MaxPool2D(2))
    while len(seen) < 4000:
        shape = tuple(map(int, rng.integers((1, 4, 4), (9, 64, 64))))
        if shape in seen:
            continue
        seen.add(shape)
        y, backward = model.forward(nn.asarray(rng.standard_normal((shape[0], 1, *shape[1:]), "f4")))
        backward(y)
        if len(seen) % 1000 == 0:
            memory.append(resident())
    print("MB after each thousand shapes:", ", ".join(f"{one:.1f}" for one in memory))
    return memory[-1] < 1.05 * memory[1]  # the caches of sizes hold 1,024 each


def main() -> int:
    kinds: dict[str, Callable[[Path], bool]] = {"streaming": streaming, "parameters": parameters, "shapes": shapes}
    name = sys.argv[1] if len(sys.argv) > 1 else "shapes"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        held = kinds[name](Path(folder))
    print(f"{name}: {time.perf_counter() - start:.0f} s, at most {largest():,.0f} MB resident")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
