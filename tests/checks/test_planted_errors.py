"""A planted error in each backward makes gradcheck fail, in the rows that it spoils and in no other.

The source of a class or function is taken, an exact snippet in it replaced by a wrong one, the result executed in a
copy of its module's names, and put in the original's place throughout the package. The original passes the same cases
(``test_gradcheck.py`` holds that for all but the cases below), so it is the planted error that fails.
"""

import inspect
import re
import sys
import textwrap
from typing import NamedTuple

import numpy as np
import pytest

import xpnn as nn
from xpnn.backend import col2im, turned_windows
from xpnn.backend.fusion import FORMS
from xpnn.backend.kernels import REAL
from xpnn.checks import cases
from xpnn.layers import activations, batchnorm, conv, losses, pool, recurrent, rnn
from xpnn.layers.correlation import Correlation, correlation_of
from xpnn.layers.recurrent import RaggedSteps, Recurrent


class Mutation(NamedTuple):
    """An error to plant.

    Attributes:
        target: the class or function whose source is changed.
        right: a snippet of it, which occurs there once.
        wrong: what it becomes.
        plants: the error in words.
        fails: the parameters whose gradients become wrong, and "input"; over all cases together.
        cases: the layer or loss whose cases are run, the target itself by default.
    """

    target: type | object
    right: str
    wrong: str
    plants: str
    fails: str
    cases: str = ""

    def __str__(self) -> str:
        return f"{self.target.__name__}: {self.plants}"


