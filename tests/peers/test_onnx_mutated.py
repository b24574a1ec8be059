"""Valid ONNX models, changed at random: what xpnn still answers is onnxruntime's answer; else it is an error of ours.

A change knows what a model is made of: it gives an attribute another value, takes one away or adds one that the
operator has, drops, swaps or rewires inputs, reshapes or retypes constants, changes an operator, the opset or the
input's type, repeats or removes nodes. Nothing but a ValueError (an UnsupportedNodeError is one) or a right answer may
come of it.
"""

import copy
import time

import numpy as np
import onnx
import onnx.defs
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import xpnn as nn
from xpnn.interop.onnx import Backend, load
from xpnn.interop.onnx.operators import OPERATORS

node = helper.make_node
RNG = np.random.default_rng(5)
AXIS = {f"axis{k}": np.array([k]) for k in range(3)}
TURN = node("Transpose", ["x"], ["t"], perm=[1, 0, 2])


def f(*shape):
    return RNG.standard_normal(shape).astype("float32")


def recurrent(op, gates, after, **options):
    weights = {"W": f(1, gates * 4, 3), "R": f(1, gates * 4, 4), "B": f(1, gates * 8), **AXIS}
    return [TURN, node(op, ["t", "W", "R", "B"], ["s", "h"], hidden_size=4, **options), *after], weights, (5, 3)


LAST = [node("Squeeze", ["h", "axis0"], ["y"])]
STATES = [node("Squeeze", ["s", "axis1"], ["u"]), node("Transpose", ["u"], ["y"], perm=[1, 0, 2])]
NORM = {"scale": f(3), "bias": f(3), "mean": f(3), "var": f(3) ** 2 + 1}
POOL = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 1, 0], "ceil_mode": 0}

