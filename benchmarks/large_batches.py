"""What larger batches do to the accuracy on Fashion-MNIST: `python benchmarks/large_batches.py 0.05` takes minutes.

An MLP 784-256-128-10 is trained by SGD with momentum 0.9 for 5 epochs, with the given learning rate for 64 samples,
which rises for one epoch and then falls along a cosine. For a batch of B samples the rate is kept, multiplied by
sqrt(B / 64), or by B / 64 (Goyal et al., "Accurate, large minibatch SGD", 2017).
"""

import json
import sys
import time

import numpy as np

import xpnn as nn

EPOCHS, SEEDS, SIZES = 5, 3, (64, 512, 4096)
RULES = {"kept": lambda k: 1.0, "sqrt": lambda k: k**0.5, "linear": lambda k: k}


def run(data: nn.ImageData, size: int, rate: float, seed: int) -> float:
    """The accuracy on the test part."""
    x, x_test = (((x / 255 - 0.286) / 0.353).astype("float32").reshape(len(x), -1) for x in (data.x_train, data.x_test))
    steps = -(-len(x) // size)
    schedule = nn.Warmup(nn.CosineDecay(rate, EPOCHS * steps), steps)
    model, optimizer = nn.MLP((784, 256, 128, 10), rng=seed), nn.SGD(schedule, momentum=0.9)
    nn.fit(model, x, data.y_train, optimizer=optimizer, epochs=EPOCHS, batch_size=size, rng=seed, verbose=False)
    return nn.evaluate(model, x_test, data.y_test).accuracy


if __name__ == "__main__":
    data, base, started = nn.load_images("fashion-mnist"), float(sys.argv[1]), time.time()
    for size in SIZES:
        for rule, factor in RULES.items():
            if size == SIZES[0] and rule != "kept":
                continue
            found = []
            for seed in range(SEEDS):
                try:
                    found.append(run(data, size, base * factor(size / SIZES[0]), seed))
                except FloatingPointError:
                    found.append(0.1)
            row = {"rate for 64": base, "batch": size, "rule": rule, "mean": np.mean(found)}
            row |= {"least": min(found), "greatest": max(found)}
            print(json.dumps(row | {"seconds": time.time() - started}), flush=True)