ALL = "W_x W_h b input"
MUTATIONS = [
    Mutation(nn.Dense, "matmul(W.T, delta)", "matmul(W, delta)", "dropped transpose", "input"),
    Mutation(nn.Dense, "delta, a.T)", "delta, a.T[:, ::-1])", "features in reverse", "W"),
    Mutation(activations._bias_gradient, "delta.sum(1)", "delta.mean(1)", "mean for a sum", "b", "Dense"),
    Mutation(nn.Dense, "self.grads.add", 'self.grads["W"][...] = 0; self.grads.add', "overwrites the gradient", "W"),
    Mutation(activations._bias_gradient, "db += delta.sum(1)", "pass", "forgotten bias", "b", "Dense"),
    Mutation(activations.linear, "_bias_gradient(dy, db)", "dy", "forgotten bias", "b", "Dense"),
    Mutation(Correlation, "do[p1 : H - p1, :", "do[: H - 2 * p1, :", "padding not cut off", "input", "Conv2D"),
    Mutation(
        conv.correlate, "rows_first(dy)", "rows_first(dy[::-1])", "another sample's gradient", "W input", "Conv2D"
    ),
    Mutation(Correlation, "padding)  # made", "padding, 1)  # made", "a border of ones", "W", "Conv2D"),
    Mutation(Correlation, "[..., ::-1, ::-1]", "[..., ::-1]", "kernel turned by half", "input", "Conv2D"),
    Mutation(
        Correlation,
        "border, self.dilation, self.G)",
        "border, (1, 1), self.G)",
        "dilation forgotten",
        "input",
        "Conv2D",
    ),
    Mutation(
        nn.Conv2D, 'self.grads["W"], self.grads["b"])', 'self.grads["W"], 0 * self.grads["b"])', "forgotten bias", "b"
    ),
    Mutation(Correlation, "W[..., ::-1, :]", "W", "kernel's rows not turned", "input", "Conv2D"),
    Mutation(Correlation, "dW += rows", "dW[...] = rows", "only the last tile", "W", "Conv2D"),
    Mutation(Correlation, "dK[:, j, -1, j]", "dK[:, j, 0, j]", "a pixel for the bias", "b", "Conv2D"),
    Mutation(
        Correlation,
        "dK[:, j : j + self.k1, :-1, j]",
        "dK[:, : self.k1, :-1, j]",
        "row j's kernels not lowered",
        "W",
        "Conv2D",
    ),
    Mutation(
        Correlation,
        "self._column(rows_first(x, *self.padding)).T)",
        "rows_first(x, *self.padding).reshape(-1, delta.shape[1]).T)",
        "pixels in another order",
        "W",
        "Conv2D",
    ),
    Mutation(Correlation, "db += delta.sum(1)", "db += delta.mean(1)", "mean for a sum", "b", "Conv2D"),
    Mutation(
        turned_windows,
        "rows.start - margin, tile.shape[1]",
        "rows.start - (kernel - 1), tile.shape[1]",
        "one margin",
        "input",
        "Conv2D",
    ),
    Mutation(turned_windows, "size - margin, 1, dilation)", "size - margin)", "dilation forgotten", "input", "Conv2D"),
    Mutation(
        turned_windows, "first * stride - top", "max(first * stride - top - 1, 0)", "row off by one", "input", "Conv2D"
    ),
    Mutation(col2im, "left + n * dilation", "left + n", "dilation forgotten", "input", "Conv2D"),
    Mutation(col2im, "tile.cols.start * stride", "tile.cols.start", "stride forgotten in width", "input", "Conv2D"),
    Mutation(col2im, "lines[:, :, :, n]", "lines[:, :, :, kernel - 1 - n]", "columns in reverse", "input", "Conv2D"),
    Mutation(col2im, "] += lines", "] = lines", "overlapping windows not summed", "input", "Conv2D"),
    Mutation(nn.MappedConv2D, "size)[self._pairs]", "size)[: len(self._pairs)]", "other connections' gradients", "W"),
    Mutation(nn.MappedConv2D, 'dK, self.grads["b"]', "dK, xp.zeros_like(b)", "forgotten bias", "b"),
    Mutation(nn.MappedConv2D, "return dx\n", "return dx if dx is None else -dx\n", "wrong sign", "input"),
    Mutation(pool._winners, "yield first", "yield 1.0", "to all, not to the largest", "input", "MaxPool2D"),
    Mutation(pool._winners, "tap == y", "tap < y", "to all but the largest", "input", "MaxPool2D"),
    Mutation(pool.max_pool, "dy), winners)", "dy), winners[::-1])", "places in reverse", "input", "MaxPool2D"),
    Mutation(pool.mean_pool, "repeat(scale,", "repeat(1.0,", "not divided by the size", "input", "AvgPool2D"),
    Mutation(pool._Windows, "tap += dy", "tap[...] = dy", "overlapping windows not summed", "input", "AvgPool2D"),
    Mutation(
        pool._Windows, "multiply(dy, factor,", "multiply(0 * dy, factor,", "side by side lost", "input", "MaxPool2D"
    ),
    Mutation(
        pool._Windows,
        "slice(p1, p1 + H), slice(None), slice(p2, p2 + W)",
        "slice(p2, p2 + H), slice(None), slice(p1, p1 + W)",
        "axes of the padding swapped",
        "input",
        "AvgPool2D",
    ),
    Mutation(nn.GlobalAvgPool2D, "1 / (H * W) * dy.T", "1 / H * dy.T", "width forgotten", "input"),
    Mutation(nn.Subsample2D, "area * (dy * mean)", "(dy * mean)", "mean for a sum", "W"),
    Mutation(nn.Subsample2D, "dy.sum((0, 2, 3))", "dy.sum((0, 2, 3))[::-1]", "maps in reverse", "b"),
    Mutation(
        nn.Subsample2D, "mean_backward(area * W * dy)", "mean_backward(area * dy)", "coefficient forgotten", "input"
    ),
    Mutation(batchnorm._BatchNorm, "dx -= dbeta / M", "pass", "gradient through the mean", "input", "BatchNorm1D"),
    Mutation(batchnorm._BatchNorm, "dgamma / -M", "dgamma / -len(x)", "batch for all values", "input", "BatchNorm2D"),
    Mutation(batchnorm._BatchNorm, "dx *= gamma * invstd", "dx *= invstd", "scale forgotten", "input", "BatchNorm2D"),
    Mutation(
        batchnorm._BatchNorm, "(dy * xhat)", "(dy * x)", "input for its normal form", "gamma input", "BatchNorm1D"
    ),
    Mutation(batchnorm._BatchNorm, "+= dbeta.ravel()", "+= dgamma.ravel()", "the other sum", "beta", "BatchNorm1D"),
    Mutation(
        nn.Embedding,
        "dy.reshape(-1, self.embedding_dim)",
        "(dy.reshape(-1, self.embedding_dim).T * ((x.ravel()[:, None] == x.ravel()).cumsum(1).diagonal() == 1)).T",
        "a symbol that recurs counts once",
        "W",
    ),
    Mutation(nn.Embedding, "x.ravel()", "(x.ravel() + 1) % self.num_embeddings", "off by one", "W"),
    Mutation(nn.Flatten, "return dy.reshape(shape)", "return dy", "shape not restored", "input"),
    Mutation(nn.Flatten, "dy.reshape(shape)", "dy.reshape(shape[::-1]).T", "axes in reverse", "input"),
    Mutation(nn.Dropout, "return mask * dy", "return dy", "mask forgotten", "input"),
    Mutation(nn.Dropout, "return mask * dy", "return (mask > 0) * dy", "scale forgotten", "input"),
    Mutation(activations.sigmoid, "(a * (1 - a))", "(1 - a)", "missing factor", "input", "Sigmoid"),
    Mutation(activations.tanh, "slope = xp.square(a)", "slope = a.copy()", "square forgotten", "input", "Tanh"),
    Mutation(activations.scaled_tanh, "(slope * (amplitude", "((amplitude", "slope forgotten", "input", "ScaledTanh"),
    Mutation(activations.relu, "(a > 0)", "(dy > 0)", "sign of the gradient, not of the input", "input", "ReLU"),
    Mutation(activations.leaky_relu, "z.dtype.type(slope)", "z.dtype.type(0)", "slope forgotten", "input", "LeakyReLU"),
    Mutation(nn.Softmax, "(dy - (dy * a).sum(-1, keepdims=True))", "dy", "missing term", "input"),
    Mutation(nn.RBF, "-2 * (dy[:, :, None]", "-(dy[:, :, None]", "missing factor", "input"),
    Mutation(nn.RBF, "-2 * (dy[:, :, None]", "2 * (dy[:, :, None]", "wrong sign", "input"),
    Mutation(losses.softmax_cross_entropy, "dz -= t", "dz += t", "wrong sign", "input", "SoftmaxCrossEntropy"),
    Mutation(
        losses.softmax_cross_entropy,
        "dz *= scale",
        "dz *= 1 / len(logits)",
        "samples for labels",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(nn.HalfSquaredError, "return difference * scale", "return 2 * difference * scale", "factor 2", "input"),
    Mutation(nn.RBFLoss, "backward()[..., :-1]", "backward()[..., 1:]", "off by one class", "input"),
    Mutation(nn.Sequential, "reversed(steps)", "reversed(steps[1:])", "first layer left out", "0.W 0.b input"),
    Mutation(nn.Sequential, "                needs_dx = True", "", "activation left out in training", "0.W 0.b"),
    Mutation(nn.Residual, "return gradients[0] + gradients[1]", "return gradients[0]", "way round forgotten", "input"),
    Mutation(
        nn.Residual,
        " or (part is not None and part.dtype is not None)",
        "",
        "no gradients as the first layer in training",
        "body.0.W body.0.b body.W body.b shortcut.W shortcut.b",
    ),
    Mutation(Recurrent, "delta.T, x_rows)", "delta.T, x_rows[::-1])", "time reversed", "W_x", "RNN"),
    Mutation(Recurrent, "dW[:, I]", "delta[-N:].sum(0)", "last step only", "b", "LSTM"),
    Mutation(recurrent.add_rows, "x.sum(0)", "x.mean(0)", "mean for a sum", "b_h", "GRU"),
    Mutation(Recurrent, "matmul(delta, W_x)", "matmul(delta, W_x.T)", "dropped transpose", "input", "RNN"),
    Mutation(Recurrent, "+= steps.sort(dy)", "+= dy", "not sorted by length", "W_x W_h b input", "RNN"),
    Mutation(
        Recurrent,
        "steps.unsort(part) for part in dstates",
        "part for part in dstates",
        "order of the rows kept",
        "input",
        "RNN from a state",
    ),
    Mutation(
        Recurrent,
        "self._parts(dlast, N)",
        "self._parts(None, N)",
        "last state's gradient lost",
        "W_x W_h b input",
        "LSTM from a state",
    ),
    Mutation(
        RaggedSteps,
        "unsorted[self._order] = state",
        "unsorted[...] = state[self._order]",
        "not the inverse permutation",
        "input",
        "GRU from a state",
    ),
    Mutation(rnn.elman, "xp.subtract(1, delta, out=delta)", "delta[...] = 1", "1 - h^2 forgotten", ALL, "RNN"),
    Mutation(rnn.elman, "product(d, straight, ", "product(d, straight.T, ", "dropped transpose", ALL, "RNN"),
    Mutation(rnn.elman, "dh_now += dh_rows[now]", "dh_now[...] = dh_rows[now]", "later steps lost", ALL, "RNN"),
    Mutation(nn.RNN, "delta.T, h[steps.before])", "delta.T, h[steps.N :])", "h_t for h_{t-1}", "W_h"),
    Mutation(nn.LSTM, "g * (i * (1 - i))", "g * i", "input gate's slope", "W_x W_h b input"),
    Mutation(nn.LSTM, "c[steps.before] * (f", "c_rows * (f", "c_t for c_{t-1}", "W_x W_h b input"),
    Mutation(nn.LSTM, "i * (1 - g * g)", "i * (1 - g)", "square forgotten", "W_x W_h b input"),
    Mutation(nn.LSTM, "o * (1 - tanh_c * tanh_c)", "o", "slope of tanh c forgotten", "W_x W_h b input"),
    Mutation(nn.LSTM, "dc_now += dh_now", "dc_now[...] = dh_now", "the cell's own way lost", "W_x W_h b input"),
    Mutation(nn.LSTM, "dc_now *= f[now]", "pass", "forget gate forgotten", "W_x W_h b input"),
    Mutation(nn.LSTM, "delta.T, h[steps.before])", "delta.T, h_rows)", "h_t for h_{t-1}", "W_h"),
    Mutation(nn.GRU, "dn * m * (r * (1 - r))", "dn * (r * (1 - r))", "missing factor", "W_x W_h b b_h input"),
    Mutation(nn.GRU, "(h_before - n)", "(n - h_before)", "wrong sign", "W_x W_h b b_h input"),
    Mutation(nn.GRU, "delta[:, 2] = dn * r", "delta[:, 2] = dn", "reset gate forgotten", "W_x W_h b b_h input"),
    Mutation(nn.GRU, "dh_now *= z[now]", "dh_now *= 0", "the state's own way lost", "W_x W_h b b_h input"),
    Mutation(nn.GRU, '["b_h"], delta[:, 2])', '["b_h"], dn)', "b's gradient for b_h's", "b_h"),
    Mutation(nn.GRU, "            delta[:, 2] = dn\n", "", "b_h's gradient for b's", "W_x b input"),
]


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    """A row of the output to a block, or several at once: what is added up between them in a convolution counts too."""
    monkeypatch.setattr(sys.modules["xpnn.backend.im2col"], "WORKSPACE_BYTES", 1)
    monkeypatch.setattr(sys.modules["xpnn.layers.correlation"], "kernels_at_once", lambda _: 24)  # on a device too
    correlation_of.cache_clear()
    yield
    correlation_of.cache_clear()


@pytest.fixture(autouse=True)
def equations(monkeypatch):
    """On a device too: stand_in/checks/check_kernels.py plants the errors in the kernels that stand in for them."""
    for dtype in list(REAL):
        monkeypatch.delitem(REAL, dtype)


def in_package():
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "xpnn"]
    for module in modules:
        for name, value in list(vars(module).items()):
            if inspect.isclass(value) or inspect.isfunction(value):
                yield module, name, value


