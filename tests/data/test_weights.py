"""Class weights, compared with scikit-learn's where it is installed."""

import numpy as np
import pytest

import xpnn as nn


@pytest.mark.parametrize("given", ["balanced", {0: 2.0, 2: 0.5}, [1.0, 2.0, 0.0, 4.0]])
def test_scikit_learns_values(rng, given):
    peer = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.concatenate([np.arange(4), rng.integers(0, 3, 50)])
    wanted = given if isinstance(given, list) else peer.compute_class_weight(given, classes=np.arange(4), y=labels)
    weights = nn.class_weights(labels, given, 4)
    np.testing.assert_allclose(weights, wanted, rtol=1e-15)
    if not isinstance(given, list):
        np.testing.assert_allclose(weights[labels], peer.compute_sample_weight(given, labels), rtol=1e-15)


def test_each_present_class_weighs_as_much():
    labels = np.array([[0, 0, 0, 3], [3, -100, -100, 9]])
    weights = nn.class_weights(labels, "balanced", 5)
    np.testing.assert_allclose(weights, [5 / 6, 1, 1, 5 / 4, 1])
    np.testing.assert_array_equal(nn.class_weights(labels.astype("int8"), "balanced", 5), weights)
    np.testing.assert_array_equal(nn.class_weights(np.array([True, False]), "balanced", 2), [1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("balance", "expected 'balanced'"),
        ({3: 1.0}, "classes from 0 to 2, got 3"),
        ({"a": 1.0}, "got 'a'"),
        ([1.0, 2.0], "expected 3 finite weights"),
        ({1: -1.0}, "at least 0"),
        ([1.0, np.nan, 1.0], "finite"),
    ],
)
def test_wrong_weights(given, message):
    with pytest.raises(ValueError, match=f"^class_weight: .*{message}"):
        nn.class_weights(np.array([0, 1, 2]), given, 3)


def test_balanced_weights_need_the_labels():
    with pytest.raises(ValueError, match="needs all labels in memory"):
        nn.class_weights(None, "balanced", 2)
    np.testing.assert_array_equal(nn.class_weights(None, {1: 2.0}, 2), [1, 2])


def test_a_series_is_read_by_its_index():
    pandas = pytest.importorskip("pandas")
    counts = pandas.Series([2, 2, 2, 0, 0, 1]).value_counts()  # the most frequent first
    np.testing.assert_array_equal(nn.class_weights(None, 6 / counts, 3), [3, 6, 2])
