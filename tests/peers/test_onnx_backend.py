"""The onnx package's own backend tests, run against xpnn.

Of each kind of tests that comes with the package (single operators; small models; models that PyTorch wrote) all count
whose every operator is among CLAIMED. They pass, or stand in UNSUPPORTED with the attribute at which they are refused,
for which docs/onnx.md gives the reason.
"""

import ast
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.backend.base import DeviceType

import xpnn as nn
from xpnn import interop
from xpnn.interop.onnx import Backend, UnsupportedNodeError
from xpnn.interop.onnx import node as nodes
from xpnn.interop.onnx.operators import OPERATORS, run
from xpnn.interop.onnx.readers import INSIDE, READERS
from xpnn.interop.onnx.rules import RULES
from xpnn.interop.onnx.walk import JOINS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # NumPy's, as the package computes its expected outputs
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner

    FUNCTIONS = {name: function for name, function in vars(Runner(Backend).tests).items() if name.startswith("test_")}

DOCUMENT = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
DEVICE = "cpu" if nn.xp is np else "cuda"

CLAIMED = {op.rpartition(".")[2] for op in OPERATORS} | {"Constant", "If"}

UNSUPPORTED = {
    ("Add", "axis"): """
        operator_add_broadcast operator_add_size1_broadcast operator_add_size1_right_broadcast
        operator_add_size1_singleton_broadcast
    """,
    ("AveragePool", "dilations"): "averagepool_2d_dilations",
    ("AveragePool", "kernel_shape"): """
        AvgPool3d AvgPool3d_stride AvgPool3d_stride1_pad0_gpu_input averagepool_3d_default
        averagepool_3d_dilations_small
        averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False
        averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True
    """,
    ("BatchNormalization", "training_mode"): "batchnorm_epsilon_training_mode batchnorm_example_training_mode",
    ("Conv", "kernel_shape"): """
        Conv3d Conv3d_dilated Conv3d_dilated_strided Conv3d_groups Conv3d_no_bias Conv3d_stride Conv3d_stride_padding
    """,
    ("ConvTranspose", "kernel_shape"): "convtranspose_3d",
    ("Dropout", "training_mode"): """
        training_dropout training_dropout_default training_dropout_default_mask training_dropout_mask
    """,
    ("GRU", "linear_before_reset"): """
        gru_batchwise gru_bidirectional gru_defaults gru_reverse gru_seq_length gru_with_initial_bias
    """,
    ("LSTM", "P"): "lstm_with_peepholes",
    ("MaxPool", "Indices"): "maxpool_with_argmax_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_strides",
    (
        "MaxPool",
        "dilations",
    ): "MaxPool1d_stride_padding_dilation MaxPool2d_stride_padding_dilation maxpool_2d_dilations",
    ("MaxPool", "kernel_shape"): """
        MaxPool3d MaxPool3d_stride MaxPool3d_stride_padding maxpool_3d_default maxpool_3d_dilations
        maxpool_3d_dilations_use_ref_impl maxpool_3d_dilations_use_ref_impl_large
    """,
    ("Resize", "antialias"): """
        resize_downsample_scales_cubic_antialias resize_downsample_scales_linear_antialias
        resize_downsample_sizes_cubic_antialias resize_downsample_sizes_linear_antialias
    """,
    ("Resize", "coordinate_transformation_mode"): """
        resize_tf_crop_and_resize resize_tf_crop_and_resize_axes_2_3 resize_tf_crop_and_resize_axes_3_2
        resize_tf_crop_and_resize_extrapolation_value
    """,
    ("ScatterND", "reduction"): """
        scatternd_add scatternd_max scatternd_max_with_element_indices scatternd_min
        scatternd_min_with_element_indices scatternd_multiply
    """,
    ("input", "optional"): "identity_opt",
    ("input", "sequence"): "identity_sequence",
}
"""Tests by the operator and the attribute, input or output at which they are refused ("input" for a model's own)."""

FOREIGN = re.compile(r"BFLOAT16|FLOAT[48]|INT[24](?![0-9])|bfloat16|float8|e8m0|_string|tensor(_value_only)?_mapping")
"""In the names of tests: types that NumPy does not have itself, which are refused wherever they stand."""

REFUSED = {f"test_{name}": place for place, names in UNSUPPORTED.items() for name in names.split()}


