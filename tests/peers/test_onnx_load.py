"""Loading ONNX models that others wrote, that ask for what xpnn does not have, and files that are no models."""

import ast
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.parser
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import xpnn as nn
from xpnn import interop
from xpnn.interop.onnx import UnsupportedNodeError, export, load
from xpnn.interop.onnx import node as nodes


def run(model, x):
    return nn.to_numpy(model(nn.asarray(x, x.dtype)))


def one_node(op, inputs, weights=(), opset=17, **attributes):
    """A model of one node, whose inputs are x, x1, ... and then the constants w0, w1, ..."""
    names = [f"x{i or ''}" for i in range(len(inputs))]
    constants = [f"w{i}" for i in range(len(weights))]
    node = helper.make_node(op, names + constants, ["y"], name="the_node", **attributes)
    return of_nodes([node], dict(zip(names, inputs, strict=True)), dict(zip(constants, weights, strict=True)), opset)


def of_nodes(nodes, inputs, weights, opset=17, outputs=("y",), producer=""):
    def info(name, array):
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), ["N", *array.shape[1:]]
        )

    dtype = helper.np_dtype_to_tensor_dtype(next(iter(inputs.values())).dtype)
    graph = helper.make_graph(
        nodes,
        "g",
        [info(name, array) for name, array in inputs.items()],
        [helper.make_tensor_value_info("y", dtype, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def saved(model, tmp_path):
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def normal(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype("float32")


IMAGE, SEQUENCES, ROWS = normal(2, 3, 6, 5), normal(2, 3, 6), normal(4, 6)
FOREIGN = {
    "Gemm, scaled, untransposed": (
        one_node("Gemm", [ROWS], [normal(6, 5), normal(1, 5)], alpha=0.5, beta=2.0),
        "Dense",
    ),
    "Gemm, scalar bias": (one_node("Gemm", [ROWS], [normal(6, 5), np.float32(3)]), "Dense"),
    "Gemm, scaled, Add behind it": (
        of_nodes(
            [
                helper.make_node("Gemm", ["x", "W"], ["z"], alpha=0.5, beta=2.0),
                helper.make_node("Add", ["z", "b"], ["y"]),
            ],
            {"x": ROWS},
            {"W": normal(6, 5), "b": normal(5)},
        ),
        "Dense",
    ),
    "Gemm, no bias": (one_node("Gemm", [ROWS], [normal(5, 6)], transB=1), "Dense"),
    "MatMul, no bias": (one_node("MatMul", [SEQUENCES], [normal(6, 5)]), "Dense"),
    "Conv, no bias, VALID": (one_node("Conv", [IMAGE], [normal(4, 3, 2, 2)], auto_pad="VALID"), "Conv2D"),
    "MaxPool of old": (one_node("MaxPool", [IMAGE], opset=8, kernel_shape=[2, 2], strides=[2, 2]), "MaxPool2D"),
    "AveragePool, nothing to count": (one_node("AveragePool", [IMAGE], kernel_shape=[2, 3]), "AvgPool2D"),
    "Dropout of old": (one_node("Dropout", [ROWS], opset=10, ratio=0.25), "Dropout"),
    "Softmax of old": (one_node("Softmax", [ROWS], opset=11), "Softmax"),
    "Reshape": (one_node("Reshape", [IMAGE], [np.array([0, -1])]), "Flatten"),
    "Softmax, axis counted from the left": (one_node("Softmax", [ROWS], axis=1), "Softmax"),
    "Conv, padded by its size": (one_node("Conv", [IMAGE], [normal(4, 3, 3, 3)], auto_pad="SAME_UPPER"), "Conv2D"),
    "Conv of signals": (one_node("Conv", [SEQUENCES], [normal(4, 3, 2)], strides=[2], pads=[1, 1]), "Conv1D"),
    "Conv, padded at the end": (one_node("Conv", [SEQUENCES], [normal(4, 3, 2)], pads=[0, 1]), "Conv1D"),
    "ConvTranspose": (
        one_node("ConvTranspose", [IMAGE], [normal(3, 4, 3, 2), normal(4)], strides=[2, 1], pads=[1, 0, 1, 0]),
        "ConvTranspose2D",
    ),
    "ConvTranspose, its padding by its size": (
        one_node("ConvTranspose", [IMAGE], [normal(3, 4, 3, 3)], strides=[2, 2], auto_pad="SAME_UPPER"),
        ["ConvTranspose2D", "Slice", "Slice"],
    ),
    "ConvTranspose, more cut off before": (
        one_node("ConvTranspose", [IMAGE], [normal(3, 4, 3, 3)], strides=[2, 1], pads=[1, 2, 0, 0]),
        ["ConvTranspose2D", "Slice"],
    ),
    "ConvTranspose to a shape": (
        one_node("ConvTranspose", [IMAGE], [normal(3, 4, 3, 3)], strides=[2, 2], output_shape=[12, 10]),
        "ConvTranspose2D",
    ),
    "ConvTranspose of signals": (
        one_node("ConvTranspose", [SEQUENCES], [normal(3, 4, 3), normal(4)], strides=[2], pads=[0, 1]),
        ["Reshape", "ConvTranspose2D", "Slice", "Reshape"],
    ),
    "Pad before Conv": (
        of_nodes(
            [
                helper.make_node("Pad", ["x", "p"], ["z"]),
                helper.make_node("Conv", ["z", "W"], ["y"], pads=[0, 1, 0, 1]),
            ],
            {"x": IMAGE},
            {"p": np.array([0, 0, 1, 0, 0, 0, 1, 0]), "W": normal(4, 3, 3, 3)},
        ),
        "Conv2D",
    ),
    "Resize to a size": (
        one_node("Resize", [IMAGE], [np.zeros(0, "f"), np.zeros(0, "f"), np.array([2, 3, 12, 15])], mode="nearest"),
        "Upsample2D",
    ),
    "Conv, padded by the image's size, with strides": (
        one_node("Conv", [IMAGE], [normal(4, 3, 2, 3)], auto_pad="SAME_UPPER", strides=[2, 2]),
        "Conv2D",
    ),
    "MaxPool, its size rounded up to the same": (
        one_node("MaxPool", [IMAGE], kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
        "MaxPool2D",
    ),
    "DepthToSpace": (
        of_nodes(
            [
                helper.make_node("Conv", ["x", "W"], ["z"]),
                helper.make_node("DepthToSpace", ["z"], ["y"], blocksize=2, mode="CRD"),
            ],
            {"x": IMAGE},
            {"W": normal(12, 3, 3, 3)},
        ),
        ["Conv2D", "Reshape", "Permute", "Reshape"],
    ),
    "SpaceToDepth": (
        of_nodes(
            [helper.make_node("Conv", ["x", "W"], ["z"]), helper.make_node("SpaceToDepth", ["z"], ["y"], blocksize=2)],
            {"x": IMAGE},
            {"W": normal(2, 3, 1, 2)},
        ),
        ["Conv2D", "Reshape", "Permute", "Reshape"],
    ),
    "MaxPool of signals": (one_node("MaxPool", [SEQUENCES], kernel_shape=[3], strides=[2]), "MaxPool1D"),
    "Upsample": (one_node("Upsample", [IMAGE], [np.array([1, 1, 2, 3], "float32")], opset=9), "Upsample2D"),
    "Resize of old": (one_node("Resize", [IMAGE], [np.array([1, 1, 3, 2], "float32")], opset=10), "Upsample2D"),
    "Resize, as Keras places pixels": (
        one_node("Resize", [IMAGE], [np.zeros(0, "float32"), np.array([1, 1, 3, 2], "float32")], mode="nearest"),
        "Upsample2D",
    ),
    "GlobalMaxPool of signals": (
        of_nodes(
            [helper.make_node("GlobalMaxPool", ["x"], ["z"]), helper.make_node("Flatten", ["z"], ["y"])],
            {"x": SEQUENCES},
            {},
        ),
        "GlobalMaxPool1D",
    ),
    "MaxPool, stride 1 rounded up": (
        one_node("MaxPool", [IMAGE], kernel_shape=[2, 2], strides=[1, 1], ceil_mode=1),
        "MaxPool2D",
    ),
    "AveragePool, padded by its size": (
        one_node("AveragePool", [IMAGE], kernel_shape=[3, 3], auto_pad="SAME_LOWER", count_include_pad=1),
        "AvgPool2D",
    ),
    "BatchNormalization of old": (
        one_node("BatchNormalization", [IMAGE], [normal(3), normal(3), normal(3), normal(3) ** 2], opset=8, spatial=1),
        "BatchNorm2D",
    ),
    "Flatten, axis counted from the right": (one_node("Flatten", [IMAGE], axis=-3), "Flatten"),
    "Softmax of old, behind Flatten": (
        of_nodes(
            [helper.make_node("Flatten", ["x"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])], {"x": IMAGE}, {}, 11
        ),
        ["Flatten", "Softmax"],
    ),
    "constants behind Identity": (
        of_nodes(
            [
                helper.make_node("Identity", ["W"], ["V"]),
                helper.make_node("Identity", ["V"], ["U"]),
                helper.make_node("Identity", ["shape"], ["s"]),
                helper.make_node("Reshape", ["x", "s"], ["z"]),
                helper.make_node("Gemm", ["z", "U"], ["y"]),
            ],
            {"x": IMAGE},
            {"W": normal(90, 5), "shape": np.array([0, -1])},
        ),
        ["Flatten", "Dense"],
    ),
    "constants before values": (
        of_nodes(
            [
                helper.make_node("Mul", ["slope", "x"], ["z"]),
                helper.make_node("Tanh", ["z"], ["t"]),
                helper.make_node("Mul", ["amplitude", "t"], ["y"]),
            ],
            {"x": ROWS},
            {"slope": np.float32(0.5), "amplitude": np.float32(1.5)},
        ),
        "ScaledTanh",
    ),
    "GlobalAveragePool": (
        of_nodes(
            [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
            {"x": IMAGE},
            {},
        ),
        "GlobalAvgPool2D",
    ),
    "Gelu": (one_node("Gelu", [ROWS], opset=20, approximate="tanh"), "GELU"),
    "GELU, halved before x": (
        of_nodes(
            [
                helper.make_node("Div", ["x", "root"], ["d"]),
                helper.make_node("Erf", ["d"], ["e"]),
                helper.make_node("Add", ["e", "one"], ["t"]),
                helper.make_node("Mul", ["half", "t"], ["h"]),
                helper.make_node("Mul", ["x", "h"], ["y"]),
            ],
            {"x": ROWS},
            {"half": np.float32(0.5), "root": np.float32(1.4142135), "one": np.float32(1)},
        ),
        "GELU",
    ),
    "GELU, halved first": (
        of_nodes(
            [
                helper.make_node("Mul", ["half", "x"], ["h"]),
                helper.make_node("Div", ["x", "root"], ["d"]),
                helper.make_node("Erf", ["d"], ["e"]),
                helper.make_node("Add", ["one", "e"], ["t"]),
                helper.make_node("Mul", ["t", "h"], ["y"]),
            ],
            {"x": ROWS},
            {"half": np.float32(0.5), "root": np.float32(1.4142135), "one": np.float32(1)},
        ),
        "GELU",
    ),
    "Clip of old": (one_node("Clip", [ROWS], opset=10, min=-0.5, max=0.25), "Clip"),
    "Clip of old, above": (one_node("Clip", [ROWS], opset=10, max=0.25), "Clip"),
    "Clip, below": (one_node("Clip", [ROWS], [np.float32(-0.5)]), "Clip"),
    "HardSigmoid": (one_node("HardSigmoid", [ROWS]), "HardSigmoid"),
    "PRelu of a slope without an axis": (one_node("PRelu", [IMAGE], [np.float32(0.3)]), "PReLU"),
    "PRelu with the batch's axis": (one_node("PRelu", [IMAGE], [normal(1, 3, 1, 1)]), "PReLU"),
    "PRelu of one slope": (one_node("PRelu", [IMAGE], [normal(1, 1)]), "PReLU"),
    "PRelu": (one_node("PRelu", [IMAGE], [normal(3, 1, 1)]), "PReLU"),
    "LayerNormalization, axis counted from the left": (
        one_node("LayerNormalization", [IMAGE], [normal(6, 5), normal(6, 5)], axis=2, epsilon=0.25),
        "LayerNorm",
    ),
    "Identity and Constant": (
        of_nodes(
            [
                helper.make_node("Constant", [], ["W"], value=numpy_helper.from_array(normal(6, 5))),
                helper.make_node("Identity", ["x"], ["z"]),
                helper.make_node("MatMul", ["z", "W"], ["product"]),
                helper.make_node("Add", ["b", "product"], ["y"]),
            ],
            {"x": ROWS},
            {"b": normal(5)},
        ),
        "Dense",
    ),
    "the identity is the sum's first part": (
        of_nodes([helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])], {"x": ROWS}, {}),
        "Residual",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_models_that_others_wrote(case, tmp_path):
    model, kind = FOREIGN[case]
    path = saved(model, tmp_path)
    x = {2: ROWS, 3: SEQUENCES, 4: IMAGE}[len(model.graph.input[0].type.tensor_type.shape.dim)]
    loaded = load(path)
    assert [type(layer).__name__ for layer in loaded] == ([kind] if isinstance(kind, str) else kind)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(run(loaded, x), expected, rtol=0, atol=1e-5)


def test_one_matrix_read_in_two_ways_makes_two_layers(tmp_path):
    """As it stands and transposed, in a tied autoencoder; a Dense layer reads it in one way only."""
    nodes = [
        helper.make_node("Gemm", ["x", "W"], ["z"]),
        helper.make_node("Gemm", ["z", "W"], ["v"], transB=1),
        helper.make_node("Gemm", ["v", "W"], ["y"]),
    ]
    first, second, third = load(saved(of_nodes(nodes, {"x": ROWS}, {"W": normal(6, 6)}), tmp_path))
    assert first is third
    np.testing.assert_array_equal(nn.to_numpy(second.params["W"]), nn.to_numpy(first.params["W"]).T)


@pytest.mark.parametrize(("op", "x", "W"), [("Gemm", ROWS, normal(6, 5)), ("Conv", IMAGE, normal(4, 3, 3, 3))])
def test_weights_listed_as_inputs_too(op, x, W, tmp_path):
    """Before version 4 of the format every initialiser had to be."""
    model = one_node(op, [x], [W])
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("w0", TensorProto.FLOAT, W.shape))
    path = saved(model, tmp_path)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(run(load(path), x), expected, rtol=0, atol=1e-5)


def test_an_input_that_nothing_reads(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[N, 6] x, int64[N] lengths) => (float[N, 6] y) {
        y = Relu(x)
    }"""
    path = saved(onnx.parser.parse_model(text), tmp_path)
    with pytest.warns(UserWarning, match="nothing in .* reads lengths: the network does not take it"):
        loaded = load(path)
    np.testing.assert_array_equal(run(loaded, ROWS), np.maximum(ROWS, 0))


def test_one_bias_for_all_features(tmp_path):
    loaded = load(saved(parsed("z = MatMul(x, W); y = Add(z, b)", W=normal(6, 4), b=normal(1)), tmp_path))
    np.testing.assert_allclose(run(loaded, ROWS), ROWS @ normal(6, 4) + normal(1), rtol=0, atol=1e-5)


# what is refused


def parsed(body, x=ROWS, opset=17, out="float", dims="", **weights):
    """A model that computes y from x by nodes in ONNX's text form, each named after its operator."""
    dims = dims or ", ".join(map(str, ("N", *x.shape[1:])))
    head = f'<ir_version: 8, opset_import: ["": {opset}]> g (float[{dims}] x) => ({out}[M] y)'
    text = f"{head} {{ {body.replace(';', ' ')} }}"
    model = onnx.parser.parse_model(text)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items())
    for node in model.graph.node:
        node.name = f"the {node.op_type}"
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


TURN = "z = Transpose<perm = [1, 0, 2]>(x)"


def lstm(attributes="", inputs="", before=TURN, after="y = Squeeze(h, zero)", x=SEQUENCES, **weights):
    """An LSTM as it has to stand, but for what the arguments say."""
    node = f"s, h = LSTM<hidden_size = 4{attributes}>(z, W, R{inputs})"
    constants = {"W": normal(1, 16, 6), "R": normal(1, 16, 4), "zero": np.array([0])}
    return parsed("; ".join([before, node, after]), x, **constants, **weights)


JOINED = "p = Transpose<perm = [0, 2, 1, 3]>(s); q = Reshape(p, shape); y = Transpose<perm = [1, 0, 2]>(q)"
SCATTER = "K = ScatterND(zeros, table, W); y = Conv(x, K, b)"
ZEROS = np.zeros((2, 3, 2, 2), "float32")
TABLE = {"table": np.array([[0, 0], [0, 2], [1, 1]]), "W": normal(3, 2, 2), "b": normal(2)}
SUBSAMPLE = (
    "p = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(x); q = Mul(p, area); r = Mul(q, W); y = Add(r, b)"
)
MAPS = {"W": normal(3, 1, 1), "b": normal(3, 1, 1)}
RBF = "u = Unsqueeze(x, one); d = Sub(u, c); q = Mul(d, d); s = ReduceSum<keepdims = 0>(q, two); y = Neg(s)"
CENTERS = {"c": normal(4, 6), "one": np.array([1]), "two": np.array([2])}
GRU = f"{TURN}; s, h = GRU<hidden_size = 2>(z, W, R); y = Squeeze(h, zero)"
NORM = {name: normal(3) for name in ("gamma", "beta", "mean", "var")}
A, K, TRUE = normal(6, 6), normal(4, 3, 2, 2), np.array(True)

HALF = "kernel_shape = [2, 2], strides = [2, 2]"


def nested(depth):
    """Residual blocks, each of which is the whole body of the one around it."""
    down = [f"x{k + 1} = Relu(x{k})" for k in range(depth)]
    up = [f"y{k} = Add(y{k + 1}, x{k})" for k in reversed(range(depth))]
    text = "; ".join(down + up).replace(f"y{depth}", f"x{depth}")
    return text.replace("x0)", "x)").replace("y0 ", "y ")


def scaled(count):
    """Layers that read the one matrix W, each of them scaled in its own way."""
    names = ["x", *(f"v{k}" for k in range(1, count)), "y"]
    return "; ".join(f"{names[k + 1]} = Gemm<alpha = {1 + k}.0>({names[k]}, W)" for k in range(count))


TWICE = np.array([1, 1, 2, 1.5], "float32")
GELU = {"one": np.float32(1), "half": np.float32(0.5)}
HALVED = "h = Mul(x, half); d = Div(x, root); e = Erf(d); t = Add(e, one); y = Mul(h, t)"
REFUSED = [
    # (operator, what of it, the model)
    ("Add", "input 1", parsed("y = Add(x, c)", c=normal(4, 6))),
    ("Sub", "operator", parsed("r = Relu(x); y = Sub(x, r)")),
    ("Div", "operator", parsed("r = Sigmoid(x); y = Div(x, r)")),
    ("Div", "operator", parsed("y = Div(c, x)", c=normal(6))),
    ("Expand", "shape", parsed("y = Expand(x, s)", normal(4, 1, 6), s=np.array([1, 3, 6]))),
    ("Gather", "indices", parsed("y = Gather<axis = 1>(x, i)", i=np.array([0, 2]))),
    ("Gather", "indices", parsed("y = Gather<axis = 1>(x, i)", i=np.array(9))),
    ("Slice", "ends", parsed("y = Slice(x, a, a, b)", a=np.array([3]), b=np.array([1]))),
    ("Slice", "steps", parsed("y = Slice(x, a, b, b, c)", a=np.array([0]), b=np.array([1]), c=np.array([2]))),
    ("Greater", "operator", parsed("c = Greater(x, w); y = Where(c, x, x)", w=np.float32(1))),
    ("Add", "axis", parsed("y = Add<axis = 0, broadcast = 1>(x, w)", opset=6, w=np.float32(1))),
    ("Add", "inputs", parsed(nested(51))),
    ("Erf", "operator", parsed(HALVED, **GELU, root=np.float32(1.5))),
    ("AveragePool", "ceil_mode", parsed(f"y = AveragePool<{HALF}, ceil_mode = 1>(x)", IMAGE)),
    ("AveragePool", "count_include_pad", parsed("y = AveragePool<kernel_shape=[2, 2], pads=[1, 1, 1, 1]>(x)", IMAGE)),
    ("AveragePool", "dilations", parsed("y = AveragePool<kernel_shape=[2, 2], dilations=[2, 1]>(x)", IMAGE, opset=19)),
    ("AveragePool", "strides", parsed(SUBSAMPLE, IMAGE, area=np.float32(3), **MAPS)),
    ("AveragePool", "strides", parsed(SUBSAMPLE.replace(", strides = [2, 2]", ""), IMAGE, area=np.float32(4), **MAPS)),
    (
        "BatchNormalization",
        "input 0",
        parsed("y = BatchNormalization(x, gamma, beta, mean, var)", normal(2, 3, 1, 1, 2), **NORM),
    ),
    (
        "BatchNormalization",
        "spatial",
        parsed("y = BatchNormalization<spatial = 0>(x, gamma, beta, mean, var)", IMAGE, opset=8, **NORM),
    ),
    (
        "BatchNormalization",
        "training_mode",
        parsed("y, m, v = BatchNormalization<training_mode = 1>(x, gamma, beta, mean, var)", IMAGE, **NORM),
    ),
    ("ReduceMean", "axes", parsed("z = ReduceMean<keepdims = 0>(x); y = Clip(x, low, z)", low=np.float32(0))),
    ("Concat", "axis", parsed("y = Concat<axis = 0>(x, x)")),
    ("Concat", "input 1", parsed("y = Concat<axis = 1>(x, w, x)", A, w=A)),
    (
        "Conv",
        "auto_pad",
        parsed('y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, W)', IMAGE, dims="N, 3, H, V", W=K),
    ),
    ("Conv", "input 1", parsed("y = Conv(x, x)", normal(3, 3, 6, 5))),
    ("Conv", "kernel_shape", parsed("y = Conv<kernel_shape = [3, 3]>(x, W)", IMAGE, W=K)),
    ("Conv", "kernel_shape", parsed("y = Conv(x, W)", normal(2, 3, 4, 4, 4), W=normal(4, 3, 2, 2, 2))),
    ("Conv", "pads", parsed("y = Conv<pads = [1, 0, 0, 0]>(x, W)", IMAGE, W=K)),
    ("Conv", "pads", parsed('y = Conv<auto_pad = "VALID", pads = [1, 1, 1, 1]>(x, W)', IMAGE, W=K)),
    (
        "ConvTranspose",
        "kernel_shape",
        parsed("y = ConvTranspose(x, W)", normal(2, 3, 4, 4, 4), W=normal(3, 4, 2, 2, 2)),
    ),
    (
        "ConvTranspose",
        "output_shape",
        parsed("y = ConvTranspose<output_shape = [7, 6]>(x, W)", dims="N, 3, H, V", W=normal(3, 4, 2, 2)),
    ),
    (
        "Pad",
        "operator",
        parsed("z = Pad(x, p); y = Conv(z, W)", IMAGE, p=[0, 1, 0, 0, 0, 0, 0, 0], W=normal(4, 4, 3, 3)),
    ),
    (
        "Pad",
        "operator",
        parsed(
            "z = Pad(x, p); y = Conv<pads = [1, 1, 1, 1]>(z, W)",
            IMAGE,
            p=[0, 0, -1, 0, 0, 0, 0, 0],
            W=normal(4, 3, 3, 3),
        ),
    ),
    ("Pad", "operator", parsed("z = Pad(x, p); y = Relu(z)", IMAGE, p=[0, 0, 1, 1, 0, 0, 1, 1])),
    ("Dropout", "output 1", parsed("z, y = Dropout(x)", out="bool")),
    ("ReduceMean", "axes", parsed("z = ReduceMean<keepdims = 0>(x); y = Dropout(x, z)")),
    ("Dropout", "training_mode", parsed("y = Dropout(x, p, t)", p=np.float32(0.5), t=TRUE)),
    ("Dropout", "training_mode", parsed("y = Dropout<ratio = 0.5>(x)", opset=6)),
    ("Erf", "operator", parsed("y = Erf(x)")),
    ("Flatten", "output", parsed("y = Flatten<axis = 2>(x)", IMAGE)),
    ("GRU", "linear_before_reset", parsed(GRU, SEQUENCES, W=normal(1, 6, 6), R=normal(1, 6, 2), zero=np.array([0]))),
    ("Cast", "to", parsed("i = Cast<to = 7>(x); y = Gather<axis = 1>(W, i)", W=A)),
    ("Gemm", "C", parsed("y = Gemm(x, W, C)", W=A, C=normal(4, 6))),
    ("Gemm", "input 1", parsed("y = Gemm(x, x)", A)),
    ("Gemm", "input 1", parsed(scaled(100), normal(4, 256), W=normal(256, 256))),
    ("Gemm", "transA", parsed("y = Gemm<transA = 1>(x, W)", A, W=A)),
    ("Gemm", "transA", parsed("z = Gemm<transA = 1>(x, W); y = Add(z, b)", A, W=A, b=normal(6))),
    ("LSTM", "P", lstm(inputs=", , , , , P", P=normal(1, 12))),
    ("LSTM", "activations", lstm(', activations = ["Sigmoid", "Relu", "Tanh"]')),
    ("LSTM", "clip", lstm(", clip = 1.0")),
    ("LSTM", "direction", lstm(', direction = "reverse"')),
    ("LSTM", "initial_c", lstm(inputs=", , , , c", c=normal(1, 2, 4))),
    ("LSTM", "initial_h", lstm(inputs=", , , h0", h0=normal(1, 2, 4))),
    ("LSTM", "input_forget", lstm(", input_forget = 1")),
    ("LSTM", "input 0", lstm(", layout = 1", x=normal(2, 1, 6))),
    ("LSTM", "sequence_lens", lstm(inputs=", , lengths", lengths=np.array([2, 1], "int32"))),
    ("LayerNormalization", "axis", parsed("y = LayerNormalization<axis = 1>(x, W)", SEQUENCES, W=normal(6))),
    ("MatMul", "input 1", parsed("y = MatMul(x, W)", SEQUENCES, W=normal(2, 6, 4))),
    ("MaxPool", "ceil_mode", parsed(f"y = MaxPool<{HALF}, ceil_mode = 1>(x)", IMAGE)),
    ("MaxPool", "dilations", parsed("y = MaxPool<kernel_shape = [2, 2], dilations = [2, 2]>(x)", IMAGE)),
    ("MaxPool", "pads", parsed("y = MaxPool<kernel_shape = [2, 2], pads = [2, 1, 2, 1]>(x)", IMAGE)),
    ("Mul", "input 1", parsed(SUBSAMPLE, IMAGE, area=np.float32(4), W=normal(2), b=normal(2))),
    ("Mul", "inputs", parsed("a = Mul(x, s); t = Tanh(a); b = Mul(t, s); y = Add(b, a)", s=np.float32(0.5))),
    ("Mul", "input 1", parsed(SUBSAMPLE, IMAGE, area=np.float32(4), W=normal(3, 1, 1), b=normal(1, 3, 1))),
    ("Mul", "inputs", parsed("a = Flatten(x); y = Mul(x, a)", normal(4, 1, 6))),
    ("Mul", "output", parsed("a = Mul(x, s); t = Tanh(a); y = Mul(t, s)", s=np.ones((1, 1, 1), "float32"))),
    ("Erf", "operator", parsed("e = Erf(x); t = Add(e, one); m = Mul(x, t); y = Mul(m, half)", **GELU)),
    ("Neg", "operator", parsed("y = Neg(x)")),
    ("PRelu", "input 1", parsed("y = PRelu(x, w)", IMAGE, w=normal(6, 1))),
    ("Cast", "to", parsed("i = Cast<to = 6>(x); y = Relu(i)", out="int32")),
    ("ReduceSum", "shape", parsed("y = ReduceSum<keepdims = 0>(x, one)", one=np.array([1]))),
    ("Reshape", "output", parsed("y = Reshape(x, shape)", IMAGE, shape=np.array([-1, 15]))),
    ("Resize", "mode", parsed('y = Resize<mode = "linear">(x, , s)', IMAGE, s=TWICE)),
    ("Resize", "nearest_mode", parsed('y = Resize<nearest_mode = "ceil">(x, , s)', IMAGE, s=TWICE)),
    ("Resize", "scales", parsed("y = Resize(x, , s)", IMAGE, s=TWICE[::-1])),
    ("ScatterND", "indices", parsed(SCATTER, IMAGE, zeros=ZEROS + 1, **TABLE)),
    ("ScatterND", "indices", parsed(SCATTER, IMAGE, zeros=ZEROS, **{**TABLE, "table": TABLE["table"][::-1]})),
    ("ScatterND", "reduction", parsed(SCATTER.replace("ND(", 'ND<reduction = "add">('), IMAGE, zeros=ZEROS, **TABLE)),
    ("Softmax", "axis", parsed("y = Softmax<axis = 0>(x)")),
    ("Softmax", "axis", parsed("y = Softmax(x)", SEQUENCES, opset=11)),
    ("Transpose", "output", parsed("y = Transpose<perm = [1, 0]>(x)")),
    ("Transpose", "output", lstm(after=JOINED.replace("0, 2, 1", "0, 1, 2"), shape=np.array([0, 0, -1]))),
]

IF = """
    s = Shape(x); n = Gather(s, one); is_six = Equal(n, six); z = Sigmoid(x);
    y = If(is_six)<then_branch = yes () => (float[N, 6] a) { t = Tanh(z) a = Relu(t) },
                   else_branch = no () => (float[N, 6] b) { b = Gemm(z, W) }>
"""

IF_TWICE = """
    u = If(yes)<then_branch = yes () => (float[N, 6] a) { t = Tanh(x) a = Gemm(t, W) },
                else_branch = no () => (float[N, 6] b) { b = Relu(x) }>;
    y = If(yes)<then_branch = yes () => (float[N, 6] a) {
                    t = If(yes)<then_branch = yes () => (float[N, 6] c) { c = Gemm(u, W) },
                                else_branch = no () => (float[N, 6] c) { c = Relu(u) }>
                    a = Sigmoid(t) },
                else_branch = no () => (float[N, 6] b) { b = Relu(u) }>
"""  # the same names in each branch

LOADED = [
    parsed("y = Reshape(x, s)", SEQUENCES, s=np.array([0, 2, 9])),
    parsed("t = Transpose<perm = [0, 2, 1]>(x); y = Reshape(t, s)", SEQUENCES, s=np.array([0, -1])),
    parsed("t = Transpose<perm = [2, 0, 1]>(x); r = Relu(t); y = Transpose<perm = [1, 2, 0]>(r)", SEQUENCES),
    parsed("t = Transpose<perm = [1, 0, 2]>(x); z = MatMul(t, W); y = Transpose<perm = [1, 0, 2]>(z)", SEQUENCES, W=A),
    parsed("r = Reshape(x, s); z = MatMul(r, W); y = Reshape(z, t)", SEQUENCES, W=A, s=[-1, 6], t=[-1, 3, 6]),
    parsed("y = Softmax<axis = 1>(x)", SEQUENCES),
    parsed("a, b = Split<axis = 1, num_outputs = 2>(x); t = Tanh(a); y = Mul(t, b)", opset=18),
    parsed("y = ReduceMax<axes = [1], keepdims = 0>(x)", SEQUENCES),
    parsed("y = ReduceMean<axes = [1, 3]>(x)", IMAGE),
    parsed("y = ReduceSum<keepdims = 0>(x, a)", SEQUENCES, a=np.array([1])),
    parsed("a = Mul(x, g); y = Add(a, b)", IMAGE, g=normal(3, 1, 1), b=normal(3, 1, 1)),
    parsed(
        "t = Transpose<perm = [1, 0, 2]>(x); a = Add(t, c); y = Transpose<perm = [1, 0, 2]>(a)",
        SEQUENCES,
        c=normal(3, 1, 6),
    ),
    parsed("y = Sub(c, x)", c=normal(6)),
    parsed("y = Div(x, c)", c=normal(6)),
    parsed("y = InstanceNormalization(x, g, b)", IMAGE, g=normal(3), b=normal(3)),
    parsed("a = Add(x, c); y = Mul(a, c)", c=np.float32(2)),
    parsed("y = Softmax<axis = 1>(x)", IMAGE),
    parsed("y = Mish(x)", opset=18),
    parsed("y = Selu(x)"),
    parsed("h = HardSigmoid<alpha = 0.1666667, beta = 0.5>(x); y = Mul(x, h)"),
    parsed(
        "a = Add(x, c); b = Clip(a, l, h); d = Mul(x, b); y = Div(d, h)",
        c=np.float32(3),
        l=np.float32(0),
        h=np.float32(6),
    ),
    parsed(
        "s = Shape(x); n = Gather(s, zero); u = Unsqueeze(n, zeros); t = Concat<axis = 0>(u, m); y = Reshape(x, t)",
        IMAGE,
        zero=0,
        zeros=[0],
        m=[-1],
    ),
    parsed("z = MatMul(x, W); y = Add(z, b)", W=A, b=normal(1, 6)),
    parsed("y = Add(x, w)", w=normal(6)),
    parsed("y = Div(x, w)", w=np.float32(2)),
    parsed("a = Mul(x, w); s = Softplus(a); y = Div(s, v)", w=np.float32(2), v=np.float32(3)),
    lstm(after="y = ReduceSum<keepdims = 0>(h, zero)"),
    parsed("y = Mul(x, w)", w=np.float32(2)),
    parsed("z = Mul(x, w); y = Add(z, b)", w=np.float32(2), b=normal(6)),
    parsed("y = Squeeze(x, one)", normal(2, 1, 3), one=np.array([1])),
    parsed("z = Conv(x, W); y = Add(z, b)", IMAGE, W=K, b=normal(4, 1, 1)),
    parsed("z = Conv(x, W); y = Add(b, z)", IMAGE, W=K, b=normal(1)),
    parsed("z = ConvTranspose(x, W); y = Add(z, b)", IMAGE, W=normal(3, 4, 2, 2), b=normal(1, 4, 1, 1)),
    parsed("z = Cast<to = 10>(x); v = Relu(z); y = Cast<to = 1>(v)"),
    parsed("s = Shape(x); z = Expand(x, s); y = Relu(z)"),
    parsed(IF, W=A, one=np.array(1), six=np.array(6)),
    parsed(IF, W=A, one=np.array(1), six=np.array(7)),
    parsed(IF_TWICE, W=A, yes=np.array(True)),
    # axes that the file leaves free, of which the network takes one length
    parsed(
        "z = Conv(x, W); r = Relu(z); f = Flatten(r); v = Gemm(f, V); y = Softmax<axis = 1>(v)",
        IMAGE,
        dims="N, 3, H, W",
        W=K,
        V=normal(36, 2),
    ),
]
"""What has no layer of its own in xpnn, but those that do the same."""


@pytest.mark.parametrize("case", REFUSED, ids=[f"{op}-{what}" for op, what, _ in REFUSED])
def test_what_is_refused_is_named(case, tmp_path):
    op, what, model = case
    with pytest.raises(UnsupportedNodeError) as caught:
        load(saved(model, tmp_path))
    assert (caught.value.node, caught.value.op, caught.value.what) == (f"the {op}", op, what)
    assert isinstance(caught.value, ValueError)
    for part in (f"the {op}", f"({op})", what, caught.value.reason):
        assert part in str(caught.value)


@pytest.mark.parametrize("k", range(len(LOADED)))
def test_what_other_layers_do(k, tmp_path):
    for place, node in enumerate(LOADED[k].graph.node):
        node.name += f" {place}"
    path = saved(LOADED[k], tmp_path)
    x = normal(*(d.dim_value or 4 for d in LOADED[k].graph.input[0].type.tensor_type.shape.dim))
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(run(load(path), x), expected, rtol=0, atol=1e-5)


def test_every_refusal_in_the_code_is_tried_above(tmp_path):
    tried = set()
    for _, _, model in REFUSED:
        with pytest.raises(UnsupportedNodeError) as caught:
            load(saved(model, tmp_path))
        tried.add(caught.value.reason)
    code = set()
    of_others = {
        "arrays.py",
        "backend.py",
        "elementwise.py",
        "graph.py",
        "ml.py",
        "node.py",
        "operators.py",
        "resize.py",
    }
    for path in (Path(interop.__file__).parent / "onnx").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8") if path.name not in of_others else "")
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        reasons = [call.args[1] for call in calls if getattr(call.func, "attr", "") == "refuse"]
        code |= {reason.value for reason in reasons if isinstance(reason, ast.Constant)}
    below = {
        "its shape does not follow from the model's",
        "it depends on a free length",
        "it depends on the lengths of free axes in another way than theirs",
        "it would split the batch",
        "of both directions a layer gives all states or the last ones, side by side or added",
        "the lengths of its axes do not follow from the model's",
        "xpnn adds along axes of a known length",
        "xpnn has it only in a softplus with a threshold",
        "xpnn's layers compute in float32 or float64",
        "xpnn takes shapes and axes that are constants of the model",
        "xpnn's Embedding takes rows of a matrix",
        "xpnn's Flatten keeps the batch and nothing else",
        "xpnn's LayerNorm normalises values of a known number",
        "xpnn's Reshape leaves the length of one axis open",
        "xpnn's hyperparameters are constants of the model",
        "xpnn's softmax works along the last axis",
        "xpnn's layer needs it",
        "xpnn's parameters are float32 or float64",
        "which axis is the last one is unknown, as the model gives no shape",
        "xpnn reads networks that nest at most 50 deep",
    }
    assert tried | below >= code


def test_an_unknown_attribute_is_refused_by_name(tmp_path):
    node = nodes.Node("the_node", "Relu", ("x",), ("y",), 17, {"surprise": 3})
    with pytest.raises(UnsupportedNodeError, match="'the_node' .Relu.: surprise=3 is not supported"):
        node.options()


def test_integers_are_refused(tmp_path):
    with pytest.raises(UnsupportedNodeError, match="'the_node' .Relu.: input 0='int32' .* float32 or float64"):
        load(saved(one_node("Relu", [ROWS.astype("int32")]), tmp_path))


def test_all_that_a_quantised_model_needs_is_named(tmp_path):
    quantised = of_nodes(
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),  # a scale of all samples
            helper.make_node("MatMulInteger", ["q", "W", "zero"], ["sums"]),
            helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["scale", "of_W"], ["scales"]),
            helper.make_node("Mul", ["floats", "scales"], ["y"]),
        ],
        {"x": ROWS},
        {"W": np.ones((6, 5), "uint8"), "of_W": np.float32(0.5)},
    )
    with pytest.raises(UnsupportedNodeError) as refused:
        load(saved(quantised, tmp_path))
    assert "DynamicQuantizeLinear: " in str(refused.value)
    assert "MatMulInteger: 1," in str(refused.value)


def test_float16_weights_are_computed_in_float32(tmp_path):
    W = normal(6, 5).astype("float16")
    loaded = load(saved(one_node("Gemm", [ROWS.astype("float16")], [W]), tmp_path))
    np.testing.assert_allclose(run(loaded, ROWS), ROWS @ W.astype("float32"), rtol=0, atol=1e-6)


def old(*nodes, **weights):
    """A model of opset 5, for whose operators ONNX infers no shapes."""
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 6]) for name in "xy"]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 5)], ir_version=4)


