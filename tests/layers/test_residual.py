"""Residual blocks."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}


class Recorder(nn.Layer):
    """y = 2 x without parameters; counts its backward passes."""

    def __init__(self):
        super().__init__()
        self.backward_passes = 0

    def forward(self, x, needs_dx=True):
        def backward(dy):
            self.backward_passes += 1
            return 2 * dy

        return 2 * x, backward


def naive_dense(layer, x, dy):
    """y, dE/dx, dE/dW, dE/db of one Dense layer, a product at a time."""
    W, b = host(layer.params["W"]), host(layer.params["b"])
    y, dx, dW = np.zeros((len(x), len(W))) + b, np.zeros(x.shape), np.zeros(W.shape)
    for sample, (i, j) in ((s, ij) for s in range(len(x)) for ij in np.ndindex(W.shape)):
        y[sample, i] += W[i, j] * x[sample, j]
        dx[sample, j] += W[i, j] * dy[sample, i]
        dW[i, j] += dy[sample, i] * x[sample, j]
    return y, dx, dW, dy.sum(0)


def test_identity_shortcut_index_by_index(rng):
    block = nn.Residual(nn.Dense(3, 3, **F64))
    x, dy = rng.standard_normal((2, 4, 3))
    y, backward = block.forward(dev(x))
    dx = backward(dev(dy))
    body = naive_dense(block.body, x, dy)
    for got, want in zip(
        (y, dx, block.grads["body.W"], block.grads["body.b"]), (body[0] + x, body[1] + dy, *body[2:]), strict=True
    ):
        np.testing.assert_allclose(host(got), want, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(host(block(dev(x))), host(y))


def test_shortcut_with_parameters_index_by_index(rng):
    block = nn.Residual(nn.Dense(3, 2, **F64), nn.Dense(3, 2, rng=1, dtype="float64"))
    x, dy = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    y, backward = block.forward(dev(x))
    dx = backward(dev(dy))
    body, shortcut = naive_dense(block.body, x, dy), naive_dense(block.shortcut, x, dy)
    np.testing.assert_allclose(host(y), body[0] + shortcut[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(host(dx), body[1] + shortcut[1], rtol=1e-12, atol=1e-14)
    for name, part in ("body", body), ("shortcut", shortcut):
        np.testing.assert_allclose(host(block.grads[f"{name}.W"]), part[2], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(host(block.grads[f"{name}.b"]), part[3], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(host(block(dev(x))), host(y))


def convolutional(shortcut: bool = True) -> nn.Residual:
    """As in a ResNet, with half the pixels and more channels, or the same of both."""
    out, stride = (4, 2) if shortcut else (2, 1)
    return nn.Residual(
        nn.Sequential(
            nn.Conv2D(2, out, 3, stride, 1, **F64),
            nn.BatchNorm2D(out, dtype="float64"),
            nn.Tanh(),
            nn.Conv2D(out, out, 3, padding=1, groups=2, **F64),
        ),
        nn.Conv2D(2, out, 1, stride, **F64) if shortcut else None,
    )


@pytest.mark.parametrize("shortcut", [True, False])
def test_gradients_along_directions(shortcut, rng):
    report = nn.gradcheck(convolutional(shortcut), rng.standard_normal((3, 2, 5, 4)), max_elements=0)
    assert report.ok, report


def test_paths_of_both_parts():
    block = convolutional()
    assert list(block.params) == [
        *("body.0.W", "body.0.b", "body.1.gamma", "body.1.beta", "body.3.W", "body.3.b"),
        *("shortcut.W", "shortcut.b"),
    ]
    assert list(block.grads) == list(block.params)
    assert list(block.buffers) == ["body.1.running_mean", "body.1.running_var"]
    assert [path for path, _ in block.leaves()] == ["body.0", "body.1", "body.2", "body.3", "shortcut"]
    model = nn.Sequential(nn.Tanh(), block)
    assert list(model.params)[-1] == "1.shortcut.b"
    assert block.flat_params.size == sum(value.size for value in block.params.values())
    assert repr(nn.Residual(nn.ReLU())) == "Residual(ReLU())"
    assert repr(nn.Residual(nn.ReLU(), nn.Tanh())) == "Residual(ReLU(), Tanh())"


def test_a_layer_on_both_ways_is_counted_once_and_gets_both_gradients(rng):
    dense = nn.Dense(3, 3, **F64)
    block = nn.Residual(nn.Sequential(nn.Tanh(), dense), dense)
    assert list(block.params) == ["body.1.W", "body.1.b"]
    report = nn.gradcheck(block, rng.standard_normal((4, 3)))
    assert report.ok, report


@pytest.mark.parametrize("shape", [(4, 2), (4, 1), (1, 3)], ids=str)
def test_different_shapes_are_refused_even_if_they_broadcast(shape):
    class Constant(nn.Layer):
        def forward(self, x, needs_dx=True):
            return nn.xp.zeros(shape), lambda dy: dy

    block = nn.Residual(Constant())
    for call in block, block.forward:
        with pytest.raises(ValueError, match=r"Residual\(Constant\(\)\): .*") as caught:
            call(dev(np.zeros((4, 3))))
        assert str(shape) in str(caught.value)
        assert "(4, 3)" in str(caught.value)


@pytest.mark.parametrize("parts", [(None,), (nn.ReLU(), "identity"), (nn.ReLU,)], ids=str)
def test_what_is_no_layer_is_refused(parts):
    with pytest.raises(TypeError, match="Residual: expected layers, got"):
        nn.Residual(*parts)


class TestWithoutNeedForDx:
    @pytest.mark.parametrize("shortcut", [True, False])
    def test_parameters_get_the_same_gradients(self, shortcut, rng):
        block = convolutional(shortcut)
        x = dev(rng.standard_normal((3, 2, 5, 4)))
        y, backward = block.forward(x)
        assert backward(y).shape == x.shape
        wanted = host(block.flat_grads).copy()
        block.flat_grads[...] = 0
        y, backward = block.forward(x, needs_dx=False)
        assert backward(y) is None
        np.testing.assert_allclose(host(block.flat_grads), wanted, rtol=1e-12, atol=1e-14)
        # that of body.0.b is 0 but for rounding, since the normalisation behind it takes every constant away
        assert all(host(value).all() for key, value in block.grads.items() if key != "body.0.b")

    @pytest.mark.parametrize("recorder_first", [True, False])
    def test_a_part_without_parameters_is_left_out(self, recorder_first, rng):
        recorder, dense = Recorder(), nn.Dense(3, 3, **F64)
        block = nn.Residual(recorder, dense) if recorder_first else nn.Residual(dense, recorder)
        x = dev(rng.standard_normal((4, 3)))
        y, backward = block.forward(x, needs_dx=False)
        assert backward(y) is None
        assert recorder.backward_passes == 0
        assert host(dense.grads["W"]).all()
        block.forward(x)[1](y)
        assert recorder.backward_passes == 1

    def test_a_block_without_parameters_is_left_out_by_the_network(self, rng):
        recorder, dense = Recorder(), nn.Dense(3, 3, **F64)
        y, backward = nn.Sequential(nn.Residual(recorder), dense).forward(dev(rng.standard_normal((4, 3))), False)
        backward(y)
        assert recorder.backward_passes == 0
        assert host(dense.grads["W"]).all()

    def test_symbols_have_no_gradient(self):
        block = nn.Residual(nn.Embedding(5, 3, rng=0), nn.Embedding(5, 3, rng=1))
        y, backward = block.forward(dev(np.array([[0, 4], [4, 2]])))
        assert backward(y) is None
        assert host(block.grads["body.W"])[4].all()
        assert host(block.grads["shortcut.W"])[4].all()


def test_the_upstream_gradient_stays_untouched(rng):
    block = nn.Residual(nn.Sequential(nn.BatchNorm1D(3, dtype="float64"), nn.ReLU()))
    x = rng.standard_normal((4, 3))
    _, backward = block.forward(dev(x))
    dy = dev(np.ones((4, 3)))
    first = host(backward(dy)).copy()
    np.testing.assert_array_equal(host(dy), 1)
    np.testing.assert_array_equal(host(backward(dy)), first)


def test_inference_is_the_parts_inference(rng):
    block = nn.Residual(nn.Dropout(0.9, rng=0), nn.BatchNorm1D(3, dtype="float64"))
    x = rng.standard_normal((4, 3))
    np.testing.assert_allclose(host(block(dev(x))), x + x / (1 + 1e-5) ** 0.5, rtol=1e-12)
    np.testing.assert_array_equal(host(block.buffers["shortcut.running_mean"]), 0)
