"""Random models of one node by ``Backend`` and by onnxruntime; ``python tests/peers/test_onnx_random.py N`` tries N."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from xpnn.interop.onnx import Backend, UnsupportedNodeError

ONE = ["Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu", "Neg"]
ONE += ["Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Tanh", "ThresholdedRelu", "Mish"]
TWO = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
REDUCE = ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"]


def drawn(rng):
    """An operator, its inputs (x first) and its attributes."""
    x = rng.standard_normal(rng.integers(1, 6, rng.integers(1, 5))).astype("float32")
    axis, n = int(rng.integers(-x.ndim, x.ndim)), x.ndim
    kind = rng.integers(12)
    if kind == 0:
        return str(rng.choice(ONE)), [x], {}
    if kind == 1:
        other = rng.standard_normal([m if rng.integers(2) else 1 for m in x.shape][rng.integers(n) :]).astype("float32")
        return str(rng.choice(TWO)), [x, other], {}
    if kind == 2:
        axes = rng.choice(n, rng.integers(1, n + 1), replace=False).astype("int64")
        return str(rng.choice(REDUCE)), [x, axes], {"keepdims": int(rng.integers(2))}
    if kind == 3:
        ends = rng.integers(-7, 8, (2, 1))
        return "Slice", [x, ends[0], ends[1], np.array([axis]), rng.choice([-2, -1, 1, 2, 3], 1)], {}
    if kind == 4:
        mode = str(rng.choice(["constant", "edge", "reflect"]))
        most = 3 if mode == "constant" else min(x.shape)
        return "Pad", [x, rng.integers(0, max(1, most), 2 * n)], {"mode": mode}
    if kind == 5:
        return str(rng.choice(["Softmax", "LogSoftmax", "ArgMax", "ArgMin"])), [x], {"axis": axis}
    if kind == 6:
        return "Gather", [x, rng.integers(-x.shape[axis], x.shape[axis], (2, 3))], {"axis": axis}
    if kind == 7:
        return "Where", [x > 0, x, rng.standard_normal(x.shape[-1:]).astype("float32")], {}
    if kind == 8:
        return "Transpose", [x], {"perm": rng.permutation(n).tolist()}
    image = rng.standard_normal((2, 4, *rng.integers(5, 9, 2))).astype("float32")
    kernel, stride = rng.integers(1, 4, 2).tolist(), rng.integers(1, 4, 2).tolist()
    window = {"kernel_shape": kernel, "strides": stride}
    window |= {"pads": [int(rng.integers(k)) for k in kernel * 2]} if rng.integers(2) else {}
    if "pads" not in window and all(s <= k for s, k in zip(stride, kernel, strict=True)):
        window["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    if kind == 9:
        return str(rng.choice(["MaxPool", "AveragePool"])), [image], window
    if kind == 10:
        group = int(rng.choice([1, 2, 4]))
        return (
            "Conv",
            [image, rng.standard_normal((4, 4 // group, *kernel)).astype("float32")],
            window | {"group": group},
        )
    places = ["half_pixel", "asymmetric", "pytorch_half_pixel"]
    options = {
        "mode": str(rng.choice(["nearest", "linear"])),
        "coordinate_transformation_mode": str(rng.choice(places)),
    }
    scales = np.array([1, 1, *rng.choice([0.5, 1, 1.5, 2, 3], 2)], "float32")
    return "Resize", [image, np.zeros(0, "float32"), scales], options


def difference(seed):
    """What differs for this seed, or None; a model that onnxruntime does not take counts for nothing."""
    op, values, attributes = drawn(np.random.default_rng(seed))
    names = [f"x{k}" for k in range(len(values))]
    kind = helper.np_dtype_to_tensor_dtype(values[0].dtype)
    constants = [numpy_helper.from_array(value, name) for name, value in zip(names[1:], values[1:], strict=True)]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x0", kind, values[0].shape)],
        [onnx.ValueInfoProto(name="y")],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    try:
        model = onnx.shape_inference.infer_shapes(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (expected,) = session.run(None, {"x0": values[0]})
    except Exception:  # of classes that are private to it
        return None
    try:
        (y,) = Backend.run_model(model, values[:1])
    except UnsupportedNodeError:
        return None
    same = (y.shape, y.dtype) == (expected.shape, expected.dtype)
    same = same and np.allclose(y, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
    return None if same else (seed, op, attributes, [value.shape for value in values], y, expected)


@pytest.mark.parametrize("start", range(0, 200, 100))
def test_as_onnxruntime(start):
    onnxruntime.set_default_logger_severity(4)
    assert not [found for seed in range(start, start + 100) if (found := difference(seed))]


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(4)
    wrong = [found for seed in range(int(sys.argv[1])) if (found := difference(seed))]
    print(*wrong[:20], f"{len(wrong)} of {sys.argv[1]} differ", sep="\n")
