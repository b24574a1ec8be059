"""Metrics of all targets and outputs of a pass."""

import numpy as np
import pytest

import xpnn as nn

N, K = 50, 4


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, 3)).astype("float32"), rng.integers(0, K, N)


@pytest.fixture
def model():
    return nn.MLP((3, 6, K), rng=0)


def test_those_with_names_against_scikit_learn(model, data, rng):
    peer = pytest.importorskip("sklearn.metrics")
    x, y = data
    outputs, weights = nn.predict(model, x), rng.uniform(size=N)
    for w in (None, weights):
        score = nn.evaluate(model, x, y, sample_weight=w, metrics=["accuracy", "f1", "confusion_matrix", "top_2"])
        labels = outputs.argmax(1)
        assert score.metrics["accuracy"] == pytest.approx(score.accuracy)
        assert score.metrics["f1"] == pytest.approx(peer.f1_score(y, labels, average="macro", sample_weight=w))
        wanted = peer.confusion_matrix(y, labels, sample_weight=w)
        np.testing.assert_allclose(score.metrics["confusion_matrix"], wanted, rtol=1e-6)
        assert score.metrics["top_2"] == pytest.approx(peer.top_k_accuracy_score(y, outputs, k=2, sample_weight=w))


def test_a_function_takes_what_its_second_argument_is_called(model, data):
    x, y = data
    outputs = nn.predict(model, x)
    seen = {}

    def labels(y, y_pred):
        seen["labels"] = y_pred

    def probabilities(y, y_score):
        seen["probabilities"] = y_score

    def raw(y, outputs):
        seen["outputs"] = outputs
        return 7.0

    assert nn.evaluate(model, x, y, metrics={"one": labels, "two": probabilities, "three": raw}).metrics["three"] == 7
    np.testing.assert_array_equal(seen["labels"], outputs.argmax(1))
    np.testing.assert_allclose(seen["probabilities"].sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(seen["outputs"], outputs, rtol=1e-6)
    nn.evaluate(model, x, np.eye(K)[y], metrics=labels)
    nn.evaluate(model, x, outputs, loss=nn.HalfSquaredError(), metrics=probabilities)
    np.testing.assert_allclose(seen["probabilities"], outputs, rtol=1e-6)  # of a regression there are none
    multi = (np.arange(N * K).reshape(N, K) % 3 == 0).astype(int)
    nn.evaluate(model, x, multi, loss=nn.BinaryCrossEntropy(), metrics=[labels, probabilities])
    np.testing.assert_array_equal(seen["labels"], outputs > 0)
    np.testing.assert_allclose(seen["probabilities"], 1 / (1 + np.exp(-outputs)), rtol=1e-5)


def test_scikit_learn_s_own(model, data):
    peer = pytest.importorskip("sklearn.metrics")
    x, y = data
    given = [peer.balanced_accuracy_score, peer.matthews_corrcoef]
    score = nn.evaluate(model, x, y, metrics=given)
    outputs = nn.predict(model, x)
    assert score.metrics == {one.__name__: pytest.approx(one(y, outputs.argmax(1))) for one in given}
    two = nn.MLP((3, 2), rng=0)
    auc = nn.evaluate(two, x, y % 2, metrics=[peer.roc_auc_score]).metrics["roc_auc_score"]
    logits = nn.predict(two, x)
    assert auc == pytest.approx(peer.roc_auc_score(y % 2, logits[:, 1] - logits[:, 0]))


@pytest.mark.parametrize("outputs", [1, K])
def test_of_labels_that_are_0_or_1(data, rng, outputs):
    peer = pytest.importorskip("sklearn.metrics")
    x, model = data[0], nn.MLP((3, outputs), rng=0)
    y = (rng.random((N, outputs)) < 0.4).astype("float32")
    labels, weights = (nn.predict(model, x) > 0).astype(int), rng.uniform(size=N)
    for w in (None, weights):
        score = nn.evaluate(model, x, y, loss=nn.BinaryCrossEntropy(), sample_weight=w, metrics=["accuracy", "f1"])
        shape = (N,) if outputs == 1 else (N, outputs)
        wanted = peer.f1_score(y.reshape(shape), labels.reshape(shape), average="macro", sample_weight=w)
        assert score.metrics["f1"] == pytest.approx(wanted, rel=1e-6)
        assert score.metrics["accuracy"] == pytest.approx(score.accuracy, rel=1e-6)


def test_columns_of_the_history(model, data):
    history = nn.fit(model, *data, epochs=2, validation=data, metrics=["top_2", "confusion_matrix"], verbose=False)
    assert list(history[0])[:8] == [
        "epoch", "loss", "accuracy", "top_2", "val_loss", "val_accuracy", "val_top_2", "lr",
    ]  # fmt: skip


@pytest.mark.parametrize("ignored", [-100, 0])
def test_labels_that_do_not_count(ignored, model, data):
    x, y = data[0], np.where(np.arange(N) % 3, data[1], ignored)
    loss, metrics = nn.SoftmaxCrossEntropy(ignore_index=ignored), ["accuracy", "f1", "top_2", "confusion_matrix"]
    score = nn.evaluate(model, x, y, loss=loss, metrics=metrics)
    counted = nn.evaluate(model, x[y != ignored], y[y != ignored], loss=loss, metrics=metrics)
    assert score.metrics["accuracy"] == counted.metrics["accuracy"] == pytest.approx(score.accuracy)
    for name in metrics:
        np.testing.assert_array_equal(score.metrics[name], counted.metrics[name])


def test_what_is_no_metric(model, data):
    with pytest.raises(ValueError, match="metrics: expected accuracy, f1, confusion_matrix, top_5 .*, got 'auc'"):
        nn.evaluate(model, *data, metrics=["auc"])
    with pytest.raises(TypeError, match="expected names or functions"):
        nn.evaluate(model, *data, metrics=[3])
    with pytest.raises(ValueError, match="metrics: two columns would be called '<lambda>'"):
        nn.evaluate(model, *data, metrics=[lambda y, z: 1.0, lambda y, z: 2.0])
    with pytest.raises(ValueError, match="metrics: two columns would be called 'loss'"):
        nn.fit(model, *data, metrics={"loss": lambda y, z: 1.0}, verbose=False)
    for loss, name in ((nn.MeanSquaredError(), "accuracy"), (nn.BinaryCrossEntropy(), "top_2")):
        with pytest.raises(ValueError, match=f"metrics: '{name}' is for classes, not for"):
            nn.evaluate(model, data[0], np.ones((N, K), "float32"), loss=loss, metrics=[name])
    multi = np.ones((N, K), "float32")
    with pytest.raises(ValueError, match=r"confusion_matrix: expected one label .* shape \(50, 4\)"):
        nn.evaluate(model, data[0], multi, loss=nn.BinaryCrossEntropy(), metrics=["confusion_matrix"])
