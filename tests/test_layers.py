"""What every layer and loss promises: gradients, memory orders, errors at the border."""

import copy
import pickle
import weakref

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.backend import add_rows_at

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
    report = nn.gradcheck(layer, rng.standard_normal(shape))
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


def test_a_network_without_parameters_has_no_gradient_that_nobody_asked_for():
    y, backward = nn.Sequential(nn.Flatten(), nn.Tanh()).forward(dev(np.ones((2, 3, 4))), needs_dx=False)
    assert backward(y) is None


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
        (lambda: nn.MLP((3,)), "two layers"),
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
            with pytest.raises(TypeError, match="Block: the parameters of its inner would be missed: .* Composite"):
                use(nn.Sequential(Block(inner), nn.Dense(2, 2)))
    with pytest.raises(TypeError, match="Block: the parameters of its inner"):
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

    with pytest.raises(TypeError, match="Block: the parameters of its inner would be missed"):
        nn.Sequential(Block(), nn.Dense(2, 2)).check_leaves()


def test_gradients_and_copies_of_parameters_are_what_they_say():
    layer = nn.Dense(2, 2, rng=0)
    kept = layer.params.copy()
    layer.params["W"] = np.zeros((2, 2))
    assert (host(kept["W"]) != 0).any()
    _, backward = layer.forward(nn.xp.ones((1, 2), "f4"))
    backward(nn.xp.ones((1, 2), "f4"))
    nn.SGD(0.1).step(layer)
    assert (host(layer.grads.setdefault("W", None)) == 0).all()


def test_mlp_takes_its_sizes_as_one_sequence():
    with pytest.raises(TypeError, match="sizes as one sequence"):
        nn.MLP(4, 16, 3)


@pytest.mark.parametrize("dy", [np.zeros((3, 2)), np.zeros((1, 3)), np.zeros((2, 3), "float32")])
def test_a_network_refuses_another_gradient_than_its_output_s(dy):
    model = nn.Sequential(nn.Dense(4, 3, **F64), nn.Tanh())
    _, backward = model.forward(dev(np.ones((2, 4))))
    with pytest.raises(ValueError, match=r"Sequential: expected dE/dy of y's shape \(2, 3\) and float64, got \("):
        backward(nn.xp.asarray(dy))
    assert not host(model.flat_grads).any()


if nn.xp.__name__ == "numpy":  # whose arrays can be watched

    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (nn.Flatten(), (3, 2, 4)),
            (nn.BatchNorm1D(4), (9, 4)),
            (nn.RNN(5, 4), (3, 6, 5)),
            (nn.LSTM(5, 4), (3, 6, 5)),
            (nn.GRU(5, 4), (3, 6, 5)),
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


def test_dropout_drops_a_share_and_keeps_the_mean():
    layer = nn.Dropout(0.25, rng=0)
    x = nn.xp.ones((100, 1000), dtype="float32")
    y, backward = layer.forward(x)
    values = host(y)
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(host(backward(x)), values)  # the same mask both ways
    assert (host(layer.forward(x)[0]) != values).any()  # the next pass draws anew
    np.testing.assert_array_equal(host(layer(x)), 1)


def test_embedding_looks_up_and_adds_up():
    layer = nn.Embedding(4, 3, **F64)
    W = host(layer.params["W"])
    ids = np.array([[1, 1, 3]])
    y, backward = layer.forward(dev(ids))
    np.testing.assert_array_equal(host(y), W[ids])
    assert backward(nn.xp.ones(y.shape)) is None
    np.testing.assert_array_equal(host(layer.grads["W"]), [[0] * 3, [2] * 3, [0] * 3, [1] * 3])


@pytest.mark.parametrize("index", [-1, 4])
def test_embedding_refuses_an_index_out_of_range(index):
    with pytest.raises(ValueError, match="outside"):  # noqa: PT012
        nn.Embedding(4, 3)(dev(np.array([[index]])))
        nn.synchronize()


@pytest.mark.parametrize("kind", ["uint8", "int32"])
@pytest.mark.parametrize("at_a_time", [1, 14, 1 << 24])
def test_rows_are_added_where_indices_say(rng, kind, at_a_time, monkeypatch):
    """Single symbols, some that do not occur, and on a device a few at a time."""
    monkeypatch.setattr("xpnn.backend.products._ONE_HOT", at_a_time)
    indices, rows, out = rng.integers(0, 9, 7).astype(kind), rng.standard_normal((7, 3)), rng.standard_normal((11, 3))
    wanted, given = out.copy(), dev(out)
    for index, row in zip(indices, rows, strict=True):
        wanted[index] += row
    add_rows_at(given, nn.asarray(indices), dev(rows))
    np.testing.assert_allclose(host(given), wanted, rtol=1e-13)


