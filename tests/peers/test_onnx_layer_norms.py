"""Layer normalisation in several operators, as exporters write it, against onnxruntime; and what only resembles it."""

import re

import numpy as np
import onnxruntime
import pytest
from peers.test_onnx_load import IMAGE, ROWS, SEQUENCES, normal, parsed, run, saved

import xpnn as nn
from xpnn.interop.onnx import UnsupportedNodeError, load

NUMBERS = {"two": 2, "one": 1, "half": 0.5, "minus": -0.5, "zero": 0, "eps": 0.01, "N": 6, "inverse": 1 / 6}
C = "m = ReduceMean<axes = [-1]>(x); c = Sub(x, m); "
V = "p = Mul(c, c); v = ReduceMean<axes = [-1]>(p); e = Add(eps, v); "
Q = "u = Mul(x, x); q = ReduceMean<axes = [-1]>(u); w = Mul(m, m); v = Sub(q, w); e = Add(v, eps); "
I = "s = Sqrt(e); i = Reciprocal(s); "
END = "h = Mul(n, g); y = Add(h, b)"
TORCH = C + V.replace("Mul(c, c)", "Pow(c, two)") + "s = Sqrt(e); n = Div(c, s); " + END
ARRANGED = {
    "PyTorch": TORCH,
    "reciprocal": C + V + I + "n = Mul(c, i); " + END,
    "divided one": C + V + "s = Sqrt(e); i = Div(one, s); n = Mul(i, c); " + END,
    "power of a half": C + V + "s = Pow(e, half); n = Div(c, s); " + END,
    "power of minus a half": C + V + "i = Pow(e, minus); n = Mul(c, i); " + END,
    "TensorFlow": C + V + I + "j = Mul(i, g); k = Mul(m, j); d = Sub(b, k); z = Mul(x, j); y = Add(z, d)",
    "Keras": C + Q + I + "j = Mul(i, g); k = Neg(m); l = Mul(k, j); d = Add(l, b); z = Mul(x, j); y = Add(z, d)",
    "Flax": C
    + Q.replace("e = Add(v,", "f = Max(zero, v); e = Add(f,")
    + I
    + "j = Mul(i, g); h = Mul(c, j); y = Add(h, b)",
    "sums": "t = ReduceSum(x, last); m = Div(t, N); c = Sub(x, m); p = Mul(c, c); r = ReduceSum(p, last);"
    "v = Mul(r, inverse); e = Add(v, eps); s = Sqrt(e); n = Div(c, s); " + END,
    "axes dropped": "t = ReduceMean<axes = [-1], keepdims = 0>(x); m = Unsqueeze(t, last); c = Sub(x, m);"
    "p = Mul(c, c);"
    "v = ReduceMean<axes = [-1], keepdims = 0>(p); e = Add(v, eps); r = Sqrt(e); s = Unsqueeze(r, last);"
    "n = Div(c, s); " + END,
    "JAX": "t = ReduceSum(x, last); m = Div(t, N); r = Shape(x); k = Expand(m, r); c = Sub(x, k); p = Mul(c, c);"
    "l = ReduceSum(p, last); v = Div(l, N); a = Shape(v); d = Expand(eps, a); e = Add(v, d); i = Sqrt(e);"
    "s = Expand(i, r); n = Div(c, s); f = Expand(g, r); h = Mul(n, f); o = Expand(b, r); y = Add(h, o)",
    "repeated": C + V + "r = Sqrt(e); s = Expand(r, shape); n = Div(c, s); " + END,
}


def written(body, x, **weights):
    """The model; its weights are those that the body names."""
    given = {
        **{name: np.float32(value) for name, value in NUMBERS.items()},
        **{"g": normal(6) + 3, "b": 2 * normal(6), "last": np.array([-1]), "shape": np.array([1, *x.shape[1:]])},
        **weights,
    }
    named = {name: value for name, value in given.items() if re.search(rf"[( ]{name}[,)]", body)}
    model = parsed(body, x, **named)
    for node in model.graph.node:
        node.name = node.output[0]
    return model


def compared(model, x, tmp_path):
    """The network, which gives what onnxruntime does."""
    path = saved(model, tmp_path)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    loaded = load(path)
    np.testing.assert_allclose(run(loaded, x), expected, rtol=0, atol=1e-5)
    return loaded


@pytest.mark.parametrize("how", ARRANGED)
def test_however_the_operators_are_arranged(how, tmp_path):
    (layer,) = compared(written(ARRANGED[how], SEQUENCES), SEQUENCES, tmp_path)
    assert (repr(layer), layer.eps) == ("LayerNorm(6, eps=0.01)", 0.01)
    np.testing.assert_array_equal(nn.to_numpy(layer.params["gamma"]), normal(6) + 3)
    np.testing.assert_array_equal(nn.to_numpy(layer.params["beta"]), 2 * normal(6))


