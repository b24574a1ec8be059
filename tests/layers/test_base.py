"""What every layer promises: gradients, memory orders, errors at the border."""

import copy
import weakref

import numpy as np
import pytest
from border import ELEMENTS, PLAIN, dev, host

import xpnn as nn
from xpnn.layers.tree import check_leaves

F64 = {"rng": 0, "dtype": "float64"}
LAYERS = {
    "Dense": (nn.Dense(5, 4, **F64), (3, 5)),
    "Dense over time": (nn.Dense(5, 4, **F64), (3, 6, 5)),
    "Conv2D": (nn.Conv2D(2, 3, (3, 2), **F64), (4, 2, 6, 7)),
    "Conv2D stride and padding": (nn.Conv2D(2, 3, 3, (2, 1), (1, 2), **F64), (4, 2, 6, 7)),
    "MaxPool2D": (nn.MaxPool2D(2), (3, 2, 5, 6)),
    "MaxPool2D overlapping": (nn.MaxPool2D(3, 2, 1), (3, 2, 5, 6)),
    "AvgPool2D": (nn.AvgPool2D(2), (3, 2, 5, 6)),
    "AvgPool2D overlapping": (nn.AvgPool2D((3, 2), 1, 1), (3, 2, 5, 6)),
    "RNN": (nn.RNN(5, 4, **F64), (3, 6, 5)),
    "RNN sequences": (nn.RNN(5, 4, return_sequences=True, **F64), (3, 6, 5)),
    "Flatten": (nn.Flatten(), (3, 2, 4)),
    "Sigmoid": (nn.Sigmoid(), (3, 4)),
    "Tanh": (nn.Tanh(), (3, 4)),
    "ReLU": (nn.ReLU(), (3, 4)),
    "LeakyReLU": (nn.LeakyReLU(), (3, 4)),
    "Softmax": (nn.Softmax(), (3, 4)),
    "Sequential": (nn.Sequential(nn.Conv2D(2, 3, 3, **F64), nn.Flatten(), nn.Dense(12, 2, **F64)), (3, 2, 4, 4)),
}
CASES = pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS.keys())


@CASES
def test_gradients(layer, shape, rng):
    report = nn.gradcheck(layer, rng.standard_normal(shape), max_elements=ELEMENTS)
    assert report.ok, report


