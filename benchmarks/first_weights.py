"""Which rule of the first weights learns best: python benchmarks/first_weights.py [SEEDS]

Accuracy after a few epochs, mean and standard deviation over the seeds, by each rule for the weights of dense layers,
and by scikit-learn's MLPClassifier. Needs the extras [data] and [sklearn]; half an hour for five seeds on two cores.
"""

import sys
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import xpnn as nn

DENSE = ("small_uniform", "torch_uniform", "glorot_uniform", "lecun_uniform", "he_uniform")
CONV = ("he_uniform", "torch_uniform", "glorot_uniform")
TABLES = {
    "10,000 x 54, 7 classes": make_classification(10_000, 54, n_informative=20, n_classes=7, random_state=1),
    "20,000 x 50, 5 classes": make_classification(20_000, 50, n_informative=15, n_classes=5, random_state=0),
    "digits": load_digits(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
}
X = np.array([[1, 1], [1, 0], [0, 1], [1, 0.5], [1.5, 0.5]])
Y = np.array([[3.0], [1], [2], [2], [2.5]])


def with_rules(model: nn.Sequential, dense: str, conv: str, seed: int) -> nn.Sequential:
    """The model with weights drawn anew by these rules."""
    rng = np.random.default_rng(seed)
    for _, leaf in model.leaves():
        if isinstance(leaf, nn.Dense | nn.Conv2D):
            rule = dense if isinstance(leaf, nn.Dense) else conv
            leaf.params["W"] = nn.layers.init.initial(rule, leaf.params["W"].shape, rng)
    return model


def fitted(
    model: nn.Sequential, x: np.ndarray, y: np.ndarray, epochs: int, batch_size: int, seed: int, lr: float
) -> None:
    optimizer = nn.Adam(nn.CosineDecay(lr, steps=epochs * -(-len(x) // batch_size))) if lr else nn.Adam()
    nn.fit(model, x, y, optimizer=optimizer, epochs=epochs, batch_size=batch_size, rng=seed, verbose=False)


def show(title: str, rule: str, scores: list[float]) -> None:
    print(f"{title:32} {rule:24} {np.mean(scores):.4f} ± {np.std(scores):.4f}", flush=True)


def tables(seeds: int) -> None:
    for title, (x, y) in TABLES.items():
        x, x_test, y, y_test = train_test_split(x, y, stratify=y, random_state=0)
        scaler = StandardScaler().fit(x)
        x, x_test = (scaler.transform(part).astype("float32") for part in (x, x_test))
        for batch_size in (32, 200):
            options = {"max_iter": 10, "n_iter_no_change": 99, "batch_size": min(batch_size, len(x))}
            theirs = [MLPClassifier(**options, random_state=s).fit(x, y).score(x_test, y_test) for s in range(seeds)]
            show(f"{title}, batch {batch_size}", "MLPClassifier", theirs)
            for rule in DENSE:
                scores = []
                for seed in range(seeds):
                    model = with_rules(nn.MLP((x.shape[1], 100, y.max() + 1), rng=seed), rule, rule, seed)
                    fitted(model, x, y, 10, batch_size, seed, 0)
                    scores.append(nn.evaluate(model, x_test, y_test).accuracy)
                show(f"{title}, batch {batch_size}", rule, scores)


def images(title: str, make: Callable[[int], nn.Sequential], rules: list[tuple[str, str]], seeds: int) -> None:
    """Fashion-MNIST."""
    data = nn.load_images("fashion-mnist")
    x, x_test = ((part.astype("float32") / 255 - 0.286) / 0.353 for part in (data.x_train, data.x_test))
    if title == "MLP":
        x, x_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    else:
        x = x[:20_000]
    for dense, conv in rules:
        scores = []
        for seed in range(seeds):
            model = with_rules(make(seed), dense, conv, seed)
            fitted(model, x, data.y_train[: len(x)], 3 if title == "LeNet-5" else 5, 64, seed, 0.002)
            scores.append(nn.evaluate(model, x_test, data.y_test).accuracy)
        show(f"Fashion-MNIST, {title}", f"{dense}, {conv}" if title == "LeNet-5" else dense, scores)


def document(seeds: int) -> None:
    """The share of the source document's networks of 2, 4 and 1 neurons that learn its five points."""
    x, y, loss = nn.asarray(X, "float64"), nn.asarray(Y, "float64"), nn.HalfSquaredError()
    for rule in DENSE:
        learnt = []
        for seed in range(seeds):
            model = with_rules(
                nn.MLP((2, 4, 1), nn.LeakyReLU(0.01), nn.LeakyReLU(0.01), rng=seed, dtype="float64"), rule, rule, seed
            )
            optimizer = nn.SGD(0.1)
            for _ in range(2000):
                outputs, backward = model.forward(x, needs_dx=False)
                _, loss_backward = loss.forward(outputs, y)
                backward(loss_backward())
                optimizer.step(model)
            learnt.append(float(loss(model(x), y)) < 1e-3)
        show(f"document's 2-4-1, {seeds} seeds", rule, learnt)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLPClassifier warns that ten epochs are few
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    tables(count)
    images("MLP", lambda seed: nn.MLP((784, 256, 128, 10), rng=seed), [(rule, rule) for rule in DENSE], count)
    images(
        "LeNet-5",
        lambda seed: nn.LeNet5(rng=seed),
        [*((d, "he_uniform") for d in DENSE), *((DENSE[0], c) for c in CONV[1:]), ("torch_uniform",) * 2],
        count,
    )
    document(20 * count)
