"""Errors planted where ONNX models are read; each with the test that finds it, as pytest takes it below ``tests/``."""

from .planting import Mutation

BACKEND, LOAD, HOSTILE = "peers/test_onnx_backend.py", "peers/test_onnx_load.py", "peers/test_onnx_hostile.py"
NORMS = "peers/test_onnx_layer_norms.py"
WRONG_VALUE = f"{HOSTILE}::test_a_value_that_the_operator_does_not_allow"
WRONG_SHAPE = f"{HOSTILE}::test_weights_of_other_shapes_than_the_operator_has"
REFUSED = f"{LOAD}::test_what_is_refused_is_named"
GRAPH = "peers/test_onnx_roundtrip.py::test_roundtrip[Graph-float32]"
GATES = "peers/test_onnx_roundtrip.py::test_roundtrip[Graph-gates-float32]"
FOREIGN = f"{LOAD}::test_models_that_others_wrote"

# fmt: off
ONNX = [
    Mutation(
        "interop.onnx.recurrent_rules._start", "(value != value[:, :1]).any()", "False",
        "takes one sample's state for all", f"{REFUSED}[LSTM-initial_h]",
    ),
    Mutation(
        "interop.onnx.branches.as_graph", 'f"{name}.{key}"', "name", "reads the output for the state",
        "peers/test_onnx_roundtrip.py::test_states_that_are_read_and_given[full-both]",
    ),
    Mutation(
        "interop.onnx.conv_transpose.conv_transpose", 'total // 2 if o.auto_pad == "SAME_UPPER" else ', "",
        "cuts the odd row off at the other end", f"{FOREIGN}[ConvTranspose, its padding by its size]",
    ),
    Mutation(
        "interop.onnx.conv_readers._padded", "a + b", "a", "forgets the Pad", f"{FOREIGN}[Pad before Conv]",
    ),
    # what a definition does not allow
    Mutation(
        "interop.onnx.node.Node", "if key in CHOICES and", "if False and", "takes any flag", WRONG_VALUE,
    ),
    Mutation(
        "interop.onnx.node.Node", "if key in LEAST and", "if False and", "takes any size", WRONG_VALUE,
    ),
    Mutation(
        "interop.onnx.node.Node", "if key not in known:", "if False:", "ignores what it does not know",
        f"{LOAD}::test_an_unknown_attribute",
    ),
    Mutation(
        "interop.onnx.node.Node", "except Exception as error", "except TypeError as error",
        "lets other errors through", f"{HOSTILE}::test_whatever_goes_wrong",
    ),
    Mutation(
        "interop.onnx.graph._graph", "<= opset <= OPSET", "<= opset", "takes any opset", f"{HOSTILE}::test_an_opset",
    ),
    Mutation(
        "interop.onnx.graph._graph", "len(opsets) > 1", "False", "takes the larger of two opsets",
        f"{HOSTILE}::test_two_opsets",
    ),
    Mutation(
        "interop.onnx.graph._without_functions", 'in ("", "ai.onnx")', "in ()", "lets a function be an operator",
        f"{HOSTILE}::test_a_function_in_the_place",
    ),
    Mutation(
        "interop.onnx.layers.recurrent", "value.shape != shape:", "False:", "takes any shape",
        WRONG_SHAPE,
    ),
    Mutation(
        "interop.onnx.walk.Reader", "{**each.params, **each.buffers}", "each.params", "shares what differs in buffers",
        f"{LOAD}::test_what_other_layers_do",
    ),
    Mutation(
        "interop.onnx.axes.back", "axes[0] + axes[place] if group[0][0] == 0 else axes[place] + axes[0]", "axes[0]",
        "forgets what the batch was joined with", f"{LOAD}::test_what_other_layers_do",
    ),
    Mutation(
        "interop.onnx.walk.Reader", "value.ndim not in axes or", "", "takes weights of any rank", REFUSED,
    ),
    Mutation(
        "interop.onnx.walk.Reader", " or not value.size", "", "takes empty weights",
        f"{HOSTILE}::test_a_weight_that_claims",
    ),
    Mutation(
        "interop.onnx.walk.Reader", "self.check_input(node, layer, end)", "pass", "takes any type",
        f"{LOAD}::test_integers_are_refused",
    ),
    Mutation(
        "interop.onnx.operators.run", "if not half and", "if False and", "runs layers in any type",
        f"{BACKEND}::test_types_that_are_no_layer_s",
    ),
    Mutation(
        "interop.onnx.backend.Prepared", "value.dtype != dtype or not fits", "not fits", "takes inputs of any type",
        f"{BACKEND}::test_an_input_of_another_type",
    ),
    Mutation(
        "interop.onnx.backend.Prepared", "value.dtype != dtype or not fits", "value.dtype != dtype",
        "takes inputs of any shape", f"{BACKEND}::test_an_input_of_another_type",
    ),
    # time and memory
    Mutation(
        "interop.onnx.walk.Reader", "if depth > DEPTH", "if False", "nests without end",
        f"{HOSTILE}::test_a_block_that_spans_all_others",
    ),
    Mutation(
        "interop.onnx.walk.Reader", "if len(path) > DEPTH", "if False", "reads paths without end",
        f"{LOAD}::test_a_name_that_nests_too_deep",
    ),
    Mutation(
        "interop.onnx.walk.Reader", "self._budget -= value.nbytes", "pass", "copies without end", REFUSED,
    ),
    Mutation(
        "interop.onnx.walk.Reader", "self.position(end) < self.position(start)", "False",
        "runs past a branch", REFUSED,
    ),
    # readings
    Mutation(
        "interop.onnx.branches._rows", "and uses[u] == 1", "", "hides a value that another node reads",
        f"{HOSTILE}::test_a_value_between_the_layers",
    ),
    Mutation(
        "interop.onnx.walk.Reader", "not self.graph.from_xpnn or any", "True or any", "takes every sum for a block",
        GRAPH,
    ),
    Mutation(
        "interop.onnx.layers._along_one_axis", "if size is None and stride > 1", "if size is None",
        "refuses SAME at stride 1", FOREIGN,
    ),
    Mutation(
        "interop.onnx.layers._along_one_axis", '"ceil_mode", 0) and stride > 1', '"ceil_mode", 0)',
        "refuses ceil_mode at stride 1", FOREIGN,
    ),
    Mutation(
        "interop.onnx.layers.batch_norm", ', "spatial")', ")", "does not know spatial", FOREIGN,
    ),
    Mutation(
        "interop.onnx.elementwise.at_least_one", "x if len(x) else", "x if True else", "refuses an empty batch",
        f"{BACKEND}::test_a_batch_of_no_samples",
    ),
    Mutation(
        "interop.onnx.modern_readers._match", "reader.number(node, index, each) == each", "True", "takes any constant",
        REFUSED,
    ),
    Mutation(
        "interop.onnx.modern_readers._match", "value if x in (None, value) else None", "value", "takes any value as x",
        f"{LOAD}::test_branches_become_a_graph",
    ),
    Mutation(
        "interop.onnx.modern_readers._match", " or reader.path(node) != path", "", "takes a Graph's nodes for a layer",
        GATES,
    ),
    Mutation(
        "interop.onnx.layer_norms.alike", "isclose(factor, others[powers][0], rel_tol=1e-6)", "True",
        "takes any multiple of the variance",
        f"{NORMS}::test_what_is_another_function",
    ),
    Mutation(
        "interop.onnx.layer_norms._Search", "if given != tuple", "if False and given != tuple", "takes any gamma",
        f"{NORMS}::test_what_stands_around_it",
    ),
    Mutation(
        "interop.onnx.arrays.in_range", "if wrong.size", "if False", "lets indices wrap",
        f"{BACKEND}::test_rows_counted_from_the_end",
    ),
]
# fmt: on