@CASES
def test_any_memory_order_gives_the_same(layer, shape, rng):
    x = rng.standard_normal(shape)
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    dx = host(backward(dev(dy)))
    reverse = tuple(slice(None, None, -1) for _ in shape)
    for arranged in (
        dev(np.asfortranarray(x)),
        nn.xp.moveaxis(nn.xp.ascontiguousarray(nn.xp.moveaxis(dev(x), 0, -1)), -1, 0),
        dev(x[reverse].copy())[reverse],
    ):
        other, other_backward = layer.forward(arranged)
        np.testing.assert_allclose(host(other), host(y), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(host(other_backward(dev(np.asfortranarray(dy)))), dx, rtol=1e-12, atol=1e-14)


@CASES
def test_input_and_upstream_gradient_stay_untouched(layer, shape, rng):
    x = dev(rng.standard_normal(shape))
    y, backward = layer.forward(x)
    dy = dev(rng.standard_normal(y.shape))
    kept = host(x).copy(), host(dy).copy()
    backward(dy)
    np.testing.assert_array_equal(host(x), kept[0])
    np.testing.assert_array_equal(host(dy), kept[1])


@CASES
def test_gradients_add_up_over_two_calls(layer, shape, rng):
    x = dev(rng.standard_normal(shape))
    y, backward = layer.forward(x)
    dy = dev(rng.standard_normal(y.shape))
    layer.flat_grads[...] = 0
    first = host(backward(dy)).copy()
    once = host(layer.flat_grads).copy()
    np.testing.assert_array_equal(host(backward(dy)), first)
    np.testing.assert_allclose(host(layer.flat_grads), 2 * once, rtol=1e-12)


@CASES
def test_without_need_for_dx_only_the_parameters_gradients_are_made(layer, shape, rng):
    x = dev(rng.standard_normal(shape))
    gradients = []
    for needs_dx in (True, False):
        layer.flat_grads[...] = 0
        y, backward = layer.forward(x, needs_dx)
        dx = backward(nn.xp.ones(y.shape))
        gradients.append(host(layer.flat_grads).copy())
    np.testing.assert_array_equal(*gradients)
    if layer.dtype is not None:
        assert dx is None


@CASES
def test_inference_is_the_forward_pass_alone(layer, shape, rng):
    x = dev(rng.standard_normal(shape))
    np.testing.assert_array_equal(host(layer(x)), host(layer.forward(x)[0]))


@CASES
def test_float32_stays_float32(layer, shape, rng):
    layer = copy.deepcopy(layer)
    single = type(layer).__name__ == "Sequential" or layer.dtype is not None
    if single:  # built for float64: the same layer anew
        layer = _in_float32(layer)
    y, backward = layer.forward(dev(rng.standard_normal(shape), "float32"))
    assert y.dtype == "float32"
    assert backward(y).dtype == "float32"
    assert all(grad.dtype == "float32" for grad in layer.grads.values())


def _in_float32(layer):
    if isinstance(layer, nn.Sequential):
        return nn.Sequential(*map(_in_float32, layer))
    for group in (layer.params, layer.grads):
        for key, value in group.items():
            dict.__setitem__(group, key, value.astype("float32"))
    return layer


@CASES
def test_wrong_input_is_named_at_the_border(layer, shape):
    with pytest.raises(ValueError, match="empty"):
        layer(nn.xp.zeros((0, *shape[1:])))
    with pytest.raises(TypeError, match=r"expected an array of the .* backend, got builtins.list"):
        layer([1.0])
    with pytest.raises(TypeError, match=r"expected input of dtype .*, got int"):
        layer(nn.xp.zeros(shape, dtype="int64"))
    if layer.dtype is not None:
        with pytest.raises(TypeError, match="expected input of dtype float64, got float32"):
            layer(nn.xp.zeros(shape, dtype="float32"))
        with pytest.raises(ValueError, match=r"expected input of shape \(.*\), got \(2,\)"):
            layer(nn.xp.zeros(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(0, 3), "in_features: expected a whole number of at least 1, got 0"),
        (lambda: nn.Dense(3, 2.5), "out_features"),
        (lambda: nn.Conv2D(1, 1, 3.0), "kernel_size"),
        (lambda: nn.Conv2D(1, 1, 0), "kernel_size"),
        (lambda: nn.Conv2D(1, 1, (3, 3, 3)), "kernel_size"),
        (lambda: nn.Conv2D(1, 1, 3, stride=0), "stride"),
        (lambda: nn.Conv2D(1, 1, 3, padding=-1), "padding"),
        (lambda: nn.MaxPool2D(2, padding=2), "less than the window's size"),
        (lambda: nn.Dropout(1.0), "0 <= p < 1"),
        (lambda: nn.RNN(3, 0), "hidden_size"),
        (lambda: nn.Embedding(0, 3), "num_embeddings"),
        (lambda: nn.Sequential(), "at least one layer"),
        (lambda: nn.MLP((3,)), "at least two sizes"),
        (lambda: nn.LeNet5(30), "image_size 28 or 32"),
        (lambda: nn.CharRNN("aba"), "twice"),
    ],
)
def test_wrong_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sizes_may_be_numpy_s_whole_numbers():
    one = np.int64(3)
    conv = nn.Conv2D(one, 2 * one, one, stride=one, groups=one, rng=0)
    assert str(conv) == str(nn.Conv2D(3, 6, 3, stride=3, groups=3))
    y, backward = nn.Sequential(conv, nn.Flatten(), nn.Dense(np.int32(6), one)).forward(nn.xp.ones((2, 3, 3, 3), "f4"))
    assert backward(y).shape == (2, 3, 3, 3)


def test_whole_numbers_are_no_dtype_of_parameters():
    for dtype in ("int32", "float16"):
        with pytest.raises(TypeError, match=f"Dense: expected the dtype float32 or float64, got {dtype}"):
            nn.Dense(2, 3, dtype=dtype)


