"""Models of scikit-learn, as skl2onnx writes them: ``Backend`` runs them as onnxruntime does, labels included."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

with np.errstate(all="ignore"):
    from skl2onnx import to_onnx

import xpnn as nn
from xpnn.interop.onnx import Backend, load

X, Y = load_iris(return_X_y=True)
X = X.astype("float32")
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
MLP = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
MODELS = {
    "classes by name": (MLPClassifier(**MLP), NAMES, True),
    "two classes": (MLPClassifier(**MLP), Y > 0, False),
    "scaler and MLP": (make_pipeline(StandardScaler(), MLPClassifier(**MLP, activation="tanh")), Y, False),
    "several labels a sample": (MLPClassifier(**MLP), np.stack([Y > 0, Y == 1], 1).astype(int), False),
    "MLP regression": (MLPRegressor(**MLP), Y * 1.5, None),
    "logistic regression": (make_pipeline(Normalizer(), LogisticRegression()), NAMES, True),
    "logistic regression of two": (LogisticRegression(), Y > 0, False),
    "ridge regression": (make_pipeline(MinMaxScaler(), Ridge()), Y * 1.5, None),
}
"""The model, what it predicts, and whether its probabilities are dictionaries (None: it has none)."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", MODELS)
def test_as_onnxruntime(case):
    model, y, zipmap = MODELS[case]
    options = None if zipmap is None else {"zipmap": zipmap}
    converted = to_onnx(model.fit(X, y), X[:1], options=options)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {converted.graph.input[0].name: X})
    outputs = Backend.run_model(converted, [X])
    assert len(outputs) == len(expected)
    for got, want in zip(outputs, expected, strict=True):
        if isinstance(want, list):
            assert [row.keys() for row in got] == [row.keys() for row in want]
            got, want = (np.array([[*row.values()] for row in rows]) for rows in (got, want))
        assert got.shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ["scaler and MLP", "MLP regression"])
def test_an_mlp_becomes_a_network(case, tmp_path):
    model, y, zipmap = MODELS[case]
    options = None if zipmap is None else {"zipmap": zipmap}
    path = tmp_path / "mlp.onnx"
    path.write_bytes(to_onnx(model.fit(X, y), X[:1], options=options).SerializeToString())
    network = load(path)
    expected = model.predict(X).reshape(-1, 1) if zipmap is None else model.predict_proba(X)
    np.testing.assert_allclose(nn.to_numpy(network(nn.asarray(X))), expected, rtol=0, atol=1e-5)


def test_a_scaler_before_other_shapes(tmp_path):
    """ONNX infers no shape behind a Scaler."""
    nodes = [
        helper.make_node("Scaler", ["x"], ["z"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0]),
        helper.make_node("Reshape", ["z", "shape"], ["pairs"]),
        helper.make_node("Transpose", ["pairs"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("Flatten", ["turned"], ["y"]),
    ]
    declared = (helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", ["N", 4]), ("y", [None, 4])))
    shape = numpy_helper.from_array(np.array([0, 2, -1]), "shape")
    graph = helper.make_graph(nodes, "g", [next(declared)], [next(declared)], [shape])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    (expected,) = Backend.run_model(model, [X])
    np.testing.assert_array_equal(nn.to_numpy(load(tmp_path / "m.onnx")(nn.asarray(X))), expected)


def ml_model(*nodes, x, outputs):
    """A model of operators of ai.onnx.ml, which may give text."""
    inputs = [helper.make_tensor_value_info("x", x, ["N", 4] if x == FLOAT else ["N"])]
    declared = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(helper.make_graph(list(nodes), "g", inputs, declared), opset_imports=opsets, ir_version=8)


def same_as_the_definition(model, x):
    """That is the onnx package's own computation; onnxruntime differs from it where one score is of two classes."""
    for got, want in zip(Backend.run_model(model, [x]), ReferenceEvaluator(model).run(None, {"x": x}), strict=True):
        assert got.dtype == (object if want.dtype.kind == "U" else want.dtype)
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
        else:
            np.testing.assert_array_equal(got, want)


def test_labels_become_text_and_numbers():
    def encoder(reads, gives, **lists):
        return helper.make_node("LabelEncoder", [reads], [gives], domain="ai.onnx.ml", **lists)

    model = ml_model(
        encoder("x", "names", keys_int64s=[3, 1], values_strings=["three", "one"], default_string="another"),
        encoder("names", "halves", keys_strings=["three", "one"], values_floats=[1.5, 0.5], default_float=-1.0),
        encoder("x", "tens", keys_int64s=[3, 1], values_int64s=[30, 10]),
        x=INT64,
        outputs={"names": (STRING, ["N"]), "halves": (FLOAT, ["N"]), "tens": (INT64, ["N"])},
    )
    same_as_the_definition(model, np.array([1, 2, 3, 1]))


@pytest.mark.parametrize("after", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_one_score_for_two_classes(after):
    node = helper.make_node(
        "LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
        classlabels_ints=[4, 7], coefficients=[0.5, -1.0, 0.25, 1.0], intercepts=[0.1], post_transform=after,
    )  # fmt: skip
    same_as_the_definition(ml_model(node, x=FLOAT, outputs={"label": (INT64, ["N"]), "p": (FLOAT, ["N", 2])}), X)
