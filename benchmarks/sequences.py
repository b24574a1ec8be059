"""What batches of similar lengths save: ``python benchmarks/sequences.py``.

For sequences of 29 to 361 steps, uniformly drawn: the share of a padded batch's steps that is padding, and the CPU's
time for an epoch's forward and backward passes, in random batches and in those of ``bucketed``. Medians of rounds.
"""

import statistics
import time

import numpy as np
from report import table

import xpnn as nn

SEQUENCES, BATCH, FEATURES, UNITS, ROUNDS = 256, 32, 3, 64, 3


def in_random_batches(lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Every sequence once, whatever its length."""
    return np.split(rng.permutation(len(lengths)), range(BATCH, len(lengths), BATCH))


def in_buckets(lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Every sequence once, beside others of about its length."""
    return nn.bucketed(lengths, BATCH, rng)


def seconds(model: nn.Layer, sequences: list[np.ndarray], batches: list[np.ndarray]) -> float:
    """The CPU's, of forward and backward through all batches."""
    began = time.process_time()
    for batch in batches:
        x, lengths = nn.pad([sequences[i] for i in batch])
        y, backward = model.forward(nn.asarray(x), needs_dx=False, lengths=lengths)
        backward(y)
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(29, 362, SEQUENCES)
    sequences = [rng.standard_normal((length, FEATURES), dtype=np.float32) for length in lengths]
    ways, rows = (in_random_batches, in_buckets), []
    padded = [sum(len(batch) * int(lengths[batch].max()) for batch in way(lengths, rng)) for way in ways]
    rows.append(["padding", *(f"{1 - lengths.sum() / steps:.1%}" for steps in padded)])
    for cell in (nn.RNN, nn.LSTM):
        for layers, both in ((1, False), (2, True)):
            model = nn.RNNClassifier(FEATURES, UNITS, 10, cell=cell, num_layers=layers, bidirectional=both, rng=0)
            rounds = [[seconds(model, sequences, way(lengths, rng)) for way in ways] for _ in range(ROUNDS + 1)][1:]
            name = f"{cell.__name__}, {layers} layer{'s in both directions' if both else ''}"
            rows.append([name, *(f"{statistics.median(times):.3g} s" for times in zip(*rounds, strict=True))])
    print(table(["", "random batches", "by length"], rows))


if __name__ == "__main__":
    main()
