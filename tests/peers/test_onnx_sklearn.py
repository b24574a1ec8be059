"""Models of scikit-learn, as skl2onnx writes them, through ``Backend``: as onnxruntime runs them, labels included."""

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

with np.errstate(all="ignore"):
    from skl2onnx import to_onnx

from xpnn.interop.onnx import Backend

X, Y = load_iris(return_X_y=True)
X = X.astype("float32")
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
MLP = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
MODELS = {
    "classes by name": (MLPClassifier(**MLP), NAMES, True),
    "two classes": (MLPClassifier(**MLP), Y > 0, False),
    "scaler and MLP": (make_pipeline(StandardScaler(), MLPClassifier(**MLP, activation="tanh")), Y, False),
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