@pytest.mark.parametrize("slope", [0.01, 1.0, 0.0, -0.5, 3.0])
def test_every_slope(slope):
    z = np.array([-np.inf, -2.0, -0.0, 0.0, 2.0, np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        y, backward = nn.LeakyReLU(slope).forward(dev(z))
        np.testing.assert_array_equal(host(y), np.where(z > 0, z, slope * z))
    np.testing.assert_array_equal(host(backward(dev(np.arange(7.0)))), np.arange(7) * np.where(z > 0, 1, slope))


def test_embedding_refuses_floats():
    with pytest.raises(TypeError, match="integer"):
        nn.Embedding(4, 3)(dev(np.zeros((1, 2))))


def test_sigmoid_and_softmax_do_not_overflow():
    x = dev(np.array([[-1e4, 0.0, 1e4]]), "float32")
    np.testing.assert_array_equal(host(nn.Sigmoid()(x)), [[0, 0.5, 1]])
    np.testing.assert_array_equal(host(nn.Softmax()(x)), [[0, 0, 1]])


READERS = {
    "by name": lambda model: [layer.grads[key] for layer in model for key in ("W", "b") if layer.params],
    "get": lambda model: [model[0].grads.get("W"), model[2].grads.get("W")],
    "values": lambda model: [*model[0].grads.values(), *model[2].grads.values()],
    "items": lambda model: [value for layer in model for _, value in layer.grads.items()],
    "dict": lambda model: [*dict(model[0].grads).values(), *{**model[2].grads}.values()],
    "copied": lambda model: [*model[0].grads.copy().values(), *(model[2].grads | {}).values()],
    "dotted": lambda model: list(model.grads.values()),
    "vector": lambda model: [model.flat_grads],
    "in another network": lambda model: [nn.Sequential(*model).flat_grads],
    "deep copy": lambda model: list(copy.deepcopy(model).grads.values()),
    "pickled": lambda model: [
        value for layer in pickle.loads(pickle.dumps(list(model))) for value in layer.grads.values()
    ],
}


class TestClearedGradients:
    """A step leaves gradients of 0, whether or not it has written the zeros."""

    @staticmethod
    def after_a_step():
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")  # the first weights are large enough for BLAS's own sum
        TestClearedGradients.differentiate(model, 0)
        nn.SGD(0.1).step(model)
        return model

    @staticmethod
    def differentiate(model, seed):
        x = np.random.default_rng(seed).standard_normal((7, 160))
        y, backward = model.forward(dev(x))
        backward(y)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
    def test_whoever_asks_finds_zeros(self, read):
        found = read(self.after_a_step())
        assert sum(value.size for value in found) >= 240
        assert not any(host(value).any() for value in found)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
    def test_who_has_asked_before_sees_them_too(self, read):
        model = self.after_a_step()
        held = read(model)
        own = [value for value in held if np.shares_memory(host(value), host(model.gather()[1]))]
        for seed in (1, 2):
            self.differentiate(model, seed)
            assert all(host(value).any() for value in own)
            nn.SGD(0.1).step(model)
            assert not any(host(value).any() for value in own)

    def test_they_are_printed_as_zeros(self):
        layer = nn.Dense(1, 1, rng=0)
        _, backward = layer.forward(dev(np.ones((1, 1)), "float32"))
        backward(dev(np.ones((1, 1)), "float32"))
        layer.zero_grad()
        assert str(layer.grads) == repr({"W": host(layer.grads["W"]), "b": host(layer.grads["b"])})
        assert "0." in str(layer.grads)
        assert "1." not in str(layer.grads)

    def test_passes_add_up_after_it(self):
        model, fresh = self.after_a_step(), self.after_a_step()
        fresh.flat_grads[...] = 0
        for seed in (1, 2):
            self.differentiate(model, seed)
            self.differentiate(fresh, seed)
        np.testing.assert_array_equal(host(model.flat_grads), host(fresh.flat_grads))

    def test_a_layer_left_out_of_the_next_pass_stays_as_it_is(self):
        model = self.after_a_step()
        before = host(model[2].params["W"]).copy()
        _, backward = model[0].forward(dev(np.ones((1, 160))))
        backward(dev(np.ones((1, 120))))
        nn.SGD(0.1).step(model)
        np.testing.assert_array_equal(host(model[2].params["W"]), before)

    def test_zero_grad(self):
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")
        self.differentiate(model, 0)
        model.zero_grad()
        assert not host(model.flat_grads).any()

    def test_those_of_a_network_are_cleared_at_once(self):
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")
        self.differentiate(model, 0)
        model.grads.clear()
        assert not host(model.flat_grads).any()


class TestParameters:
    def test_assignment_copies_into_the_place(self):
        layer = nn.Dense(3, 2)
        W = layer.params["W"]
        layer.params["W"] = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(host(W), np.arange(6).reshape(2, 3))

    def test_wrong_names_and_shapes_are_refused(self):
        layer = nn.Dense(3, 2)
        with pytest.raises(ValueError, match=r"expected shape \(2, 3\), got \(3, 2\)"):
            layer.params["W"] = np.zeros((3, 2))
        with pytest.raises(KeyError, match="there are W, b"):
            layer.params["w"] = np.zeros((2, 3))
        with pytest.raises(KeyError, match="no parameter 'w'; there are W, b"):
            layer.params["w"]

    def test_the_caller_s_array_stays_the_caller_s(self):
        class Scale(nn.Layer):
            pass

        w = np.ones(3, dtype="float32")
        layer = Scale(w=w)
        layer.params["w"] = [5, 6, 7]
        np.testing.assert_array_equal(w, 1)

    def test_several_are_assigned_like_one(self):
        layer = nn.Dense(3, 2)
        W, b = layer.params["W"], layer.params["b"]
        layer.params.update(W=np.ones((2, 3)))
        layer.params |= {"b": [5, 6]}
        np.testing.assert_array_equal(host(W), np.ones((2, 3)))
        np.testing.assert_array_equal(host(b), [5, 6])
        with pytest.raises(ValueError, match="expected shape"):
            layer.params.update(W=np.zeros((5, 7)))

    def test_the_flat_vector_follows_a_network_whose_layers_change(self):
        model = nn.Sequential(nn.Dense(4, 4, rng=0), nn.Dense(4, 4, rng=1), nn.Dense(4, 2, rng=2))
        removed = model.layers.pop(1)
        assert model.flat_params.size == 30 == model.flat_grads.size
        model.layers[:0] = [removed]
        expected = np.concatenate([host(value).ravel() for value in model.params.values()])
        np.testing.assert_array_equal(host(model.flat_params), expected)

    def test_a_part_of_a_network_leaves_them_where_they_are(self):
        model = nn.MLP((3, 4, 2), rng=0)
        vector, part = model.flat_params, model[:2]
        part(nn.asarray(np.ones((1, 3))))
        vector[...] = 0
        assert not any(host(value).any() for value in model.params.values())
        nn.SGD(0.1).step(part)
        assert host(model.flat_params).shape == vector.shape

    def test_they_are_views_into_the_flat_vector_in_order(self):
        model = nn.MLP((3, 4, 2), rng=0)
        assert list(model.params) == ["0.W", "0.b", "2.W", "2.b"] == list(model.grads)
        flat = model.flat_params
        np.testing.assert_array_equal(
            host(flat), np.concatenate([host(value).ravel() for value in model.params.values()])
        )
        flat[...] = 7
        assert all((host(value) == 7).all() for value in model.params.values())
        model.params["2.b"] = [1.0, 2]
        np.testing.assert_array_equal(host(model.flat_params)[-2:], [1, 2])

    def test_a_layer_that_stands_twice_is_counted_once(self, rng):
        shared = nn.Dense(4, 4, **F64)
        model = nn.Sequential(shared, nn.Tanh(), shared)
        assert list(model.params) == ["0.W", "0.b"]
        assert model.flat_params.size == 20
        assert nn.gradcheck(model, rng.standard_normal((3, 4))).ok

    def test_a_layer_in_two_networks_stays_with_both(self):
        shared = nn.Dense(2, 2, rng=0)
        one, two = nn.Sequential(shared), nn.Sequential(shared, nn.Dense(2, 2, rng=1))
        for model in (one, two, one):
            model.flat_params[...] += 1
            assert (host(model.params["0.W"]) == host(shared.params["W"])).all()

    def test_layers_of_different_dtypes_make_no_network(self):
        with pytest.raises(ValueError, match="different dtypes: float32, float64"):
            nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2, dtype="float64"))

    def test_a_deep_copy_is_independent(self):
        model = nn.MLP((3, 4, 2), rng=0)
        other = copy.deepcopy(model)
        other.flat_params[...] = 0
        assert not host(other.params["0.W"]).any()
        assert host(model.params["0.W"]).all()

    def test_nested_networks_have_dotted_paths(self):
        model = nn.Sequential(nn.Sequential(nn.Dense(2, 3), nn.ReLU()), nn.Dense(3, 1))
        assert list(model.params) == ["0.0.W", "0.0.b", "1.W", "1.b"]


