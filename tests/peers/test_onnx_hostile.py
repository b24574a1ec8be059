"""ONNX models from a stranger: values that no operator allows, and files that ask for more than they are worth."""

import subprocess
import sys
import time

import numpy as np
import onnx
import onnx.defs
import pytest
from onnx import TensorProto, helper, numpy_helper

import xpnn as nn
from xpnn.interop.onnx import UnsupportedNodeError, load
from xpnn.interop.onnx import node as nodes
from xpnn.interop.onnx.graph import OPSET
from xpnn.interop.onnx.node import CHOICES, LEAST
from xpnn.interop.onnx.operators import OPERATORS
from xpnn.interop.onnx.readers import READERS

make = helper.make_node


def model(chain, sample=(4,), result=None, opset=17, functions=(), **weights):
    """A model that computes y from x (N, *sample)."""
    result = sample if result is None else result
    info = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sizes])
        for name, sizes in (("x", sample), ("y", result))
    ]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(chain, "g", info[:1], info[1:], constants)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid("own", 1)] * bool(functions)
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=list(functions))


def loaded(proto, tmp_path):
    onnx.save(proto, tmp_path / "model.onnx")
    return load(tmp_path / "model.onnx")


def in_a_row(count, block):
    """The nodes of so many blocks; ``block(k, x, y)`` gives those that lead from the value x to y."""
    names = ["x", *(f"v{k}" for k in range(1, count)), "y"]
    return [node for k in range(count) for node in block(k, names[k], names[k + 1])]


# values that an operator's definition does not allow


def attributes():
    """(operator, opset, attribute) for each attribute of ours that allows some values only."""
    for schema in onnx.defs.get_all_schemas_with_history():
        op, opset = schema.name, schema.since_version
        if schema.domain == "" and opset <= OPSET and op in OPERATORS.keys() | READERS.keys():
            yield from ((op, opset, name) for name in schema.attributes if name in CHOICES or name in LEAST)


@pytest.mark.parametrize(("op", "opset", "name"), sorted(attributes()))
def test_a_value_that_the_operator_does_not_allow(op, opset, name):
    least = LEAST.get(name)
    if least is None:
        right, wrong = list(CHOICES[name]), ["max!" if isinstance(CHOICES[name][0], str) else 5, -1, 2, ""]
    else:
        right, wrong = [least, 7, 2**31 - 1, [least, 7], []], [least - 1, -(2**63), 2**31, [7, least - 1]]
    for value in wrong:
        with pytest.raises(UnsupportedNodeError) as caught:
            nodes.Node("the_node", op, ("x",), ("y",), opset, {name: value}).options(name)
        assert (caught.value.node, caught.value.op, caught.value.what) == ("the_node", op, name)
        assert f"{name}={value!r}" in str(caught.value)
        assert "the operator allows" in str(caught.value)
    for value in right:
        assert getattr(nodes.Node("the_node", op, ("x",), ("y",), opset, {name: value}).options(name), name) == value


def test_every_attribute_with_few_values_is_known():
    """Each integer attribute whose default is 0 or 1 is a flag, but for those that may be any integer."""
    anything = {"axis", "seed", "start", "end", "to", "num_outputs"} | LEAST.keys()
    for op in OPERATORS.keys() | READERS.keys():
        for schema in onnx.defs.get_all_schemas_with_history():
            if schema.name == op and not schema.domain:
                flags = {name for name, a in schema.attributes.items() if a.type == a.type.INT} - anything
                assert flags - {"output_sequence"} <= CHOICES.keys()  # which xpnn refuses altogether


def recurrent(op, W, R, B=None, **options):
    cell = make(op, ["t", "W", "R", *(["B"] if B else [])], ["s", "h"], name="cell", **options)
    chain = [make("Transpose", ["x"], ["t"], perm=[1, 0, 2]), cell, make("Squeeze", ["h", "axis"], ["y"])]
    zeros = {name: np.zeros(shape, "float32") for name, shape in (("W", W), ("R", R), ("B", B)) if shape is not None}
    return model(chain, ("T", 3), ("H",), axis=np.array([0]), **zeros)


@pytest.mark.parametrize(
    ("op", "what", "shapes", "options"),
    [
        ("RNN", "W", [(2, 4, 3), (2, 4, 4)], {}),
        ("RNN", "R", [(1, 4, 3), (2, 4, 4)], {}),
        ("RNN", "W", [(1, 5, 3), (1, 4, 4)], {}),
        ("RNN", "R", [(1, 4, 3), (1, 5, 4)], {}),
        ("RNN", "W", [(1, 4, 3), (1, 4, 4)], {"hidden_size": 5}),
        ("RNN", "B", [(1, 4, 3), (1, 4, 4), (1, 4)], {}),
        ("RNN", "B", [(1, 4, 3), (1, 4, 4), (2, 8)], {}),
        ("RNN", "W", [(1, 1, 3), (1, 1, 2**20)], {}),
        ("LSTM", "W", [(1, 12, 3), (1, 16, 4)], {}),
        ("GRU", "R", [(1, 12, 3), (1, 16, 4)], {"linear_before_reset": 1}),
        ("RNN", "input 1", [(0, 4, 3), (0, 4, 4)], {}),
        ("RNN", "input 1", [(4, 3), (1, 4, 4)], {}),
        ("RNN", "input 2", [(1, 4, 3), (4, 4)], {}),
        ("RNN", "input 1", [(), ()], {}),
    ],
)
def test_weights_of_other_shapes_than_the_operator_has(op, what, shapes, options, tmp_path):
    with pytest.raises(UnsupportedNodeError) as caught:
        loaded(recurrent(op, *shapes, **options), tmp_path)
    assert (caught.value.node, caught.value.op, caught.value.what) == ("cell", op, what)


