"""Models of scikit-learn, as skl2onnx writes them: ``Backend`` runs them as onnxruntime does, labels included."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
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
