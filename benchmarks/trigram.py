"""What a character trigram model makes of the text that CharRNN learns: bits per character on the held-out part.

    python benchmarks/trigram.py [TEXT]

P(c | a, b) is interpolated from trigram, bigram, unigram and uniform frequencies of the training text; the weights are
chosen by expectation maximisation on the last tenth of the training text, as Jelinek and Mercer did (1980).
"""

import sys

import numpy as np

import xpnn as nn


def frequencies(ids: np.ndarray, size: int, order: int) -> np.ndarray:
    """P(c | the order - 1 characters before), 0 where that context never came."""
    contexts = sum(ids[k : len(ids) - order + 1 + k] * size ** (order - k - 1) for k in range(order))
    counts = np.bincount(contexts, minlength=size**order).reshape(-1, size).astype(float)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def probabilities(tables: list[np.ndarray], ids: np.ndarray, size: int) -> np.ndarray:
    """Of each character from the third on, under each order from 0 to 3: (4, characters)."""
    a, b, c = ids[:-2], ids[1:-1], ids[2:]
    return np.stack([np.full(len(c), 1 / size), tables[0][0, c], tables[1][b, c], tables[2][a * size + b, c]])


def main() -> None:
    """Print the figure."""
    data = nn.load_text(*sys.argv[1:2])
    size = len(data.vocabulary)
    fitted, tuning = np.split(data.train, [len(data.train) * 9 // 10])
    tables = [frequencies(fitted, size, order) for order in (1, 2, 3)]
    p, weights = probabilities(tables, tuning, size), np.full(4, 0.25)
    for _ in range(50):
        shares = weights[:, None] * p
        weights = (shares / shares.sum(0)).mean(1)
    tables = [frequencies(data.train, size, order) for order in (1, 2, 3)]
    bits = -np.log2(weights @ probabilities(tables, data.test, size)).mean()
    print(f"trigram model: {bits:.3f} bits per character on {len(data.test):,} held-out characters")


if __name__ == "__main__":
    main()
