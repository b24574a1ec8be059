"""Networks written as ONNX: the checker passes them, onnxruntime gives the same outputs, and they load back equal."""

import math
import sys
from unittest.mock import ANY

import numpy as np
import onnx
import onnx.checker
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import xpnn as nn
from xpnn import layers
from xpnn.interop.onnx import Backend, export, load
from xpnn.interop.onnx.node import shortest
from xpnn.interop.onnx.writers import WRITERS
from xpnn.layers.activations import Activation
from xpnn.layers.composite import Composite
from xpnn.layers.conv import Convolution
from xpnn.layers.dense import ActivatedDense
from xpnn.layers.pool import Pool
from xpnn.layers.recurrent import Recurrent

# fmt: off
NO_FLOAT64 = {
    "AveragePool", "Conv", "ConvTranspose", "Elu", "Erf", "GRU", "GlobalAveragePool", "GlobalMaxPool",
    "HardSigmoid", "HardSwish", "LSTM", "RNN", "Resize", "Softplus",
}
# fmt: on
"""Operators that onnxruntime has in float32 only; in float64 ONNX's own reference implementation stands in."""

IN_FLOAT32 = {"Erf", "HardSwish"}
"""What is float32 even among float64 values: the reference implementation's Erf, and 1/6 by HardSwish's definition."""

WRONG_REFERENCE = {"ConvTranspose2D", "GlobalMaxPool1D"}
"""Cases that ONNX's reference implementation gets wrong: it knows neither groups nor the maximum of signals."""

BOUND = {"float32": 1e-5, "float64": 1e-12}
"""On the largest error over the largest output. float32: what the project promises; float64: rounding, with room."""


def block(channels, dtype, rng):
    conv = [nn.Conv2D(channels, channels, 3, padding=1, rng=rng, dtype=dtype) for _ in range(2)]
    norm = [layers.BatchNorm2D(channels, eps=0.0625, momentum=0.25, dtype=dtype) for _ in range(2)]
    return layers.Residual(nn.Sequential(conv[0], norm[0], nn.ReLU(), conv[1], norm[1]))


