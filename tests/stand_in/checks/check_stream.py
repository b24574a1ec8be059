"""Batches that travel ahead: the right numbers, in order, and a copy under way while a step computes."""

import cupy
import numpy as np
import pytest
from cupy.stand_in import watch

import xpnn as nn
from xpnn.backend import prefetch
from xpnn.backend.border import border
from xpnn.backend.cuda.stream import _copying

DATA = np.arange(168, dtype="float64").reshape(56, 3), np.arange(56)


def parts(count: int) -> list[slice]:
    """Batches of 8 samples each."""
    return [slice(8 * i, 8 * i + 8) for i in range(count)]


ORDERS = {
    "in order": lambda samples: np.arange(samples),
    "shuffled": lambda samples: np.random.default_rng(0).permutation(samples),
}
ARRAYS = {
    "as they are": DATA,
    "converted": (DATA[0].astype("float32"), DATA[1]),
    "big-endian": (DATA[0].astype(">f8"), DATA[1].astype(">i4")),
    "turned": (np.asfortranarray(DATA[0]), DATA[1][::-1]),
    "on the device": tuple(map(cupy.asarray, DATA)),
    "labels on the device": (DATA[0], cupy.asarray(DATA[1])),
    "images on the device": (cupy.asarray(DATA[0].astype("float32")), DATA[1]),
}


@pytest.mark.parametrize("samples", [0, 5, 8, 13, 21, 53])
@pytest.mark.parametrize("arrays", ARRAYS)
@pytest.mark.parametrize("order", [*ORDERS, "slices"])
def test_every_batch_in_order(samples, arrays, order):
    whole = ORDERS.get(order, np.arange)(samples)
    chosen = [whole[i : i + 8] for i in range(0, samples, 8)]
    batches = [slice(i, min(i + 8, samples)) for i in range(0, samples, 8)] if order == "slices" else chosen
    seen = list(prefetch(ARRAYS[arrays], iter(batches), "float64"))
    assert len(seen) == len(chosen)
    for found, places in zip(seen, chosen, strict=True):  # also those of long ago
        for array, host in zip(found, ARRAYS[arrays], strict=True):
            np.testing.assert_array_equal(array.get(), nn.to_numpy(host)[places])


def test_the_last_slice_may_reach_beyond_the_end():
    assert [len(x) for x, _ in prefetch(DATA, [slice(40, 50), slice(50, 60)])] == [10, 6]


def test_dtypes_are_asarrays():
    ((x, y),) = prefetch(DATA, parts(1))
    assert (x.dtype, y.dtype) == ("float32", "int64")
    with pytest.raises(TypeError, match="expected numbers"):
        next(prefetch([np.array(["a"])], [slice(1)]))


@pytest.mark.parametrize(("batches", "uploads"), [(parts(4), 0), ([np.arange(8)] * 4, 4)])
def test_of_what_is_on_the_device_only_the_indices_travel(batches, uploads):
    arrays = tuple(map(cupy.asarray, DATA))
    with watch() as seen:
        list(prefetch(arrays, batches))
    assert (seen.uploads, seen.synchronisations) == (uploads, 0), str(seen)


def test_the_next_batch_is_on_its_way_before_the_step_is_given_out():
    """Its copy waits for the steps before this one, and this step waits for its own batch alone."""
    compute, copying = cupy.cuda.Stream.null, _copying()
    send, receive = [("wait", copying, compute), ("copy", copying), ("copy", copying)], [("wait", compute, copying)]
    with watch() as seen:
        for x, _ in prefetch(DATA, parts(4)):
            seen.order.append(("step", int(x.shape[0])))
    step = [("step", 8)]
    assert seen.order == [
        *(send + send + receive + step),
        *(send + receive + step),
        *(send + receive + step),
        *(receive + step),
    ]


def test_a_stream_in_use_stays_so():
    stream = cupy.cuda.Stream(non_blocking=True).use()
    try:
        with watch() as seen:
            for _ in prefetch(DATA, parts(4)):
                assert cupy.cuda.get_current_stream() is stream
        assert seen.order.count(("wait", stream, _copying())) == 4
    finally:
        cupy.cuda.Stream.null.use()


def test_the_host_waits_for_old_copies_alone():
    """Two batches back, so that pinned memory may serve again; the device is never left without work."""
    with watch() as seen:
        for _ in prefetch(DATA, parts(6)):
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
        for i, batch in enumerate(parts(4)):
            pulled.append(i)
            yield batch

    ahead = [len(pulled) for _ in prefetch(DATA, source())]
    assert ahead == [2, 3, 4, 4]


def test_left_early_it_waits_for_what_is_under_way():
    with watch() as seen:
        stream = prefetch(DATA, parts(5))
        next(stream)
        stream.close()
    assert seen.holds == 2


def test_device_memory_of_three_batches_at_most():
    pool = cupy.get_default_memory_pool()
    before, most = pool.used_bytes(), 0
    big = np.zeros((8, 1 << 12), dtype="float32")
    for (x,) in prefetch([big], [slice(i, i + 1) for i in range(8)]):
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
    plain = lambda arrays, batches, dtype: (tuple(nn.asarray(a[batch]) for a in arrays) for batch in batches)  # noqa: E731
    monkeypatch.setattr("xpnn.training.sources.prefetch", plain)
    np.testing.assert_array_equal(streamed, weights())


def test_the_thread_that_reads_ahead_is_on_the_device_and_the_stream_of_the_run(monkeypatch):
    """Else it would look at the batches, and copy them, on the first device's default stream."""
    monkeypatch.setattr(cupy.cuda, "DEVICES", 2)
    for name, value in {"faults": {}, "flags": [], "checked": False}.items():
        monkeypatch.setattr(border, name, value)  # the flags that there are, are on the first device
    seen = []

    def batches():
        for part in parts(7):
            seen.append((cupy.cuda.Device().id, cupy.cuda.get_current_stream()))
            yield cupy.asarray(DATA[0][part].astype("float32")), cupy.asarray(DATA[1][part] % 3)

    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device(1).use()
    try:
        with stream:
            nn.fit(nn.MLP((3, 4, 3), rng=0), batches, epochs=2, verbose=False)
    finally:
        cupy.cuda.Device(0).use()
    assert set(seen) == {(1, stream)}