FUSED = [value for _, _, value in in_package() if value.__name__ in FORMS and value not in FORMS.values()]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_planted_error_is_found(mutation, monkeypatch):
    plant(monkeypatch, mutation.target, mutation.right, mutation.wrong)
    failing, verdicts = set(), set()
    for case in cases_of(mutation.cases or mutation.target.__name__):
        try:
            rows = nn.gradcheck(case.layer, case.x, **case.options).rows
        except (ValueError, IndexError, AttributeError):
            continue  # shapes no longer fit, or a gradient is missing; another case must show wrong numbers
        wrong = [row for row in rows if not row.ok]
        failing |= {f"{row.path}.{row.parameter}".lstrip(".") for row in wrong}
        verdicts |= {row.verdict for row in wrong}
    assert failing == set(mutation.fails.split())
    assert all(verdict == "wrong" or verdict.startswith("shape") for verdict in verdicts)


@pytest.mark.parametrize("name", dict.fromkeys(mutation.cases or mutation.target.__name__ for mutation in MUTATIONS))
def test_without_an_error_the_same_cases_pass(name):
    cases = list(cases_of(name))
    assert cases
    for case in cases:
        report = nn.gradcheck(case.layer, case.x, **case.options)
        assert {row.verdict for row in report.rows} == {"ok"}, report


