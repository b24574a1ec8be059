"""The slices of a batch, the threads that run them, and BLAS's own."""

import concurrent.futures
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from border import PLAIN

import xpnn as nn
from xpnn.backend.cpu import numpy_blas, threads
from xpnn.backend.cpu.threads import batch_slices


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
        results = threads.in_parallel([task(n) for n in names], count)
        assert [n for n, _, _ in results] == list(names)
        assert all(slices == [slice(0, 100)] for _, _, slices in results)
        for i, (_, ident, _) in enumerate(results):
            assert ident == results[i % count][1]  # each thread has every n-th
    assert len(batch_slices(100, threads._LEAST)) == 3


def test_an_error_in_a_task_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        threads.in_parallel([lambda: 1, lambda: 1 // 0], 2)
    assert threads.in_parallel([lambda: 1, lambda: 2], 2) == [1, 2]


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


def _share(task):
    """The task in another thread, and what it returned or raised."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result(timeout=60)


def test_an_error_in_another_thread_leaves_no_lock_behind():
    for wrong in (lambda: 1 // 0), (lambda: sys.exit(3)):
        with pytest.raises((ZeroDivisionError, SystemExit)):
            threads.in_parallel([lambda: 1, wrong], 2)
        assert not threads.me.alone
        assert len(set(_share(lambda: threads.in_parallel([threading.get_ident] * 2, 2)))) == 2


def test_tasks_run_in_the_calling_thread_where_no_thread_can_be_started(monkeypatch):
    def refused(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threads, "_started", 0)
        patch.setattr(threading.Thread, "start", refused)
        idents = threads.in_parallel([threading.get_ident] * 5, 3)
    assert idents == [threading.get_ident()] * 5


def test_a_second_caller_s_tasks_run_on_one_blas_thread_until_their_end():
    """Also when the first caller, who had the threads, is done before."""
    seen, first_in, second_in = [], threading.Event(), threading.Event()

    def held():
        first_in.set()
        assert second_in.wait(60)

    def looking():
        second_in.set()
        first.join(60)
        seen.append(numpy_blas._before and numpy_blas._current_threads())

    before = numpy_blas._current_threads()
    numpy_blas._set_threads([2] * len(before))
    try:
        first = threading.Thread(target=lambda: threads.in_parallel([held, held], 2))
        first.start()
        assert first_in.wait(60)
        threads.in_parallel([looking, int], 2)
        assert seen == [[1] * len(before)]
        assert numpy_blas._current_threads() == [2] * len(before)
    finally:
        numpy_blas._set_threads(before)


if nn.xp.__name__ == "numpy":
    # -- the same bits whatever other threads do

    @pytest.fixture
    def two_threads():
        before = numpy_blas._current_threads()
        numpy_blas._set_threads([2] * len(before))
        yield
        numpy_blas._set_threads(before)

    def _beside_slices(task):
        """The task while another thread is between two products of its slices."""
        inside, done = threading.Event(), threading.Event()

        def slices():
            with numpy_blas.single_threaded_blas():
                inside.set()
                assert done.wait(60)

        thread = threading.Thread(target=slices)
        thread.start()
        try:
            assert inside.wait(60)
            return task()
        finally:
            done.set()
            thread.join(60)

    def test_a_product_beside_another_thread_s_slices_has_all_blas_threads(two_threads):
        seen = _beside_slices(lambda: numpy_blas.in_turn(numpy_blas._current_threads))
        assert set(seen) <= {2}
        assert set(numpy_blas._current_threads()) <= {2}

    def _whole_product(order):
        """A thread, and what it sets when it multiplies."""
        inside = threading.Event()

        def whole():
            inside.set()
            time.sleep(0.2)
            order.append("whole")

        return threading.Thread(target=lambda: numpy_blas.in_turn(whole)), inside

    def test_a_product_of_slices_waits_for_another_thread_s_whole_product(two_threads):
        order = []
        thread, inside = _whole_product(order)
        with numpy_blas.single_threaded_blas():
            thread.start()
            assert inside.wait(60)
            numpy_blas.in_turn(order.append, "slice")
            assert set(numpy_blas._current_threads()) <= {1}
        thread.join(60)
        assert order == ["whole", "slice"]

    def test_slices_begin_after_another_thread_s_whole_product(two_threads):
        order = []
        thread, inside = _whole_product(order)
        thread.start()
        assert inside.wait(60)
        with numpy_blas.single_threaded_blas():
            numpy_blas.in_turn(order.append, "slice")
        thread.join(60)
        assert order == ["whole", "slice"]

    def test_a_signal_s_handler_multiplies_while_its_thread_changes_the_number_of_threads(two_threads):
        with numpy_blas._nobody_multiplies():
            assert numpy_blas.in_turn(int) == 0

    def test_a_product_that_fails_is_over(two_threads):
        with pytest.raises(ZeroDivisionError):
            numpy_blas.in_turn(divmod, 1, 0)
        assert numpy_blas.me.products.running == 0

    def test_products_of_threads_that_have_no_slices_run_side_by_side():
        both = threading.Barrier(2, timeout=5)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waits = [pool.submit(numpy_blas.in_turn, both.wait) for _ in range(2)]
        assert sorted(wait.result() for wait in waits) == [0, 1]

    def _trained(build, shape, batch_size, **options):
        x = np.random.default_rng(0).standard_normal((256, *shape)).astype("float32")
        model = build()
        x, y = x[:batch_size], np.arange(batch_size) % 10
        nn.fit(model, x, y, epochs=2, batch_size=batch_size, verbose=False, **options)
        return model.flat_params.tobytes()

    NETWORKS = {
        "MLP": (lambda: nn.MLP((784, 64, 10), rng=0), (784,), {"batch_size": 64}),
        "clipped": (
            lambda: nn.MLP((784, 64, 10), rng=0, dtype="float64"),
            (784,),
            {"batch_size": 256, "max_norm": 0.01},
        ),
        "RNN": (lambda: nn.RNNClassifier(28, 128, rng=0), (28, 28), {"batch_size": 128}),
        "LSTM, step by step": (lambda: nn.RNNClassifier(8, 64, cell=nn.LSTM, rng=0), (5, 8), {"batch_size": 256}),
        "LeNet-5, whole": (lambda: nn.LeNet5(rng=0), (1, 28, 28), {"batch_size": 64}),
        "LeNet-5, in slices": (lambda: nn.LeNet5(rng=0), (1, 28, 28), {"batch_size": 256}),
    }

    @pytest.mark.skipif(PLAIN, reason="no form, and so no slices that take BLAS's threads")
    @pytest.mark.parametrize("name", NETWORKS)
    def test_training_beside_another_thread_s_slices_gives_the_same_bits(name, two_threads):
        build, shape, options = NETWORKS[name]
        alone = _trained(build, shape, **options)
        assert _beside_slices(lambda: _trained(build, shape, **options)) == alone

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what it is about
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process")
    def test_a_process_forked_beside_slices_has_its_blas_threads_and_locks(two_threads):
        def fork():
            child = os.fork()
            if child == 0:
                whole = set(numpy_blas._current_threads()) <= {2} and numpy_blas._users == 0
                whole = whole and threads.in_parallel([lambda: 1, lambda: 2], 2) == [1, 2]
                os._exit(0 if whole and numpy_blas.in_turn(int) == 0 else 1)
            return os.waitpid(child, 0)[1]

        assert _beside_slices(fork) == 0
        assert numpy_blas.in_turn(int) == 0


NETWORK = """
import atexit, threading, numpy as np, xpnn as nn
from xpnn.backend.cpu import threads
threads._LEAST, threads.blas_threads = 1, lambda: 2
x = np.ones((8, 1, 28, 28), "float32")
def work():
    model = nn.LeNet5(rng=0)
    nn.fit(model, x, np.arange(8), epochs=3, verbose=False)
    print(len(nn.predict(model, x)))
"""


@pytest.mark.skipif(nn.xp is not np, reason="a device has no slices, and so no threads")
@pytest.mark.parametrize(
    "how",
    [
        "threading.Thread(target=work).start()",  # the main thread ends meanwhile
        "atexit.register(work)",
        "work(); atexit.register(work)",
        "threading.Thread(target=lambda: threading.Thread(target=work).start()).start()",
        "threading.Thread(target=lambda: [nn.LeNet5()(x) for _ in iter(int, 1)], daemon=True).start(); work()",
    ],
)
def test_a_network_runs_until_the_interpreter_ends(how):
    run = subprocess.run([sys.executable, "-c", NETWORK + how], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr, run.stdout[:2]) == (0, "", "8\n")
