"""The estimators in MLPClassifier's and MLPRegressor's place: the same steps and names, and what they add."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import xpnn as nn
from xpnn.interop.sklearn import NetworkClassifier, NetworkRegressor

DOCUMENT = Path(__file__).parents[2] / "docs" / "sklearn.md"
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05, "alpha": 0.0},
    "plain sgd": {"solver": "sgd", "momentum": 0.0, "alpha": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.0, "activation": "logistic"},
    "inverse": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "momentum": 0.0, "alpha": 0.0},
    "adam": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-14, "alpha": 0.0, "activation": "tanh"},
    "lbfgs": {"solver": "lbfgs", "alpha": 2.0},
    "linear": {"solver": "lbfgs", "activation": "identity"},
}
KINDS = [(NetworkClassifier, MLPClassifier), (NetworkRegressor, MLPRegressor)]


@pytest.fixture
def data(rng):
    """X, labels of three classes, positive weights."""
    x = rng.normal(size=(48, 4))
    return x, np.digitize(x[:, 0] + x[:, 1] ** 2, [0.3, 1.5]), rng.uniform(0.5, 2, 48)


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")
@pytest.mark.parametrize(("ours", "theirs"), KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_from_the_same_weights_the_same_steps_as_scikit_learn(ours, theirs, solver, data):
    x, y, w = data
    options = {"hidden_layer_sizes": (6, 5), "batch_size": 20, "shuffle": False, "warm_start": True, **SOLVERS[solver]}
    own = ours(**options, max_iter=1, random_state=0).fit(x, y, w)
    other = theirs(**options, max_iter=1, random_state=0).fit(x, y, w)
    for a, b in zip([*other.coefs_, *other.intercepts_], [*own.coefs_, *own.intercepts_], strict=True):
        a[...] = b
    other.t_ = 0
    for model in (own, other):
        model.set_params(max_iter=4).fit(x, y, w)
    tolerance = 1e-7 if options.get("solver") == "lbfgs" else 1e-10  # whose line search follows the last bits
    for a, b in zip([*own.coefs_, *own.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert (own.n_iter_, own.n_layers_, own.n_outputs_) == (other.n_iter_, other.n_layers_, other.n_outputs_)
    if ours is NetworkClassifier:
        np.testing.assert_allclose(own.predict_log_proba(x), other.predict_log_proba(x), rtol=10 * tolerance)


def test_the_document_s_example_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(DOCUMENT), "exec"), {"__name__": "example"})


def test_an_adaptive_rate_is_divided_by_five(data):
    x, y, _ = data
    options = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.01,
        "tol": 1e9,
        "n_iter_no_change": 2,
    }
    model = NetworkRegressor(8, **options, epochs=7, random_state=0).fit(x, y)
    np.testing.assert_allclose(model.history_.column("lr"), [0.01] * 3 + [0.002] * 2 + [0.0004] * 2)


def test_two_names_for_a_setting(data):
    model = NetworkClassifier(32, epochs=9).set_params(max_iter=3, hidden_layer_sizes=(7,), solver="sgd")
    model = clone(model).fit(*data[:2])
    assert (model.n_iter_, model.coefs_[0].shape, type(model._optimizer)) == (3, (4, 7), nn.SGD)
    assert model.set_params(epochs=2, network=(5,)).fit(*data[:2]).coefs_[1].shape == (5, 3)
    assert (model.n_iter_, model.max_iter) == (2, None)


def test_partial_fit_and_warm_start_go_on(data):
    x, y, w = data
    options = {"optimizer": nn.SGD(0.1), "random_state": 0, "batch_size": 20}
    whole = NetworkClassifier(8, epochs=4, **options).fit(x, y, w)
    warm = NetworkClassifier(8, epochs=2, warm_start=True, **options).fit(x, y, w).fit(x, y, w)
    steps = NetworkClassifier(8, **options)
    for _ in range(4):
        steps.partial_fit(x, y, [0, 1, 2], w)
    for model in (warm, steps):
        np.testing.assert_array_equal(model.predict_proba(x), whole.predict_proba(x))
        np.testing.assert_array_equal(model.loss_curve_, whole.loss_curve_)
    assert [model.n_iter_ for model in (whole, warm, steps)] == [4, 2, 1]
    assert warm.history_.column("epoch") == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among the classes \[0 1 2\]"):
        steps.partial_fit(x, np.where(y == 0, 7, y))


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_early_stopping_keeps_the_best_epoch(kind, data):
    x, y, w = data
    options = {"early_stopping": True, "learning_rate_init": 0.1, "random_state": 0, "n_iter_no_change": 3}
    model = kind((16,), validation_fraction=0.25, **options).fit(x, y, w)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    assert max(model.validation_scores_) == model.best_validation_score_
    assert model.best_loss_ == min(model.loss_curve_)
    held_out = x[:9], y[:9]
    model = kind((16,), **options).fit(x[9:], y[9:], eval_set=held_out)
    assert model.score(*held_out) == pytest.approx(model.best_validation_score_)
    assert len(model.history_.column("val_loss")) == model.n_iter_
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        model.partial_fit(x, y)


def test_the_loss_ends_training_too(data):
    model = NetworkClassifier(8, tol=10, n_iter_no_change=2).fit(*data[:2])
    assert model.n_iter_ == 3
    assert (model.validation_scores_, model.best_validation_score_) == (None, None)


def test_class_weights_are_weights_of_their_samples(data):
    x, y, w = data
    names = np.array(["a", "b", "c"])[y]
    weighted = NetworkClassifier(8, epochs=3, random_state=0, class_weight={"a": 2, "c": 0.5}).fit(x, names, w)
    by_hand = NetworkClassifier(8, epochs=3, random_state=0).fit(x, names, w * np.array([2, 1, 0.5])[y])
    np.testing.assert_array_equal(weighted.predict_proba(x), by_hand.predict_proba(x))
    balanced = NetworkClassifier(8, class_weight="balanced")
    with pytest.raises(ValueError, match="balanced"):
        balanced.partial_fit(x, y, [0, 1, 2])


def test_several_labels_and_one_output_for_two_classes(data):
    x = data[0]
    y = (x[:, :3] > 0).astype(int)
    model = NetworkClassifier(16, epochs=60, learning_rate_init=0.05, random_state=0).fit(x, scipy.sparse.csr_array(y))
    z = nn.predict(model.model_, x)
    np.testing.assert_allclose(model.predict_proba(x), 1 / (1 + np.exp(-z)), rtol=1e-12)
    assert model.score(x, y) > 0.9  # all labels right
    two = NetworkClassifier(16, loss=nn.BinaryCrossEntropy(pos_weight=4.0), epochs=30, random_state=0).fit(x, y[:, 0])
    assert (two.n_outputs_, two.predict_proba(x).shape) == (1, (48, 2))
    np.testing.assert_allclose(np.log(two.predict_proba(x)), two.predict_log_proba(x), rtol=1e-12)
    assert (two.predict(x) == two.predict_proba(x).argmax(1)).all()
    for loss, targets in ((nn.SoftmaxCrossEntropy(), y), (nn.BinaryCrossEntropy(), data[1])):
        with pytest.raises(ValueError, match="use the default loss"):
            NetworkClassifier(loss=loss).fit(x, targets)
    with pytest.raises(ValueError, match="Multioutput"):
        NetworkClassifier().fit(x, y * [1, 2, 3])


def test_sparse_and_dense_data_give_the_same(data):
    x, y, _ = data
    dense = NetworkClassifier(8, epochs=3, random_state=0, batch_size=20)
    sparse = clone(dense).fit(scipy.sparse.coo_array(x), y)
    np.testing.assert_allclose(
        sparse.predict_proba(scipy.sparse.csc_array(x)), dense.fit(x, y).predict_proba(x), rtol=1e-12
    )


def test_settings_within_an_optimiser_or_a_loss(data):
    x, y, _ = data
    adam = nn.Adam(0.5, betas=(0.8, 0.99))
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(8, optimizer=adam, epochs=3))
    grid = {"networkclassifier__optimizer__lr": [1e-3], "networkclassifier__alpha": [0.1]}
    best = GridSearchCV(pipeline, grid, cv=2).fit(x, y).best_estimator_[-1]
    assert (best.optimizer.lr, best.optimizer.betas, adam.lr) == (1e-3, (0.8, 0.99), 0.5)
    assert best._optimizer.weight_decay == 0.1 / 48
    model = NetworkClassifier(loss=nn.SoftmaxCrossEntropy()).set_params(loss__label_smoothing=0.1)
    assert model.get_params()["loss__label_smoothing"] == 0.1
    with pytest.raises(ValueError, match=r"optimizer__lr is not a setting of optimizer=None: give an object"):
        NetworkClassifier().set_params(optimizer__lr=1)
    with pytest.raises(ValueError, match=r"NetworkClassifier: momentum are for an optimiser given by name"):
        NetworkClassifier(optimizer=adam, momentum=0.5).fit(x, y)


@pytest.mark.parametrize("setting", ["activation", "optimizer", "loss", "learning_rate"])
def test_a_wrong_name_is_told_with_the_right_ones(setting, data):
    options = {"solver": "sgd"} if setting == "learning_rate" else {}
    with pytest.raises(ValueError, match=f"expected {setting} to be '.*got 'wrong'"):
        NetworkRegressor(**{**options, setting: "wrong"}).fit(*data[:2])


def own(outputs):
    return lambda shape, k, **options: nn.MLP((shape[0], outputs or k), **options)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"network": 8.5}, ValueError, "hidden_layer_sizes: expected a whole number of at least 1, got 8.5"),
        ({"network": nn.MLP((3, 3))}, TypeError, "a function that builds a network, got a network"),
        ({"network": own(5)}, ValueError, r"a network whose output for a sample is \(1, 3\), got \(1, 5\)"),
        ({"early_stopping": "yes"}, ValueError, "expected early_stopping to be True or False, got 'yes'"),
        ({"learning_rate": "wrong"}, ValueError, "expected learning_rate to be 'constant', 'invscaling' or 'adaptive'"),
    ],
)
def test_settings_that_fit_refuses(settings, error, text, data):
    with pytest.raises(error, match=text):
        NetworkClassifier(**settings).fit(*data[:2])


def test_sizes_of_numpy_as_a_search_draws_them(data):
    assert NetworkClassifier(np.int64(4), epochs=1).fit(*data[:2]).coefs_[0].shape[1] == 4


def test_labels_of_data_held_out_are_among_the_classes(data):
    x, y = data[:2]
    names = np.array(["a", "b", "d"])[y]
    for label in ("c", "e"):  # between two classes, and behind them
        other = names.copy()
        other[3] = label
        with pytest.raises(ValueError, match=rf"y has labels \['{label}'\] that are not among the classes"):
            NetworkClassifier(epochs=1).fit(x, names, eval_set=(x, other))


def test_weights_below_0(data):
    with pytest.raises(ValueError, match="NetworkClassifier: expected sample_weight of at least 0, got -1.0"):
        NetworkClassifier().fit(*data[:2], sample_weight=-np.ones(len(data[0])))


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")
@pytest.mark.parametrize(("ours", "theirs"), KINDS)
def test_attributes_that_tell_of_the_run(ours, theirs, data):
    x, y = data[:2]
    model, peer = (kind(max_iter=3, tol=0, random_state=0).fit(x, y) for kind in (ours, theirs))
    assert model.t_ == peer.t_ == model.fit(x, y).t_ == 3 * len(x)
    assert model.out_activation_ == peer.out_activation_
    assert model.partial_fit(x, y).t_ == 4 * len(x)


def test_losses_of_a_regressor(data):
    x = data[0]
    y = np.exp(x[:, 0])
    for loss in ("squared_error", "absolute_error", nn.Huber(0.5), "huber", "poisson"):
        options = {"epochs": 60, "learning_rate_init": 0.05, "random_state": 0}
        model = NetworkRegressor((16,), loss=loss, **options).fit(x, y)
        assert model.score(x, y) > 0.9
        assert loss != "poisson" or model.predict(x).min() > 0


def test_sequences_of_different_lengths(rng):
    sequences = [rng.normal(size=(rng.integers(3, 7), 2)) for _ in range(24)]
    y = np.array([sequence[-1, 0] > 0 for sequence in sequences])
    padded, lengths = nn.pad(sequences)

    def network(shape, outputs, **options):
        return nn.RNNClassifier(shape[-1], 8, outputs, **options)

    one = NetworkClassifier(network, epochs=2, random_state=0, early_stopping=True).fit(sequences, y)
    two = clone(one).fit(padded, y, lengths=lengths)
    np.testing.assert_array_equal(one.predict_proba(sequences), two.predict_proba(padded, lengths=lengths))
    assert one.n_features_in_ == 2
    assert one.predict(sequences[:1]).shape == (1,)
    scores = cross_validate(clone(one).set_params(early_stopping=False), sequences, y, cv=2, error_score="raise")
    assert len(scores["test_score"]) == 2


def test_weights_are_routed(data):
    x, y, w = data
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            NetworkClassifier(4, epochs=1).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        )
        scores = cross_validate(model, x, y, params={"sample_weight": w}, cv=2, error_score="raise")
    assert len(scores["test_score"]) == 2


class Told(nn.Callback):
    """Of xpnn's kind."""

    def on_train_begin(self):
        self.epochs = []

    def on_epoch_end(self, epoch, logs):
        self.epochs.append(epoch)


class Watch:
    """Of scikit-learn's kind: keeps each epoch's score, and ends the run after two."""

    def __init__(self):
        self.events, self.scores = [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y, **metadata))
        return len(self.scores) == 2


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_of_both_kinds(solver, data):
    x, y, w = data
    told, watch = Told(), Watch()
    model = NetworkClassifier(4, solver=solver, epochs=5, callbacks=[told], random_state=0)
    if not hasattr(model, "set_callbacks"):
        pytest.skip("this scikit-learn has no callbacks")
    model.set_callbacks(watch).fit(x, y, w)
    assert told.epochs == [1, 2]
    assert watch.events == ["setup", "fit", "epoch", "epoch", "teardown"]
    assert watch.scores[-1] == model.score(x, y, w)