def resnet(dtype, rng):
    """Residual blocks with and without a shortcut of their own, nested, and a body of a single layer."""
    down = [nn.Conv2D(4, 8, size, 2, padding=size // 2, rng=rng, dtype=dtype) for size in (3, 1)]
    return nn.Sequential(
        nn.Conv2D(3, 4, 3, padding=1, rng=rng, dtype=dtype),
        block(4, dtype, rng),
        nn.ReLU(),
        layers.Residual(nn.Sequential(down[0], block(8, dtype, rng)), down[1]),
        nn.Sequential(layers.Residual(nn.Tanh()), layers.GlobalAvgPool2D()),
        nn.Dense(8, 5, rng=rng, dtype=dtype),
    )


def shared(dtype, rng):
    """One layer at five places, two of them within a block that itself stands twice."""
    dense = nn.Dense(6, 6, rng=rng, dtype=dtype)
    pair = nn.Sequential(dense, nn.Tanh())
    return nn.Sequential(dense, pair, layers.Residual(pair), nn.Sequential(nn.Sequential(dense)), nn.Softmax())


def branched(dtype, rng):
    """Forks and joins, a row of layers and a residual block as nodes, and a layer at two places."""
    dense = [nn.Dense(4, 4, rng=rng, dtype=dtype) for _ in range(3)]
    return nn.Graph(
        {
            "row": nn.Sequential(dense[0], nn.Tanh()),
            "block": layers.Residual(dense[1]),
            "again": (dense[0], "row"),
            "sum": (nn.Add(), "again", "block", "row"),
            "gate": (nn.Sequential(dense[2], nn.Sigmoid()), "block"),
            "gated": (nn.Multiply(), "sum", "gate", "x"),
            "two": (nn.Add(), "gated", "sum"),  # at the end of two branches, as a residual block is
            "all": (nn.Concat(-1), "two", "gated", "x"),
        }
    )


def gates(dtype, rng):
    """Layers that ONNX has as products of several nodes, and the same products of a Graph's own nodes."""
    return nn.Graph(
        {
            "silu": nn.SiLU(),
            "s": (nn.Sigmoid(), "x"),
            "product": (nn.Multiply(), "x", "s"),
            "row": (nn.Sequential(nn.GELU(), nn.SiLU()), "product"),
            "tanh": (nn.GELU("tanh"), "silu"),
            "all": (nn.Concat(), "row", "tanh", "s"),
        }
    )


def shared_over_ranks(dtype, rng):
    """A layer that stands once behind sequences and once behind vectors: MatMul and Gemm, but one W."""
    dense = nn.Dense(6, 6, rng=rng, dtype=dtype)
    return nn.Sequential(dense, nn.RNN(6, 6, rng=rng, dtype=dtype), dense)


def residual_over_ranks(dtype, rng):
    """Both branches begin with sequences and end with vectors."""
    rnn = [nn.RNN(4, 5, rng=rng, dtype=dtype) for _ in range(2)]
    return layers.Residual(rnn[0], nn.Sequential(nn.Dense(4, 4, rng=rng, dtype=dtype), rnn[1]))


def modern(dtype, rng):
    """Layers of ``layers/modern`` in a row and within residual blocks, those that are branches themselves too."""
    o = {"rng": rng, "dtype": dtype}
    mix = nn.Sequential(nn.LayerNorm(5, dtype=dtype), nn.Dense(5, 8, **o), nn.GELU(), nn.Dense(8, 5, **o))
    return nn.Sequential(
        *(nn.Conv2D(2, 4, 3, **o), nn.PReLU(4, dtype=dtype), nn.HardSwish(), nn.Flatten(), nn.Dense(64, 5, **o)),
        *(layers.Residual(mix), layers.Residual(nn.SiLU()), nn.GELU("tanh"), nn.Softplus(2), nn.LogSoftmax()),
    )


TABLE = ((0, 1), (1, 2), (0, 2), (2,))

CASES = {
    "Add": (lambda d, r: nn.Graph({"a": nn.Tanh(), "y": (nn.Add(), "x", "a", "x")}), (3,)),
    "AvgPool1D": (lambda d, r: nn.AvgPool1D(3, 2, 1), (2, 8)),
    "AvgPool2D": (lambda d, r: nn.AvgPool2D((2, 3)), (3, 7, 8)),
    "AvgPool2D-padded": (lambda d, r: nn.AvgPool2D(3, (1, 2), (1, 2)), (2, 6, 7)),
    "BatchNorm1D": (lambda d, r: layers.BatchNorm1D(5, eps=0.0625, momentum=0.25, dtype=d), (5,)),
    "BatchNorm1D-signals": (lambda d, r: layers.BatchNorm1D(5, eps=0.25, dtype=d), (5, 4)),
    "BatchNorm2D": (lambda d, r: layers.BatchNorm2D(3, eps=0.0625, dtype=d), (3, 4, 5)),
    "Bidirectional": (lambda d, r: nn.Bidirectional(nn.LSTM(4, 3, rng=r, dtype=d), rng=r), (6, 4)),
    "Bidirectional-learned": (
        lambda d, r: nn.Bidirectional(nn.GRU(4, 3, True, initial_state="learned", rng=r, dtype=d), rng=r),
        (6, 4),
    ),
    "Bidirectional-sum": (lambda d, r: nn.Bidirectional(nn.RNN(4, 3, rng=r, dtype=d), merge="sum", rng=r), (6, 4)),
    "Bidirectional-sum-sequences": (
        lambda d, r: nn.Bidirectional(nn.GRU(4, 3, True, rng=r, dtype=d), merge="sum", rng=r),
        (6, 4),
    ),
    "Conv1D": (lambda d, r: nn.Conv1D(4, 6, 3, 2, 1, dilation=2, groups=2, rng=r, dtype=d), (4, 9)),
    "Conv1D-same": (lambda d, r: nn.Conv1D(3, 4, 4, padding="same", rng=r, dtype=d), (3, 9)),
    "Clip": (lambda d, r: nn.Clip(-1, 0.5), (4, 3)),
    "Clip-above": (lambda d, r: nn.Clip(-math.inf, 0.5), (4, 3)),
    "Concat": (lambda d, r: nn.Graph({"a": nn.AvgPool2D(1), "y": (nn.Concat(), "x", "a")}), (3, 2, 2)),
    "Conv2D": (lambda d, r: nn.Conv2D(3, 4, (2, 3), rng=r, dtype=d), (3, 7, 6)),
    "Conv2D-all": (
        lambda d, r: nn.Conv2D(4, 6, (3, 2), (2, 1), (2, 1), dilation=(1, 2), groups=2, rng=r, dtype=d),
        (4, 8, 7),
    ),
    "Conv2D-same": (lambda d, r: nn.Conv2D(2, 3, (2, 3), padding="same", rng=r, dtype=d), (2, 5, 6)),
    "Conv2D-same-dilated": (lambda d, r: nn.Conv2D(2, 3, 2, 1, "same", (1, 3), rng=r, dtype=d), (2, 5, 6)),
    "Conv2D-without-bias": (lambda d, r: nn.Conv2D(4, 6, 3, groups=2, bias=False, rng=r, dtype=d), (4, 6, 7)),
    "ConvTranspose2D": (
        lambda d, r: nn.ConvTranspose2D(4, 6, (3, 2), 2, 1, (1, 0), 2, dilation=(2, 1), rng=r, dtype=d),
        (4, 4, 5),
    ),
    "ConvTranspose2D-without-bias": (lambda d, r: nn.ConvTranspose2D(2, 3, 2, bias=False, rng=r, dtype=d), (2, 3, 4)),
    "Dense": (lambda d, r: nn.Dense(5, 4, rng=r, dtype=d), (5,)),
    "Dense-sequences": (lambda d, r: nn.Dense(5, 4, rng=r, dtype=d), (3, 2, 5)),
    "Dense-without-bias": (lambda d, r: nn.Dense(5, 4, bias=False, rng=r, dtype=d), (5,)),
    "Dense-sequences-without-bias": (lambda d, r: nn.Dense(5, 4, bias=False, rng=r, dtype=d), (3, 2, 5)),
    "Dropout": (lambda d, r: nn.Dropout(0.3, rng=r), (4, 3)),
    "ELU": (lambda d, r: nn.ELU(0.5), (4, 3)),
    "Embedding": (lambda d, r: nn.Embedding(7, 4, rng=r, dtype=d), (5,)),
    "Flatten": (lambda d, r: nn.Flatten(), (3, 2, 4)),
    "GELU": (lambda d, r: nn.GELU(), (4, 3)),
    "GELU-tanh": (lambda d, r: nn.GELU("tanh"), (3, 2, 2)),
    "GRU": (lambda d, r: layers.GRU(4, 5, rng=r, dtype=d), (6, 4)),
    "GRU-sequences": (lambda d, r: layers.GRU(4, 3, True, rng=r, dtype=d), (6, 4)),
    "GRU-without-bias": (lambda d, r: layers.GRU(4, 3, bias=False, rng=r, dtype=d), (6, 4)),
    "GlobalAvgPool1D": (lambda d, r: nn.GlobalAvgPool1D(), (3, 5)),
    "GlobalMaxPool1D": (lambda d, r: nn.GlobalMaxPool1D(), (3, 5)),
    "GlobalMaxPool2D": (lambda d, r: nn.GlobalMaxPool2D(), (3, 4, 5)),
    "Affine": (lambda d, r: nn.Affine((3, 1, 4), dtype=d), (3, 2, 4)),
    "Affine-fixed": (lambda d, r: nn.Affine((4,), learned=False, dtype=d), (4,)),
    "Reshape": (lambda d, r: nn.Reshape(2, 3, 4), (24,)),
    "Slice": (lambda d, r: nn.Slice(1, -1, axis=2), (3, 5, 4)),
    "Graph": (branched, (4,)),
    "Graph-gates": (gates, (3,)),
    "GlobalAvgPool2D": (lambda d, r: layers.GlobalAvgPool2D(), (3, 4, 5)),
    "HardSigmoid": (lambda d, r: nn.HardSigmoid(0.25, 0.5), (4, 3)),
    "HardSwish": (lambda d, r: nn.HardSwish(), (4, 3)),
    "LSTM": (lambda d, r: layers.LSTM(4, 5, rng=r, dtype=d), (6, 4)),
    "LSTM-learned": (lambda d, r: layers.LSTM(4, 3, initial_state=("zeros", "learned"), rng=r, dtype=d), (6, 4)),
    "LSTM-sequences": (lambda d, r: layers.LSTM(4, 3, True, rng=r, dtype=d), (6, 4)),
    "LSTM-without-bias": (lambda d, r: layers.LSTM(4, 3, True, bias=False, rng=r, dtype=d), (6, 4)),
    "LayerNorm": (lambda d, r: nn.LayerNorm(4, 0.0625, dtype=d), (4,)),
    "LayerNorm-images": (lambda d, r: nn.LayerNorm((2, 4), 0.0625, bias=False, dtype=d), (3, 2, 4)),
    "LayerNorm-without-parameters": (lambda d, r: nn.LayerNorm(4, 0.0625, affine=False), (3, 4)),
    "LeakyReLU": (lambda d, r: nn.LeakyReLU(0.125), (4, 3)),
    "LogSoftmax": (lambda d, r: nn.LogSoftmax(), (2, 3, 4)),
    "MappedConv2D": (lambda d, r: layers.MappedConv2D(3, TABLE, (3, 2), (1, 2), 1, rng=r, dtype=d), (3, 6, 5)),
    "MaxPool1D": (lambda d, r: nn.MaxPool1D(3, 2, 1), (2, 8)),
    "MaxPool2D": (lambda d, r: nn.MaxPool2D(2), (3, 6, 7)),
    "MaxPool2D-overlapping": (lambda d, r: nn.MaxPool2D((3, 2), (2, 1), (1, 0)), (2, 6, 7)),
    "Multiply": (lambda d, r: nn.Graph({"a": nn.Tanh(), "y": (nn.Multiply(), "a", "x", "a")}), (3,)),
    "PReLU": (lambda d, r: nn.PReLU(dtype=d), (3, 2, 2)),
    "PReLU-channels": (lambda d, r: nn.PReLU(3, dtype=d), (3, 2, 2)),
    "RBF": (lambda d, r: layers.RBF(r.standard_normal((4, 6)), dtype=d), (6,)),
    "Permute": (lambda d, r: nn.Permute(2, 1), (6, 4)),
    "RNN": (lambda d, r: nn.RNN(4, 5, rng=r, dtype=d), (6, 4)),
    "RNN-sequences": (lambda d, r: nn.RNN(4, 3, True, rng=r, dtype=d), (6, 4)),
    "RNN-without-bias": (lambda d, r: nn.RNN(4, 3, True, bias=False, rng=r, dtype=d), (6, 4)),
    "ReLU": (lambda d, r: nn.ReLU(), (4, 3)),
    "ReLU6": (lambda d, r: nn.ReLU6(), (4, 3)),
    "Residual": (lambda d, r: layers.Residual(nn.Dense(4, 4, rng=r, dtype=d)), (4,)),
    "Residual-over-ranks": (residual_over_ranks, (6, 4)),
    "ScaledTanh": (lambda d, r: layers.ScaledTanh(), (3, 2)),
    "ScaledTanh-other": (lambda d, r: layers.ScaledTanh(1.5, 0.75), (3, 2)),
    "Sequential": (lambda d, r: nn.Sequential(nn.Sequential(nn.Dense(3, 3, rng=r, dtype=d)), nn.Sigmoid()), (3,)),
    "SiLU": (lambda d, r: nn.SiLU(), (4, 3)),
    "Sigmoid": (lambda d, r: nn.Sigmoid(), (4, 3)),
    "Softmax": (lambda d, r: nn.Softmax(), (2, 3, 4)),
    "Softplus": (lambda d, r: nn.Softplus(), (4, 3)),
    "Softplus-steeper": (lambda d, r: nn.Softplus(2), (4, 3)),
    "Subsample2D": (lambda d, r: layers.Subsample2D(3, (2, 3), rng=r, dtype=d), (3, 5, 7)),
    "Tanh": (lambda d, r: nn.Tanh(), (5,)),
    "Upsample2D": (lambda d, r: nn.Upsample2D((2, 3)), (2, 3, 4)),
    # networks
    "CharRNN": (lambda d, r: nn.CharRNN("abcdefg", 8, 4, rng=r, dtype=d), (6,)),
    "LeNet5": (lambda d, r: nn.LeNet5(rng=r, dtype=d), (1, 28, 28)),
    "LeNet5-1998": (lambda d, r: nn.LeNet5(variant="1998", rng=r, dtype=d), (1, 28, 28)),
    "MLP": (lambda d, r: nn.MLP((6, 5, 4, 3), nn.LeakyReLU(0.125), nn.Sigmoid(), rng=r, dtype=d), (6,)),
    "RNNClassifier": (lambda d, r: nn.RNNClassifier(5, 6, 3, rng=r, dtype=d), (5, 5)),
    "RNNClassifier-deep": (
        lambda d, r: nn.RNNClassifier(5, 4, 3, cell=nn.GRU, num_layers=2, bidirectional=True, rng=r, dtype=d),
        (5, 5),
    ),
    "ResNet": (resnet, (3, 9, 8)),
    "modern": (modern, (2, 6, 6)),
    "recurrent": (
        lambda d, r: nn.Sequential(
            layers.LSTM(4, 5, True, rng=r, dtype=d),
            layers.GRU(5, 3, True, rng=r, dtype=d),
            nn.Dense(3, 4, rng=r, dtype=d),
            layers.LSTM(4, 3, rng=r, dtype=d),
        ),
        (6, 4),
    ),
    "shared": (shared, (6,)),
    "shared-over-ranks": (shared_over_ranks, (5, 6)),
}


def make(case, dtype="float32"):
    """The case's model with parameters and buffers of all sizes and signs, and a function that gives inputs for it."""
    build, shape = CASES[case]
    rng = np.random.default_rng(sum(map(ord, case)))
    model = build(dtype, rng)
    for key, value in [*model.params.items(), *model.buffers.items()]:
        noise = 0.1 * rng.standard_normal(value.shape)
        value += nn.asarray(np.abs(noise) if key.endswith("running_var") else noise, value.dtype)
    vocabulary = {"CharRNN": 7, "Embedding": 7}.get(case)

    def inputs(batch):
        if vocabulary:
            return rng.integers(0, vocabulary, (batch, *shape))
        return rng.standard_normal((batch, *shape)).astype(dtype)

    return model, shape, inputs


def run(model, x):
    return nn.to_numpy(model(nn.asarray(x, x.dtype)))


def reference(path, x, dtype):
    """onnxruntime's output; for float64 that of ONNX's reference implementation where onnxruntime lacks a kernel."""
    if dtype == "float64" and not NO_FLOAT64.isdisjoint(node.op_type for node in onnx.load(path).graph.node):
        return ReferenceEvaluator(str(path)).run(None, {onnx.load(path).graph.input[0].name: x})[0]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def bits(arrays):
    return {key: (value.shape, value.dtype, nn.to_numpy(value).tobytes()) for key, value in arrays.items()}


def structure(layer):
    """A layer but for its parameters' values; a model counts as the Sequential that it is."""
    if isinstance(layer, nn.Sequential):
        return "Sequential", [structure(child) for child in layer]
    if isinstance(layer, layers.Residual):
        return "Residual", [(name, structure(child)) for name, child in layer.children()]
    if isinstance(layer, nn.Graph):
        nodes = [(name, structure(child), reads) for name, (child, *reads) in layer.nodes.items()]
        return "Graph", nodes, layer.inputs, layer.outputs
    extra = {layers.RBF: lambda: bits({"centers": layer.centers}), layers.MappedConv2D: lambda: layer.connections}.get(
        type(layer), lambda: None
    )
    return type(layer).__name__, repr(layer), list(layer.params), extra()


def assert_equal(loaded, model):
    assert structure(loaded) == structure(model)
    assert list(loaded.params) == list(model.params)  # so layers that are shared are shared again
    assert bits(loaded.params) == bits(model.params)
    assert bits(loaded.buffers) == bits(model.buffers)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, dtype) for case in CASES for dtype in BOUND if dtype == "float32" or case not in WRONG_REFERENCE],
)
def test_roundtrip(case, dtype, tmp_path, measured):
    model, shape, inputs = make(case, dtype)
    path = tmp_path / "model.onnx"
    export(model, path, input_shape=shape, dtype=dtype)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    loaded = load(path)
    assert_equal(loaded, model)
    for batch in (1, 5):  # from one file: the batch is free
        x = inputs(batch)
        y, expected = run(model, x), reference(path, x, dtype)
        assert y.dtype == expected.dtype == dtype
        assert y.shape == expected.shape
        error = float(np.abs(y - expected).max() / max(1, np.abs(y).max()))
        digits = dtype if IN_FLOAT32.isdisjoint(node.op_type for node in onnx.load(path).graph.node) else "float32"
        measured(f"ONNX, exported models in {digits}", error)
        assert error <= BOUND[digits]
        assert run(loaded, x).tobytes() == y.tobytes()
        (by_backend,) = Backend.run_model(onnx.load(path), [x])
        np.testing.assert_allclose(by_backend, y, rtol=0, atol=BOUND[dtype] * max(1, np.abs(y).max()))


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"Dropout"}))  # whose masks come from a generator, not the file
def test_loaded_network_trains_on_the_same_way(case, tmp_path):
    model, shape, inputs = make(case)
    export(model, tmp_path / "model.onnx", input_shape=shape)
    loaded = load(tmp_path / "model.onnx")
    for _ in range(3):
        x = inputs(4)
        for network, optimizer in ((model, nn.SGD(1e-4)), (loaded, nn.SGD(1e-4))):
            y, backward = network.forward(nn.asarray(x, x.dtype))
            backward(y)
            optimizer.step(network)
    assert bits(loaded.params) == bits(model.params)
    assert bits(loaded.buffers) == bits(model.buffers)


