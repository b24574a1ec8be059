"""What a classifier confuses."""

import re

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn import plots
from xpnn.plots.classes import count_pairs, mistakes
from xpnn.plots.outputs import probabilities


def identity(K):
    """A network whose logits are its inputs."""
    model = nn.Sequential(nn.Dense(K, K, dtype="float64"))
    model.params["0.W"], model.params["0.b"] = np.eye(K), np.zeros(K)
    return model


class TestConfusionMatrix:
    def test_counts(self):
        counts, names = count_pairs([0, 0, 2, 2, 2], [0, 2, 2, 0, 2], ["a", "b", "c"])
        np.testing.assert_array_equal(counts, [[1, 0, 1], [0, 0, 0], [1, 0, 2]])
        assert names == ["a", "b", "c"]

    def test_labels_by_name(self):
        y, predicted = ["fox", "cat", "cat"], ["cat", "cat", "dog"]
        np.testing.assert_array_equal(count_pairs(y, predicted)[0], [[1, 1, 0], [0, 0, 0], [1, 0, 0]])
        counts, names = count_pairs(y, predicted, ["fox", "dog", "cat"])
        np.testing.assert_array_equal(counts, [[0, 0, 1], [0, 0, 0], [0, 1, 1]])
        assert names == ["fox", "dog", "cat"]

    def test_the_colour_is_the_share_of_the_row(self):
        axes = plots.confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], ["a", "b", "c"]).axes[0]
        np.testing.assert_allclose(axes.images[0].get_array(), [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])
        assert [text.get_text() for text in axes.texts] == ["2", "1", "1"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")

    def test_of_many_classes_some_are_named(self):
        axes = plots.confusion_matrix(np.arange(100), np.arange(100)).axes[0]
        assert [text.get_text() for text in axes.get_yticklabels()] == [str(k) for k in range(0, 100, 3)]
        assert not axes.texts

    @pytest.mark.parametrize(
        ("y", "predicted", "classes"),
        [
            ([], [], None), ([0], [0, 1], None), ([[0]], [[0]], None),
            ([3], [0], "abc"), ([-1], [0], "abc"), (["d"], ["a"], "abc"),
        ],
    )  # fmt: skip
    def test_wrong_labels(self, y, predicted, classes):
        with pytest.raises(
            ValueError, match="expected true and predicted labels|a label is neither one of the 3 classes"
        ):
            plots.confusion_matrix(y, predicted, classes)


class TestProbabilities:
    def test_of_logits(self, rng):
        z = rng.normal(size=(600, 3)) * 100
        p = probabilities(identity(3), z)
        np.testing.assert_allclose(p, np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True)), rtol=1e-10)

    def test_that_are_some_already(self, rng):
        z = rng.normal(size=(4, 3))
        network = nn.Sequential(identity(3), nn.Softmax())
        np.testing.assert_allclose(probabilities(network, z), probabilities(identity(3), z), rtol=1e-10)

    def test_of_one_logit(self):
        np.testing.assert_allclose(
            probabilities(identity(1), np.array([[0.0], [np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]]
        )

    def test_of_no_classifier(self):
        with pytest.raises(ValueError, match=r"outputs \(N, classes\), got outputs of shape \(2, 1, 4, 4\)"):
            probabilities(nn.ReLU(), np.zeros((2, 1, 4, 4)))


class TestWrong:
    x = np.array([[2.0, 0, 0, 0], [0, 0, 1, 0], [0, 9, 0, 0], [0, 0, 0, 3]])
    y = np.array([0, 1, 3, 3])

    def test_the_surest_first(self):
        found = mistakes(probabilities(identity(4), self.x), self.y)
        assert [mistake[:3] for mistake in found] == [(2, 3, 1), (1, 1, 2)]
        np.testing.assert_allclose([m.probability for m in found], np.exp([9, 1]) / (np.exp([9, 1]) + 3), rtol=1e-12)

    def test_pictures_and_texts(self):
        axes = plots.wrong(identity(4), self.x, self.y, ["ant", "bee", "cow", "dog"]).axes[0]
        assert [text.get_text() for text in axes.texts] == [
            "100% bee\ntrue: dog\nsample 2", "48% cow\ntrue: bee\nsample 1", "2 of 4 wrong",
        ]  # fmt: skip
        np.testing.assert_allclose(axes.images[0].get_array()[..., 0], [[0, 1], [0, 0]])
        np.testing.assert_allclose(axes.images[1].get_array()[..., 0], [[0, 0], [1 / 9, 0]])

    def test_no_more_than_are_asked_for(self):
        axes = plots.wrong(identity(4), dev(self.x), dev(self.y), count=1, shape=(1, 4)).axes[0]
        assert axes.texts[-1].get_text() == "2 of 4 wrong, the 1 surest"
        assert len(axes.images) == 1
        axes = plots.wrong(identity(4), self.x[:1], self.y[:1]).axes[0]
        assert [text.get_text() for text in axes.texts] == ["0 of 1 wrong"]

    @pytest.mark.parametrize(
        ("y", "got"),
        [([0, 1, 2], "(3,)"), ([0, 1, 2, 4], "0 to 4"), ([0, 1, 2, -1], "-1 to 2"), ([0.0, 1, 2, 3], "float"),
         (["a", "b", "c", "d"], "'a'")],
    )  # fmt: skip
    def test_wrong_labels(self, y, got):
        with pytest.raises(ValueError, match=rf"wrong: expected 4 labels of 4 classes, got .*{re.escape(got)}"):
            plots.wrong(identity(4), self.x, y)
        with pytest.raises(ValueError, match="wrong: expected 4 labels of 4 classes"):
            plots.wrong(identity(4), self.x, self.y, ["a", "b", "c"])


def test_the_network_stays_as_it_is():
    model = identity(4)
    model.grads["0.W"] += 7
    plots.wrong(model, TestWrong.x, TestWrong.y)
    plots.saliency(model, dev(TestWrong.x))
    assert (host(model.grads["0.W"]) == 7).all()