LOADED = {
    # nodes, constants, shape of a sample
    "Gemm": ([node("Gemm", ["x", "W", "b"], ["y"], transB=1, alpha=1.0)], {"W": f(4, 5), "b": f(4)}, (5,)),
    "MatMul": (
        [node("MatMul", ["x", "W"], ["t"]), node("Add", ["t", "b"], ["u"]), node("Softmax", ["u"], ["y"], axis=-1)],
        {"W": f(5, 4), "b": f(4)},
        (3, 5),
    ),
    "Conv": (
        [
            node("Conv", ["x", "W", "b"], ["t"], kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 1, 0], group=1),
            node("Tanh", ["t"], ["y"]),
        ],
        {"W": f(4, 3, 3, 2), "b": f(4)},
        (3, 6, 7),
    ),
    "Conv in groups": (
        [node("Conv", ["x", "W"], ["y"], group=2, auto_pad="SAME_UPPER")],
        {"W": f(4, 2, 3, 3)},
        (4, 6, 7),
    ),
    "MaxPool": ([node("MaxPool", ["x"], ["t"], **POOL), node("Flatten", ["t"], ["y"], axis=1)], {}, (3, 6, 7)),
    "AveragePool": ([node("AveragePool", ["x"], ["y"], **POOL, count_include_pad=1)], {}, (3, 6, 7)),
    "GlobalAveragePool": ([node("GlobalAveragePool", ["x"], ["t"]), node("Flatten", ["t"], ["y"])], {}, (3, 6, 7)),
    "BatchNormalization": ([node("BatchNormalization", ["x", *NORM], ["y"], epsilon=1e-5)], NORM, (3, 4, 4)),
    "Reshape": (
        [node("Reshape", ["x", "s"], ["t"]), node("Dropout", ["t", "r"], ["u"]), node("LeakyRelu", ["u"], ["y"])],
        {"s": np.array([0, -1]), "r": np.float32(0.3)},
        (3, 4),
    ),
    "RNN": recurrent("RNN", 1, LAST, activations=["Tanh"]),
    "LSTM": recurrent("LSTM", 4, STATES, direction="forward"),
    "GRU": recurrent("GRU", 3, LAST, linear_before_reset=1),
    "RBF": (
        [
            node("Unsqueeze", ["x", "axis1"], ["u"]),
            node("Sub", ["u", "c"], ["d"]),
            node("Mul", ["d", "d"], ["q"]),
            node("ReduceSum", ["q", "axis2"], ["s"], keepdims=0),
            node("Neg", ["s"], ["y"]),
        ],
        {"c": f(4, 6), **AXIS},
        (6,),
    ),
    "Subsample2D": (
        [
            node("AveragePool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Mul", ["p", "area"], ["q"]),
            node("Mul", ["q", "W"], ["r"]),
            node("Add", ["r", "b"], ["y"]),
        ],
        {"area": np.float32(4), "W": f(3, 1, 1), "b": f(3, 1, 1)},
        (3, 6, 6),
    ),
    "ScaledTanh": (
        [node("Mul", ["x", "s"], ["a"]), node("Tanh", ["a"], ["t"]), node("Mul", ["t", "A"], ["y"])],
        {"s": np.float32(0.5), "A": np.float32(1.5)},
        (4,),
    ),
    "MappedConv2D": (
        [node("ScatterND", ["zeros", "table", "K"], ["W"]), node("Conv", ["x", "W", "b"], ["y"])],
        {"zeros": np.zeros((2, 3, 2, 2), "f"), "table": np.array([[0, 0], [0, 2], [1, 1]]), "K": f(3, 2, 2), "b": f(2)},
        (3, 6, 5),
    ),
    "GELU": (
        [
            node("LayerNormalization", ["x", "g", "b"], ["n"], axis=-1, epsilon=1e-5),
            node("Div", ["n", "root"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["e", "one"], ["t"]),
            node("Mul", ["n", "t"], ["m"]),
            node("Mul", ["m", "half"], ["y"]),
        ],
        {"g": f(4), "b": f(4), "root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
        (4,),
    ),
    "SiLU": (
        [
            node("PRelu", ["x", "alpha"], ["p"]),
            node("Sigmoid", ["p"], ["s"]),
            node("Mul", ["p", "s"], ["m"]),
            node("Elu", ["m"], ["e"], alpha=0.5),
            node("HardSigmoid", ["e"], ["h"], alpha=0.25),
            node("Clip", ["h", "low", "high"], ["y"]),
        ],
        {"alpha": f(3, 1, 1), "low": np.float32(0.25), "high": np.float32(0.75)},
        (3, 2, 4),
    ),
    "Softplus": (
        [
            node("HardSwish", ["x"], ["h"]),
            node("Mul", ["h", "beta"], ["b"]),
            node("Softplus", ["b"], ["s"]),
            node("Div", ["s", "beta"], ["y"]),
        ],
        {"beta": np.float32(2)},
        (4,),
    ),
    "Residual": (
        [
            node("Relu", ["x"], ["r"]),
            node("Gemm", ["r", "W"], ["g"]),
            node("Add", ["g", "x"], ["a"]),
            node("Identity", ["a"], ["i"]),
            node("Sigmoid", ["i"], ["t"]),
            node("Gemm", ["i", "W"], ["v"]),
            node("Add", ["t", "v"], ["y"]),
        ],
        {"W": f(5, 5)},
        (5,),
    ),
}
RUN = {
    **{op: ([node(op, ["x"], ["y"])], {}, (3, 4)) for op in ("Abs", "Exp", "Log", "Sqrt", "LogSoftmax", "Softmax")},
    "Concat": ([node("Concat", ["x", "x", "c"], ["y"], axis=1)], {"c": f(3, 2)}, (4,)),
    "Gather": ([node("Gather", ["x", "i"], ["y"], axis=1)], {"i": np.array([0, -1, 2])}, (4,)),
    "GlobalMaxPool": ([node("GlobalMaxPool", ["x"], ["y"])], {}, (3, 4, 5)),
    "LSTM both ways": (
        [node("LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["y"], hidden_size=4, direction="bidirectional")],
        {"W": f(2, 16, 3), "R": f(2, 16, 4), "B": f(2, 32), "h0": f(2, 2, 4), "c0": f(2, 2, 4)},
        (2, 3),
    ),
    "ReduceMean": ([node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)], {}, (3, 4)),
    "ScatterND": ([node("ScatterND", ["x", "i", "u"], ["y"])], {"i": np.array([[0], [2]]), "u": f(2, 4)}, (4,)),
    "signals": ([node("Conv", ["x", "W"], ["y"], strides=[2], pads=[1, 0])], {"W": f(4, 3, 3)}, (3, 7)),
    "signals, pooled": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1)],
        {},
        (3, 7),
    ),
    "Squeeze": ([node("Unsqueeze", ["x", "axis1"], ["t"]), node("Squeeze", ["t", "axis1"], ["y"])], AXIS, (4,)),
}


