"""A run in which the last rank comes to harm: `mpiexec -n 3 python tests/ranks/faults.py killed FOLDER SECONDS`.

`killed`, `raises`, `hangs`, `stopped` (by SIGSTOP) or `leaves` (by sys.exit) happen in the third epoch; `whole` goes on
to the end, from the last checkpoint in the folder, and compares with a run by one process; `long` takes minutes.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import xpnn as nn

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)


class Harm(nn.Callback):
    """What happens to a rank."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def on_batch_end(self, batch, logs):
        if self.kind == "long":
            time.sleep(0.02)
        if self.run.optimizer.steps < 25 or self.run.ranks.rank < self.run.ranks.size - 1:
            return
        if self.kind == "raises":
            raise ArithmeticError("the last rank's own error")
        if self.kind == "hangs":
            time.sleep(1000)
        if self.kind == "leaves":
            sys.exit(3)
        if self.kind in ("killed", "stopped"):
            os.kill(os.getpid(), signal.SIGKILL if self.kind == "killed" else signal.SIGSTOP)


def train(kind: str, folder: Path | None, ranks: nn.Ranks | None) -> np.ndarray:
    dropout = nn.Dropout(0.2, rng=3)
    model = nn.Sequential(nn.Dense(5, 8, rng=1, dtype="float64"), dropout, nn.Dense(8, 3, rng=2, dtype="float64"))
    checkpoint = None if folder is None else nn.Checkpoint(folder, every="1 epoch")
    nn.fit(
        model,
        X,
        Y,
        epochs=1000 if kind == "long" else 5,
        batch_size=6,
        verbose=False,
        ranks=ranks,
        callbacks=[Harm(kind)],
        checkpoint=checkpoint,
    )
    return nn.to_numpy(model.flat_params)


if __name__ == "__main__":
    kind, folder, timeout = sys.argv[1:]
    ranks = nn.mpi(timeout=float(timeout))
    found = train(kind, Path(folder), ranks)
    if ranks.rank == 0:
        print(f"{ranks}: the largest difference {abs(found - train('whole', None, None)).max():.0e}")
