"""A character RNN
===============

A network that predicts each next character of a text: python examples/character_rnn.py (--short: a hundredth of it).
It reads windows of a text, Python's own help topics, learns by back-propagation through time, and then generates text.
"""

import sys

import numpy as np

import xpnn as nn


def main(short: bool = False) -> nn.CharRNN:
    """Train, and print text that the network generates."""
    data = nn.load_text("topics")
    steps, hidden = (32, 48) if short else (64, 256)
    text = data.train[:20_000] if short else data.train
    count = (len(text) - 1) // steps
    x, y = (text[start : start + count * steps].reshape(count, steps) for start in (0, 1))  # y is one character ahead
    model = nn.CharRNN(data.vocabulary, hidden, rng=0)
    history = nn.fit(model, x, y, optimizer=nn.Adam(0.003), epochs=4 if short else 20, batch_size=32, max_norm=1.0,
                     verbose=not short)  # fmt: skip
    print(f"loss {history[0]['loss']:.2f} -> {history[-1]['loss']:.2f}; guessing is {np.log(len(data.vocabulary)):.2f}")
    print("".join(model.sample(200, "The ", temperature=0.6, rng=0)))
    return model


if __name__ == "__main__":
    main("--short" in sys.argv)