def test_the_last_axis_where_no_shape_is_inferred(tmp_path):
    """A matrix product and what follows it have two axes."""
    softmax = helper.make_node("Softmax", ["v"], ["y"])
    gemm = [helper.make_node("Gemm", ["x", "W", "b"], ["z"], broadcast=1), helper.make_node("Relu", ["z"], ["v"])]
    loaded = load(saved(old(*gemm, softmax, W=A, b=normal(6)), tmp_path))
    scores = np.exp(np.maximum(ROWS @ A + normal(6), 0))
    np.testing.assert_allclose(run(loaded, ROWS), scores / scores.sum(1, keepdims=True), rtol=0, atol=1e-5)


def test_a_name_that_nests_too_deep(tmp_path):
    for depth, too_deep in ((50, False), (51, True), (5000, True)):
        model = parsed("y = Relu(x)")
        model.producer_name, model.graph.node[0].name = "xpnn", ".".join(["0"] * depth) + "/Relu"
        if too_deep:
            with pytest.raises(UnsupportedNodeError, match=f"name={depth} .*at most 50"):
                load(saved(model, tmp_path))
        else:
            assert repr(load(saved(model, tmp_path))).count("Sequential") == depth


def test_a_connection_table_needs_its_biases(tmp_path):
    with pytest.raises(UnsupportedNodeError, match="'the Conv' .Conv.: input 2 .*needs it"):
        load(saved(parsed(SCATTER.replace(", b)", ")"), IMAGE, zeros=ZEROS, **TABLE), tmp_path))


