"""Batches that travel ahead: the right numbers, in order, and a copy under way while a step computes."""

import cupy
import numpy as np
import pytest
from cupy.stand_in import watch

import xpnn as nn
from xpnn.backend import prefetch
from xpnn.backend.stream import _copying


def batches(count: int, last: int = 8) -> list[tuple[np.ndarray, np.ndarray]]:
    sizes = ([8] * (count - 1) + [last])[-count:] if count else []
    return [(np.full((n, 3), i, dtype="float64"), np.full(n, i)) for i, n in enumerate(sizes)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_every_batch_in_order(count):
    seen = [(x, y) for x, y in prefetch(iter(batches(count, last=5)), "float64")]
    assert len(seen) == count
    for (x, y), (x_host, y_host) in zip(seen, batches(count, last=5), strict=True):  # also those of long ago
        np.testing.assert_array_equal(x.get(), x_host)
        np.testing.assert_array_equal(y.get(), y_host)


def test_dtypes_are_asarrays():
    ((x, y),) = prefetch(batches(1))
    assert (x.dtype, y.dtype) == ("float32", "int64")
    with pytest.raises(TypeError, match="expected numbers"):
        next(prefetch([(np.array(["a"]),)]))


def test_the_next_batch_is_on_its_way_before_the_step_is_given_out():
    """Its copy waits for the steps before this one, and this step waits for its own batch alone."""
    compute, copying = cupy.cuda.Stream.null, _copying()
    send, receive = [("wait", copying, compute), ("copy", copying), ("copy", copying)], [("wait", compute, copying)]
    with watch() as seen:
        for x, _ in prefetch(batches(4)):
            seen.order.append(("step", int(x.shape[0])))
    step = [("step", 8)]
    assert seen.order == [
        *(send + send + receive + step),
        *(send + receive + step),
        *(send + receive + step),
        *(receive + step),
    ]


def test_the_host_waits_for_old_copies_alone():
    """Two batches back, so that pinned memory may serve again; the device is never left without work."""
    with watch() as seen:
        for _ in prefetch(batches(6)):
            pass
    assert (seen.uploads, seen.synchronisations, seen.holds) == (12, 0, 6), str(seen)


def test_a_batch_is_not_there_before_its_copy_was_waited_for():
    """What the order is for, and that the stand-in shows its lack."""
    host = np.frombuffer(cupy.cuda.alloc_pinned_memory(8), "float64")
    host[...] = 3
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        array = cupy.empty(1)
        array.set(host)
        arrived = stream.record()
    assert array.get() != 3
    cupy.cuda.get_current_stream().wait_event(arrived)
    assert array.get() == 3


def test_source_is_read_one_batch_ahead():
    pulled = []

    def source():
        for i, batch in enumerate(batches(4)):
            pulled.append(i)
            yield batch

    ahead = [len(pulled) for _ in prefetch(source())]
    assert ahead == [2, 3, 4, 4]


def test_left_early_it_waits_for_what_is_under_way():
    with watch() as seen:
        stream = prefetch(batches(5))
        next(stream)
        stream.close()
    assert seen.holds == 2


def test_device_memory_of_three_batches_at_most():
    pool = cupy.get_default_memory_pool()
    before, most = pool.used_bytes(), 0
    big = [(np.zeros(1 << 12, dtype="float32"),) for _ in range(8)]
    for (x,) in prefetch(big):
        most = max(most, pool.used_bytes() - before)
        del x
    assert most <= 3 << 14


def test_training_is_that_of_batches_copied_one_by_one(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 6)).astype("float32"), rng.integers(0, 4, 20)

    def weights() -> np.ndarray:
        model = nn.MLP((6, 8, 4), rng=0)
        nn.fit(model, x, y, epochs=3, batch_size=8, validation=(x, y), verbose=False)
        return np.concatenate([nn.to_numpy(model.flat_params), nn.predict(model, x, batch_size=3).ravel()])

    streamed = weights()
    plain = lambda batches, dtype: (tuple(map(nn.asarray, batch)) for batch in batches)  # noqa: E731
    monkeypatch.setattr("xpnn.training.loop.prefetch", plain)
    np.testing.assert_array_equal(streamed, weights())