def built(nodes, weights, sample):
    info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *sample])]
    result = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", info, result, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Changes:
    """Random changes of a model, each a method."""

    def __init__(self, rng):
        self.rng = rng
        self.all = [change for name, change in vars(Changes).items() if not name.startswith("_") and name != "pick"]

    def pick(self, values):
        return values[int(self.rng.integers(len(values)))]

    def attribute(self, model):
        a = self.pick(self.pick([n for n in model.graph.node if n.attribute]).attribute)
        if a.type == AttributeProto.INT:
            a.i = self.pick([-(2**63), -5, -1, 0, 1, 2, 3, 5, 2**62])
        elif a.type == AttributeProto.INTS:
            place = int(self.rng.integers(len(a.ints)))
            a.ints[place] = self.pick([-(2**63), -1, 0, 1, 2, 3, 2**31])
        elif a.type == AttributeProto.FLOAT:
            a.f = self.pick([0.0, 1.0, -1.0, 0.5, 2.0])
        elif a.type == AttributeProto.STRING:
            a.s = self.pick([b"", b"VALID", b"SAME_LOWER", b"NOTSET", b"reverse", b"bidirectional", b"\xff"])

    def new_attribute(self, model):
        target = self.pick(model.graph.node)
        schema = onnx.defs.get_schema(target.op_type, 17, "")
        name = self.pick(sorted(schema.attributes))
        value = {
            "FLOAT": self.pick([0.0, 0.5, 2.0]),
            "INT": self.pick([0, 1, -1, 2, 5]),
            "STRING": self.pick(["VALID", "SAME_LOWER", "SAME_UPPER", "reverse", "bidirectional", "max"]),
            "INTS": [self.pick([0, 1, 2, 3]) for _ in range(int(self.rng.integers(1, 5)))],
        }[schema.attributes[name].type.name]
        kept = [a for a in target.attribute if a.name != name]
        del target.attribute[:]
        target.attribute.extend([*kept, helper.make_attribute(name, value)])

    def no_attribute(self, model):
        target = self.pick(model.graph.node)
        del target.attribute[int(self.rng.integers(len(target.attribute)))]

    def inputs(self, model):
        target = self.pick(model.graph.node)
        i, j = self.rng.integers(len(target.input), size=2)
        what = self.pick(["omit", "drop", "swap", "rewire"])
        if what == "omit":
            target.input[i] = ""
        elif what == "drop":
            del target.input[i]
        elif what == "swap":
            target.input[i], target.input[j] = target.input[j], target.input[i]
        else:
            values = [name for n in model.graph.node for name in n.output]
            target.input[i] = self.pick([*values, *(t.name for t in model.graph.initializer), "x", "nowhere"])

    def outputs(self, model):
        target = self.pick(model.graph.node)
        target.output.insert(self.pick([0, len(target.output)]), self.pick(["", "another"]))

    def constant(self, model):
        tensor = self.pick(model.graph.initializer)
        a = numpy_helper.to_array(tensor)
        change = self.pick(
            [
                lambda: a.reshape(-1),
                lambda: a[None],
                lambda: a[..., 0],
                lambda: a[:0],
                lambda: np.concatenate([a, a], int(self.rng.integers(a.ndim))),
                lambda: a.astype(self.pick(["float16", "float64", "int32", "int64", "uint8", "bool"])),
                lambda: a.T,
                lambda: a.reshape(-1)[:1].reshape(self.pick([(), (1,), (1, 1)])),
            ]
        )
        tensor.CopyFrom(numpy_helper.from_array(np.array(change(), order="C"), tensor.name))

    def claim(self, model):
        tensor = self.pick(model.graph.initializer)
        tensor.dims[int(self.rng.integers(len(tensor.dims)))] = self.pick([0, 1, 2, -1, 2**31, 2**62])

    def operator(self, model):
        self.pick(model.graph.node).op_type = self.pick([*OPERATORS, "Erf", "Loop", "Cast"])

    def opset(self, model):
        model.opset_import[0].version = self.pick([-1, 0, 1, 6, 7, 8, 9, 11, 12, 13, 16, 18, 21, 28, 29, 99])

    def input_type(self, model):
        tensor = model.graph.input[0].type.tensor_type
        what = self.pick(["dtype", "fewer", "more", "fixed"])
        if what == "dtype":
            tensor.elem_type = self.pick([0, 2, 3, 6, 7, 8, 9, 10, 11, 16])
        elif what == "fewer":
            del tensor.shape.dim[int(self.rng.integers(len(tensor.shape.dim)))]
        elif what == "more":
            tensor.shape.dim.add().dim_value = 2
        else:
            tensor.shape.dim[int(self.rng.integers(len(tensor.shape.dim)))].dim_value = self.pick([1, 2, 5, 2**40])

    def nodes(self, model):
        i, j = self.rng.integers(len(model.graph.node), size=2)
        what = self.pick(["repeat", "remove", "swap", "insert"])
        if what == "repeat":
            model.graph.node.append(model.graph.node[i])
        elif what == "remove":
            del model.graph.node[i]
        elif what == "swap":
            first, second = copy.deepcopy(model.graph.node[i]), copy.deepcopy(model.graph.node[j])
            model.graph.node[i].CopyFrom(second)
            model.graph.node[j].CopyFrom(first)
        else:
            source = model.graph.node[i].input[0]
            model.graph.node[i].input[0] = "between"
            op = self.pick(["Identity", "Relu", "Dropout", "Transpose", "Neg"])
            model.graph.node.insert(i, node(op, [source], ["between"]))