def test_layers_whose_parameters_would_be_missed_are_found(tmp_path):
    class Block(nn.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

    for inner in (nn.Dense(2, 2), [nn.ReLU(), nn.Sequential(nn.Dense(2, 2))]):
        for use in (nn.SGD(0.1).step, lambda model: nn.save(model, tmp_path / "m")):
            with pytest.raises(TypeError, match="Block: .* attribute inner would not be trained or saved: .*Composite"):
                use(nn.Sequential(Block(inner), nn.Dense(2, 2)))
    with pytest.raises(TypeError, match="Block: the parameters of its attribute inner"):
        nn.fit(nn.Sequential(Block(nn.Dense(2, 2))), np.ones((3, 2)), np.ones((3, 2)))
    tied = nn.Dense(2, 2)
    nn.save(nn.Sequential(Block(nn.ReLU()), tied, nn.Sequential(Block(tied))), tmp_path / "m")

    class Twins(nn.Composite):
        def children(self):
            yield from [("same", nn.Dense(2, 2)), ("same", nn.Dense(2, 2))]

    with pytest.raises(ValueError, match="Twins: two of its layers have the name 'same'"):
        nn.SGD(0.1).step(Twins())


@pytest.mark.parametrize(
    "hold", [lambda a: (a,), lambda a: {"a": a}, lambda a: [[a], 3]], ids=["tuple", "dict", "lists"]
)
@pytest.mark.parametrize("base", [nn.Layer, nn.Composite])
def test_layers_are_missed_wherever_one_holds_them(hold, base):
    class Block(base):
        def __init__(self):
            super().__init__()
            self.inner, self.other = hold(nn.Dense(2, 2)), nn.ReLU()

        def children(self):
            yield "other", self.other

    with pytest.raises(TypeError, match="Block: the parameters of its attribute inner would not be trained or saved"):
        check_leaves(nn.Sequential(Block(), nn.Dense(2, 2)))


if nn.xp.__name__ == "numpy":  # whose arrays can be watched

    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (nn.Flatten(), (3, 2, 4)),
            (nn.BatchNorm1D(4), (9, 4)),
            *((kind(5, 4), (3, 6, 5)) for kind in ((nn.RNN, nn.LSTM, nn.GRU) if not PLAIN else ())),  # which pack it
        ],
        ids=str,
    )
    def test_backward_does_not_keep_an_input_that_it_does_not_need(layer, shape):
        x = np.ones(shape, "float32")
        seen = weakref.ref(x)
        y, backward = layer.forward(x)
        del x, y
        assert seen() is None
        assert backward is not None


def test_kernel_larger_than_the_image():
    with pytest.raises(ValueError, match="larger than the padded input"):
        nn.Conv2D(1, 1, 5)(dev(np.zeros((1, 1, 4, 4)), "float32"))
    with pytest.raises(ValueError, match="larger than the padded input"):
        nn.MaxPool2D(5)(dev(np.zeros((1, 1, 4, 4))))
    with pytest.raises(ValueError, match=r"Subsample2D\(1, size=5\): .*larger than the padded input"):
        nn.Subsample2D(1, 5)(dev(np.zeros((1, 1, 4, 4)), "float32"))
    with pytest.raises(ValueError, match=r"MappedConv2D\(.*: .*larger than the padded input"):
        nn.MappedConv2D(1, ((0,),), 5)(dev(np.zeros((1, 1, 4, 4)), "float32"))


class Twice(nn.Layer):
    """Its constructor has not called that of Layer, since it has no parameters."""

    def __init__(self, returned):
        self.returned = returned

    def forward(self, x, needs_dx=True):
        return self.returned(2 * x)


class TestLayersOfOnesOwn:
    def test_a_constructor_may_leave_out_that_of_layers(self, rng):
        layer = Twice(lambda y: (y, lambda dy: 2 * dy))
        assert nn.gradcheck(nn.Sequential(nn.Dense(3, 3, **F64), layer), rng.standard_normal((4, 3))).ok

    @pytest.mark.parametrize("returned", [lambda y: y, lambda y: (y,), lambda y: (y, y), lambda y: None])
    def test_forward_without_backward(self, returned):
        network = nn.Sequential(Twice(returned), nn.Dense(3, 2))
        with pytest.raises(TypeError, match=r"fit: Twice\(\): expected forward to return \(y, backward\), got "):
            nn.fit(network, np.ones((2, 3)), np.ones(2, int), verbose=False)

    def test_no_forward(self):
        with pytest.raises(NotImplementedError, match=r"Layer: forward\(x, needs_dx=True\) must return y and backward"):
            nn.Layer()(dev(np.ones((2, 3))))
