"""For each layer, the calls of C functions that compute it."""

import math
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from ... import layers as L
from ...backend import to_numpy
from ...layers.base import several
from ...layers.pool import Pool
from ...layers.recurrent import Recurrent
from .source import number
from .trace import Trace, Value, Writer


def _elementwise(function: str, *constants: str) -> Writer:
    """A function of n elements, with the layer's attributes of these names as constants."""

    def write(t: Trace, layer: Any, x: Value, y: Value) -> None:
        values = (number(getattr(layer, name)) for name in constants)
        t.call(function, x, y, x.size, *values, over=(x,), into=y)

    return write


def _gelu(t: Trace, layer: L.GELU, x: Value, y: Value) -> None:
    t.call("GELU" if layer.approximate == "none" else "GELU_tanh", x, y, x.size, over=(x,), into=y)


def _rows(function: str) -> Writer:
    """A function of the rows along the last axis."""
    return lambda t, layer, x, y: t.call(function, x, y, *x.split(-1), over=(x,), into=y)


def _of_channels(x: Value) -> tuple[int, int]:
    """C and the number of positions."""
    return x.shape[0], x.size // x.shape[0]


def _prelu(t: Trace, layer: L.PReLU, x: Value, y: Value) -> None:
    channels = (1, x.size) if layer.num_parameters == 1 else _of_channels(x)
    t.call("PReLU", x, y, *channels, t.array(layer, "alpha"), over=(x,), into=y)


def _batch_norm(t: Trace, layer: Any, x: Value, y: Value) -> None:
    gamma, var = (to_numpy(one) for one in (layer.params["gamma"], layer.buffers["running_var"]))
    factor = t.array(layer, "factor", gamma / np.sqrt(var + layer.eps))
    mean, beta = t.array(layer, "running_mean"), t.array(layer, "beta")
    t.call("PerChannel", x, y, *_of_channels(x), mean, factor, beta, over=(x,), into=y)


def _layer_norm(t: Trace, layer: L.LayerNorm, x: Value, y: Value) -> None:
    gamma, beta = (t.array(layer, key) for key in ("gamma", "beta"))
    t.call("LayerNorm", x, y, *x.split(-len(layer.normalized_shape)), number(layer.eps), gamma, beta, over=(x,), into=y)


