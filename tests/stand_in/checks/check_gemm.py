"""Products by cuBLAS as it reads its arguments: every layout against NumPy, and which are taken without a copy."""

import cupy
import numpy as np
import pytest
from cupy._cublas import Cublas
from cupy.stand_in import watch

import xpnn as nn
from xpnn.backend.cuda import cublas, products
from xpnn.backend.cuda.products import accumulate, matmul
from xpnn.backend.shared.matrices import matrices

as_strided = np.lib.stride_tricks.as_strided


@pytest.fixture
def calls(monkeypatch):
    functions = Cublas()
    monkeypatch.setattr(cublas, "_cublas", [cublas.Cublas(functions)])
    return functions.calls


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def overlapping(lines: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Windows of rows, as im2col has them: (G, height, K, L) to (G, count, kernel*K, L)."""
    (G, height, K, L), (g, h, k, l) = lines.shape, lines.strides
    count = (height - kernel) // stride + 1
    return as_strided(lines, (G, count, kernel * K, L), (g, h * stride, k, l))


FREE = {  # the layouts that need no copy: a, b, and how many calls of cuBLAS
    "rows": (random(3, 4), random(4, 5), 1),
    "a transposed": (random(4, 3).T, random(4, 5), 1),
    "b transposed": (random(3, 4), random(5, 4).T, 1),
    "both transposed": (random(4, 3).T, random(5, 4).T, 1),
    "parts of rows": (random(3, 9)[:, 2:6], random(4, 9)[:, 4:], 1),
    "parts of columns": (random(9, 3)[2:6].T, random(9, 4)[4:].T, 1),
    "every other row": (random(6, 4)[::2], random(8, 5)[1::2], 1),
    "one row": (random(1, 4), random(4, 5), 1),
    "one column": (random(3, 4), random(4, 1), 1),
    "one by one": (random(1, 4), random(4, 1), 1),
    "inner length 1": (random(3, 1), random(1, 5), 1),
    "one row of many": (random(3, 4)[1:2], random(5, 4).T[:, 2:3], 1),
    "batch": (random(6, 3, 4), random(6, 4, 5), 1),
    "batch of two axes": (random(2, 3, 3, 4), random(2, 3, 4, 5), 1),
    "batch, transposed": (random(6, 4, 3).swapaxes(1, 2), random(6, 5, 4).swapaxes(1, 2), 1),
    "batch with a gap": (random(6, 3, 4)[::2], random(9, 4, 5)[::3], 1),
    "batch in the middle": (random(3, 6, 4).swapaxes(0, 1), random(4, 6, 5).swapaxes(0, 1), 1),
    "a for all": (random(3, 4), random(6, 4, 5), 1),
    "b for all": (random(6, 3, 4), random(4, 5), 1),
    "a broadcast": (np.broadcast_to(random(3, 4), (6, 3, 4)), random(6, 4, 5), 1),
    "overlapping windows": (random(1, 1, 6, 12), overlapping(random(1, 7, 4, 5), 3, 1), 1),
    "overlapping windows, stride 2": (random(1, 1, 6, 12), overlapping(random(1, 7, 4, 5), 3, 2), 1),
    "overlapping windows of groups": (random(2, 1, 6, 12), overlapping(random(2, 7, 4, 5), 3, 1), 2),
    "windows on the left": (overlapping(random(1, 7, 4, 5), 3, 1), random(1, 5, 5, 6), 1),
    "windows transposed": (overlapping(random(1, 7, 4, 5), 3, 1).swapaxes(2, 3), random(1, 1, 12, 6), 1),
}
COPIED = {
    "neither axis contiguous": (random(6, 8)[::2, ::2], random(4, 5), 1),
    "backwards": (random(3, 4)[:, ::-1], random(4, 5)[::-1], 1),
    "overlapping lines": (as_strided(random(9), (3, 4), (8, 8)), random(4, 5), 1),
    "one row for all": (np.broadcast_to(random(4), (3, 4)), random(4, 5), 1),
}


def device(host: np.ndarray) -> nn.backend.Array:
    """A device array in this very memory, with its layout."""
    array = cupy.empty(0)
    array._memory = host
    return array


@pytest.mark.parametrize("layout", FREE | COPIED)
def test_every_layout(calls, layout):
    a, b, count = (FREE | COPIED)[layout]
    x, y = device(a), device(b)
    np.testing.assert_allclose(matmul(x, y).get(), a @ b, rtol=1e-14)
    assert len(calls) == count
    assert (matrices(x).array is x and matrices(y).array is y) == (layout in FREE)


@pytest.mark.parametrize("layout", FREE)
def test_single_precision(calls, layout):
    a, b = (part.astype("float32") for part in FREE[layout][:2])
    result = matmul(nn.asarray(a), nn.asarray(b))
    assert result.dtype == "float32"
    np.testing.assert_allclose(result.get(), a @ b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("out", "written"),
    [
        (np.zeros((3, 5)), True),
        (np.zeros((5, 3)).T, True),
        (np.zeros((3, 9))[:, 1:6], True),
        (np.zeros((6, 10))[::2, ::2], False),
        (np.zeros((3, 5))[:, ::-1], False),
    ],
)
def test_out(calls, out, written):
    """Written in place where cuBLAS can, by way of another array where it cannot; never beside it."""
    a, b = random(3, 4), random(4, 5)
    root = out if out.base is None else out.base
    target = device(out)
    assert matmul(device(a), device(b), target) is target
    np.testing.assert_allclose(out, a @ b, rtol=1e-14)
    assert np.count_nonzero(root) == out.size
    assert (products._is_target(target) or products._is_target(target.mT)) == written


@pytest.mark.parametrize("layout", FREE | COPIED)
def test_sum_of_products(calls, layout):
    """Without another array for the product, in one call for each of cuBLAS's batches."""
    a, b, count = (FREE | COPIED)[layout]
    start = random(*(a @ b).shape)
    out = device(start.copy())
    accumulate(out, device(a), device(b))
    np.testing.assert_allclose(out.get(), start + a @ b, rtol=1e-13)
    assert len(calls) == count


@pytest.mark.parametrize(
    ("out", "added"),
    [
        (np.ones((3, 5)), True),
        (np.ones((5, 3)).T, True),
        (np.ones((3, 9))[:, 1:6], True),
        (np.ones((6, 10))[::2, ::2], False),
        (np.ones((3, 5), "float32"), False),
    ],
)
def test_sum_where_cublas_can_write_and_where_it_cannot(calls, out, added):
    a, b = random(3, 4), random(4, 5)
    with watch() as seen:
        accumulate(device(out), device(a), device(b))
    np.testing.assert_allclose(out, 1 + a @ b, rtol=1e-13 if out.dtype == "float64" else 1e-6)
    assert out.base is None or out.base.sum() - out.base.size == pytest.approx((a @ b).sum())
    assert seen.launches == ({"gemm": 1} if added else {"gemm": 1, "add": 1})


def test_batch_into_a_part_of_a_larger_array(calls):
    a, b, out = random(2, 1, 6, 12), overlapping(random(2, 7, 4, 5), 3, 1), np.zeros((2, 6, 5, 5))
    matmul(device(a), device(b), device(out.swapaxes(1, 2)))
    np.testing.assert_allclose(out.swapaxes(1, 2), a @ b, rtol=1e-14)
    assert [call[:2] for call in calls] == [("batched", 5), ("batched", 5)]


def test_what_cublas_is_not_asked(calls):
    whole, vector = nn.asarray(np.arange(6).reshape(2, 3)), nn.asarray(random(3), "float64")
    matrix = nn.asarray(random(2, 3), "float64")
    assert matmul(whole, whole.T).get().tolist() == [[5, 14], [14, 50]]
    assert matmul(matrix, vector).shape == (2,)
    assert matmul(matrix[:, :0], matrix[:, :0].T).get().tolist() == [[0, 0], [0, 0]]
    assert not calls
    with pytest.raises(ValueError, match="mismatch|match"):
        matmul(matrix, matrix)
    with pytest.raises(ValueError, match="expected out of shape \\(2, 2\\) and float64"):
        matmul(matrix, matrix.T, nn.xp.zeros((3, 2), dtype="float64"))


def test_tf32_as_for_cupys_own_products(calls, monkeypatch):
    x = nn.asarray(random(2, 2))
    matmul(x, x)
    monkeypatch.setenv("CUPY_TF32", "1")
    matmul(x, x)
    matmul(x.astype("float64"), x.astype("float64"))
    assert [compute for _, _, compute in calls] == [68, 77, 70]


def test_a_failure_tells_the_call_and_the_status(calls, monkeypatch):
    monkeypatch.setattr(Cublas, "cublasGemmEx_64", lambda *arguments: 13)
    x = nn.asarray(random(2, 2))
    with pytest.raises(RuntimeError, match="cublasGemmEx_64 failed with cuBLAS's status 13"):
        matmul(x, x)


def test_a_failure_of_the_device_is_told_as_cudas(calls, monkeypatch):
    def fail(stream):
        raise cupy.cuda.runtime.CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access")

    monkeypatch.setattr(Cublas, "cublasGemmEx_64", lambda *arguments: 13)
    monkeypatch.setattr(cupy.cuda.Stream, "synchronize", fail)
    x = nn.asarray(random(2, 2))
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="IllegalAddress"):
        matmul(x, x)


def test_cublas_without_memory(calls, monkeypatch):
    monkeypatch.setattr(Cublas, "cublasGemmEx_64", lambda *arguments: 3)
    x = nn.asarray(random(2, 2))
    with pytest.raises(MemoryError, match="device memory ran out .*cublasGemmEx_64 failed"):
        matmul(x, x)


def test_without_the_library_cupys_own_products(monkeypatch):
    monkeypatch.setattr(cublas, "_cublas", [None])
    x = nn.asarray(random(2, 2), "float64")
    np.testing.assert_array_equal(matmul(x, x).get(), random(2, 2) @ random(2, 2))
    a, b, out = device(random(3, 400)), device(random(400, 5)), nn.xp.zeros((3, 5), dtype="float64")
    accumulate(out, a, b)
    np.testing.assert_array_equal(out.get(), matmul(a, b).get())  # however a gradient begins, cleared or with zeros


def test_signatures_have_a_type_for_each_argument(calls):
    """ctypes would pass a Python int as 32 bits where none is declared."""
    assert len(cublas._SIGNATURES["cublasGemmEx_64"]) == 19
    assert len(cublas._SIGNATURES["cublasGemmStridedBatchedEx_64"]) == 23
