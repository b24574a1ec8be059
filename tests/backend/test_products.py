"""Products, their sums, rows added by index: whole, in pieces and as convolutions use them."""

import numpy as np
import pytest
from border import STAND_IN, dev, host

import xpnn as nn
from xpnn.backend.cpu import blas_sizes
from xpnn.backend.shared import convolution, im2col
from xpnn.backend.shared.machine import products

accumulate, matmul = products.accumulate, products.matmul
small_products, sum_of_products = products.small_products, products.sum_of_products

ON_CPU = nn.xp.__name__ == "numpy"


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accumulate_adds_the_product(samples, dtype, rng):
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((200, samples), (samples, 150), (200, 150)))
    for left in a, np.asfortranarray(a), np.stack([a, a], 2)[..., 0], a[::-1]:
        for right in b, np.asfortranarray(b), np.repeat(b, 2, 1)[:, ::2]:
            out = dev(c.copy())
            accumulate(out, dev(left), dev(right))
            np.testing.assert_allclose(
                host(out), c + left @ right, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6
            )


def test_accumulate_takes_a_field_of_packed_records():
    """Its rows lie at a distance that is no multiple of a number's size."""
    records = np.zeros(5, dtype=[("label", "u1"), ("x", "f4", 150)])
    records["x"] = np.arange(750).reshape(5, 150)
    out = dev(np.zeros((200, 150)), "float32")
    accumulate(out, dev(np.ones((200, 5)), "float32"), nn.asarray(records["x"]))
    np.testing.assert_array_equal(host(out), np.ones((200, 5)) @ records["x"])


@pytest.fixture
def avx512(monkeypatch):
    """As on a processor where OpenBLAS does small products without copying their factors."""
    monkeypatch.setattr(blas_sizes, "_avx512", lambda: ON_CPU)
    by_size = convolution.correlation_of, blas_sizes.narrow_parts, blas_sizes.pieces, blas_sizes.sum_pieces
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
    pieces, expected = blas_sizes.pieces(rows, inner, columns), a @ b
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
    product = small_products(64, dev(W))  # 64 rows are just too many for the direct kernels
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
        assert blas_sizes.sum_pieces(rows, length, columns) == pieces
    expected = np.einsum("gpikl,gpidl->gkd", a, b)
    np.testing.assert_allclose(host(sum_of_products(dev(a), dev(b))), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(STAND_IN, reason="its convolutions are compared with loops, in checks/check_kernels.py")
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
    monkeypatch.setattr(im2col, "WORKSPACE_BYTES", 1 << 20)  # several tiles of the larger
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