def changed(model, rng):
    """The model after up to three changes, with the output's type as ONNX then infers it, where it does."""
    changes = Changes(rng)
    model = copy.deepcopy(model)
    for _ in range(int(rng.integers(4))):
        try:
            changes.pick(changes.all)(changes, model)
        except (IndexError, KeyError, TypeError, ValueError, onnx.defs.SchemaError):  # nothing there to change
            continue
    try:
        return onnx.shape_inference.infer_shapes(model)
    except Exception:  # of the checker's kind: then the output's type stays unknown, and that is another change
        return model


def drawn_input(model, batch):
    tensor = model.graph.input[0].type.tensor_type
    sizes = [d.dim_value for d in tensor.shape.dim]
    shape = [n if 0 < n < 100 else batch if axis == 0 else 3 for axis, n in enumerate(sizes)]
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type or TensorProto.FLOAT)
    rng = np.random.default_rng(1)
    return (rng.integers(0, 3, shape) if dtype.kind in "iub" else rng.standard_normal(shape)).astype(dtype)


def by_load(model, x, path):
    path.write_bytes(model.SerializeToString())
    network = load(path)
    return nn.to_numpy(network(nn.asarray(x, x.dtype)))


def by_backend(model, x, path):
    return Backend.run_model(model, [x])[0]


@pytest.mark.parametrize(("how", "cases"), [(by_load, LOADED), (by_backend, LOADED | RUN)])
def test_a_changed_model_is_answered_rightly_or_refused(how, cases, tmp_path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    rng, right, refused = np.random.default_rng(0), 0, 0
    models = [built(*case) for case in cases.values()]
    for _ in range(1500):
        model = changed(models[int(rng.integers(len(models)))], rng)
        x = drawn_input(model, int(rng.integers(1, 4)))
        started = time.process_time()
        try:
            with np.errstate(all="ignore"):
                y = how(model, x, tmp_path / "model.onnx")
        except (ValueError, UserWarning):  # which says that the network has its batch elsewhere than the file
            refused += 1
            y = None
        assert time.process_time() - started < 5
        if y is None:
            continue
        try:
            (want, *_) = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})
        except Exception:  # an operator or a type for which onnxruntime has nothing
            continue
        text = onnx.printer.to_text(model)
        assert (y.shape, y.dtype) == (want.shape, want.dtype), text
        scale = max(1, np.abs(want[np.isfinite(want)], dtype="float64").max(initial=0))
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4 * scale, err_msg=text)
        right += 1
    assert right > 300
    assert refused > 300