def again(x, y):
    """PyTorch's nodes with other names, from x to y."""
    return re.sub(r"\b([mcpvesnhxy])\b", lambda found: {"x": x, "y": y}.get(found[0], f"{found[0]}_{y}"), TORCH)


PLAIN = TORCH.replace(END, "y = Identity(n)")
FIRST, PIXELS = TORCH.replace("-1", "1"), TORCH.replace("-1", "2, 3")
CHANNELS = {"g": normal(3, 1, 1), "b": normal(3, 1, 1)}
NETWORKS = {
    "without parameters": (written(PLAIN, ROWS), ROWS, "LayerNorm(6, eps=0.01, affine=False)"),
    "without beta": (written(TORCH.replace(END, "y = Mul(g, n)"), ROWS), ROWS, "LayerNorm(6, eps=0.01, bias=False)"),
    "without gamma": (written(TORCH.replace(END, "y = Add(n, b)"), ROWS), ROWS, "LayerNorm(6, eps=0.01)"),
    "a factor after it": (
        written(TORCH.replace(END, "y = Mul(n, half)"), ROWS),
        ROWS,
        "LayerNorm(6, eps=0.01, affine=False), Affine((), learned=False)",
    ),
    "two axes": (written(PIXELS, IMAGE, g=normal(6, 5), b=normal(1, 6, 5)), IMAGE, "LayerNorm((6, 5), eps=0.01)"),
    "channels": (
        written(FIRST, IMAGE, **CHANNELS),
        IMAGE,
        "Permute(2, 3, 1), LayerNorm(3, eps=0.01), Permute(3, 1, 2)",
    ),
    "gamma of each channel": (
        written(PIXELS, IMAGE, **CHANNELS),
        IMAGE,
        "LayerNorm((6, 5), eps=0.01, affine=False), Affine((3, 1, 1))",
    ),
    "steps first": (
        written(
            f"a = Transpose<perm = [1, 0, 2]>(x); {again('a', 'o')}; y = Transpose<perm = [1, 0, 2]>(o)", SEQUENCES
        ),
        SEQUENCES,
        "LayerNorm(6, eps=0.01)",
    ),
    "one behind the other": (written(f"{again('x', 'o')}; {again('o', 'y')}", ROWS), ROWS, "twice"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_stands_around_it(name, tmp_path):
    model, x, shown = NETWORKS[name]
    loaded = compared(model, x, tmp_path)
    if shown == "twice":
        assert loaded[0] is loaded[1]
    else:
        assert repr(loaded) == f"Sequential({shown})"


OTHERS = {
    "another variance": TORCH.replace(
        "v = ReduceMean<axes = [-1]>(p)", "w = ReduceMean<axes = [-1]>(p); v = Mul(w, two)"
    ),
    "eps for each feature": TORCH.replace("Add(eps, v)", "Add(b, v)"),
    "eps after the root": C + V.replace("e = Add(eps, v)", "d = Sqrt(v)") + "s = Add(d, eps); n = Div(c, s); " + END,
    "no eps": C + V.replace("e = Add(eps, v); ", "") + "s = Sqrt(v); n = Div(c, s); " + END,
    "two means": TORCH.replace("c = Sub(x, m)", "k = ReduceMean<axes = [-2]>(x); c = Sub(x, k)"),
    "of all samples": TORCH.replace("[-1]", "[0, 2]"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_another_function_is_refused(what, tmp_path):
    model = written(OTHERS[what], SEQUENCES, b=normal(6) ** 2 + 1)
    with pytest.raises(UnsupportedNodeError, match=r"(?s)nodes are not supported.*Sub.*Sqrt"):
        load(saved(model, tmp_path))


def test_a_step_of_training(tmp_path):
    """Of what was read, and of the same layers."""
    body = TORCH.replace("(x", "(a").replace("m =", "a = MatMul(x, W); m =")
    loaded = compared(written(body, ROWS, W=normal(6, 6)), ROWS, tmp_path)
    same = nn.Sequential(nn.Dense(6, 6, bias=False, rng=0), nn.LayerNorm(6, 0.01))
    for layer, weights in zip(
        same, ({"W": normal(6, 6).T}, {"gamma": normal(6) + 3, "beta": 2 * normal(6)}), strict=True
    ):
        layer.params.update({name: nn.asarray(value) for name, value in weights.items()})
    for model in (loaded, same):
        y, backward = model.forward(nn.asarray(ROWS))
        backward(y)
        nn.SGD(lr=0.1).step(model)
    np.testing.assert_allclose(run(loaded, ROWS), run(same, ROWS), rtol=0, atol=1e-6)