def operators(case):
    model = case.model if case.model is not None else onnx.load(Path(case.model_dir) / "model.onnx")
    nodes = [*model.graph.node]
    for node in nodes:  # and those of the branches of an If
        nodes += [inner for attribute in node.attribute for inner in attribute.g.node]
    return {node.op_type for node in nodes}


SELECTED = {
    case.name: operators(case)
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator")
    for case in load_model_tests(kind=kind)
    if operators(case) <= CLAIMED
}


def reasons():
    """The document's rows about what is not supported: operators, what of them, reason."""
    rows = re.findall(r"^\| (\S.*?) \| `(.*?)` \| (.*?) \|$", DOCUMENT, re.MULTILINE)
    return {(op, what, reason) for ops, what, reason in rows for op in ops.split(", ")}


@pytest.mark.parametrize("name", sorted(SELECTED))
def test_onnx(name):
    run = FUNCTIONS[f"{name}_{DEVICE}"]
    if FOREIGN.search(name):
        with pytest.raises(UnsupportedNodeError, match="xpnn has dense arrays of numbers only"):
            run(None)
        return
    if name not in REFUSED:
        with np.errstate(all="ignore"):  # some tests are about the logarithm of 0 and the root of -1
            run(None)
        return
    with pytest.raises(UnsupportedNodeError) as caught:
        run(None)
    assert (caught.value.op, caught.value.what) == REFUSED[name]
    assert (caught.value.op, caught.value.what, caught.value.reason) in reasons()


def test_every_operator_is_claimed_and_tested():
    passed = set().union(*(ops for name, ops in SELECTED.items() if name not in REFUSED))
    below = {"GRU", *("LinearClassifier", "LinearRegressor", "Normalizer", "Scaler", "ZipMap")}
    assert passed == CLAIMED - below  # of a GRU all leave linear_before_reset at 0; test_onnx_sklearn.py has the others


def test_every_listed_refusal_is_of_a_test_that_exists():
    assert REFUSED.keys() <= SELECTED.keys()


def test_no_test_is_skipped():
    """The suite's functions skip themselves where the backend does not have the device."""
    assert Backend.supports_device(DEVICE.upper())
    assert not Backend.supports_device("CUDA" if DEVICE == "cpu" else "CPU")
    assert (DeviceType.CPU, DeviceType.CUDA) == (0, 1)


# the documents


def test_a_document_counts_them():
    foreign = sum(bool(FOREIGN.search(name)) for name in SELECTED)
    refused = foreign + len(REFUSED)
    document = (Path(__file__).parents[2] / "docs" / "correctness.md").read_text(encoding="utf-8")
    assert f"| {len(SELECTED) - refused} of {len(SELECTED):,} pass; the other {refused} ask" in document
    assert f"with the reason: {foreign} of them for types" in document


def test_the_document_lists_the_operators():
    """A row for each that becomes a layer, or a part of one; the others of Backend in a sentence."""
    table = re.search(r"what `load` makes of it.*?\n\n", DOCUMENT, re.DOTALL)
    rows = set(re.findall(r"^\| (\w+) \|", table[0], re.MULTILINE))
    own = {"Layout", "Refused", "Section"}  # which stand for what ONNX has other nodes for
    inside = INSIDE | {"Constant", "Identity", "If", "ScatterND"}
    assert rows == {op.rpartition(".")[2] for op in READERS.keys() | RULES.keys() | JOINS | inside} - own
    others = re.search(r"`Backend` runs these too: (.*?)\.\n", DOCUMENT, re.DOTALL)
    assert set(re.findall(r"[A-Z]\w+(?=[,;.]|$)", others[1])) == CLAIMED - rows


def test_the_document_gives_every_reason():
    """Each text that stands in the code as the reason of a refusal stands in the document, and the other way round."""
    texts = set()
    for file in (Path(interop.__file__).parent / "onnx").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(call, "func", None)
            if isinstance(call, ast.Call) and getattr(name, "attr", getattr(name, "id", "")) in (
                "refuse",
                "UnsupportedNodeError",
            ):
                position = 1 if isinstance(name, ast.Attribute) else 3
                if isinstance(call.args[position], ast.Constant):
                    texts.add(call.args[position].value)
    assert texts
    assert texts == {reason for _, _, reason in reasons()}


# what the package's tests leave out


