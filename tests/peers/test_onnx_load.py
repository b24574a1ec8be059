"""Loading ONNX models that others wrote, that ask for what xpnn does not have, and files that are no models."""

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import xpnn as nn
from xpnn.interop.onnx import UnsupportedNodeError, export, load
from xpnn.interop.onnx_node import Node


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
    "Gemm, no bias": (one_node("Gemm", [ROWS], [normal(5, 6)], transB=1), "Dense"),
    "MatMul, no bias": (one_node("MatMul", [SEQUENCES], [normal(6, 5)]), "Dense"),
    "Conv, no bias, VALID": (one_node("Conv", [IMAGE], [normal(4, 3, 2, 2)], auto_pad="VALID"), "Conv2D"),
    "MaxPool of old": (one_node("MaxPool", [IMAGE], opset=8, kernel_shape=[2, 2], strides=[2, 2]), "MaxPool2D"),
    "AveragePool, nothing to count": (one_node("AveragePool", [IMAGE], kernel_shape=[2, 3]), "AvgPool2D"),
    "Dropout of old": (one_node("Dropout", [ROWS], opset=10, ratio=0.25), "Dropout"),
    "Softmax of old": (one_node("Softmax", [ROWS], opset=11), "Softmax"),
    "Reshape": (one_node("Reshape", [IMAGE], [np.array([0, -1])]), "Flatten"),
    "Softmax, axis counted from the left": (one_node("Softmax", [ROWS], axis=1), "Softmax"),
    "GlobalAveragePool": (
        of_nodes(
            [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
            {"x": IMAGE},
            {},
        ),
        "GlobalAvgPool2D",
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
    assert [type(layer).__name__ for layer in loaded] == [kind]
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(run(loaded, x), expected, rtol=0, atol=1e-5)


def test_weights_listed_as_inputs_too(tmp_path):
    """Before version 4 of the format every initialiser had to be."""
    model = one_node("Gemm", [ROWS], [normal(6, 5)])
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("w0", TensorProto.FLOAT, [6, 5]))
    loaded = load(saved(model, tmp_path))
    np.testing.assert_allclose(run(loaded, ROWS), ROWS @ normal(6, 5), rtol=0, atol=1e-5)


def lstm(*more, **attributes):
    names = ["x", "w0", "w1", "", *more]
    weights = [normal(1, 16, 3), normal(1, 16, 4)]
    extra = {"": None, "lengths": np.array([2, 1], "int32"), "state": normal(1, 2, 4), "P": normal(1, 12)}
    constants = {f"w{i}": array for i, array in enumerate(weights)} | {key: extra[key] for key in more if key}
    node = helper.make_node("LSTM", names, ["", "h"], name="the_node", hidden_size=4, **attributes)
    turned = helper.make_node("Transpose", ["z"], ["x"], perm=[1, 0, 2])
    squeeze = helper.make_node("Squeeze", ["h", "axes"], ["y"])
    return of_nodes([turned, node, squeeze], {"z": normal(2, 3, 3)}, {**constants, "axes": np.array([0])})


REFUSED = {
    "auto_pad": one_node("Conv", [IMAGE], [normal(4, 3, 2, 2)], auto_pad="SAME_UPPER"),
    "pads": one_node("Conv", [IMAGE], [normal(4, 3, 2, 2)], pads=[1, 0, 0, 0]),
    "kernel_shape": one_node("Conv", [normal(2, 3, 6)], [normal(4, 3, 2)]),
    "input 1": of_nodes([helper.make_node("Gemm", ["x", "x"], ["y"], name="the_node")], {"x": normal(6, 6)}, {}),
    "transA": one_node("Gemm", [normal(6, 6)], [normal(6, 6)], transA=1),
    "C": one_node("Gemm", [ROWS], [normal(6, 5), normal(4, 5)]),
    "ceil_mode": one_node("MaxPool", [IMAGE], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "dilations": one_node("MaxPool", [IMAGE], kernel_shape=[2, 2], dilations=[2, 2]),
    "count_include_pad": one_node("AveragePool", [IMAGE], kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
    "axis": one_node("Flatten", [IMAGE], axis=2),
    "shape": one_node("Reshape", [IMAGE], [np.array([-1, 15])]),
    "operator": one_node("Erf", [ROWS]),
    "training_mode": one_node("Dropout", [ROWS], [np.float32(0.5), np.array(True)]),
    "direction": lstm(direction="reverse"),
    "activations": lstm(activations=["Sigmoid", "Relu", "Tanh"]),
    "clip": lstm(clip=1.0),
    "input_forget": lstm(input_forget=1),
    "sequence_lens": lstm("lengths"),
    "initial_h": lstm("", "state"),
    "P": lstm("", "", "", "P"),
    "output": one_node("LSTM", [normal(3, 2, 3)], [normal(1, 16, 3), normal(1, 16, 4)], hidden_size=4),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_named(what, tmp_path):
    with pytest.raises(UnsupportedNodeError) as caught:
        load(saved(REFUSED[what], tmp_path))
    node = next(node for node in REFUSED[what].graph.node if node.name == "the_node")
    assert (caught.value.node, caught.value.op, caught.value.what) == ("the_node", node.op_type, what)
    assert isinstance(caught.value, ValueError)
    for part in ("the_node", node.op_type, what, caught.value.reason):
        assert part in str(caught.value)


def test_an_unknown_attribute_is_refused_by_name(tmp_path):
    node = Node("the_node", "Relu", ("x",), ("y",), 17, {"surprise": 3})
    with pytest.raises(UnsupportedNodeError, match="'the_node' .Relu.: surprise=3 is not supported"):
        node.options()


def test_float16_weights_are_refused(tmp_path):
    with pytest.raises(UnsupportedNodeError, match="float32 or float64"):
        load(saved(one_node("Gemm", [ROWS.astype("float16")], [normal(6, 5).astype("float16")]), tmp_path))


def test_a_network_has_one_input_and_one_output(tmp_path):
    with pytest.raises(ValueError, match="one input and one output"):
        load(saved(one_node("Add", [ROWS, ROWS]), tmp_path))


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