def concrete_layers():
    """Every layer class in the package, exported or not.

    Bases, models, and the pair that a Sequential makes of two of its layers while it runs are no layers of their own.
    """
    found, todo = set(), [layers.Layer]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        own = kind.__module__.startswith("xpnn.") and not kind.__name__.startswith("_")
        if own and getattr(sys.modules[kind.__module__], kind.__name__) is kind:  # and not one with a planted error
            found.add(kind)
    models = {kind for kind in found if issubclass(kind, nn.Sequential) and kind is not nn.Sequential}
    return found - models - {layers.Layer, Composite, Recurrent, Activation, ActivatedDense, Convolution, Pool}


def test_every_layer_has_an_exporter_and_a_case():
    assert set(WRITERS) == concrete_layers()
    assert {kind.__name__ for kind in WRITERS} <= CASES.keys()


def test_the_list_above_covers_what_the_package_exports():
    exported = {value for module in (nn, layers) for value in vars(module).values() if isinstance(value, type)}
    kinds = {kind for kind in exported if issubclass(kind, layers.Layer)} - {layers.Layer, Composite, Recurrent}
    assert {kind for kind in kinds if kind is nn.Sequential or not issubclass(kind, nn.Sequential)} <= set(WRITERS)


@pytest.mark.parametrize("both", [False, True], ids=["one direction", "both"])
@pytest.mark.parametrize("lengths", [False, True], ids=["full", "ragged"])
def test_states_that_are_read_and_given(both, lengths, tmp_path, rng):
    """An encoder of symbols, whose last state is the decoder's first one, and an output."""
    wrap = nn.Bidirectional if both else lambda layer: layer
    encoder = wrap(nn.LSTM(3, 4, return_state=True, rng=rng))
    decoder = wrap(nn.LSTM(2, 4, True, return_state=True, initial_state=("learned", "given"), rng=rng))
    nodes = {
        "encoder": (nn.Sequential(nn.Embedding(7, 3, rng=rng), encoder), "text"),
        "decoder": (decoder, "z", "encoder.c"),
        "y": (nn.Dense(8 if both else 4, 2, rng=rng), "decoder"),
    }
    outputs = "y", "decoder.h", "encoder"
    model = nn.Graph(nodes, inputs=("text", "z"), outputs=outputs, input_shape=((None,), (None, 2)))
    model.flat_params[...] = nn.asarray(rng.standard_normal(model.flat_params.shape))
    path, x = tmp_path / "model.onnx", (rng.integers(0, 7, (3, 5)), rng.standard_normal((3, 6, 2)).astype("float32"))
    export(model, path, lengths=["text"] if lengths else False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    own = [2, 5, 1] if lengths else None
    got = session.run(None, {"text": x[0], "z": x[1]} | ({"lengths": np.array(own)} if lengths else {}))
    expected = model(tuple(map(nn.asarray, x)), lengths=(own, None))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, nn.to_numpy(other), rtol=0, atol=1e-5)
    if not lengths:
        assert_equal(load(path), model)