BRANCHED = {
    "a value by itself": ("y = Mul(x, x)", ROWS, ["mul_1"]),
    "sums of sums": ("a = Relu(x); b = Add(a, x); y = Add(b, a)", ROWS, ["relu_1", "add_1", "add_2"]),
    "a gate": ("a = Tanh(x); s = Sigmoid(a); y = Mul(x, s)", ROWS, ["tanh_1", "sigmoid_1", "mul_1"]),
    "a SiLU": ("s = Sigmoid(x); a = Mul(x, s); t = Tanh(x); y = Sum(a, t)", ROWS, ["mul_1", "tanh_1", "sum_1"]),
    "a block in a graph": ("a = Tanh(x); b = Add(a, x); c = Relu(b); y = Concat<axis = 1>(c, b, x)", IMAGE, None),
    "several": ("a = Identity(x); b = Sigmoid(a); c = Sum(a, b, x); d = Flatten(c); y = Gemm(d, W)", IMAGE, None),
}


@pytest.mark.parametrize("case", BRANCHED)
def test_branches_become_a_graph(case, tmp_path):
    body, x, names = BRANCHED[case]
    model = parsed(body, x, **({"W": normal(90, 5)} if "W" in body else {}))
    for node in model.graph.node:
        node.name = node.output[0]
    path = saved(model, tmp_path)
    loaded = load(path)
    assert isinstance(loaded, nn.Graph)
    assert loaded.input_shape == x.shape[1:]
    assert names in (None, list(loaded.nodes))
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(run(loaded, x), expected, rtol=0, atol=1e-5)


