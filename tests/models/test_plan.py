"""How a network is run changes no result: slices of a batch on threads, the layers' order, layers as one."""

import contextlib
import os
import signal
import time

import numpy as np
import pytest
from border import PLAIN, dev, host

import xpnn as nn
from xpnn.backend.cpu import slices, threads
from xpnn.models.sequential import in_a_row

DIVIDES = nn.xp.__name__ == "numpy" and not PLAIN
"""Whether batches are divided: a device has nothing to divide among, and an equation takes them whole."""


@pytest.fixture
def three_parts(monkeypatch):
    """Every batch of images divided in three, as on a machine with three cores."""
    if DIVIDES:
        for module in threads, slices:
            monkeypatch.setattr(module, "blas_threads", lambda: 3)
        monkeypatch.setattr(threads, "_LEAST", 1)


def network(**options):
    return nn.Sequential(
        *(nn.Conv2D(2, 4, 3, padding=1, rng=0, **options), nn.Tanh(), nn.AvgPool2D(2)),
        *(nn.Conv2D(4, 6, 3, rng=1, **options), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Flatten(), nn.Dense(6, 5, rng=2, **options)),
    )


def passes(model, x, dy):
    model.flat_grads[...] = 0
    y, backward = model.forward(dev(x))
    dx = backward(dev(dy))
    return host(y), host(dx), host(model.flat_grads).copy(), host(model(dev(x)))


def test_a_divided_batch_gives_what_the_whole_gives(request, rng):
    model, x, dy = network(dtype="float64"), rng.standard_normal((7, 2, 9, 9)), rng.standard_normal((7, 5))
    whole = passes(model, x, dy)
    request.getfixturevalue("three_parts")
    for one, other in zip(whole, passes(model, x, dy), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)


def test_runs_are_identical_to_the_bit_with_threads_too(three_parts, rng):
    x, y = rng.standard_normal((50, 2, 9, 9)).astype("float32"), rng.integers(0, 5, 50)

    def train():
        model = network()
        nn.fit(model, x, y, optimizer=nn.SGD(0.05, momentum=0.9), epochs=3, batch_size=16, verbose=False)
        return host(model.flat_params).copy()

    first = train()
    for _ in range(5):
        np.testing.assert_array_equal(train(), first)


def test_gradients_of_a_divided_batch_are_added_to_what_is_there(three_parts, rng):
    model, x, dy = network(dtype="float64"), rng.standard_normal((7, 2, 9, 9)), rng.standard_normal((7, 5))
    once = passes(model, x, dy)[2]
    _, backward = model.forward(dev(x))
    backward(dev(dy))
    np.testing.assert_allclose(host(model.flat_grads), 2 * once, rtol=1e-12)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_in_a_divided_batch(kind, request, rng):
    class Rows(nn.Layer):
        separable = True

        def forward(self, x, needs_dx=True):
            return x.reshape(len(x), x.shape[2], -1), lambda dy: dy.reshape(x.shape)

    model = nn.Sequential(Rows(), kind(9, 4, rng=0, dtype="float64"), nn.Dense(4, 5, rng=1, dtype="float64"))
    x, dy = rng.standard_normal((7, 1, 6, 9)), rng.standard_normal((7, 5))
    whole = passes(model, x, dy)
    request.getfixturevalue("three_parts")
    for one, other in zip(whole, passes(model, x, dy), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)


def test_an_error_in_one_part_leaves_no_gradient_behind_for_the_next_pass(three_parts, rng):
    model, x, dy = network(dtype="float64"), rng.standard_normal((7, 2, 9, 9)), rng.standard_normal((7, 5))
    expected = passes(model, x, dy)[2]
    _, backward = model.planned().run(in_a_row, dev(x), True)  # without the check of dE/dy
    with pytest.raises(ValueError, match=r"reshape|mismatch"):
        backward(dev(dy[:, :4]))
    np.testing.assert_array_equal(passes(model, x, dy)[2], expected)


def test_an_interrupt_leaves_nothing_that_zero_grad_does_not_clear(three_parts, rng, monkeypatch):
    model, x, dy = network(dtype="float64"), rng.standard_normal((7, 2, 9, 9)), rng.standard_normal((7, 5))
    expected = passes(model, x, dy)[2]

    def interrupted(shares):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(slices, "_collect", interrupted)
        with pytest.raises(KeyboardInterrupt) if DIVIDES else contextlib.nullcontext():
            passes(model, x, dy)
    model.zero_grad()
    np.testing.assert_array_equal(passes(model, x, dy)[2], expected)