def test_a_layer_that_gives_its_last_state_is_a_graph_again(tmp_path, rng):
    layer, x = nn.GRU(3, 4, return_state=True, rng=rng), rng.standard_normal((2, 5, 3)).astype("float32")
    export(layer, tmp_path / "model.onnx")
    loaded = load(tmp_path / "model.onnx")
    assert loaded.outputs == ("gru_1", "gru_1.h")
    for one, other in zip(nn.predict(loaded, x), nn.predict(layer, x), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("op", sorted(NO_FLOAT64))
def test_onnxruntime_still_lacks_the_float64_kernel(op):
    """Else the case would have to run in onnxruntime: the list above must not hide a difference."""
    recurrent = {"RNN": 1, "LSTM": 4, "GRU": 3}
    shapes, attributes = {
        "AveragePool": ([(1, 1, 3, 3)], {"kernel_shape": [2, 2]}),
        "Conv": ([(1, 1, 3, 3), (1, 1, 2, 2)], {}),
        "ConvTranspose": ([(1, 1, 3, 3), (1, 1, 2, 2)], {}),
        "GlobalAveragePool": ([(1, 1, 3, 3)], {}),
        "GlobalMaxPool": ([(1, 1, 3, 3)], {}),
        "Resize": ([(1, 1, 3, 3), (0,), (4,)], {"mode": "nearest"}),
        **{name: ([(1, 3)], {}) for name in ("Elu", "Erf", "HardSigmoid", "HardSwish", "Softplus")},
        **{
            name: ([(2, 1, 3), (1, gates * 4, 3), (1, gates * 4, 4)], {"hidden_size": 4})
            for name, gates in recurrent.items()
        },
    }[op]
    weights = "float32" if op == "Resize" else "float64"  # as its scales are
    names = ["x", *(f"w{i}" for i in range(1, len(shapes)))]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shapes[0])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [
            numpy_helper.from_array(np.ones(shape, weights), name)
            for name, shape in zip(names[1:], shapes[1:], strict=True)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the refusal is expected
    with pytest.raises(Exception, match="NOT_IMPLEMENTED|does not support double"):
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(
            None, {"x": np.ones(shapes[0])}
        )


# what export makes of memory order, names and shapes


def test_parameters_in_any_memory_order(tmp_path):
    model, shape, inputs = make("Conv2D")
    W = model.params["W"]
    turned = nn.xp.ascontiguousarray(W.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    assert not turned.flags.c_contiguous
    dict.__setitem__(model.params, "W", turned)
    export(model, tmp_path / "model.onnx", input_shape=shape)
    x = inputs(2)
    np.testing.assert_allclose(reference(tmp_path / "model.onnx", x, "float32"), run(model, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", ["RNN", "LSTM", "GRU"])
def test_a_bias_of_minus_zero_keeps_its_sign(case, tmp_path):
    """ONNX has two biases where xpnn has one, and 0.0 + -0.0 is 0.0."""
    model, shape, _ = make(case)
    model.params["b"] = np.full(model.params["b"].shape, -0.0)
    export(model, tmp_path / "model.onnx", input_shape=shape)
    assert_equal(load(tmp_path / "model.onnx"), model)


def test_an_initial_state_that_is_learned_may_begin_at_zero(tmp_path):
    export(nn.Sequential(nn.LSTM(3, 2, initial_state=("learned", "zeros"))), tmp_path / "m.onnx", input_shape=(4, 3))
    assert repr(load(tmp_path / "m.onnx")[0]) == "LSTM(3, 2, initial_state=('learned', 'zeros'))"


def test_a_shared_layer_stands_in_the_file_once(tmp_path):
    model, shape, _ = make("shared")
    export(model, tmp_path / "model.onnx", input_shape=shape)
    names = [tensor.name for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert names == list(model.params)
    loaded = load(tmp_path / "model.onnx")
    assert loaded[0] is loaded[1][0] is loaded[2].body[0] is loaded[3][0][0]


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(
    ("case", "input_shape", "expected"),
    [
        ("LeNet5", None, (["N", 1, 28, 28], ["N", 10])),
        ("MLP", None, (["N", 6], ["N", 3])),
        ("RNNClassifier", None, (["N", "axis_1", 5], ["N", 3])),
        ("MaxPool2D", (3, 6, None), (["N", 3, 6, "axis_3"], ["N", 3, 3, ANY])),
        ("CharRNN", None, (["N", "axis_1"], ["N", "axis_1", 7])),
        ("Tanh", (4, None), (["N", 4, "axis_2"], ["N", 4, "axis_2"])),
    ],
)
def test_shapes_in_the_file(case, input_shape, expected, tmp_path):
    export(make(case)[0], tmp_path / "model.onnx", input_shape=input_shape)
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert dims(graph.input[0]) == expected[0]
    assert dims(graph.output[0]) == expected[1]


def test_sequences_of_any_length_run_from_one_file(tmp_path):
    model, _, _ = make("CharRNN")
    export(model, tmp_path / "model.onnx")
    for length in (1, 9):
        x = np.arange(2 * length).reshape(2, length) % 7
        y = run(model, x)
        np.testing.assert_allclose(reference(tmp_path / "model.onnx", x, "float32"), y, rtol=0, atol=1e-5)


def test_steps_that_are_flattened_are_not_free(tmp_path):
    """Such a network takes as many steps as its sequences have, and the file says so; else it was not read again."""
    path = tmp_path / "flat.onnx"
    model = nn.Sequential(nn.RNN(4, 2, True, rng=0), nn.Flatten(), nn.Dense(6, 2, rng=1), input_shape=(3, 4))
    export(model, path)
    assert str(load(path)) == str(model)
    export(nn.Sequential(*model.layers[:2], input_shape=(3, 4)), path)  # of any number
    assert str(load(path)) == str(model[:2])


def test_lengths_of_sequences_beside_a_table(tmp_path, rng):
    nodes = {
        **{"h": (nn.GRU(2, 3, rng=0), "steps"), "t": (nn.Dense(4, 3, rng=1), "table")},
        **{"y": (nn.Concat(), "h", "t"), "z": nn.Dense(6, 2, rng=2)},
    }
    model = nn.Graph(nodes, inputs=("steps", "table"), input_shape=((None, 2), (4,)))
    x = {"steps": rng.standard_normal((3, 5, 2), "float32"), "table": rng.standard_normal((3, 4), "float32")}
    lengths, path = np.array([1, 5, 2]), tmp_path / "model.onnx"
    export(model, path, lengths=True)
    (y,) = onnxruntime.InferenceSession(path).run(None, x | {"lengths": lengths})
    expected = model({name: nn.asarray(one) for name, one in x.items()}, lengths=lengths)
    np.testing.assert_allclose(y, nn.to_numpy(expected), rtol=1e-5, atol=1e-6)


def test_several_inputs_and_outputs(tmp_path):
    """By the names that they have in the Graph, one of them of symbols, one of sequences of any length."""
    rng = np.random.default_rng(0)
    model = nn.Graph(
        {
            "words": (nn.Embedding(5, 3, rng=rng), "text"),
            "last": nn.GRU(3, 4, rng=rng),
            "both": (nn.Concat(), "last", "table"),
            "hidden": nn.Dense(6, 4, rng=rng),
            "y": nn.Sequential(nn.Tanh(), nn.Dense(4, 2, rng=rng)),
        },
        inputs=("text", "table"),
        outputs=("y", "hidden"),
    )
    with pytest.raises(ValueError, match="input_shape"):
        export(model, tmp_path / "model.onnx")
    export(model, tmp_path / "model.onnx", input_shape=((None,), (2,)))
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [dims(value) for value in graph.input] == [["N", "text_axis_1"], ["N", 2]]
    loaded = load(tmp_path / "model.onnx")
    assert_equal(loaded, model)
    x = rng.integers(0, 5, (3, 7)), rng.standard_normal((3, 2)).astype("float32")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    given = tuple(map(nn.asarray, x))
    wanted = session.run(["y", "hidden"], {"text": x[0], "table": x[1]})
    for y, same, want in zip(model(given), loaded(given), wanted, strict=True):
        np.testing.assert_allclose(nn.to_numpy(y), want, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(nn.to_numpy(y), nn.to_numpy(same))


def test_a_graph_in_another_network_comes_back_as_one(tmp_path):
    inner, shape, inputs = make("Graph")
    model = nn.Sequential(inner, nn.Dense(12, 2, rng=0))
    export(model, tmp_path / "model.onnx", input_shape=shape)
    loaded = load(tmp_path / "model.onnx")
    assert list(loaded.nodes)[-2:] == ["0_all", "1"]
    assert sorted(bits(loaded.params).values()) == sorted(bits(model.params).values())
    x = inputs(3)
    np.testing.assert_array_equal(run(loaded, x), run(model, x))


def test_what_joins_alone_has_no_names_for_what_it_reads(tmp_path):
    with pytest.raises(TypeError, match="put it into a Graph"):
        export(nn.Sequential(nn.Concat()), tmp_path / "model.onnx", input_shape=((2,), (3,)))


def test_input_shape_and_dtype_come_back(tmp_path):
    export(make("LeNet5")[0], tmp_path / "lenet.onnx")
    assert load(tmp_path / "lenet.onnx").input_shape == (1, 28, 28)
    export(make("CharRNN")[0], tmp_path / "text.onnx")
    text = load(tmp_path / "text.onnx")
    assert (text.input_shape, text.input_dtype) == (None, "int64")


def test_export_of_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        export(make("ResNet")[0], tmp_path / name, input_shape=(3, 9, 8))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_settings_that_onnx_writes_in_another_way(tmp_path):
    """A sixth has no short decimal number, a ReLU6 is a Clip, and no threshold of 20 or more is written."""
    model = nn.Sequential(nn.HardSigmoid(), nn.Clip(0, 6), nn.Softplus(threshold=30), nn.Softplus(2, threshold=5))
    export(model, tmp_path / "model.onnx", input_shape=(3,))
    layers = "HardSigmoid(), ReLU6(), Softplus(), Softplus(beta=2.0, threshold=5.0)"
    assert repr(load(tmp_path / "model.onnx")) == f"Sequential({layers})"


def test_a_slope_for_each_channel_has_one_shape_in_the_file(tmp_path):
    prelu = nn.PReLU(3)
    model = nn.Sequential(prelu, layers.GlobalAvgPool2D(), prelu)
    with pytest.raises(ValueError, match="0.alpha would need two shapes in the file"):
        export(model, tmp_path / "model.onnx", input_shape=(3, 2, 2))


@pytest.mark.parametrize("value", [0.01, 0.2, 0.3, 1e-3])
def test_hyperparameters_come_back_with_the_digits_they_had(value, tmp_path):
    """ONNX keeps them in float32, where 0.01 is 0.009999999776482582."""
    model = nn.Sequential(nn.LeakyReLU(value), nn.Dropout(value), layers.BatchNorm1D(3, eps=value, momentum=value))
    export(model, tmp_path / "model.onnx", input_shape=(3,))
    relu, dropout, norm = load(tmp_path / "model.onnx")
    assert (relu.slope, dropout.p, norm.eps, norm.momentum) == (value,) * 4


def test_shortest():
    values = np.random.default_rng(0).standard_normal(1000).astype("float32")
    assert all(np.float32(shortest(float(value))) == value for value in values)


@pytest.mark.parametrize("name", ["model", "model.json", "model.textproto"])
def test_the_format_does_not_hang_on_the_file_name(name, tmp_path):
    model, shape, inputs = make("Dense")
    export(model, tmp_path / name, input_shape=shape)
    x = inputs(2)
    np.testing.assert_allclose(reference(tmp_path / name, x, "float32"), run(load(tmp_path / name), x), atol=1e-6)


def test_a_model_without_a_shape_asks_for_it(tmp_path):
    with pytest.raises(ValueError, match="input_shape"):
        export(nn.Sequential(nn.Flatten(), nn.Dense(4, 3)), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_sample_may_be_one_number(tmp_path):
    export(nn.Embedding(9, 2, rng=0), tmp_path / "model.onnx", input_shape=())
    x = np.array([3, 8])
    np.testing.assert_allclose(reference(tmp_path / "model.onnx", x, "float32"), run(load(tmp_path / "model.onnx"), x))


@pytest.mark.parametrize("shape", [(28, 28), (3, 28, 28), (1, 27, 27), (64, 1, 28, 28)])
def test_a_shape_that_is_not_the_models_is_refused(shape, tmp_path):
    with pytest.raises(ValueError, match=r"expected input of shape \(N, |larger than the padded input"):
        export(nn.LeNet5(rng=0), tmp_path / "model.onnx", input_shape=shape)
    assert not (tmp_path / "model.onnx").exists()


def test_a_layer_of_ones_own_has_no_operator(tmp_path):
    class Dense2(nn.Dense):
        def forward(self, x, needs_dx=True):
            y, backward = super().forward(x, needs_dx)
            return 2 * y, lambda dy: backward(2 * dy)

    class Reversed(nn.Sequential):
        def forward(self, x, needs_dx=True):
            raise NotImplementedError

    both = nn.Bidirectional(type("Cell", (nn.RNN,), {})(4, 3))
    for layer, kind in ((Dense2(4, 3), "Dense2"), (Reversed(nn.ReLU()), "Reversed"), (both, "Cell")):
        with pytest.raises(TypeError, match=kind):
            export(nn.Sequential(layer), tmp_path / "model.onnx", input_shape=(4,))
    with pytest.raises(TypeError, match="SoftmaxCrossEntropy"):
        export(nn.SoftmaxCrossEntropy(), tmp_path / "model.onnx")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("xpnn.interop.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"extra \[onnx\]"):
        import xpnn.interop.onnx  # noqa: F401


def test_the_file_is_replaced_at_once_and_a_link_stays(tmp_path):
    link, target = tmp_path / "link", tmp_path / "m.onnx"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with open(target, "rb") as reader:
        export(nn.MLP((2, 3)), link)
        assert reader.read() == b"old"
    assert link.is_symlink()
    assert load(target).params.keys() == nn.MLP((2, 3)).params.keys()
    with pytest.raises(OSError, match="cannot write"):
        export(nn.MLP((2, 3)), tmp_path / "none" / "m.onnx")