def test_several_inputs_and_outputs_of_others(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]>
        g (float[N, 6] table, float[N, 3, 6, 5] relu_1) => (float[N, 4] y, float[N, 6] z) {
        z = Relu(table)
        f = Flatten(relu_1)
        j = Concat<axis = 1>(z, f)
        y = Gemm(j, W)
    }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(normal(96, 4), "W"))
    model.graph.input[0].name = model.graph.node[0].input[0] = "table.1"
    path = saved(model, tmp_path)
    loaded = load(path)
    assert (loaded.inputs, loaded.input_shape) == (("table_1", "relu_1"), ((6,), (3, 6, 5)))
    assert loaded.outputs == ("gemm_1", "relu_1_2")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"table.1": ROWS[:2], "relu_1": IMAGE[:2]})
    for got, want in zip(loaded((nn.asarray(ROWS[:2]), nn.asarray(IMAGE[:2]))), expected, strict=True):
        np.testing.assert_allclose(nn.to_numpy(got), want, rtol=0, atol=1e-5)


# files that are none


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.onnx")
    with pytest.raises(FileNotFoundError):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0", b"not a model", b"\x08\x08" * 100, bytes(range(256)) * 10])
def test_a_file_that_is_no_model(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.onnx is not a valid ONNX model"):
        load(tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def model_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model = nn.Sequential(
        nn.Conv2D(1, 2, 3, rng=0), nn.MaxPool2D(2), nn.LeakyReLU(), nn.Flatten(), nn.Dense(18, 2, rng=0)
    )
    export(model, path, input_shape=(1, 8, 8))
    return path.read_bytes()


def test_a_truncated_file(model_bytes, tmp_path):
    """Nowhere does a part of the file pass for the whole."""
    for length in np.linspace(0, len(model_bytes) - 1, 100).astype(int):
        (tmp_path / "model.onnx").write_bytes(model_bytes[:length])
        with pytest.raises(ValueError, match="is not a valid ONNX model"):
            load(tmp_path / "model.onnx")


def test_a_damaged_file(model_bytes, tmp_path):
    """A changed byte either makes an error that says so, or stands in a place where any value will do."""
    rng = np.random.default_rng(0)
    errors = 0
    for place in rng.integers(0, len(model_bytes), 300):
        damaged = bytearray(model_bytes)
        damaged[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "model.onnx").write_bytes(damaged)
        try:
            load(tmp_path / "model.onnx")
        except ValueError:
            errors += 1
    assert errors > 50
