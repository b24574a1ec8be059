"""What the book computes, when it is built: each function gives a table in Markdown, or a drawing as SVG."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import xpnn as nn

Array = np.ndarray
SAMPLES = (((1.0, 1.0), 3.0), ((1.5, 0.5), 2.5))
"""Input and target of the two steps."""

LEAK, RATE = 0.01, 0.1
W2 = np.array([[0.55, 0.72], [-0.6, -0.54], [0.42, -0.65], [0.44, 0.89]])
B2 = np.array([0.1, -0.2, 0.05, 0.3])
W3 = np.array([[0.38, 0.79, 0.53, 0.57]])
B3 = np.array([0.2])


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """In Markdown; arrays are written out, numbers with six digits."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([shown(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: Any) -> str:
    """A cell: a column of numbers one beside the other."""
    if isinstance(value, str):
        return value
    array = np.atleast_1d(np.asarray(value))
    if array.ndim == 1:
        return "(" + ", ".join(f"{x:.6g}" for x in array) + ")" if array.size > 1 else f"{array.item():.6g}"
    return "; ".join(shown(row) for row in array)


def network() -> nn.Sequential:
    """The (2, 4, 1) network at the beginning."""
    leaky = nn.LeakyReLU(LEAK)
    model = nn.MLP((2, 4, 1), activation=leaky, output_activation=leaky, rng=0, dtype="float64")
    for key, value in zip(("0.W", "0.b", "2.W", "2.b"), (W2, B2, W3, B3), strict=True):
        model.params[key] = value
    return model


def steps() -> list[dict[str, Array]]:
    """Every number of the two steps: states, activations, deltas, gradients, the weights after."""
    model, loss, optimizer, found = network(), nn.HalfSquaredError(), nn.SGD(lr=RATE), []
    for x, y in SAMPLES:
        a, step = nn.asarray([x], "float64"), {"x": np.array(x), "y": np.array([y])}
        backwards = []
        for name, layer in zip(("z2", "a2", "z3", "a3"), model, strict=True):
            a, backward = layer.forward(a)
            backwards.append(backward)
            step[name] = nn.to_numpy(a)[0].copy()
        value, loss_backward = loss.forward(a, nn.asarray([[y]], "float64"))
        step["E"] = np.array([float(value)])
        d = loss_backward()
        for name, backward in zip(("d3", "da2", "d2", "dx"), reversed(backwards), strict=True):
            d = backward(d)
            step[name] = nn.to_numpy(d)[0].copy()
        step |= {f"d{key}": nn.to_numpy(value).copy() for key, value in model.grads.items()}
        optimizer.step(model)
        step |= {key: nn.to_numpy(value).copy() for key, value in model.params.items()}
        step["after"] = nn.to_numpy(model(nn.asarray([x], "float64")))[0].copy()
        found.append(step)
    return found


def first_weights() -> str:
    return table(
        ("", "row i = 1, 2, ..."), [("$W^{(2)}$", W2), ("$b^{(2)}$", B2), ("$W^{(3)}$", W3), ("$b^{(3)}$", B3)]
    )


def _step(number: int) -> str:
    s = steps()[number]
    return table(
        ("", "", "equation"),
        [
            ("$a^{(1)} = x$", s["x"], "DNN.10"),
            ("$z^{(2)} = W^{(2)} a^{(1)} + b^{(2)}$", s["z2"], "DNN.8"),
            ("$a^{(2)} = f(z^{(2)})$", s["a2"], "DNN.9"),
            ("$z^{(3)} = W^{(3)} a^{(2)} + b^{(3)}$", s["z3"], "DNN.8"),
            ("$a^{(3)} = f(z^{(3)})$", s["a3"], "DNN.9"),
            ("$E = \\frac12 (y - a^{(3)})^2$", s["E"], "BP.3"),
            ("$\\delta^{(3)} = -(y - a^{(3)}) f'(z^{(3)})$", s["d3"], "BP.8"),
            ("$(W^{(3)})^T \\delta^{(3)}$", s["da2"], "BP.18"),
            ("$\\delta^{(2)} = ((W^{(3)})^T \\delta^{(3)}) \\odot f'(z^{(2)})$", s["d2"], "BP.18"),
        ],
    )


def _update(number: int) -> str:
    s = steps()[number]
    names = ("0.W", "$W^{(2)}$"), ("0.b", "$b^{(2)}$"), ("2.W", "$W^{(3)}$"), ("2.b", "$b^{(3)}$")
    return table(
        ("", "$\\partial E / \\partial$", "$- 0.1 \\; \\partial E / \\partial$"),
        [(words, s[f"d{key}"], s[key]) for key, words in names],
    )