def test_gru():
    """As onnxruntime, with the reset gate where xpnn has it; both directions, lengths and an initial state."""
    rng = np.random.default_rng(0)
    shapes = {"X": (5, 3, 2), "W": (2, 12, 2), "R": (2, 12, 4), "B": (2, 24), "h": (2, 3, 4)}
    values = {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}
    attributes = {"hidden_size": 4, "linear_before_reset": 1, "direction": "bidirectional"}
    node = helper.make_node("GRU", ["X", "W", "R", "B", "", "h"], ["Y", "Y_h"], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = Backend.prepare(onnx.shape_inference.infer_shapes(model)).run(values)
    for output, expected in zip(outputs, session.run(None, values), strict=True):
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "direction"),
    [("RNN", "forward"), ("LSTM", "forward"), ("GRU", "forward"), ("RNN", "reverse"), ("LSTM", "bidirectional")],
)
def test_lengths(op, direction):
    """Sequences that end early: the outputs past the end are 0, the last state is the one at either end."""
    rng = np.random.default_rng(1)
    rows, D = {"RNN": 4, "LSTM": 16, "GRU": 12}[op], 2 if direction == "bidirectional" else 1
    shapes = {"X": (5, 3, 2), "W": (D, rows, 2), "R": (D, rows, 4), "B": (D, 2 * rows)}
    values = {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}
    values["lengths"] = np.array([5, 2, 4], "int32")
    attributes = {"hidden_size": 4, "direction": direction} | ({"linear_before_reset": 1} if op == "GRU" else {})
    node = helper.make_node(op, [*shapes, "lengths"], ["Y", "Y_h"], **attributes)
    outputs = Backend.run_node(node, list(values.values()), opset_version=17)
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    info.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, (3,)))
    graph = helper.make_graph(
        [node], "g", info, [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for output, expected in zip(outputs, session.run(None, values), strict=True):
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "attributes", "shapes"),
    [
        ("Gemm", {"beta": 2.0, "alpha": 0.5}, [(3, 4), (4, 5), (3, 5)]),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "ceil_mode": 1}, [(1, 2, 4, 6)]),
        (
            "AveragePool",
            {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 0], "ceil_mode": 1, "count_include_pad": 1},
            [(1, 2, 4, 6)],
        ),
        ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 0], "ceil_mode": 1}, [(1, 2, 4, 6)]),
        ("Conv", {"pads": [1, 2], "strides": [2], "group": 2, "dilations": [2]}, [(2, 4, 9), (6, 2, 3), (6,)]),
        (
            "ConvTranspose",
            {"pads": [1, 0, 1, 0], "strides": [2, 3], "group": 2, "dilations": [2, 1], "output_padding": [1, 2]},
            [(2, 4, 3, 4), (4, 3, 3, 2), (6,)],
        ),
        ("GlobalMaxPool", {}, [(2, 3, 5)]),
    ],
)
def test_combinations(op, attributes, shapes):
    """Of attributes that the package tests one at a time: as onnxruntime."""
    rng = np.random.default_rng(0)
    values = {f"x{i}": rng.standard_normal(shape).astype("float32") for i, shape in enumerate(shapes)}
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in values.items()]
    node = helper.make_node(op, list(values), ["y"], **attributes)
    graph = helper.make_graph([node], "g", info, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = Backend.run_node(node, list(values.values()), opset_version=17)
    np.testing.assert_allclose(y, session.run(None, values)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax_before_opset_13(op):
    """Over the axis and all later ones together."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype("float32")
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "g", info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    (y,) = Backend.run_model(model, [x])
    total = np.exp(y).sum((1, 2)) if op == "LogSoftmax" else y.sum((1, 2))
    np.testing.assert_allclose(total, 1, rtol=0, atol=1e-6)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(y, session.run(None, {"x": x})[0], rtol=0, atol=1e-6)


def test_rows_counted_from_the_end():
    """ONNX allows it, Embedding does not; an index that is out of range stays an error."""
    W = np.arange(12, dtype="float32").reshape(4, 3)
    node = helper.make_node("Gather", ["W", "i"], ["y"])
    (y,) = Backend.run_node(node, [W, np.array([[0, -1], [-4, 3]])])
    np.testing.assert_array_equal(y, W[[[0, 3], [0, 3]]])
    for index in (-5, 4):
        with pytest.raises(ValueError, match=f"expected each index from -4 to 3, got {index}"):
            Backend.run_node(node, [W, np.array([index])])


def test_prepare_refuses_what_it_cannot_run():
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Hardmax", ["x"], ["y"], name="the_node")], "g", info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(UnsupportedNodeError, match="'the_node' .Hardmax.: operator"):
        Backend.prepare(model)
    with pytest.raises(UnsupportedNodeError, match="'the_node' .Hardmax.: operator"):
        Backend.run_node(graph.node[0], [np.ones(2, "float32")])


def test_a_missing_input_is_named():
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", info[:2], info[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    a, b = np.ones(2, "float32"), np.ones(2, "float32")
    prepared = Backend.prepare(model)
    for inputs, wrong in (([a], "b"), ({"a": a}, "b"), ({"a": a, "b": b, "c": b}, "c")):
        with pytest.raises(ValueError, match=rf"unknown: \['{wrong}'\]"):
            prepared.run(inputs)
    with pytest.raises(ValueError, match="got 3"):
        prepared.run([a, b, b])


@pytest.mark.parametrize("b", [np.ones(2), np.ones(3, "float32"), np.ones((2, 1), "float32"), np.float32(1)])
def test_an_input_of_another_type_is_named(b):
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", info[:2], info[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ValueError, match=r"expected 'b' of float32 and shape \(2,\), got"):
        Backend.prepare(model).run([np.ones(2, "float32"), b])


def one_node(op, x, weights, opset=17, **attributes):
    """A model of one node that reads x and constants."""
    names = [f"w{k}" for k in range(len(weights))]
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], name="the_node", **attributes)],
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", *x.shape[1:]])],
        [helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in zip(names, weights, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def answer(model, x):
    """Of onnxruntime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def f(*shape, dtype="float32"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


EMPTY = {
    "AveragePool": ((0, 3, 4, 4), [], {"kernel_shape": [2, 2]}),
    "BatchNormalization": ((0, 3, 4, 4), [f(3), f(3), f(3), f(3) ** 2], {}),
    "Conv": ((0, 3, 4, 4), [f(2, 3, 3, 3)], {}),
    "ConvTranspose": ((0, 3, 4, 4), [f(3, 2, 3, 3)], {}),
    "Dropout": ((0, 3), [], {}),
    "Flatten": ((0, 3, 4), [], {}),
    "Gemm": ((0, 3), [f(3, 4), f(4)], {}),
    "GlobalAveragePool": ((0, 3, 4, 5), [], {}),
    "GlobalMaxPool": ((0, 3, 4, 5), [], {}),
    "LeakyRelu": ((0, 3), [], {}),
    "LogSoftmax": ((0, 3), [], {}),
    "MatMul": ((0, 2, 3), [f(3, 4)], {}),
    "MaxPool": ((0, 3, 4), [], {"kernel_shape": [2]}),
    "ReduceMean": ((0, 3), [], {"axes": [1]}),
    "Relu": ((0, 3), [], {}),
    "Reshape": ((0, 3, 4), [np.array([-1, 12])], {}),
    "Softmax": ((0, 3, 4), [], {"axis": 1}),
}


@pytest.mark.parametrize("op", EMPTY)
def test_a_batch_of_no_samples(op):
    shape, weights, attributes = EMPTY[op]
    x = np.zeros(shape, "float32")
    model = one_node(op, x, weights, **attributes)
    (y,), want = Backend.run_model(model, [x]), answer(model, x)
    assert (y.shape, y.dtype) == (want.shape, want.dtype)


@pytest.mark.parametrize("op", ["RNN", "LSTM", "GRU"])
def test_no_sequences(op):
    """onnxruntime ends the process here. Their states have no samples, either."""
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[op]
    attributes = {"hidden_size": 4} | ({"linear_before_reset": 1} if op == "GRU" else {})
    node = helper.make_node(op, ["X", "W", "R"], ["Y", "Y_h"], **attributes)
    Y, Y_h = Backend.run_node(node, [f(5, 0, 3), f(1, gates * 4, 3), f(1, gates * 4, 4)])
    assert (Y.shape, Y_h.shape) == ((5, 1, 0, 4), (1, 0, 4))


NUMBERS = np.array([[7, -8, 3], [2, 5, -4]])


@pytest.mark.parametrize(
    ("op", "dtype", "weights", "attributes"),
    [
        ("ReduceSum", "int32", [np.array([1])], {}),
        ("ReduceSum", "float16", [np.array([1])], {}),
        ("ReduceMean", "int32", [], {"axes": [1]}),
        ("MatMul", "int32", [np.ones((3, 4), "int32")], {}),
        ("MatMul", "float16", [f(3, 4, dtype="float16")], {}),
        ("Mul", "int64", [np.array([2, 3, 4])], {}),
        ("Transpose", "uint8", [], {}),
        ("Gemm", "float16", [f(3, 4, dtype="float16")], {}),
        ("Relu", "float16", [], {}),
        ("Softmax", "float16", [], {}),
    ],
)
def test_operators_that_need_no_layer_compute_in_any_type(op, dtype, weights, attributes):
    x = NUMBERS.astype(dtype)
    model = one_node(op, x, weights, **attributes)
    (y,), want = Backend.run_model(model, [x]), answer(model, x)
    assert y.dtype == want.dtype
    np.testing.assert_allclose(y, want, rtol=0.01)


@pytest.mark.parametrize(
    ("op", "dtype", "weights", "attributes"),
    [("Gemm", "int32", [np.ones((3, 4), "int32")], {}), ("Relu", "int32", [], {})],
)
def test_types_that_are_no_layer_s_are_refused_by_name(op, dtype, weights, attributes):
    x = NUMBERS.astype(dtype)
    with pytest.raises(UnsupportedNodeError, match=f"'the_node' .{op}.: input 0='{dtype}' .* float32 or float64"):
        Backend.run_model(one_node(op, x, weights, **attributes), [x])


@pytest.mark.parametrize(("h", "c"), [((2, 2, 4), (1, 2, 4)), ((1, 2, 4), (2, 2, 4)), ((1, 3, 4), (1, 2, 4))])
def test_a_state_of_another_shape_is_refused(h, c):
    """Of two directions, or of more sequences, none is dropped."""
    node = helper.make_node("LSTM", ["X", "W", "R", "", "", "h", "c"], ["Y"], name="the_node", hidden_size=4)
    with pytest.raises(ValueError, match=r"'the_node' .LSTM.: expected a state of \(2, 1, 4\), batch first"):
        Backend.run_node(node, [f(5, 2, 3), f(1, 16, 3), f(1, 16, 4), f(*h), f(*c)])


X, LARGE = np.arange(6.0, dtype="float32").reshape(2, 3), 2**31 + 1


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("Reshape", [X, np.array([[3, 2]])], {}, "in one row"),
        ("Reshape", [X, np.array([-2, 3])], {}, "sizes from -1"),
        ("Split", [X], {"num_outputs": 2}, "num_outputs of 1, got 2"),
        ("Split", [X, np.array([1])], {}, "1 sizes that add up to 2"),
        ("Slice", [X, *(np.array([k]) for k in (0, 1, 0, 0))], {}, "steps other than 0"),
        ("Pad", [X, np.array([0, 0, 0, LARGE])], {}, "fewer than 2147483648 elements"),
        ("ConstantOfShape", [np.array([LARGE])], {}, "fewer than 2147483648 elements"),
        ("ConstantOfShape", [np.array([-1])], {}, "sizes from 0"),
        ("Expand", [X, np.array([LARGE, 1, 1])], {}, "fewer than 2147483648 elements"),
        ("Tile", [X, np.array([1, LARGE])], {}, "fewer than 2147483648 elements"),
        ("Tile", [X, np.array([1])], {}, "a repeat for each axis"),
        ("Range", [np.array(0), np.array(LARGE), np.array(1)], {}, "fewer than 2147483648 steps"),
        ("Range", [np.array(0), np.array(1), np.array(0)], {}, "fewer than 2147483648 steps"),
        ("ScatterND", [X, np.array([[0]]), np.ones((1, 2), "float32")], {}, r"expected shape \(1, 3\)"),
        ("Resize", [X, np.zeros(0, "float32"), np.array([2], "float32")], {}, "for each of 2 axes"),
        ("Resize", [X, np.zeros(0, "float32"), np.array([2, -1], "float32")], {}, "positive scales"),
        ("DepthToSpace", [np.ones((1, 4, 1, 1), "float32")], {"blocksize": 2, "mode": "ABC"}, "mode='ABC'"),
        ("Relu", [X], {}, "xpnn gives fewer"),
    ],
)
def test_a_value_that_the_operator_does_not_accept(op, inputs, attributes, message):
    names = [f"i{k}" for k in range(len(inputs))]
    outputs = ("y", "second") if op == "Relu" else ("y",)
    node = nodes.Node("the_node", op, tuple(names), outputs, 18, attributes)
    with pytest.raises(ValueError, match=f"'the_node' .{op}.: .*{message}"):
        run(node, [nn.asarray(value, value.dtype) for value in inputs])
