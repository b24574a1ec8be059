"""Batch normalisation from loops over the paper's equations; running estimates; buffers and what is done with them."""

import copy

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

SHAPES = {"two values": (2, 3), "(N, F)": (5, 3), "(N, F, L)": (3, 3, 4), "(N, C, H, W)": (2, 3, 4, 5)}
CASES = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def make(shape, rng, dtype="float64", **options):
    """The layer for this shape with drawn gamma and beta."""
    layer = (nn.BatchNorm2D if len(shape) == 4 else nn.BatchNorm1D)(shape[1], dtype=dtype, **options)
    layer.params["gamma"], layer.params["beta"] = rng.standard_normal((2, shape[1]))
    return layer


def channels(x: np.ndarray) -> list[list[float]]:
    """The values of each channel, one after the other."""
    return [[float(value) for value in x[:, c].ravel()] for c in range(x.shape[1])]


def like(values: list[list[float]], shape: tuple[int, ...]) -> np.ndarray:
    """channels, undone."""
    array = np.zeros(shape)
    for c, channel in enumerate(values):
        array[:, c] = np.reshape(channel, array[:, c].shape)
    return array


def moments(channel: list[float]) -> tuple[float, float]:
    mean = sum(channel) / len(channel)
    return mean, sum((x - mean) ** 2 for x in channel) / len(channel)


def naive(layer, x: np.ndarray, dy: np.ndarray):
    """y, dE/dx, dE/dgamma and dE/dbeta by the paper's algorithm 1 and its chain rule, section 3, value by value."""
    ys, dxs, dgammas, dbetas = [], [], [], []
    gammas, betas = host(layer.params["gamma"]), host(layer.params["beta"])
    for xs, dys, gamma, beta in zip(channels(x), channels(dy), gammas, betas, strict=True):
        M, (mean, var) = len(xs), moments(xs)
        std = (var + layer.eps) ** 0.5
        xhats = [(x - mean) / std for x in xs]
        ys.append([gamma * xhat + beta for xhat in xhats])
        dxhats = [dy * gamma for dy in dys]
        dvar = sum(dxhat * (x - mean) for dxhat, x in zip(dxhats, xs, strict=True)) * -0.5 / std**3
        dmean = -sum(dxhats) / std + dvar * sum(-2 * (x - mean) for x in xs) / M
        dxs.append([d / std + dvar * 2 * (x - mean) / M + dmean / M for d, x in zip(dxhats, xs, strict=True)])
        dgammas.append(sum(dy * xhat for dy, xhat in zip(dys, xhats, strict=True)))
        dbetas.append(sum(dys))
    return like(ys, x.shape), like(dxs, x.shape), np.array(dgammas), np.array(dbetas)


@CASES
def test_forward_and_backward_value_by_value(shape, rng):
    layer = make(shape, rng, eps=0.1)  # an eps that shows in every digit
    x = 3 * rng.standard_normal(shape) + 2
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(shape)
    dx = backward(dev(dy))
    wanted = naive(layer, x, dy)
    for got, want in zip((y, dx, layer.grads["gamma"], layer.grads["beta"]), wanted, strict=True):
        np.testing.assert_allclose(host(got), want, rtol=1e-12, atol=1e-13)


@CASES
def test_gradients_along_directions(shape, rng):
    report = nn.gradcheck(make(shape, rng), 3 * rng.standard_normal(shape) + 2, max_elements=0)
    assert report.ok, report