@pytest.mark.parametrize("opset", [-1, 0, OPSET + 1, 99, 2**31])
def test_an_opset_that_is_not_known(opset, tmp_path):
    with pytest.raises(UnsupportedNodeError, match=rf"version=\[{opset}\] .* from 1 to {OPSET}"):
        loaded(model([make("Relu", ["x"], ["y"])], opset=opset), tmp_path)


def test_two_opsets_of_one_domain(tmp_path):
    proto = model([make("Softmax", ["x"], ["y"])])
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 9))
    with pytest.raises(UnsupportedNodeError, match="version="):
        loaded(proto, tmp_path)


# time and memory


def doubling(depth):
    """Functions each of which calls the one below it twice."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    body = [make("Relu", ["a"], ["b"])]
    for k in range(depth):
        yield helper.make_function("own", f"F{k}", ["a"], ["b"], body, imports)
        body = [make(f"F{k}", ["a"], ["c"], domain="own"), make(f"F{k}", ["c"], ["b"], domain="own")]


def test_functions_are_not_expanded(tmp_path):
    for functions in (doubling(1), doubling(40)):
        functions = list(functions)
        call = make(functions[-1].name, ["x"], ["y"], name="call", domain="own")
        with pytest.raises(UnsupportedNodeError, match=rf"'call' .own.{functions[-1].name}.: operator"):
            loaded(model([call], functions=functions), tmp_path)
    network = loaded(model([make("Relu", ["x"], ["y"])], functions=doubling(40)), tmp_path)  # which nothing calls
    assert repr(network) == "Sequential(ReLU())"


def test_a_function_in_the_place_of_an_operator(tmp_path):
    negative = helper.make_function(
        "", "Relu", ["a"], ["b"], [make("Neg", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    with pytest.raises(UnsupportedNodeError, match="function"):
        loaded(model([make("Relu", ["x"], ["y"])], functions=[negative]), tmp_path)


LONG = {
    "layers": lambda k, x, y: [make("Relu", [x], [y])],
    "blocks": lambda k, x, y: [make("Relu", [x], [f"r{k}"]), make("Add", [x, f"r{k}"], [y])],
    "shared weights": lambda k, x, y: [make("Gemm", [x, "W"], [y])],
    "Identity": lambda k, x, y: [make("Identity" if k else "Relu", [x], [y])],
}


@pytest.mark.parametrize("block", LONG)
def test_time_is_linear_in_the_number_of_layers(block, tmp_path):
    """Eight times the layers take no 24 times as long; it was 64 times for blocks."""
    weights = {"W": np.eye(4, dtype="float32")} if block == "shared weights" else {}
    seconds = []
    for count in (500, 4000):
        proto = model(in_a_row(count, LONG[block]), **weights)
        started = time.process_time()
        network = loaded(proto, tmp_path)
        seconds.append(time.process_time() - started)
    assert len(network) == (1 if block == "Identity" else 4000)
    assert seconds[1] < 24 * seconds[0] + 0.5


def test_a_block_that_spans_all_others_is_read_once(tmp_path):
    """y = relu(y') + x, again and again: each block is the next one's body."""
    around = lambda k, x, y: [make("Relu", [x], [f"r{k}"]), make("Add", [f"r{k}", "x"], [y])]  # noqa: E731
    x = np.array([[1.0, -1.0, 0.5, 2.0]], "float32")
    network, want = loaded(model(in_a_row(50, around)), tmp_path), x
    for _ in range(50):
        want = np.maximum(want, 0) + x
    np.testing.assert_allclose(nn.predict(network, x), want, rtol=1e-6)
    started = time.process_time()
    with pytest.raises(UnsupportedNodeError, match="at most 50 deep"):
        loaded(model(in_a_row(4000, around)), tmp_path)
    assert time.process_time() - started < 10


def test_branches_that_are_no_residual_blocks(tmp_path):
    """Each value is the sum of the two before it: as a tree of blocks it would be exponentially large."""

    def sums(count):
        nodes = in_a_row(count, lambda k, x, y: [make("Add", [x, "x" if k < 2 else f"v{k - 1}"], [y])])
        return loaded(model(nodes), tmp_path)

    assert len(sums(40).nodes) == 40
    started = time.process_time()
    assert len(sums(1000).nodes) == 1000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("producer", ["xpnn", "another"])
def test_joins_under_one_name(producer, tmp_path):
    """As xpnn writes several for one layer; here each value is read twice, and all of them as one would be 2^40."""
    proto = model(in_a_row(40, lambda k, x, y: [make("Mul", [x, x], [y], name="a/Mul")]))
    proto.producer_name = producer
    network = loaded(proto, tmp_path)
    assert len(network.nodes) == 40
    x = np.array([[1.0, -1.0, 0.0, 1.0]], "float32")
    np.testing.assert_array_equal(nn.predict(network, x), abs(x))


def test_a_value_between_the_layers_of_a_node_that_another_reads(tmp_path):
    """Names by which two layers are one Sequential, which would hide what is between them."""
    nodes = [make("Relu", ["x"], ["r"], name="a.0/Relu"), make("Tanh", ["r"], ["t"], name="a.1/Tanh")]
    proto = model([*nodes, make("Mul", ["r", "t"], ["y"], name="b/Mul")])
    proto.producer_name = "xpnn"
    x = np.array([[1.0, -1.0, 0.0, 2.0]], "float32")
    network = loaded(proto, tmp_path)
    assert list(network.nodes) == ["a_0", "a_1", "b"]
    np.testing.assert_allclose(nn.predict(network, x), np.maximum(x, 0) * np.tanh(np.maximum(x, 0)), rtol=1e-6)


CLAIMS = {
    "no bytes": (model([make("Gemm", ["x", "W"], ["y"])], W=np.eye(4, dtype="float32")), [2**30, 2**30]),
    "an empty matrix": (model([make("Gemm", ["x", "W"], ["y"], transB=1)], W=np.zeros((4, 0), "float32")), [2**40, 0]),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_a_weight_that_claims_to_be_large(case, tmp_path):
    proto, dims = CLAIMS[case]
    proto.graph.initializer[0].dims[:] = dims
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "a"
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "b"
    with pytest.raises(ValueError, match="not a valid ONNX model|no layer of xpnn's has a weight of this shape"):
        loaded(proto, tmp_path)


def test_memory_is_a_multiple_of_the_file(tmp_path):
    """3,000 layers that scale one matrix of 4 MB in different ways would take 24 GB."""
    W = np.ones((1000, 1000), "float32")
    proto = model(in_a_row(3000, lambda k, x, y: [make("Gemm", [x, "W"], [y], alpha=1.0 + k)]), (1000,), W=W)
    onnx.save(proto, tmp_path / "model.onnx")
    script = (
        "import resource, sys; from xpnn.interop.onnx import load, UnsupportedNodeError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: load(sys.argv[1])\n"
        "except UnsupportedNodeError as error: print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "model.onnx"], capture_output=True, text=True, check=True
    )
    *error, megabytes = result.stdout.splitlines()
    assert "16 times" in " ".join(error)
    assert int(megabytes) < 64 * 4


@pytest.mark.parametrize(
    "chain",
    [
        [make("Relu", ["x"], ["z"]), make("Add", ["c", "c"], ["y"])],
        [make("Identity", ["x"], ["y"])],
        [make("Relu", ["z"], ["y"]), make("Relu", ["y"], ["z"])],
        [make("Relu", ["nowhere"], ["y"])],
        [make("Relu", ["x"], ["x"]), make("Relu", ["x"], ["y"])],
    ],
    ids=["constant", "nothing", "cycle", "unknown value", "value assigned twice"],
)
def test_graphs_that_lead_nowhere(chain, tmp_path):
    with pytest.raises(ValueError, match=r"model|does not depend"):
        loaded(model(chain, c=np.zeros((1, 4), "float32")), tmp_path)


def test_whatever_goes_wrong_names_the_node(tmp_path):
    """Of a connection table, an output map that does not exist; of a convolution, a bias of another length."""
    weights = {"zeros": np.zeros((2, 3, 1, 1), "f"), "K": np.ones((2, 1, 1), "f"), "b": np.ones(2, "f")}
    scatter, conv = make("ScatterND", ["zeros", "table", "K"], ["W"]), make("Conv", ["x", "W", "b"], ["y"], name="conv")
    for table, error in (([[0, 0], [5, 1]], "index"), ([[0, 0], [0, 0]], "none twice")):
        with pytest.raises(ValueError, match=f"node 'conv' .Conv.: .*{error}"):
            loaded(model([scatter, conv], (3, 4, 4), (2, 4, 4), table=np.array(table), **weights), tmp_path)
    conv = make("Conv", ["x", "K", "b"], ["y"], name="conv")
    weights = {"K": np.ones((2, 3, 1, 1), "f"), "b": np.ones(1, "f")}
    with pytest.raises(ValueError, match=r"node 'conv' .Conv.: parameter 'b': expected shape \(2,\), got \(1,\)"):
        loaded(model([conv], (3, 4, 4), (2, 4, 4), **weights), tmp_path)