def first_step() -> str:
    return _step(0)


def first_update() -> str:
    return _update(0)


def second_step() -> str:
    return _step(1)


def second_update() -> str:
    return _update(1)


def errors_before_and_after() -> str:
    rows = [(f"{i}", s["x"], s["y"], s["a3"], s["after"]) for i, s in enumerate(steps(), 1)]
    return table(("", "x", "y", "$a^{(3)}$", "$a^{(3)}$ →"), rows)


def shapes_of_the_batch() -> str:
    rows = ("$a^{(1)}$", (2, 3)), ("$W^{(2)}$", (4, 2)), ("$b^{(2)}$", (4,)), ("$z^{(2)}, a^{(2)}$", (4, 3))
    rows += ("$W^{(3)}$", (1, 4)), ("$b^{(3)}$", (1,)), ("$z^{(3)}, a^{(3)}$", (1, 3))
    return table(("", ""), [(name, str(shape)) for name, shape in rows])


def shapes_of_backward() -> str:
    delta, a, W = np.ones((1, 3)), np.ones((4, 3)), np.ones((1, 4))
    rows = [
        ("$\\delta^{(3)}$", delta),
        ("$a^{(2)}$", a),
        ("$W^{(3)}$", W),
        ("$\\delta^{(3)} (a^{(2)})^T$", delta @ a.T),
    ]
    rows += [("$\\sum \\delta^{(3)}$", delta.sum(1)), ("$(W^{(3)})^T \\delta^{(3)}$", W.T @ delta)]
    return table(("", ""), [(name, str(array.shape)) for name, array in rows])


IMAGE = np.array([[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 1, 0, 2], [1, 0, 1, 3]])
KERNEL = np.array([[1.0, -1], [2, 0.5]])


def convolved(image: Array = IMAGE, kernel: Array = KERNEL) -> tuple[Array, Array, Array, Array]:
    """Output; with delta = 1, 2, 3, ...: dE/do by the layer, dE/dw, delta."""
    layer = nn.Conv2D(1, 1, kernel.shape, bias=False, dtype="float64")
    layer.params["W"] = kernel[None, None]
    y, backward = layer.forward(nn.asarray(image[None, None], "float64"))
    delta = np.arange(1.0, y.size + 1).reshape(y.shape)
    do = backward(nn.asarray(delta, "float64"))
    return tuple(nn.to_numpy(one)[0, 0] for one in (y, do, layer.grads["W"], nn.asarray(delta, "float64")))


def convolution_by_hand() -> str:
    return table(("o", "w", "$o \\star w$"), [(IMAGE, KERNEL, convolved()[0])])


def columns_by_hand() -> str:
    from xpnn.backend import Window
    from xpnn.layers.im2col import im2col

    col = nn.to_numpy(im2col(nn.asarray(IMAGE[None, None], "float64"), Window((2, 2), (1, 1), (0, 0), (1, 1))))
    places = [f"({i}, {j})" for i in range(3) for j in range(3)]
    rows = zip([f"(m, n) = ({m}, {n})" for m in range(2) for n in range(2)], col.reshape(4, 9), strict=True)
    return table(("", *places), [(name, *row) for name, row in rows])


def rot180_by_hand() -> str:
    _, do, dw, delta = convolved()
    padded, turned = np.pad(delta, 1), KERNEL[::-1, ::-1]
    full = [[(padded[i : i + 2, j : j + 2] * turned).sum() for j in range(4)] for i in range(4)]
    rows = [("$\\delta$", delta), ("$\\partial E/\\partial w$", dw), ("$\\partial E/\\partial o$ (col2im)", do)]
    return table(("", ""), [*rows, ("$\\delta \\star \\mathrm{rot}_{180}(w)$", np.array(full))])


def shapes_of_convolution() -> str:
    layer = nn.Conv2D(3, 4, 3, rng=0)
    x = nn.asarray(np.ones((2, 3, 8, 8)), "float32")
    y, _ = layer.forward(x)
    col = (3, 3, 3, 2, 6, 6)
    rows = [
        ("o", x.shape),
        ("W", layer.params["W"].shape),
        ("b", layer.params["b"].shape),
        ("col", col),
        ("x", y.shape),
    ]
    return table(("", ""), [(name, str(tuple(shape))) for name, shape in rows])


