"""What is done for speed and memory changes no result: tiles, parts of a batch on threads, the layers' order."""

import concurrent.futures
import contextlib
import os
import signal
import sys
import time
import tracemalloc

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.backend import matmul, small_products, sum_of_products

numpy_blas = sys.modules["xpnn.backend.numpy_blas"]
correlation, threads = sys.modules["xpnn.layers.correlation"], sys.modules["xpnn.backend.threads"]
ON_CPU = nn.xp.__name__ == "numpy"
CAP = sys.modules["xpnn.backend.im2col"].WORKSPACE_BYTES


def owner(array):
    """Whose memory a view shows; as_strided's result stands on a helper that is no array itself."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((2, 3, 512, 512), 7, {"padding": 3}),
        ((1, 16, 512, 512), 7, {"padding": 3, "stride": 2}),
        ((1500, 8, 12, 12), 7, {"padding": 3}),
        ((1, 4, 3, 30_000), (3, 7), {"dilation": (1, 2)}),
        ((2, 3, 200, 200), 7, {"padding": 9, "dilation": 3}),
    ],
    ids=["512x512", "512x512, stride 2", "large batch", "wide image", "dilation"],
)
def test_the_workspace_has_a_cap_whatever_the_image_kernel_or_batch(shape, kernel, options, monkeypatch, rng):
    """A training step in which no array of im2col's, nor of the input gradient's, is larger than WORKSPACE_BYTES."""
    sizes = []

    def watched(function):
        def run(*args):
            result = function(*args)
            sizes.append(owner(result).nbytes)
            return result

        return run

    for name in "turned_windows", "im2col":
        monkeypatch.setattr(correlation, name, watched(getattr(correlation, name)))
    model = nn.Sequential(nn.Conv2D(shape[1], 4, kernel, rng=0, **options), nn.GlobalAvgPool2D(), nn.Dense(4, 2, rng=1))
    x, labels = nn.asarray(rng.standard_normal(shape)), nn.asarray(np.arange(shape[0]) % 2)
    before = host(model.flat_params).copy()
    logits, backward = model.forward(x)
    _, loss_backward = nn.SoftmaxCrossEntropy().forward(logits, labels)
    assert backward(loss_backward()).shape == shape
    nn.SGD(0.1).step(model)
    assert (host(model.flat_params) != before).any()
    assert bool(sizes) == (ON_CPU or "stride" in options)  # elsewhere a device writes no columns
    assert max(sizes, default=0) <= CAP


@pytest.fixture
def three_parts(monkeypatch):
    """Every batch of images divided in three, as on a machine with three cores; on a device none is."""
    if ON_CPU:
        monkeypatch.setattr(threads, "blas_threads", lambda: 3)
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
    _, backward = model._forward_in_parts(dev(x), True)  # without the check of dE/dy
    with pytest.raises(ValueError, match="reshape"):
        backward(dev(dy[:, :4]))
    np.testing.assert_array_equal(passes(model, x, dy)[2], expected)


def test_an_interrupt_leaves_nothing_that_zero_grad_does_not_clear(three_parts, rng, monkeypatch):
    model, x, dy = network(dtype="float64"), rng.standard_normal((7, 2, 9, 9)), rng.standard_normal((7, 5))
    expected = passes(model, x, dy)[2]

    def interrupted(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xpnn.layers.parameters.Gradients.collect", interrupted)
        with pytest.raises(KeyboardInterrupt) if ON_CPU else contextlib.nullcontext():
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


def test_what_is_separable():
    separable = {
        name: cls.separable for name, cls in vars(nn).items() if isinstance(cls, type) and issubclass(cls, nn.Layer)
    }
    coupled = {name for name, value in separable.items() if value is False}
    assert coupled == {"Layer", "BatchNorm1D", "BatchNorm2D", "Dropout"}
    assert nn.LeNet5(rng=0).separable
    assert not nn.Sequential(nn.Dense(2, 2, rng=0), nn.Sequential(nn.Dropout(0.5, rng=0))).separable


@pytest.fixture
def avx512(monkeypatch):
    """As on a processor where OpenBLAS does small products without copying their factors."""
    monkeypatch.setattr(numpy_blas, "_avx512", lambda: ON_CPU)
    by_size = correlation.correlation_of, numpy_blas.narrow_parts, numpy_blas.pieces, numpy_blas.sum_pieces
    for kept in by_size:
        kept.cache_clear()
    yield
    for kept in by_size:
        kept.cache_clear()


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "divided"),
    [
        *((16, 155, 500, 1), (16, 155, 640, 1), (16, 155, 1792, 1), (16, 155, 641, None), (16, 155, 200, None)),
        *((64, 579, 64, 0), (32, 291, 128, 0), (32, 291, 64, None), (30, 2000, 64, None), (31, 579, 64, None)),
        *((3, 0, 64, None), (3, 4, 0, None)),
    ],
)
def test_a_product_in_pieces_is_the_product(rows, inner, columns, divided, avx512, rng):
    a, b = rng.standard_normal((2, 1, rows, inner)), rng.standard_normal((2, 3, inner, columns))
    pieces, expected = numpy_blas.pieces(rows, inner, columns), a @ b
    if ON_CPU:
        assert [count > 1 for count in pieces] == [divided == 0, divided == 1]
        assert rows % pieces[0] == columns % pieces[1] == 0
        assert divided is None or rows * inner * columns <= 1_000_000 * pieces[0] * pieces[1]
    out = nn.xp.empty((3, 2, rows, columns)).swapaxes(0, 1)  # rows of blocks, as a convolution has them
    assert matmul(dev(a), dev(b), out) is out
    np.testing.assert_allclose(host(out), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(host(matmul(dev(a), dev(b))), host(out))


@pytest.mark.parametrize("rows", [64, 63, 8])
def test_products_of_a_loop_by_halves_are_the_products(rows, avx512, rng):
    W, x = rng.standard_normal((128, 128)), rng.standard_normal((rows, 128))
    out = nn.xp.empty((rows, 128))
    with small_products(64, dev(W)) as product:  # 64 rows are just too many for the direct kernels
        assert (product is not matmul) == ON_CPU
        assert product(dev(x), dev(W), out) is out
    np.testing.assert_allclose(host(out), x @ W, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("rows", "length", "columns", "pieces"),
    [(155, 640, 16, (155, 320)), (291, 256, 32, (97, 256)), (291, 256, 24, None), (30, 512, 32, None)],
)
def test_a_sum_of_products_by_pieces_is_the_sum(rows, length, columns, pieces, avx512, rng):
    a, b = rng.standard_normal((2, 3, 4, rows, length)), rng.standard_normal((2, 3, columns, 4, length)).swapaxes(2, 3)
    if ON_CPU:
        assert numpy_blas.sum_pieces(rows, length, columns) == pieces
    expected = np.einsum("gpikl,gpidl->gkd", a, b)
    np.testing.assert_allclose(host(sum_of_products(dev(a), dev(b))), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (nn.Conv2D(6, 16, 5, rng=0, dtype="float64"), (64, 6, 14, 14)),
        (nn.Conv2D(32, 32, 3, padding=1, rng=0, dtype="float64"), (40, 32, 8, 8)),
        (nn.Conv2D(16, 32, 3, stride=(1, 2), dilation=2, groups=2, rng=0, dtype="float64"), (48, 16, 7, 20)),
    ],
    ids=repr,
)
def test_a_convolution_in_pieces_and_by_single_rows_gives_the_same(conv, shape, avx512, monkeypatch, rng):
    monkeypatch.setattr(sys.modules["xpnn.backend.im2col"], "WORKSPACE_BYTES", 1 << 20)  # several tiles of the larger
    conv.zero_grad()
    x = rng.standard_normal(shape)
    y, backward = conv.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    results = host(y), host(backward(dev(dy))), *(host(conv.grads[key]) for key in "Wb")
    conv.zero_grad()
    plain = [conv.forward(dev(x[i : i + 1])) for i in range(len(x))]  # too small to be divided
    np.testing.assert_allclose(results[0], np.concatenate([host(one) for one, _ in plain]), rtol=1e-11, atol=1e-11)
    dx = [host(step(dev(dy[i : i + 1]))) for i, (_, step) in enumerate(plain)]
    np.testing.assert_allclose(results[1], np.concatenate(dx), rtol=1e-11, atol=1e-11)
    for key, result in zip("Wb", results[2:], strict=True):
        np.testing.assert_allclose(result, host(conv.grads[key]), rtol=1e-10, atol=1e-10)


if ON_CPU:  # a device forks no process, and tracemalloc does not see its memory

    def test_a_convolution_needs_little_more_memory_than_its_images():
        conv = nn.Conv2D(3, 8, 7, padding=3, rng=0)
        x = np.zeros((512, 3, 512, 2), "float32").transpose(3, 1, 0, 2)
        dy = np.zeros((512, 8, 512, 2), "float32").transpose(3, 1, 0, 2)
        tracemalloc.start()
        try:
            _, backward = conv.forward(x)
            backward(dy)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        padded = 2 * 3 * 518 * 518 * 4
        assert peak <= dy.nbytes + 2 * padded + 4 * CAP  # output, padded input and its gradient, four arrays of a tile

    def test_blas_has_one_thread_whichever_of_python_s_asks_and_the_count_stays():
        """threadpoolctl 3.8 sets OpenBLAS's threads in the first Python thread that asks, and nothing in others."""
        before = numpy_blas._current_threads()
        seen = []

        def other():
            with numpy_blas.single_threaded_blas():
                seen.append((numpy_blas._current_threads(), numpy_blas.blas_threads()))

        try:
            numpy_blas._set_threads([2] * len(before))
            for library in numpy_blas.blas_libraries():
                library.set_num_threads(2)  # from now on threadpoolctl heeds this thread alone
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                pool.submit(other).result()
                assert numpy_blas._current_threads() == [2] * len(before)
                with numpy_blas.single_threaded_blas():
                    pool.submit(other).result()
                    assert numpy_blas._current_threads() == [1] * len(before)
            assert numpy_blas._current_threads() == [2] * len(before)
            assert seen == [([1] * len(before), 2 if before else 1)] * 2
        finally:
            numpy_blas._set_threads(before)

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
