"""Errors planted in what threads share, each with the test that fails for it, and its arguments."""

from typing import NamedTuple


class Race(NamedTuple):
    """An error to plant: right becomes wrong at a place, and a test of a module below ``tests`` fails."""

    place: str
    right: str
    wrong: str
    plants: str
    module: str
    test: str
    arguments: tuple[object, ...] = ()

    def __str__(self) -> str:
        return self.plants


BLAS, THREADS, LOCKS = "backend.cpu.numpy_blas", "backend.test_threads", "layers.test_locks"

RACES = [
    Race(
        f"{BLAS}.in_turn",
        "if not _wanted and (not _before or me.alone):",
        "if True:",
        "a product by as many threads as there happen to be",
        THREADS,
        "test_a_product_beside_another_thread_s_slices_has_all_blas_threads",
        (None,),
    ),
    Race(
        f"{BLAS}.in_turn",
        "if not _wanted and (",
        "if (",
        "a product that does not wait for another thread's",
        THREADS,
        "test_a_product_of_slices_waits_for_another_thread_s_whole_product",
        (None,),
    ),
    Race(
        f"{BLAS}._nobody_multiplies",
        "while products.running:",
        "while False:",
        "a number of threads that changes during products",
        THREADS,
        "test_slices_begin_after_another_thread_s_whole_product",
        (None,),
    ),
    Race(
        f"{BLAS}.in_turn",
        "            _set_threads(now)",
        "            pass",
        "all threads left to slices",
        THREADS,
        "test_a_product_of_slices_waits_for_another_thread_s_whole_product",
        (None,),
    ),
    Race(
        f"{BLAS}.in_turn",
        "    try:\n        if not _wanted",
        "    try:\n      with _turn:\n        if not _wanted",
        "threads that multiply one after the other",
        THREADS,
        "test_products_of_threads_that_have_no_slices_run_side_by_side",
    ),
    Race(
        f"{BLAS}.single_threaded_blas",
        "_users += 1",
        "_users = 1",
        "threads given back while another caller is left",
        THREADS,
        "test_a_second_caller_s_tasks_run_on_one_blas_thread_until_their_end",
    ),
    Race(
        f"{BLAS}.single_threaded_blas",
        "        me.alone = False\n",
        "        pass\n",
        "a thread that stays alone",
        THREADS,
        "test_an_error_in_another_thread_leaves_no_lock_behind",
    ),
    Race(
        "backend.cpu.threads.in_parallel",
        "_free.release()",
        "pass",
        "threads that serve one caller only",
        THREADS,
        "test_an_error_in_another_thread_leaves_no_lock_behind",
    ),
    Race(
        "layers.locks.Locks",
        "return Locks, ()",
        "return object.__reduce_ex__(self, 2)",
        "locks copied with the network",
        LOCKS,
        "test_a_copy_and_a_pickle_of_a_network_in_training_can_be_trained",
    ),
    Race(
        "layers.locks.Locks",
        "            lock.release()",
        "            pass",
        "a network trained but once",
        LOCKS,
        "test_fit_within_its_own_fit_is_an_error_and_the_outer_one_goes_on",
    ),
    Race(
        "layers.locks.Locks",
        "lock.acquire(blocking=False)",
        "True",
        "a network trained twice at once",
        LOCKS,
        "test_fit_within_its_own_fit_is_an_error_and_the_outer_one_goes_on",
    ),
    Race(
        "layers.locks.Locks",
        "threading.RLock()",
        "contextlib.nullcontext()",
        "gradients of two threads mixed",
        LOCKS,
        "test_backward_passes_of_one_network_take_turns",
    ),
]