def test_layers_that_couple_samples_see_the_whole_batch(three_parts, rng):
    seen = []

    class Watched(nn.BatchNorm2D):
        def forward(self, x, needs_dx=True):
            seen.append(len(x))
            return super().forward(x, needs_dx)

    nn.Sequential(nn.Conv2D(1, 2, 3, rng=0), Watched(2)).forward(nn.asarray(rng.standard_normal((6, 1, 5, 5))))
    assert seen == [6]


def test_a_class_with_a_forward_of_its_own_sees_the_whole_batch_unless_it_says_otherwise(three_parts, rng):
    class Centred(nn.Composite):
        def __init__(self, body):
            super().__init__()
            self.body = body

        def children(self):
            yield "body", self.body

        def forward(self, x, needs_dx=True):
            y, backward = self.body.forward(x, needs_dx)
            return y - y.mean(0), lambda dy: backward(dy - dy.mean(0))

    class Shared(nn.ReLU):
        def __call__(self, x):
            return super().__call__(x) / x.max()

    x = nn.asarray(rng.standard_normal((6, 1, 5, 5)))
    for layer in (Centred(nn.Conv2D(1, 2, 3, rng=0)), Shared()):
        np.testing.assert_array_equal(host(nn.Sequential(layer)(x)), host(layer(x)))


if DIVIDES:

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what it is about
    def test_a_forked_process_has_threads_of_its_own(three_parts, rng):
        model, x = network(), rng.standard_normal((9, 2, 9, 9)).astype("float32")
        logits = model(x)
        child = os.fork()
        if child == 0:
            os._exit(0 if (model(x) == logits).all() else 1)
        for _ in range(300):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.1)
        else:
            os.kill(child, signal.SIGKILL)
        assert (pid, status) == (child, 0)


def test_what_is_separable():
    separable = {
        name: cls.separable for name, cls in vars(nn).items() if isinstance(cls, type) and issubclass(cls, nn.Layer)
    }
    coupled = {name for name, value in separable.items() if value is False}
    assert coupled == {"Layer", "BatchNorm1D", "BatchNorm2D", "Dropout"}
    assert nn.LeNet5(rng=0).separable
    assert not nn.Sequential(nn.Dense(2, 2, rng=0), nn.Sequential(nn.Dropout(0.5, rng=0))).separable


def test_relu_behind_the_pooling_changes_nothing(rng):
    """Sequential runs max-pooling before the ReLU in front of it: the same to the bit, ties and all-negative too."""
    x = rng.integers(-3, 3, (4, 2, 6, 6)).astype("float32")
    relu, pool = nn.ReLU(), nn.MaxPool2D(3, stride=2, padding=1)
    a, relu_backward = relu.forward(dev(x))
    y, pool_backward = pool.forward(a)
    dy = rng.standard_normal(y.shape).astype("float32")
    swapped, backward = nn.Sequential(relu, pool).forward(dev(x))
    np.testing.assert_array_equal(host(swapped), host(y))
    np.testing.assert_array_equal(host(backward(dev(dy))), host(relu_backward(pool_backward(dev(dy)))))


ACTIVATIONS = (nn.Sigmoid(), nn.Tanh(), nn.ScaledTanh(1.5, 0.7), nn.ReLU(), nn.LeakyReLU(0.1), nn.LeakyReLU(-0.5))


@pytest.mark.parametrize("f", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 3), (700, 3)])
def test_dense_and_its_activation_as_one_give_what_they_give_one_after_the_other(rng, f, shape):
    dense, alone = (nn.Dense(3, 4, rng=0, dtype="float64") for _ in range(2))
    model = nn.Sequential(dense, f)
    for layer in (dense, alone):
        layer.params["b"] = rng.standard_normal(4) if layer is dense else dense.params["b"]
    x, dy = dev(rng.standard_normal(shape)), dev(rng.standard_normal((*shape[:-1], 4)))
    y, backward = model.forward(x)
    z, dense_backward = alone.forward(x)
    a, f_backward = f.forward(z)
    np.testing.assert_allclose(host(y), host(a), rtol=1e-15)
    np.testing.assert_allclose(host(model(x)), host(a), rtol=1e-15)
    np.testing.assert_allclose(host(backward(dy)), host(dense_backward(f_backward(dy))), rtol=1e-14)
    for key in ("W", "b"):
        np.testing.assert_allclose(host(dense.grads[key]), host(alone.grads[key]), rtol=1e-12, atol=1e-13)


def test_an_activation_of_ones_own_is_asked_itself(rng):
    class Doubled(nn.Tanh):
        def forward(self, x, needs_dx=True):
            y, backward = super().forward(x, needs_dx)
            return 2 * y, lambda dy: backward(2 * dy)

    dense, x = nn.Dense(3, 4, rng=0), dev(rng.standard_normal((2, 3)), "float32")
    np.testing.assert_allclose(host(nn.Sequential(dense, Doubled())(x)), 2 * np.tanh(host(dense(x))), rtol=1e-6)


