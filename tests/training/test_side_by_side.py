"""What may run side by side, in threads and in processes, with the bits of one alone."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from border import ONCE, STAND_IN, dev, host, parameters

import xpnn as nn

pytestmark = pytest.mark.skipif(STAND_IN, reason="its kernels, run by the processor, are for one thread at a time")

X = np.linspace(-1, 1, 96 * 5, dtype="f").reshape(96, 5)
Y = np.arange(96) % 3


def trained(seed=0, **options):
    """The parameters of a model after two epochs."""
    model = options.pop("model", None) or nn.MLP((5, 16, 3), rng=seed)
    nn.fit(model, X, Y, epochs=2, batch_size=16, rng=seed, verbose=False, **options)
    return parameters(model).tobytes()


def test_inference_on_one_model_and_trainings_of_several_in_threads():
    model = nn.MLP((5, 16, 3), rng=0)
    wanted = host(model(dev(X, "float32"))).tobytes()
    with ThreadPoolExecutor(4) as pool:
        outputs = [pool.submit(lambda: host(model(dev(X, "float32"))).tobytes()) for _ in range(12)]
        runs = [pool.submit(trained, seed) for seed in range(4)]
        assert {output.result() for output in outputs} == {wanted}
        assert [run.result() for run in runs] == [trained(seed) for seed in range(4)]


def test_prediction_while_another_thread_trains_the_model():
    """It sees parameters of some step, or of two that follow one another, and the run is as without it."""
    model, seen = nn.MLP((5, 16, 3), rng=0), []

    class Asking(nn.Callback):
        def on_batch_end(self, batch, logs):
            seen.append(pool.submit(nn.predict, model, X))

    with ThreadPoolExecutor(2) as pool:
        assert trained(model=model, callbacks=[Asking()]) == trained()
        assert len(seen) == 12
        assert all(np.isfinite(one.result()).all() and one.result().shape == (96, 3) for one in seen)


def test_in_the_executor_of_a_notebook():
    async def cell():
        return await asyncio.gather(asyncio.to_thread(trained, 0), asyncio.to_thread(trained, 1))

    assert asyncio.run(cell()) == [trained(0), trained(1)]


@pytest.mark.skipif(not ONCE, reason="a process of its own imports all anew: once is enough")
@pytest.mark.parametrize("kind", ["spawn", "loky"])
def test_in_another_process(kind):
    if kind == "spawn":
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    else:
        pool = pytest.importorskip("joblib.externals.loky").ProcessPoolExecutor(1)
    with pool:
        model = nn.MLP((5, 16, 3), rng=0)
        assert (pool.submit(nn.predict, model, X).result() == nn.predict(model, X)).all()
        fitted = pool.submit(nn.fit, model, X, Y, epochs=2, batch_size=16, verbose=False).result()
        assert [row["loss"] for row in fitted] == [
            row["loss"] for row in nn.fit(model, X, Y, epochs=2, batch_size=16, verbose=False)
        ]