@CASES
@pytest.mark.parametrize("momentum", [0.1, 0.7, 0.0, 1.0])
def test_running_estimates_over_several_steps(shape, momentum, rng):
    layer = make(shape, rng, momentum=momentum)
    means, variances = [0.0] * 3, [1.0] * 3
    for step in range(4):
        x = (step + 1) * rng.standard_normal((shape[0] + step, *shape[1:])) + step
        for c, channel in enumerate(channels(x)):
            mean, var = moments(channel)
            unbiased = var * len(channel) / (len(channel) - 1)
            means[c] = (1 - momentum) * means[c] + momentum * mean
            variances[c] = (1 - momentum) * variances[c] + momentum * unbiased
        layer.forward(dev(x))
        np.testing.assert_allclose(host(layer.buffers["running_mean"]), means, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(host(layer.buffers["running_var"]), variances, rtol=1e-12)


@CASES
def test_inference_uses_the_running_estimates_and_leaves_them(shape, rng):
    layer = make(shape, rng)
    layer.buffers["running_mean"], layer.buffers["running_var"] = [1.0, -2.0, 0.5], [4.0, 0.25, 1.0]
    before = {key: host(value).copy() for key, value in layer.buffers.items()}
    x = rng.standard_normal((1, *shape[1:]))  # a single sample is no matter here
    gammas, betas = host(layer.params["gamma"]), host(layer.params["beta"])
    want = [
        [gamma * (value - mean) / (var + 1e-5) ** 0.5 + beta for value in channel]
        for channel, gamma, beta, mean, var in zip(channels(x), gammas, betas, *before.values(), strict=True)
    ]
    np.testing.assert_allclose(host(layer(dev(x))), like(want, x.shape), rtol=1e-12, atol=1e-14)
    for key, value in before.items():
        np.testing.assert_array_equal(host(layer.buffers[key]), value)


@CASES
def test_new_layer_normalises(shape, rng):
    layer = (nn.BatchNorm2D if len(shape) == 4 else nn.BatchNorm1D)(3, dtype="float64")
    x = 5 * rng.standard_normal(shape) - 7
    for before, after in zip(channels(x), channels(host(layer.forward(dev(x))[0])), strict=True):
        mean, var = moments(after)
        assert abs(mean) < 1e-12
        assert var == pytest.approx(1 - 1e-5 / (moments(before)[1] + 1e-5), rel=1e-12)


def test_one_value_per_channel_cannot_be_normalised():
    for layer, shape in (nn.BatchNorm1D(3), (1, 3)), (nn.BatchNorm1D(3), (1, 3, 1)), (nn.BatchNorm2D(3), (1, 3, 1, 1)):
        with pytest.raises(ValueError, match=r"BatchNorm.D\(3\): expected .* two values per channel.*got shape \(1, 3"):
            layer.forward(dev(np.zeros(shape), "float32"))
        np.testing.assert_array_equal(host(layer.buffers["running_var"]), 1)
        layer(dev(np.zeros(shape), "float32"))
    nn.BatchNorm2D(3).forward(dev(np.zeros((1, 3, 1, 2)), "float32"))  # two are enough


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1D(3), (4, 2)),
        (nn.BatchNorm1D(3), (3,)),
        (nn.BatchNorm1D(3), (4, 2, 5)),
        (nn.BatchNorm1D(3), (4, 3, 2, 2)),
        (nn.BatchNorm1D(3), (0, 3)),
        (nn.BatchNorm2D(3), (4, 3)),
        (nn.BatchNorm2D(3), (4, 3, 2)),
        (nn.BatchNorm2D(3), (4, 2, 3, 3)),
    ],
)
def test_wrong_shapes(layer, shape):
    for call in layer, layer.forward:
        with pytest.raises(ValueError, match=r"BatchNorm.D\(3\): (expected input of shape|got an empty input)"):
            call(dev(np.zeros(shape), "float32"))


def test_wrong_types():
    for call in nn.BatchNorm1D(3), nn.BatchNorm1D(3).forward:
        with pytest.raises(TypeError, match="expected input of dtype float32, got float64"):
            call(dev(np.zeros((4, 3))))
        with pytest.raises(TypeError, match="expected an array"):
            call([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("options", [{"eps": 0.0}, {"eps": -1.0}, {"momentum": -0.1}, {"momentum": 1.1}])
def test_wrong_settings(options):
    with pytest.raises(ValueError, match="BatchNorm1D: expected eps > 0, 0 <= momentum <= 1"):
        nn.BatchNorm1D(3, **options)
    with pytest.raises(ValueError, match="num_features"):
        nn.BatchNorm2D(0)


def test_repr_shows_what_is_not_usual():
    assert repr(nn.BatchNorm2D(4)) == "BatchNorm2D(4)"
    assert repr(nn.BatchNorm1D(4, eps=0.001, momentum=0.5)) == "BatchNorm1D(4, eps=0.001, momentum=0.5)"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 3, 0), (0, 2, 3, 1)], ids=["NCHW", "batch last", "NHWC"])
def test_output_and_gradient_keep_the_inputs_memory_order(order, rng):
    x = dev(rng.standard_normal((4, 3, 5, 6)).transpose(order).copy()).transpose(np.argsort(order).tolist())
    layer = make(x.shape, rng)
    y, backward = layer.forward(x)
    for array in y, backward(y), layer(x):
        assert array.transpose(order).flags.c_contiguous


def test_float32_with_a_mean_far_from_zero(rng):
    """The sum of M = 64 values of size 1000 errs by M u 1000 = 4e-3 at most (u = 2^-24); x^2 would err by 0.06 M."""
    layer, x = nn.BatchNorm1D(3), dev(rng.standard_normal((64, 3)) + 1000, "float32")
    y, backward = layer.forward(x)
    exact = host(x).astype("float64")
    exact = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + layer.eps)
    np.testing.assert_allclose(host(y), exact, rtol=0, atol=64 * 1000 * 2**-24)
    for array in y, backward(y), layer(x), *layer.grads.values(), *layer.buffers.values():
        assert array.dtype == "float32"


