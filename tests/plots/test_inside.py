"""What a network has learnt, and what it looks at."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn import plots


def linear(rng, *shape):
    """A linear classifier of three classes."""
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Dense(int(np.prod(shape)), 3, rng=rng, dtype="float64"))


class TestWeights:
    def test_every_element_is_counted(self):
        model = nn.MLP((12, 5, 3), rng=0)
        model.params["0.W"][1, :3] = dev([np.nan, np.inf, -np.inf], "float32")
        axes = plots.weights(model).axes
        assert [ax.get_title() for ax in axes] == [
            "0.W (5, 12)\n3 not finite", "0.b (5,)", "2.W (3, 5)", "2.b (3,)",
        ]  # fmt: skip
        steps = [ax.patches[0].get_data() for ax in axes]
        assert [step.values.sum() for step in steps] == [57, 5, 15, 3]
        assert steps[2].edges[0] == pytest.approx(float(host(model.params["2.W"]).min()))

    def test_none(self):
        with pytest.raises(ValueError, match="ReLU has no parameters"):
            plots.weights(nn.ReLU())


class TestFilters:
    def test_of_one_channel(self):
        model = nn.Sequential(nn.ReLU(), nn.Conv2D(1, 2, 3, rng=0), nn.Conv2D(2, 1, 3))
        axes = plots.filters(model).axes[0]
        W = host(model.params["1.W"])
        np.testing.assert_array_equal([image.get_array() for image in axes.images], W[:, 0])
        assert axes.images[0].get_clim() == pytest.approx((-abs(W).max(), abs(W).max()))
        assert axes.texts[-1].get_text() == "filters of layer 1: 2"

    def test_in_colours(self):
        conv = nn.Conv2D(3, 2, 2, rng=0)
        (image, _) = plots.filters(conv).axes[0].images
        W = host(conv.params["W"])
        np.testing.assert_allclose(image.get_array()[1, 0], W[0, :, 1, 0] / (2 * abs(W).max()) + 0.5, rtol=1e-6)

    def test_of_other_channels(self):
        axes = plots.filters(nn.Conv2D(2, 40, 3, rng=0), count=3).axes[0]
        titles = ["0, channel 0", "0, channel 1", "1, channel 0", "filters of layer Conv2D: 3 of 80"]
        assert [text.get_text() for text in axes.texts] == titles

    def test_of_a_dense(self):
        model = nn.MLP((6, 2), rng=0)
        images = plots.filters(model, shape=(2, 3)).axes[0].images
        np.testing.assert_array_equal([i.get_array() for i in images], host(model.params["0.W"]).reshape(2, 2, 3))

    @pytest.mark.parametrize("model", [nn.RNN(3, 4), nn.ReLU(), nn.BatchNorm1D(3)])
    def test_no_filters(self, model):
        with pytest.raises(ValueError, match="filters: expected a convolution or a Dense"):
            plots.filters(model)


@pytest.mark.parametrize("count", [0, -1, 2.5])
def test_a_count_of_pictures_that_is_none(count):
    x = np.zeros((1, 1, 4, 4))
    for call in (
        lambda: plots.filters(nn.Conv2D(1, 3, 2), count=count),
        lambda: plots.feature_maps(nn.Conv2D(1, 3, 2), x, count=count),
        lambda: plots.wrong(nn.Sequential(nn.Flatten(), nn.Dense(16, 2)), x, np.zeros(1, int), count=count),
    ):
        with pytest.raises(ValueError, match=f"count: expected a whole number of at least 1, got {count}"):
            call()


class TestFeatureMaps:
    def test_each_layer_s_output(self, rng):
        inner = nn.Sequential(nn.ReLU(), nn.MaxPool2D(2))
        model = nn.Sequential(nn.Conv2D(2, 3, 3, rng=rng, dtype="float64"), inner, nn.Flatten())
        x = rng.normal(size=(2, 6, 6))
        figure = plots.feature_maps(model, x, count=2)
        names = [axes.get_ylabel() for axes in figure.axes]
        assert names == [
            "input\n6×6", "0 Conv2D\n2 of 3 maps 4×4", "1.0 ReLU\n2 of 3 maps 4×4", "1.1 MaxPool2D\n2 of 3 maps 2×2",
        ]  # fmt: skip
        maps = host(model[0](dev(x[None])))[0]
        shown = figure.axes[1].images[0].get_array()
        low, high = maps[1].min(), maps[1].max()
        np.testing.assert_allclose(shown[:, 5:9], (maps[1] - low) / (high - low), rtol=1e-10)
        assert np.ma.getmaskarray(shown)[:, 4].all()

    def test_no_pictures(self, rng):
        with pytest.raises(ValueError, match=r"one sample \(C, H, W\), got \(2, 1, 3, 3\)"):
            plots.feature_maps(nn.ReLU(), np.zeros((2, 1, 3, 3)))
        with pytest.raises(ValueError, match="no output of Sequential's layers is a picture"):
            plots.feature_maps(linear(rng, 1, 3, 3), np.zeros((1, 3, 3)))


class TestSaliency:
    def test_the_gradient_of_the_logit(self, rng):
        model, x = linear(rng, 2, 3, 4), rng.normal(size=(2, 2, 3, 4))
        figure = plots.saliency(model, x, [2, 0], ["a", "b", "c"])
        slopes = abs(host(model.params["2.W"])).reshape(3, 2, 3, 4).max(1)
        for image, label in zip(figure.axes[0].images[1::2], (2, 0), strict=True):
            np.testing.assert_allclose(image.get_array(), slopes[label] / slopes[label].max(), rtol=1e-10)
        titles = [text.get_text() for text in figure.axes[0].texts]
        assert titles[:4] == ["input 0", "logit of c", "input 1", "logit of a"]

    def test_of_the_class_that_is_predicted(self, rng):
        model, x = linear(rng, 1, 3, 3), rng.normal(size=(4, 9))
        titles = [text.get_text() for text in plots.saliency(model, x).axes[0].texts]
        assert titles[1:8:2] == [f"logit of {k}" for k in host(model(dev(x))).argmax(1)]

    @pytest.mark.parametrize("label", [3, -1, [0, 1], 1.0])
    def test_labels_that_are_none(self, rng, label):
        with pytest.raises(ValueError, match="expected 3 labels from 0 to 2|broadcast"):
            plots.saliency(linear(rng, 1, 2, 2), np.zeros((3, 4)), label)

    def test_of_symbols(self):
        with pytest.raises(ValueError, match="CharRNN reads symbols"):
            plots.saliency(nn.CharRNN("ab", 3, rng=0), np.zeros((1, 4), "int64"))