def test_every_backward_has_a_planted_error():
    """Each exported layer and loss, every class of its ancestry, and what is fused: if it defines a backward, it is a
    target above."""
    targets = {inspect.unwrap(mutation.target) for mutation in MUTATIONS}
    exported = {
        value for value in vars(nn).values() if isinstance(value, type) and issubclass(value, nn.Layer | nn.Loss)
    }
    ancestry = {parent for cls in exported for parent in cls.__mro__ if parent.__module__.startswith("xpnn.")}
    candidates = ancestry | set(map(inspect.unwrap, FUSED))
    with_backward = {one for one in candidates if re.search(r"def backward\b|, lambda", inspect.getsource(one))}
    assert {nn.Dense, inspect.unwrap(pool.max_pool)} <= with_backward  # the search finds them
    assert with_backward - targets == set()


def test_a_snippet_that_is_not_there_is_an_error(monkeypatch):
    with pytest.raises(AssertionError, match="occurs 0 times"):
        plant(monkeypatch, nn.Dense, "delta @ a.T", "")


def plant(monkeypatch, target, right, wrong):
    """Put the target with the error, and its subclasses made anew, in the originals' place in the whole package."""
    target = inspect.unwrap(target)
    source = textwrap.dedent(inspect.getsource(target))
    assert source.count(right) == 1, f"{right!r} occurs {source.count(right)} times in {target.__name__}"
    replaced = {target: execute(target, source.replace(right, wrong), {})}
    for subclass in subclasses(target):
        replaced[subclass] = execute(subclass, textwrap.dedent(inspect.getsource(subclass)), replaced)
    for module, name, value in in_package():
        if (original := inspect.unwrap(value)) in replaced:
            monkeypatch.setattr(module, name, replaced[original])
    correlation_of.cache_clear()