class TestLosses:
    def test_cross_entropy_by_its_formula(self, rng):
        z, t = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
        value, backward = nn.SoftmaxCrossEntropy().forward(dev(z), dev(t))
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        assert float(host(value)) == pytest.approx(-np.log(p[np.arange(5), t]).mean(), rel=1e-13)
        np.testing.assert_allclose(host(backward()), (p - np.eye(4)[t]) / 5, rtol=1e-12, atol=1e-15)

    def test_cross_entropy_over_sequences_is_that_of_all_labels(self, rng):
        z, t = rng.standard_normal((5, 3, 4)), rng.integers(0, 4, (5, 3))
        loss = nn.SoftmaxCrossEntropy()
        value, backward = loss.forward(dev(z), dev(t))
        flat, flat_backward = loss.forward(dev(z.reshape(15, 4)), dev(t.reshape(15)))
        assert float(host(value)) == float(host(flat))
        np.testing.assert_array_equal(host(backward()).reshape(15, 4), host(flat_backward()))

    def test_cross_entropy_does_not_overflow(self):
        z = dev(np.array([[1e4, 0.0], [0.0, 1e4]]), "float32")
        value, backward = nn.SoftmaxCrossEntropy().forward(z, dev(np.array([0, 0])))
        assert float(host(value)) == 5000
        np.testing.assert_array_equal(host(backward()), [[0, 0], [-0.5, 0.5]])

    def test_half_squared_error_by_its_formula(self, rng):
        o, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
        value, backward = nn.HalfSquaredError().forward(dev(o), dev(y))
        assert float(host(value)) == pytest.approx(sum(0.5 * (y[i] - o[i]) @ (y[i] - o[i]) for i in range(5)) / 5)
        np.testing.assert_allclose(host(backward()), (o - y) / 5, rtol=1e-13)

    @pytest.mark.parametrize("label", [-1, 4])
    def test_a_label_out_of_range(self, label):
        with pytest.raises(ValueError, match=r"outside \[0, 4\)"):  # noqa: PT012
            nn.SoftmaxCrossEntropy()(dev(np.zeros((2, 4))), dev(np.array([0, label])))
            nn.synchronize()

    @pytest.mark.parametrize(
        ("loss", "outputs", "targets", "error", "message"),
        [
            (nn.SoftmaxCrossEntropy(), np.zeros((2, 3)), np.zeros(2), TypeError, "integer labels"),
            (nn.SoftmaxCrossEntropy(), np.zeros((2, 3)), np.zeros((2, 1), int), ValueError, r"\(2,\), got \(2, 1\)"),
            (nn.SoftmaxCrossEntropy(), np.zeros((0, 3)), np.zeros(0, int), ValueError, "empty batch"),
            (nn.HalfSquaredError(), np.zeros((2, 1)), np.zeros(2), ValueError, r"shape \(2, 1\), got \(2,\)"),
            (nn.HalfSquaredError(), np.zeros((2, 1)), np.zeros((2, 1), int), TypeError, "floating-point"),
        ],
    )
    def test_wrong_input(self, loss, outputs, targets, error, message):
        with pytest.raises(error, match=message):
            loss.forward(dev(outputs), dev(targets))

    def test_targets_of_another_dtype_are_not_promoted(self):
        with pytest.raises(TypeError, match="expected targets of the outputs' dtype float32, got float64"):
            nn.HalfSquaredError().forward(dev(np.zeros((2, 1)), "float32"), dev(np.zeros((2, 1))))

    def test_no_array(self):
        with pytest.raises(TypeError, match="xpnn.asarray"):
            nn.HalfSquaredError().forward([[1.0]], [[1.0]])