def _dense(t: Trace, layer: L.Dense, x: Value, y: Value) -> None:
    W = t.weights(layer, "W", np.transpose)
    t.call("Dense", x, y, x.size // layer.in_features, layer.in_features, layer.out_features, *W, t.array(layer, "b"))


def _embedding(t: Trace, layer: L.Embedding, x: Value, y: Value) -> None:
    t.call("Embedding", x, y, x.size, layer.embedding_dim, *t.weights(layer, "W", np.asarray))


def _rbf(t: Trace, layer: L.RBF, x: Value, y: Value) -> None:
    t.call("RBF", x, y, x.size, y.size, t.array(layer, "centers"))


def _window(x: Value, y: Value, k: Any, s: Any, p: Any, d: Any = (1,), G: int = 1) -> str:
    """The struct of these settings; signals are images of one row."""
    sizes: list[Any] = [(usual, *values)[-2:] for usual, values in zip((1, 1, 0, 1), (k, s, p, d), strict=True)]
    (H, W), (rows, cols) = ((1, *value.shape[1:])[-2:] for value in (x, y))
    values: dict[str, int] = {"C": x.shape[0], "H": H, "W": W, "D": y.shape[0], "rows": rows, "cols": cols}
    values |= {f"{name}{axis}": size[axis - 1] for name, size in zip("kspd", sizes, strict=True) for axis in (1, 2)}
    return "&(const window){" + ", ".join(f".{key} = {value}" for key, value in (values | {"G": G}).items()) + "}"


def _conv(t: Trace, layer: Any, x: Value, y: Value) -> None:
    """For Conv2D, Conv1D, and MappedConv2D, whose kernels are 0 where there is no connection."""
    k, s, G = layer.kernel_size, layer.stride, getattr(layer, "groups", 1)
    p, d = getattr(layer, "pads", (layer.padding,))[0], getattr(layer, "dilation", (1, 1))

    def packed(K: np.ndarray) -> np.ndarray:  # (D, C/G, k1, k2) to g, n, c, m, d
        return K.reshape(G, len(K) // G, K.shape[1], -1, k[-1]).transpose(0, 4, 2, 3, 1)

    width, height = (y.shape[-1] - 1) * s[-1] + (k[-1] - 1) * d[-1] + 1, x.shape[0] // G * math.prod(k[:-1])
    columns = t.scratch(width * height + y.shape[0] // G, "columns")
    W = t.weights(layer, "W", packed)
    t.call("Conv2D", _window(x, y, k, s, p, d, G), x, y, columns, *W, t.array(layer, "b"))


def _conv_transpose(t: Trace, layer: L.ConvTranspose2D, x: Value, y: Value) -> None:
    window = _window(x, y, layer.kernel_size, layer.stride, layer.pads[0], layer.dilation, layer.groups)
    t.call("ConvTranspose2D", window, x, y, *t.weights(layer, "W", np.asarray), t.array(layer, "b"))


def _pool(t: Trace, layer: Pool, x: Value, y: Value) -> None:
    function = "MaxPool2D" if isinstance(layer, L.MaxPool2D | L.MaxPool1D) else "AvgPool2D"
    t.call(function, _window(x, y, layer.size, layer.stride, layer.padding), x, y)


def _global_pool(function: str) -> Writer:
    return lambda t, layer, x, y: t.call(function, x, y, *_of_channels(x))


def _subsample(t: Trace, layer: L.Subsample2D, x: Value, y: Value) -> None:
    t.call("AvgPool2D", _window(x, y, layer.size, layer.size, (0, 0)), x, y)
    factor = t.array(layer, "factor", math.prod(layer.size) * to_numpy(layer.params["W"]))
    t.call("PerChannel", y, y, *_of_channels(y), None, factor, t.array(layer, "b"))


def _upsample(t: Trace, layer: L.Upsample2D, x: Value, y: Value) -> None:
    t.call("Upsample2D", x, y, *x.split(-1), *layer.scale)


def _steps(shape: tuple[int, ...], lengths: tuple[int, ...]) -> list[int]:
    """The step to the next element along each axis; 0 along axes that are repeated up to these lengths."""
    behind = list(accumulate(shape[:0:-1], lambda a, b: a * b, initial=1))[::-1]
    return [0 if n != m else step for n, m, step in zip(shape, lengths, behind, strict=True)]


def _pairs(y: Value, a: list[int], b: list[int]) -> str:
    """The struct of two inputs' steps along y's axes; axes that continue one another are joined."""
    axes: list[tuple[int, ...]] = []
    for n, *steps in zip(y.shape, a, b, strict=True):
        if axes and [one * n for one in steps] == list(axes[-1][1:]):
            axes[-1] = axes[-1][0] * n, *steps
        elif n > 1:
            axes.append((n, *steps))
    if len(axes) > 4:
        raise ValueError(f"export: an output {y.shape} needs loops over {len(axes)} axes, and C's functions have four")
    columns = zip(*[(1, 0, 0)] * (4 - len(axes)), *axes, strict=True)
    fields = (f".{name} = {{{', '.join(map(str, column))}}}" for name, column in zip("nab", columns, strict=True))
    return f"&(const pairs){{{', '.join(fields)}}}"


def _permute(t: Trace, layer: L.Permute, x: Value, y: Value) -> None:
    steps = _steps(x.shape, x.shape)
    t.call("Permute", _pairs(y, [steps[axis - 1] for axis in layer.axes], [0] * len(steps)), x, y)


def _slice(t: Trace, layer: L.Slice, x: Value, y: Value) -> None:
    steps, axis = _steps(x.shape, x.shape), layer.axis + (len(x.shape) + 1 if layer.axis < 0 else 0) - 1
    start = range(x.shape[axis])[layer.start : layer.stop].start
    t.call("Permute", _pairs(y, steps, [0] * len(steps)), (x, start * steps[axis]), y)


def _affine(t: Trace, layer: L.Affine, x: Value, y: Value) -> None:
    repeated = _steps(layer.shape or (1,) * len(y.shape), y.shape)
    t.call("Multiply", _pairs(y, _steps(x.shape, y.shape), repeated), x, t.array(layer, "scale"), y)
    t.call("Add", _pairs(y, _steps(y.shape, y.shape), repeated), y, t.array(layer, "offset"), y)


def _join(function: str, t: Trace, layer: Any, x: tuple[Value, ...], y: Value) -> None:
    """Join the inputs from left to right, as the layer does."""
    left = x[0]
    for index, right in enumerate(x[1:], 2):
        last = index == len(x)
        both = Value(layer((left.array, right.array)), y.buffer if last else t.scratch(0, f"sum{index}"))
        both.buffer.size = both.size
        over = tuple(one for one in (left, right) if one.shape == both.shape)
        pairs = _pairs(both, _steps(left.shape, both.shape), _steps(right.shape, both.shape))
        t.call(function, pairs, left, right, both, over=over, into=both)
        left = both


def _concat(t: Trace, layer: L.Concat, x: tuple[Value, ...], y: Value) -> None:
    axis, start = layer._axis(tuple(value.array for value in x)) - 1, 0
    for value in x:
        rows, n = value.split(axis)
        t.call("Copy", value, (y, start), rows, n, y.split(axis)[1])
        start += n


def _recurrent(t: Trace, layer: Recurrent, x: Any, y: Any) -> None:
    (x, *start), (y, *last) = several(x), several(y)
    state = _read(t, layer, x, y, layer.hidden_size if layer.return_sequences else 0, [(one, 0) for one in start])
    _keep(t, layer, state, [(one, 0) for one in last])


def _read(
    t: Trace, layer: Recurrent, x: Value, y: Any, y_step: int, start: list[tuple[Value, int]], reverse: bool = False
) -> Any:
    """Read the sequence from its start or its end, and write y in rows at this distance; returns the state's place.

    Args:
        start: the places of the initial state's given components.
    """
    (T, I), H, sign = x.shape, layer.hidden_size, -1 if reverse else 1
    rows, names = len(layer.params["W_x"]), layer.state_names
    learned = {k: t.array(layer, f"{name}_0") for k, name in enumerate(names) if name in layer.starting("learned")}
    where: Any = f"state + {t.state}"
    if t.step:
        t.starts |= {t.state + k * H: (name, H) for k, name in learned.items()}
        t.state += len(names) * H
    else:
        where = t.scratch(len(names) * H, "reverse_state" if reverse else "state")
        t.call("memset", where, 0, f"{len(names) * H} * sizeof(float)")
        given = dict(zip((names.index(name) for name in layer.starting("given")), start, strict=True))
        for k, source in (given | learned).items():
            t.call("Copy", source, (where, k * H), 1, H, H)
    first_x, first_y = ((x, (T - 1) * I), (y[0], y[1] + (T - 1) * y_step)) if reverse else (x, y)
    b = [t.array(layer, "b")]
    if isinstance(layer, L.GRU):
        b_h = layer.params.get("b_h")
        b.append(None if b_h is None else t.array(layer, "b_h", np.concatenate([np.zeros(2 * H), to_numpy(b_h)])))
    weights = *t.weights(layer, "W_x", np.transpose), *t.weights(layer, "W_h", np.transpose)
    work = t.scratch(2 * rows, "reverse_work" if reverse else "work")
    t.call(type(layer).__name__, first_x, sign * I, first_y, sign * y_step, where, work, T, I, H, *weights, *b)
    return where


def _keep(t: Trace, layer: Recurrent, state: Any, last: list[tuple[Value, int]]) -> None:
    """Copy the state's components to the outputs for the last state."""
    H = layer.hidden_size
    for k, place in enumerate(last):
        t.call("Copy", f"{state} + {k * H}" if t.step else (state, k * H), place, 1, H, H)


def _bidirectional(t: Trace, layer: L.Bidirectional, x: Any, y: Any) -> None:
    f, g, H, sequences = layer.layer, layer.reverse, layer.layer.hidden_size, layer.layer.return_sequences
    (x, *start), (y, *last) = several(x), several(y)
    step, of_f, of_g = 2 * H * sequences, y, (y, H)
    if layer.merge == "sum":
        of_f, added = (Value(y.array, t.scratch(y.size, what)) for what in ("forward", "reverse"))
        step, of_g = H * sequences, (added, 0)
    for one, to, at in ((f, of_f, 0), (g, of_g, H)):
        state = _read(t, one, x, to, step, [(value, at) for value in start], reverse=at > 0)
        _keep(t, one, state, [(value, at) for value in last])
    if layer.merge == "sum":
        _join("Add", t, L.Add(), (of_f, added), y)


WRITERS: dict[type[L.Layer], Writer] = {
    L.Add: partial(_join, "Add"),
    L.Affine: _affine,
    L.AvgPool1D: _pool,
    L.AvgPool2D: _pool,
    L.BatchNorm1D: _batch_norm,
    L.BatchNorm2D: _batch_norm,
    L.Bidirectional: _bidirectional,
    L.Clip: _elementwise("Clip", "low", "high"),
    L.Concat: _concat,
    L.Conv1D: _conv,
    L.Conv2D: _conv,
    L.ConvTranspose2D: _conv_transpose,
    L.Dense: _dense,
    L.Dropout: None,
    L.ELU: _elementwise("ELU", "alpha"),
    L.Embedding: _embedding,
    L.Flatten: None,
    L.GELU: _gelu,
    L.GRU: _recurrent,
    L.GlobalAvgPool1D: _global_pool("GlobalAvgPool"),
    L.GlobalAvgPool2D: _global_pool("GlobalAvgPool"),
    L.GlobalMaxPool1D: _global_pool("GlobalMaxPool"),
    L.GlobalMaxPool2D: _global_pool("GlobalMaxPool"),
    L.HardSigmoid: _elementwise("HardSigmoid", "slope", "offset"),
    L.HardSwish: _elementwise("HardSwish"),
    L.LSTM: _recurrent,
    L.LayerNorm: _layer_norm,
    L.LeakyReLU: _elementwise("LeakyReLU", "slope"),
    L.LogSoftmax: _rows("LogSoftmax"),
    L.MappedConv2D: _conv,
    L.MaxPool1D: _pool,
    L.MaxPool2D: _pool,
    L.Multiply: partial(_join, "Multiply"),
    L.PReLU: _prelu,
    L.Permute: _permute,
    L.RBF: _rbf,
    L.RNN: _recurrent,
    L.ReLU: _elementwise("ReLU"),
    L.ReLU6: _elementwise("Clip", "low", "high"),
    L.Reshape: None,
    L.ScaledTanh: _elementwise("ScaledTanh", "amplitude", "slope"),
    L.Sigmoid: _elementwise("Sigmoid"),
    L.SiLU: _elementwise("SiLU"),
    L.Slice: _slice,
    L.Softmax: _rows("Softmax"),
    L.Softplus: _elementwise("Softplus", "beta", "threshold"),
    L.Subsample2D: _subsample,
    L.Tanh: _elementwise("Tanh"),
    L.Upsample2D: _upsample,
}
"""For each layer, the function that adds its calls; None if its output is its input."""
