"""The slices of a batch, the threads that run them, and BLAS's own."""

import concurrent.futures
import sys

import pytest

import xpnn as nn
from xpnn.backend import in_parallel, part, parts

numpy_blas, threads = sys.modules["xpnn.backend.numpy_blas"], sys.modules["xpnn.backend.threads"]


def test_parts_of_a_batch_are_the_whole_and_their_results_in_order(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 3)
    monkeypatch.setattr(threads, "on_device", False)  # there nothing is divided
    assert parts(100, threads._LEAST - 1) == [slice(0, 100)]
    assert parts(100, threads._LEAST) == [slice(0, 33), slice(33, 66), slice(66, 100)]
    assert parts(2, threads._LEAST) == [slice(0, 1), slice(1, 2)]
    assert len(parts(100, 3 * threads._MOST)) == 3
    assert len(parts(100, 3 * threads._MOST + 1)) == 6

    def task(n):
        return lambda: (n, part(), parts(100, threads._LEAST))

    for names in "ab", "abc", "abcdefgh":  # fewer tasks than threads, as many, and more
        assert in_parallel([task(n) for n in names]) == [(n, i % 3, [slice(0, 100)]) for i, n in enumerate(names)]
    assert part() == 0


def test_an_error_in_a_part_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        in_parallel([lambda: 1, lambda: 1 // 0])
    assert in_parallel([lambda: 1, lambda: 2]) == [1, 2]


if nn.xp.__name__ == "numpy":

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
