"""Layer normalisation: over which axes, with which parameters, what is refused."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


@pytest.mark.parametrize("shape", [5, (5,), [4, 5], (3, 4, 5)])
def test_each_sample_and_position_has_mean_0_and_variance_1(shape, rng):
    layer = nn.LayerNorm(shape, 1e-12, dtype="float64")
    y = host(layer(dev(7 + 3 * rng.standard_normal((2, 3, 4, 5)))))
    axes = tuple(range(-len(layer.normalized_shape), 0))
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1, rtol=1e-10)


def test_training_and_inference_are_alike_and_samples_independent(rng):
    layer, x = nn.LayerNorm((3, 4), dtype="float64"), rng.standard_normal((5, 3, 4))
    y, _ = layer.forward(dev(x))
    np.testing.assert_array_equal(host(layer(dev(x))), host(y))
    np.testing.assert_allclose(host(layer(dev(x[2:3]))), host(y)[2:3], rtol=1e-13)


def test_parameters_by_choice():
    assert list(nn.LayerNorm(4).params) == ["gamma", "beta"]
    assert list(nn.LayerNorm(4, bias=False).params) == ["gamma"]
    assert list(nn.LayerNorm(4, affine=False).params) == []
    assert nn.LayerNorm((2, 3)).params["beta"].shape == (2, 3)


def test_without_parameters_it_takes_either_dtype():
    layer = nn.LayerNorm(2, affine=False)
    assert [layer(dev([[1.0, 3.0]], dtype)).dtype.name for dtype in ("float32", "float64")] == ["float32", "float64"]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.LayerNorm(4), "LayerNorm(4)"),
        (nn.LayerNorm((2, 4), 0.5), "LayerNorm((2, 4), eps=0.5)"),
        (nn.LayerNorm(4, affine=False), "LayerNorm(4, affine=False)"),
        (nn.LayerNorm(4, bias=False), "LayerNorm(4, bias=False)"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize("shape", [0, (3, 0), (), 2.5])
def test_shapes_that_are_refused(shape):
    with pytest.raises(ValueError, match="normalized_shape: expected a whole number of at least 1"):
        nn.LayerNorm(shape)


def test_inputs_and_eps_that_are_refused():
    with pytest.raises(ValueError, match="LayerNorm: expected eps > 0, got 0"):
        nn.LayerNorm(3, 0)
    with pytest.raises(
        ValueError, match=r"LayerNorm\(\(2, 3\)\): expected input of shape \(N, ..., 2, 3\), got \(3, 2\)"
    ):
        nn.LayerNorm((2, 3))(dev(np.ones((3, 2)), "float32"))
    with pytest.raises(TypeError, match="dtype float32, got float64"):
        nn.LayerNorm(3)(dev(np.ones((2, 3))))


def test_sequences_of_different_lengths(rng):
    """Each step is normalised by itself, unless the steps are among the normalised axes."""
    x = dev(rng.standard_normal((3, 4, 2)), "float32")
    model = nn.Sequential(nn.LayerNorm(2), nn.PReLU(), nn.LogSoftmax(), nn.GRU(2, 3, rng=0))
    last = host(model(x, lengths=[4, 2, 3]))
    np.testing.assert_allclose(last[1:2], host(model(x[1:2, :2])), rtol=1e-5)
    with pytest.raises(ValueError, match=r"LayerNorm\(\(4, 2\)\): would mix the padding"):
        nn.LayerNorm((4, 2))(x, lengths=[4, 2, 3])
