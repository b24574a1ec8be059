"""The estimators under scikit-learn's own checks, and in its pipelines and searches."""

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import xpnn as nn
from xpnn.interop.sklearn import NetworkClassifier, NetworkRegressor

ESTIMATORS = [kind(learning_rate_init=0.01, epochs=20) for kind in (NetworkClassifier, NetworkRegressor)]
CHECKS = {
    f"{type(estimator).__name__} {index} {check.func.__name__}": (estimator, check)
    for estimator in ESTIMATORS
    for index, (_, check) in enumerate(estimator_checks_generator(estimator))
    if not check.func.__name__.startswith("check_array_api")  # with other libraries' arrays, which is not claimed
}


@pytest.fixture(scope="module")
def digits():
    data = nn.load_images("digits")
    return data.x_train / np.float32(255), data.y_train


@pytest.mark.parametrize("name", CHECKS)
def test_scikit_learns_own_checks(name):
    estimator, check = CHECKS[name]
    check(clone(estimator))


def test_it_is_the_network_that_fit_trains(digits):
    x, y = digits[0].reshape(-1, 64)[:300], digits[1][:300]
    sgd = nn.SGD(0.1, momentum=0.9)
    estimator = NetworkClassifier((16,), optimizer=sgd, epochs=3, random_state=0).fit(x, y.astype(str))
    assert (sgd.steps, len(estimator.history_), estimator.model_.dtype) == (0, 3, np.float32)
    outputs = nn.predict(estimator.model_, x)
    assert (estimator.predict(x) == outputs.argmax(1).astype(str)).all()
    e = np.exp(outputs.astype("float64"))
    np.testing.assert_allclose(estimator.predict_proba(x), e / e.sum(1, keepdims=True), rtol=1e-5, atol=1e-7)
    again = clone(estimator).fit(x, y)
    np.testing.assert_array_equal(nn.predict(again.model_, x), outputs)


def test_networks_of_ones_own_take_samples_of_any_shape(digits):
    def network(shape, outputs, rng, dtype):
        conv = nn.Conv2D(shape[0], 8, 3, rng=rng, dtype=dtype)
        return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Dense(8 * 6 * 6, outputs, rng=rng, dtype=dtype))

    estimator = NetworkClassifier(network, optimizer=nn.Adam(0.01), epochs=3, random_state=0)
    assert cross_val_score(estimator, *digits, cv=3).mean() > 0.9


def test_in_a_pipeline_under_a_search(digits):
    x, y = digits[0].reshape(-1, 64), digits[1]
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(epochs=3, random_state=0))
    optimizers = [nn.SGD(1e-6), nn.Adam(0.01)]
    search = GridSearchCV(pipeline, {"networkclassifier__optimizer": optimizers}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9
    assert isinstance(search.best_params_["networkclassifier__optimizer"], nn.Adam)


def test_a_regression_that_scikit_learn_scores(rng):
    x = rng.uniform(-1, 1, (300, 3))
    targets = np.stack([x[:, 0] * x[:, 1], np.sin(3 * x[:, 2])], axis=1)
    estimator = NetworkRegressor((32,), optimizer=nn.Adam(0.01), random_state=0)
    assert estimator.fit(x, targets).score(x, targets) > 0.99
    assert estimator.model_.dtype == np.float64
    assert estimator.fit(x, targets[:, 0]).predict(x).shape == (300,)


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "xpnn.interop.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.utils.validation", None)
    with pytest.raises(ImportError, match=r"extra \[sklearn\]"):
        import xpnn.interop.sklearn  # noqa: F401