def test_first_layer_computes_no_input_gradient(rng):
    layer = make((4, 3), rng)
    x, dy = dev(rng.standard_normal((4, 3))), dev(rng.standard_normal((4, 3)))
    layer.forward(x)[1](dy)
    wanted = {key: host(value).copy() for key, value in layer.grads.items()}
    layer.flat_grads[...] = 0
    assert layer.forward(x, needs_dx=False)[1](dy) is None
    for key, value in wanted.items():
        np.testing.assert_array_equal(host(layer.grads[key]), value)


def network(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(4, 5, rng=seed),
        nn.BatchNorm1D(5),
        nn.ReLU(),
        nn.Residual(nn.Sequential(nn.Dense(5, 5, rng=seed + 1), nn.BatchNorm1D(5))),
        nn.Dense(5, 2, rng=seed + 2),
    )


class TestBuffers:
    def test_dotted_paths_beside_the_parameters(self):
        model = network()
        assert list(model.buffers) == [
            "1.running_mean",
            "1.running_var",
            "3.body.1.running_mean",
            "3.body.1.running_var",
        ]
        assert model.buffers["1.running_var"] is model[1].buffers["running_var"]
        assert not model.buffers.keys() & model.params.keys()
        assert model.flat_params.size == sum(value.size for value in model.params.values()) == 25 + 10 + 30 + 10 + 12
        assert dict(nn.Dense(2, 2).buffers) == {}

    def test_no_optimiser_touches_them(self, rng):
        model = network()
        y, backward = model.forward(dev(rng.standard_normal((6, 4)), "float32"))
        before = {key: host(value).copy() for key, value in model.buffers.items()}
        backward(y)
        nn.AdamW(0.1, weight_decay=0.5).step(model)
        for key, value in before.items():
            np.testing.assert_array_equal(host(model.buffers[key]), value)

    def test_saved_and_loaded_with_the_parameters(self, tmp_path, rng):
        model, other = network(), network(seed=7)
        x = dev(rng.standard_normal((6, 4)), "float32")
        model.forward(x)
        nn.save(model, tmp_path / "m.safetensors")
        nn.load(other, tmp_path / "m.safetensors")
        for group in "params", "buffers":
            for key, value in getattr(model, group).items():
                np.testing.assert_array_equal(host(getattr(other, group)[key]), host(value))
        assert host(other.buffers["1.running_mean"]).any()
        np.testing.assert_array_equal(host(other(x)), host(model(x)))

    def test_a_file_without_them_is_refused(self, tmp_path):
        nn.save(nn.Sequential(nn.Dense(4, 5)), tmp_path / "m.safetensors")
        model = nn.Sequential(nn.Dense(4, 5, rng=3), nn.BatchNorm1D(5))
        weights = host(model.flat_params).copy()
        with pytest.raises(ValueError, match=r"1\.running_mean is missing; 1\.running_var is missing"):
            nn.load(model, tmp_path / "m.safetensors")
        np.testing.assert_array_equal(host(model.flat_params), weights)

    def test_assignment_keeps_shape_and_place(self):
        layer = nn.BatchNorm1D(2)
        place = layer.buffers["running_mean"]
        layer.buffers["running_mean"] = [1, 2]
        assert layer.buffers["running_mean"] is place
        np.testing.assert_array_equal(host(place), [1, 2])
        with pytest.raises(ValueError, match="expected shape"):
            layer.buffers["running_mean"] = [1, 2, 3]

    def test_a_deep_copy_has_its_own(self, rng):
        model = network()
        twin = copy.deepcopy(model)
        twin.forward(dev(rng.standard_normal((6, 4)), "float32"))
        assert host(twin.buffers["1.running_mean"]).any()
        assert not host(model.buffers["1.running_mean"]).any()


def test_fit_gathers_the_estimates_that_predict_uses(rng):
    """A running mean of batch means (each of 32 from 64 values) strays by 0.03, a running variance by about 0.05."""
    model = nn.Sequential(nn.BatchNorm1D(2))
    x = rng.standard_normal((64, 2)).astype("float32") + 100
    assert nn.predict(model, x).mean() > 90  # a new layer's estimates are mean 0 and variance 1
    nn.fit(model, x, np.zeros_like(x), optimizer=nn.SGD(1e-9), epochs=50, batch_size=32, verbose=False)
    outputs = nn.predict(model, x)
    assert abs(outputs.mean(0)).max() < 0.1
    assert abs(outputs.var(0) - 1).max() < 0.2


def test_a_batch_of_one_at_the_end_of_an_epoch_is_an_error():
    model = nn.Sequential(nn.BatchNorm1D(2), nn.Dense(2, 2, rng=0))
    with pytest.raises(ValueError, match="two values per channel"):
        nn.fit(model, np.zeros((5, 2), "float32"), np.zeros(5, int), epochs=1, batch_size=4, verbose=False)
