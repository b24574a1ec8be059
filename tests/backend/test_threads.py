"""The slices of a batch, the threads that run them, and BLAS's own."""

import concurrent.futures
import threading

import pytest

import xpnn as nn
from xpnn.backend.cpu import numpy_blas, threads
from xpnn.backend.cpu.threads import batch_slices, in_parallel


def test_slices_of_a_batch_are_the_whole(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 3)
    assert batch_slices(100, threads._LEAST - 1) == [slice(0, 100)]
    assert batch_slices(100, threads._LEAST) == [slice(0, 33), slice(33, 66), slice(66, 100)]
    assert batch_slices(2, threads._LEAST) == [slice(0, 1), slice(1, 2)]
    assert len(batch_slices(100, 3 * threads._MOST)) == 3
    assert len(batch_slices(100, 3 * threads._MOST + 1)) == 6


def test_results_come_in_order_and_tasks_are_not_divided_again(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 3)

    def task(n):
        return lambda: (n, threading.get_ident(), batch_slices(100, threads._LEAST))

    for names in "ab", "abc", "abcdefgh":  # fewer tasks than threads, as many, and more
        count = min(3, len(names))
        results = in_parallel([task(n) for n in names], count)
        assert [n for n, _, _ in results] == list(names)
        assert all(slices == [slice(0, 100)] for _, _, slices in results)
        for i, (_, ident, _) in enumerate(results):
            assert ident == results[i % count][1]  # each thread has every n-th
    assert len(batch_slices(100, threads._LEAST)) == 3


def test_an_error_in_a_task_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        in_parallel([lambda: 1, lambda: 1 // 0], 2)
    assert in_parallel([lambda: 1, lambda: 2], 2) == [1, 2]


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
