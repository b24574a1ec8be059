"""The document's regression
=========================

The source document's network of 2, 4 and 1 neurons learns z = x + 2y: python examples/network_2_4_1.py

It learns twice from the same weights: by the document's formulas, written out in NumPy, and by xpnn. The results are
the same.
"""

from collections.abc import Iterator

import numpy as np

import xpnn as nn

X = np.array([[1, 1], [1, 0], [0, 1], [1, 0.5], [1.5, 0.5]])
Y = np.array([[3.0], [1], [2], [2], [2.5]])
LEAK, RATE = 0.01, 0.1
Errors = Iterator[float]


def draws(steps: int, seed: int = 0) -> np.ndarray:
    """The sample n of each step. The document's listing uses another sample's target, so the network learns nothing;
    here input and target are those of sample n."""
    return np.random.default_rng(seed).integers(0, len(X), steps)


def f(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, z, LEAK * z)


def df(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, 1, LEAK)


def by_the_formulas(w: dict[str, np.ndarray], steps: int) -> Errors:
    """The document's forward_prop and back_prop; changes w in place and yields (y - o)^2 before each step."""
    for n in draws(steps):
        a1, y = X[n][:, None], Y[n][:, None]  # columns
        z2 = w["w2"] @ a1 + w["b2"]
        a2 = f(z2)
        z3 = w["w3"] @ a2 + w["b3"]
        a3 = f(z3)
        delta3 = -(y - a3) * df(z3)
        delta2 = w["w3"].T @ delta3 * df(z2)
        w["w3"] -= RATE * delta3 @ a2.T
        w["b3"] -= RATE * delta3
        w["w2"] -= RATE * delta2 @ a1.T
        w["b2"] -= RATE * delta2
        yield ((y - a3) ** 2).item()


def by_xpnn(model: nn.Sequential, steps: int) -> Errors:
    """The same with layers, the loss E = 1/2 (y - o)^2 and an optimiser."""
    loss, optimizer = nn.HalfSquaredError(), nn.SGD(lr=RATE)
    for n in draws(steps):
        o, backward = model.forward(nn.asarray(X[n : n + 1], "float64"), needs_dx=False)
        value, loss_backward = loss.forward(o, nn.asarray(Y[n : n + 1], "float64"))
        backward(loss_backward())
        optimizer.step(model)
        yield 2 * float(value)


def build(seed: int = 0) -> tuple[nn.Sequential, dict[str, np.ndarray]]:
    """The network, and a copy of its weights under the document's names."""
    leaky = nn.LeakyReLU(LEAK)
    model = nn.MLP((2, 4, 1), activation=leaky, output_activation=leaky, rng=seed, dtype="float64")
    p = {key: nn.to_numpy(value).copy() for key, value in model.params.items()}
    return model, {"w2": p["0.W"], "b2": p["0.b"][:, None], "w3": p["2.W"], "b3": p["2.b"][:, None]}


def main(steps: int = 1000) -> None:
    model, w = build()
    for t, errors in enumerate(zip(by_the_formulas(w, steps), by_xpnn(model, steps), strict=True)):
        if t % (steps // 10) == 0:
            print("step {:3}: squared error {:.6e} by the formulas, {:.6e} by xpnn".format(t, *errors))
    formulas = f(w["w3"] @ f(w["w2"] @ [[1], [1]] + w["b2"]) + w["b3"]).item()
    print(f"(1, 1) -> {formulas:.12f} by the formulas, {nn.predict(model, X[:1]).item():.12f} by xpnn; the target is 3")


if __name__ == "__main__":
    main()
