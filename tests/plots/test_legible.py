"""No text in a figure is cut off or meets another, also with many classes and long names."""

import numpy as np
import pytest

import xpnn as nn
from xpnn import plots

LONG = [f"a rather long name of a class with a dollar ($) in it, number {k}" for k in range(30)]


def test_curves(texts):
    row = {"loss": 1e-5, "val_loss": 2.0, "a_score_with_a_very_long_name_of_some_person_s_own": 1.0}
    assert "held out" in texts(plots.curves([row, {key: value / 3 for key, value in row.items()}]))


def test_confusion_matrix_of_thirty_classes(texts):
    y = np.arange(60) % 30
    shown = texts(plots.confusion_matrix(y, np.where(y == 3, 29, y), LONG))
    assert sum(text.endswith("number 29") for text in shown) == 2
    assert shown.count("2") == 30


@pytest.mark.parametrize(("classes", "name"), [(1, "n"), (3, "a rather long name of class "), (20, "n")])
def test_confusion_matrix_of_few_classes(texts, classes, name):
    y = np.arange(classes)
    assert texts(plots.confusion_matrix(y, y, [f"{name}{k}" for k in y])).count("1") >= classes


def test_filters_of_small_weights(texts):
    layer = nn.Conv2D(1, 8, 5, rng=0)
    layer.params["W"] *= 1e-3
    assert "\N{MINUS SIGN}0.0002" in texts(plots.filters(nn.Sequential(layer)))


def test_wrong_pictures(texts):
    samples = 8
    model = nn.MLP((64, 30), rng=0)
    y = (nn.predict(model, np.ones((1, 64))).argmax(1) + 1).repeat(samples) % 30
    assert f"{samples} of {samples} wrong" in texts(plots.wrong(model, np.ones((samples, 64)), y, LONG))


def test_pictures_of_a_network(texts):
    model = nn.LeNet5(rng=0)
    texts(plots.feature_maps(model[:3], np.eye(28)[None], count=4))
    texts(plots.saliency(model, np.eye(28)[None, None], classes=LONG))


def test_states(texts):
    model = nn.CharRNN("abc", 8, cell=nn.LSTM, rng=0)
    assert "|dE/dc_t|" in texts(plots.states(model, np.zeros(40, "int64")))


def test_weights(texts):
    model = nn.Dense(400, 300, rng=0)
    model.params["W"][0, 0] = np.nan
    texts(plots.weights(model))
