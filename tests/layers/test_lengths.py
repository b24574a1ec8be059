"""Lengths of sequences on their way through layers: who passes them on, who refuses them."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

LAST, SEQUENCES = nn.RNN(4, 4, rng=0), nn.RNN(4, 4, True, rng=0)
DENSE = nn.Dense(4, 4, rng=0)

FLAGS = {  # takes lengths, keeps steps
    "RNN": (LAST, True, False),
    "RNN of sequences": (SEQUENCES, True, True),
    "Bidirectional": (nn.Bidirectional(SEQUENCES, rng=0), True, True),
    "Bidirectional, last": (nn.Bidirectional(LAST, rng=0), True, False),
    "Dense": (DENSE, False, True),
    "Sequential": (nn.Sequential(DENSE, SEQUENCES, nn.Tanh()), True, True),
    "Sequential, last": (nn.Sequential(SEQUENCES, LAST, DENSE), True, False),
    "MLP": (nn.MLP((4, 4, 4), rng=0), False, True),
    "Residual": (nn.Residual(SEQUENCES), True, True),
    "LeNet5": (nn.LeNet5(rng=0), False, False),
}


@pytest.mark.parametrize("case", FLAGS)
def test_what_a_layer_says(case):
    layer, takes, keeps = FLAGS[case]
    assert (layer.takes_lengths, layer.keeps_steps) == (takes, keeps)


def test_what_keeps_steps():
    """Of the layers that take no lengths, those that read each step alone."""
    layers = {name: cls for name, cls in vars(nn).items() if isinstance(cls, type) and issubclass(cls, nn.Layer)}
    mixing = {name for name, cls in layers.items() if cls.keeps_steps is False}
    # fmt: off
    assert mixing == {
        "Layer", "AvgPool1D", "AvgPool2D", "BatchNorm1D", "BatchNorm2D", "Conv1D", "Conv2D", "ConvTranspose2D",
        "Flatten", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalMaxPool1D", "GlobalMaxPool2D", "MappedConv2D",
        "MaxPool1D", "MaxPool2D", "Permute", "RBF", "Reshape", "Slice", "Subsample2D", "Upsample2D",
    }
    # fmt: on


def test_a_subclass_with_its_own_forward_says_so_itself():
    class Mean(nn.Tanh):
        def forward(self, x, needs_dx=True):
            return x - x.mean(1, keepdims=True), lambda dy: dy

    assert not Mean().keeps_steps
    assert type("Sub", (nn.Tanh,), {})().keeps_steps


MIXING = {
    "Flatten": (nn.Flatten(), (2, 3, 4)),
    "BatchNorm1D": (nn.BatchNorm1D(3), (2, 3, 4)),
    "Conv2D": (nn.Conv2D(3, 1, 1, rng=0), (2, 3, 4, 4)),
    "Residual": (nn.Residual(nn.Conv2D(3, 3, 1, rng=0)), (2, 3, 4, 4)),
    "Softmax": (nn.Softmax(), (2, 3)),  # over the steps
    "Dense": (nn.Dense(3, 3, rng=0), (2, 3)),
}


@pytest.mark.parametrize("case", MIXING)
def test_what_would_mix_the_padding_in_is_refused_by_name(case):
    layer, shape = MIXING[case]
    x, model = dev(np.ones(shape), "float32"), nn.Sequential(layer, nn.Flatten(), LAST)
    for run in layer, model, model.forward:
        with pytest.raises(ValueError, match=rf"{case}.*: would mix the padding of an input \(2, 3") as error:
            run(x, lengths=[2, 3])
        assert case in str(error.value).partition(":")[0]


def test_behind_the_last_state_there_are_no_lengths_to_refuse():
    model = nn.Sequential(LAST, nn.Flatten(), DENSE)
    x = dev(np.ones((2, 3, 4)), "float32")
    assert model(x, lengths=[2, 3]).shape == model.forward(x, lengths=[2, 3])[0].shape == (2, 4)


@pytest.mark.parametrize("model", [nn.MLP((4, 3), rng=0), nn.Residual(nn.Tanh()), nn.Bidirectional(LAST, rng=0), LAST])
@pytest.mark.parametrize(
    ("lengths", "error"),
    [([2, 4], ValueError), ([0, 3], ValueError), ([3], ValueError), ([2.0, 3.0], TypeError), (3, TypeError)],
    ids=str,
)
def test_wrong_lengths(model, lengths, error):
    x = dev(np.ones((2, 3, 4)), "float32")
    for run in model, model.forward:
        with pytest.raises(error, match="expected (2 lengths from 1 to 3|lengths as whole numbers)"):
            run(x, lengths=lengths)


def test_padding_of_a_network_s_output_is_zero_and_its_gradient_unread(rng):
    """As of a recurrent layer's; whatever the last layer's bias is, and whatever stands in dE/dy."""
    for model in (
        nn.Sequential(nn.RNN(3, 4, True, rng=0, dtype="float64"), nn.Dense(4, 4, rng=0, dtype="float64")),
        nn.Residual(nn.RNN(3, 4, True, rng=0, dtype="float64"), nn.Dense(3, 4, rng=0, dtype="float64")),
    ):
        x, lengths, padding = rng.standard_normal((2, 5, 3)), [2, 5], np.arange(5) >= np.array([[2], [5]])
        x[padding] = 0
        dy, gradients = rng.standard_normal((2, 5, 4)), []
        for garbage in 0.0, np.nan:
            dy[padding] = garbage
            y, backward = model.forward(dev(x), lengths=lengths)
            dx = host(backward(dev(dy))).copy()
            gradients.append([dx, host(model.flat_grads).copy()])
            model.zero_grad()
            assert not host(y)[padding].any()
            assert host(y)[~padding].all()
        np.testing.assert_array_equal(host(model(dev(x), lengths=lengths)), host(y))
        for clean, with_nan in zip(*gradients, strict=True):
            assert clean.any()
            np.testing.assert_array_equal(with_nan, clean)