def execute(original, source, replaced):
    """What the source defines under the original's name, among its module's names."""
    names = dict(vars(sys.modules[original.__module__])) | {"fused": lambda equations: equations}
    names |= {old.__name__: new for old, new in replaced.items() if names.get(old.__name__) is old}
    exec(compile(source, f"<mutated {original.__name__}>", "exec"), names)
    return names[original.__name__]


def subclasses(target):
    """All in the package, each after its bases."""
    found = []
    for subclass in target.__subclasses__() if isinstance(target, type) else ():
        if subclass.__module__.startswith("xpnn."):
            found += [subclass, *subclasses(subclass)]
    return found


class FromState(nn.Layer):
    """A recurrent layer as a function of x and its first state, giving y and its last state, each side in one array."""

    def __init__(self, recurrent, steps, lengths=None):
        super().__init__()
        self.recurrent, self.steps, self.lengths = recurrent, steps, lengths

    def leaves(self):
        yield "", self.recurrent

    def forward(self, inputs, needs_dx=True):
        x, *state = self.parts(inputs, self.steps * self.recurrent.input_size)
        x = x.reshape(len(x), self.steps, -1)
        y, last, recurrent_backward = self.recurrent.forward_from(x, self.joined(state), needs_dx, self.lengths)
        flat = y.reshape(len(y), -1)

        def backward(dy):
            first, *dlast = self.parts(dy, flat.shape[1])
            dx, dstate = recurrent_backward(first.reshape(y.shape), self.joined(dlast))
            return None if dx is None else self.side_by_side(dx.reshape(len(x), -1), dstate)

        return self.side_by_side(flat, last), backward

    def parts(self, array, width):
        H = self.recurrent.hidden_size
        return [array[:, :width], *(array[:, start : start + H] for start in range(width, array.shape[1], H))]

    def joined(self, state):
        return tuple(state) if len(state) > 1 else state[0]

    def side_by_side(self, first, state):
        return nn.xp.concatenate([first, *(state if isinstance(state, tuple) else (state,))], axis=1)


def cases_of(name):
    """Those of the command line for a layer or loss; "... from a state": as a function of the state too."""
    recurrent, _, stateful = name.partition(" ")
    if not stateful:
        return [case for case in cases.layer_cases(seed=0) if type(case.layer).__name__ == name]
    cls, rng = getattr(nn, recurrent), np.random.default_rng(0)
    x = rng.standard_normal((3, 4 * 3 + 3 * len(cls.state_names)))
    return [
        cases.Case(FromState(cls(3, 3, return_sequences, rng=1), steps=4, lengths=lengths), x, {})
        for return_sequences in (False, True)
        for lengths in (None, [1, 4, 2])
    ]