def test_an_activation_s_own_inference_is_asked_too():
    class Silent(nn.Tanh):
        def __call__(self, x):
            return 0 * x

    model = nn.Sequential(nn.Dense(3, 4, rng=0), Silent())
    assert not host(model(dev(np.ones((2, 3)), "float32"))).any()


class Hidden(nn.Composite):
    """Says that its samples are separable, and holds a layer where no twin of it is found."""

    separable = True

    def __init__(self, layer):
        super().__init__()
        self.held = lambda: layer

    def children(self):
        yield "held", self.held()

    def forward(self, x, needs_dx=True):
        return self.held().forward(x, needs_dx)


def test_a_layer_that_has_no_twin_keeps_the_batch_whole(three_parts, rng):
    model, x = nn.Sequential(Hidden(nn.Conv2D(1, 2, 3, rng=0))), rng.standard_normal((6, 1, 5, 5)).astype("float32")
    assert len(model.planned().slices(x.shape)) == 1
    y, backward = model.forward(dev(x, "float32"))
    backward(nn.xp.ones_like(y))
    np.testing.assert_allclose(host(model.grads["0.held.b"]), 6 * 9, rtol=1e-6)


def test_blocks_and_layers_that_stand_twice_in_a_divided_batch(request, rng):
    o = {"rng": 0, "dtype": "float64"}
    conv, dense = nn.Conv2D(2, 2, 3, padding=1, **o), nn.Dense(8, 8, **o)
    body = nn.Sequential(conv, nn.Tanh(), conv)
    model = nn.Sequential(nn.Residual(body, nn.Conv2D(2, 2, 1, **o)), nn.AvgPool2D(2), nn.Flatten(), dense, dense)
    x, dy = rng.standard_normal((7, 2, 4, 4)), rng.standard_normal((7, 8))
    whole = passes(model, x, dy)
    request.getfixturevalue("three_parts")
    assert len(model.planned().slices(x.shape)) == (3 if DIVIDES else 1)
    for one, other in zip(whole, passes(model, x, dy), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)


class TestPlan:
    def test_says_what_runs_by_which_form_in_how_many_slices(self):
        lines = nn.LeNet5(rng=0).plan(batch_size=4).splitlines()
        assert lines[0].startswith("plan of LeNet5 on ")
        assert lines[0].endswith("batch of 4 in slices: 1")
        steps = [line.split()[0] for line in lines[2:]]
        forms = {line.split()[-1] for line in lines[2:]}
        if PLAIN:
            assert steps == [str(i) for i in range(12)]
            assert forms == {"equation"}
        else:
            assert steps[:3] == ["0", "2", "1"]  # max-pooling before the ReLU in front of it
            assert "9" in steps if nn.xp.__name__ == "numpy" else "9+10" in steps
            assert len(forms) > 3

    def test_the_repr_and_the_summary_stay_as_written(self):
        model = nn.Sequential(nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(4, 2, rng=0), nn.Tanh())
        model(nn.xp.zeros((1, 1, 4, 4), dtype="float32"))
        assert repr(model) == "Sequential(ReLU(), MaxPool2D(size=2), Flatten(), Dense(4, 2), Tanh())"
        assert [line.split()[0] for line in model.summary().splitlines()[1:-1]] == ["0", "1", "2", "3", "4"]

    def test_shows_what_blocks_are_made_of(self):
        model = nn.Sequential(nn.Residual(nn.Sequential(nn.Dense(3, 3, rng=0))), nn.Dense(3, 1, rng=1))
        names = [line.split("  runs")[0].rstrip() for line in model.plan().splitlines()[2:]]
        assert [name.split("(")[0].rstrip() for name in names] == [
            "0 Residual",
            "  body Sequential",
            "    0 Dense",
            "1 Dense",
        ]

    def test_a_larger_batch_of_images_goes_in_slices_where_there_are_threads(self, three_parts):
        assert nn.LeNet5(rng=0).plan(batch_size=256).splitlines()[0].endswith(f"slices: {3 if DIVIDES else 1}")
        assert nn.MLP((4, 2), rng=0).plan(batch_size=256).splitlines()[0].endswith("slices: 1")

    def test_is_made_anew_where_the_layers_change(self):
        model = nn.Sequential(nn.Dense(2, 2, rng=0), nn.Tanh())
        first = model.planned()
        assert model.planned() is first
        model.layers.append(nn.Dense(2, 1, rng=1))
        assert "Dense(2, 1)" in model.plan()
        assert model.planned() is not first