def sizes_of_windows() -> str:
    rows = []
    for H, k, s, p in ((28, 5, 1, 0), (28, 5, 1, 2), (28, 2, 2, 0), (8, 3, 2, 1), (5, 3, 2, 0)):
        y = nn.MaxPool2D(k, s, p)(nn.asarray(np.ones((1, 1, H, H)), "float32"))
        rows.append((f"{H}", f"{k}", f"{s}", f"{p}", f"{y.shape[2]}"))
    return table(("H", "k", "s", "p", ""), rows)


def pooling_by_hand() -> str:
    y, backward = nn.MaxPool2D(2).forward(nn.asarray(IMAGE[None, None], "float64"))
    dy = np.array([[1.0, 2], [3, 4]])
    dx = backward(nn.asarray(dy[None, None], "float64"))
    return table(("x", "y", "dE/dy", "dE/dx"), [(IMAGE, nn.to_numpy(y)[0, 0], dy, nn.to_numpy(dx)[0, 0])])


def _summary(model: nn.Sequential) -> str:
    return f"```text\n{model.summary()}\n```"


def lenet_today() -> str:
    return _summary(nn.LeNet5(rng=0))


def lenet_1998() -> str:
    return _summary(nn.LeNet5(variant="1998", rng=0))


def norms(recurrent: type, scale: float = 1.0, steps: int = 30, units: int = 16, open_gate: float = 0.0) -> Array:
    """The norm of dE/dh_t, t = 1 ... steps, for an error of the last state; W_h is orthogonal at first, times scale.

    ``open_gate`` is the bias of the gate that keeps the old state, the second of an LSTM and of a GRU.
    """
    layer = recurrent(units, units, rng=0, dtype="float64")
    bias = nn.to_numpy(layer.params["b"]).copy()
    bias[units : 2 * units] += open_gate
    layer.params["b"] = bias
    layer.params["W_h"] = scale * nn.to_numpy(layer.params["W_h"])
    rng, found = np.random.default_rng(0), []
    x = nn.asarray(0.1 * rng.standard_normal((1, steps, units)), "float64")
    upstream = nn.asarray(rng.standard_normal((1, units)), "float64")
    for t in range(1, steps + 1):  # the last steps as a run of their own, which begins at h_t
        _, state, _ = layer.forward_from(x[:, :t], None)
        if t == steps:
            found.append(float(np.linalg.norm(nn.to_numpy(upstream))))
            break
        _, _, backward = layer.forward_from(x[:, t:], state)
        _, dstate = backward(upstream)
        parts = dstate if isinstance(dstate, tuple) else (dstate,)
        found.append(float(np.sqrt(sum(np.square(nn.to_numpy(part)).sum() for part in parts))))
    return np.array(found)


SCALES = (0.5, 0.9, 1.0, 1.2)


def vanishing() -> str:
    rows = [(f"{scale}", *norms(nn.RNN, scale)[[29, 19, 9, 0]]) for scale in SCALES]
    return table(("$\\|W_h\\|$", "t = 30", "t = 20", "t = 10", "t = 1"), rows)


def vanishing_of_three() -> str:
    rows = [(kind.__name__, *norms(kind)[[29, 19, 9, 0]]) for kind in (nn.RNN, nn.LSTM, nn.GRU)]
    for kind in (nn.LSTM, nn.GRU):
        rows.append((f"{kind.__name__}, b = 5", *norms(kind, open_gate=5.0)[[29, 19, 9, 0]]))
    return table(("", "t = 30", "t = 20", "t = 10", "t = 1"), rows)


def figure_vanishing() -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for scale in SCALES:
        axes.semilogy(range(1, 31), norms(nn.RNN, scale), label=f"‖W_h‖ = {scale}")
    axes.set_xlabel("t")
    axes.set_ylabel("‖∂E/∂h_t‖")
    axes.legend()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue().partition("<svg")[1] + drawn.getvalue().partition("<svg")[2]


def the_three_products() -> str:
    rows = [
        ("`Dense`", "`W @ a`", "`delta @ a.T`", "`W.T @ delta`"),
        ("`Conv2D`", "`K @ col`", "`delta @ col.mT`", "`K.mT @ delta`"),
        ("`RNN`", "`h @ W_h.T`", "`delta.T @ h`", "`delta @ W_h`"),
    ]
    return table(("", "$W a$", "$\\delta a^T$", "$W^T \\delta$"), rows)


def plan_of_lenet() -> str:
    return f"```text\n{nn.LeNet5(rng=0).plan(batch_size=64)}\n```"


def glossary() -> str:
    lines = Path(__file__).with_name("terms.tsv").read_text("utf-8").splitlines()
    return table(("English", "中文"), [line.split("\t") for line in lines])
