"""Networks as text, and from it again."""

import json

import numpy as np
import pytest
from border import ONCE, host, parameters

import xpnn as nn
from xpnn.checks.cases import layer_cases
from xpnn.models.architecture import KINDS, architecture, built

pytestmark = pytest.mark.skipif(not ONCE, reason="no array is computed with: once is enough")
LAYERS = [case.layer for case in layer_cases(0) if isinstance(case.layer, nn.Layer)]


def again(model, elements=10**6, own=()):
    return built(json.loads(json.dumps(architecture(model), allow_nan=False)), elements, own)


def arrays(model):
    return {key: (value.shape, value.dtype) for key, value in (model.params | model.buffers).items()}


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_layer_is_built_again(layer):
    """With no more elements than its own arrays have."""
    other = again(layer, sum(value.size for value in (layer.params | layer.buffers).values()))
    assert type(other) is type(layer)
    assert (repr(other), arrays(other)) == (repr(layer), arrays(layer))


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.params or layer.buffers], ids=repr)
def test_no_layer_is_built_without_its_elements(layer):
    with pytest.raises(ValueError, match="would have more elements than the file"):
        again(layer, 0)


def test_these_are_all_layers():
    named = {getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert {kind for kind in named if issubclass(kind, nn.Layer)} - {nn.Layer, nn.Composite} == set(KINDS.values())
    assert set(KINDS.values()) - {type(layer) for layer in LAYERS} == {nn.MLP, nn.LeNet5, nn.RNNClassifier, nn.CharRNN}


@pytest.mark.parametrize(
    "model",
    [
        nn.MLP((4, 3, 2), nn.Tanh(), nn.Softmax(), dtype="float64"),
        nn.LeNet5(32, 7, 3, pool=nn.AvgPool2D(2)),
        nn.LeNet5(variant="1998"),
        nn.RNNClassifier(8, 4, cell=nn.GRU, num_layers=2, bidirectional=True),
        nn.CharRNN("abc", 4, cell=nn.LSTM),
        nn.Sequential(nn.Clip(-np.inf, 2), nn.Softplus(threshold=np.inf), nn.Dense(np.int64(3), 2), nn.Dropout(0.2)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_network_is_built_again(model):
    other = again(model)
    assert type(other) is type(model)
    assert (repr(other), arrays(other), other.input_shape) == (repr(model), arrays(model), model.input_shape)


def test_layers_that_were_replaced():
    """The architecture is that of the layers, whatever the network was made with."""
    model = nn.LeNet5()
    model.layers[-1] = nn.Dense(84, 3)
    assert repr(again(model)) == repr(model)
    text = nn.CharRNN("ab", rng=0)
    text.layers.insert(2, nn.Dropout(0.5))
    assert "".join(again(text).sample(5, "a", rng=0))


def test_a_layer_that_stands_twice_is_one_again():
    shared = nn.Sequential(nn.Dense(4, 4), nn.Tanh())
    graph = nn.Graph(
        {"a": (shared, "x"), "b": (shared, "z"), "class": (nn.Add(), "a", "b"), "y": (shared.layers[0], "class")},
        inputs=("x", "z"),
        outputs=("y", "class"),
        input_shape=((4,), (4,)),
    )
    other = again(graph)
    assert repr(other) == repr(graph)
    assert other["a"] is other["b"]
    assert other["y"] is other["a"].layers[0]
    assert other.flat_params.size == 20
    assert (other.outputs, other.input_shape) == (graph.outputs, graph.input_shape)


class Scale(nn.Layer):
    """A layer of one's own."""

    def __init__(self, features, start=1.0, dtype="float32"):
        super().__init__(s=np.full(features, start, dtype))
        self.features, self.start = features, start

    def forward(self, x, needs_dx=True):
        return self.params["s"] * x, lambda dy: dy


class Secretive(nn.Layer):
    def __init__(self, features):
        super().__init__()


class Net(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Dense(3, width), Scale(width, 2.0))


class Twice(nn.Sequential):
    def forward(self, x, needs_dx=True):
        y, backward = super().forward(x, needs_dx)
        return 2 * y, lambda dy: backward(2 * dy)


def test_layers_of_ones_own():
    other = again(nn.Sequential(Scale(3, 2.0)), own=[Scale])
    assert repr(other) == "Sequential(Scale(3, start=2.0))"
    assert (parameters(other) == 2).all()
    with pytest.raises(ValueError, match=r"Scale, which is not a layer of xpnn: pass such classes .* layers=\["):
        again(Scale(3))
    with pytest.raises(ValueError, match=r"settings of a .*Secretive are not in the file: keep .*no attribute 'feat"):
        again(Secretive(3), own=[Secretive])


def test_networks_of_ones_own():
    """One that only chooses its layers is their Sequential; of another, the class is needed."""
    assert repr(again(Net(4), own=[Scale])) == "Sequential(Dense(3, 4), Scale(4, start=2.0))"
    with pytest.raises(ValueError, match="Twice, which is not a layer of xpnn"):
        again(Twice(nn.ReLU()))
    x = nn.asarray([[1.0, -1.0]])
    other = again(Twice(nn.ReLU()), own=[Twice])
    np.testing.assert_array_equal(host(other.forward(x)[0]), [[2.0, 0.0]])
