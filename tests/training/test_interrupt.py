"""Ctrl-C and other signals during fit."""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
from border import parameters

import xpnn as nn
from xpnn.training import interrupt, sources


@pytest.fixture
def sigint():
    """Ctrl-C as in a terminal: a process in the background starts with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_the_model_so_far_and_says_so(blobs, capsys, sigint):
    model = nn.MLP((2, 8, 3), rng=0)
    start = parameters(model)

    class Interrupting(nn.SGD):
        def step(self, model):
            super().step(model)
            if self.steps == 8:
                signal.raise_signal(signal.SIGINT)

    history = nn.fit(model, *blobs, epochs=5, batch_size=16, optimizer=Interrupting(0.1), verbose=False)
    assert history.interrupted
    assert len(history) == 1  # 6 steps an epoch: the second was cut short
    assert (parameters(model) != start).any()
    assert "interrupted in epoch 2" in capsys.readouterr().out


def test_ctrl_c_within_a_step_ends_the_run_after_it(blobs, sigint):
    class Pressed(nn.ReLU):
        presses = 0

        def forward(self, x, needs_dx=True):
            for _ in range(0 if nn.inferring() else self.presses):
                signal.raise_signal(signal.SIGINT)
            return super().forward(x, needs_dx)

    def run(presses):
        optimizer, activation = nn.SGD(0.1), Pressed()
        activation.presses = presses
        model = nn.MLP((2, 8, 3), activation=activation, rng=0)
        history = nn.fit(model, *blobs, optimizer=optimizer, verbose=False)
        return optimizer.steps, len(history), history.interrupted

    assert run(presses=1) == (1, 0, True)
    assert run(presses=2) == (0, 0, True)  # the second time at once
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("other", [{"batch_size": 8}, {"batch_size": 17}, {"accumulate": 2}])
def test_the_epoch_that_goes_on_keeps_its_batches(other, blobs, sigint):
    class Pressed(nn.Callback):
        def on_batch_end(self, batch, logs):
            if batch == 4:
                signal.raise_signal(signal.SIGINT)

    model, optimizer = nn.MLP((2, 3), rng=0), nn.SGD(0.1)
    history = trained(model, blobs, optimizer, callbacks=[Pressed()])
    with pytest.raises(ValueError, match="has made 4 steps with 64 samples, but not with batch_size="):
        trained(model, blobs, optimizer, history=history, **other)
    wanted = nn.MLP((2, 3), rng=0)
    trained(wanted, blobs, nn.SGD(0.1))
    trained(model, blobs, optimizer, history=history)
    np.testing.assert_array_equal(parameters(model), parameters(wanted))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has none")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_what_ends_a_process_saves_first_where_there_is_a_checkpoint(name, blobs, tmp_path, monkeypatch):
    class Signalled(nn.Callback):
        def on_batch_end(self, batch, logs):
            if self.run.optimizer.steps == 8:
                os.kill(os.getpid(), number)

    number, raised = getattr(signal, name), []
    monkeypatch.setattr(signal, "raise_signal", lambda number: raised.append((number, signal.getsignal(number))))
    options = {"callbacks": [Signalled()], "checkpoint": nn.Checkpoint(tmp_path)}
    before = signal.signal(number, signal.SIG_DFL)  # which nohup, say, has a process ignore
    try:
        history = trained(nn.MLP((2, 3)), blobs, nn.SGD(0.1), **options)
    finally:
        signal.signal(number, before)
    assert history.signal == number
    assert raised == [(number, signal.SIG_DFL)]
    assert [path.name for path in tmp_path.glob("step*")] == ["step-000000008.safetensors"]


def test_ctrl_c_after_the_last_step_interrupts_nothing(blobs, sigint, capsys):
    def press(history):
        signal.raise_signal(signal.SIGINT)

    history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=1, verbose=False, on_epoch_end=press)
    assert not history.interrupted
    assert "interrupted" not in capsys.readouterr().out


def trained(model, blobs, optimizer, epochs=3, **options):
    """A history; six steps an epoch."""
    options = {"batch_size": 16, "rng": 5, "max_norm": 1.0, "verbose": False} | options
    return nn.fit(model, *blobs, epochs=epochs, optimizer=optimizer, **options)


class Signalling(nn.Dense):
    """The layer, which sends a signal in its n-th pass, be it a step's or inference."""

    passes, at, number = 0, 0, signal.SIGINT

    def forward(self, x, needs_dx=True):
        self.passes += 1
        if self.passes == self.at:
            signal.raise_signal(self.number)
        return super().forward(x, needs_dx)


def signalling(at=0, number=signal.SIGINT):
    layer = Signalling(2, 3, rng=0)
    layer.at, layer.number = at, number
    return nn.Sequential(layer), nn.AdamW(nn.CosineDecay(0.01, 18))


def without_seconds(history):
    return [{**row, "seconds": 0} for row in history]


@pytest.mark.parametrize("at", [1, 3, 6, 7, 8, 10, 20], ids=lambda at: f"batch {at}")
def test_an_interrupted_run_goes_on_within_the_epoch_to_the_same_bits(at, blobs, sigint, monkeypatch):
    (whole, by), (cut, optimizer) = signalling(), signalling()
    wanted = trained(whole, blobs, by, validation=blobs)
    count, batch_indices = itertools.count(1), sources.batch_indices

    def signalled(batch):  # of an epoch: those of six steps and the validation's one
        if next(count) == at:
            signal.raise_signal(signal.SIGINT)
        return batch

    monkeypatch.setattr(sources, "batch_indices", lambda *given: map(signalled, batch_indices(*given)))
    history = trained(cut, blobs, optimizer, validation=blobs)
    assert history.interrupted
    assert history.signal == signal.SIGINT
    assert history.begun["steps"] == optimizer.steps - 6 * len(history)
    assert trained(cut, blobs, optimizer, validation=blobs, history=history) is history
    assert (history.interrupted, history.begun) == (False, None)
    assert without_seconds(history) == without_seconds(wanted)
    assert optimizer.steps == by.steps
    assert parameters(cut).tobytes() == parameters(whole).tobytes()


def test_a_generator_s_shuffle_is_not_there_again_so_the_epoch_begins_anew(blobs, sigint):
    model, optimizer = signalling(at=5)  # the first two look ahead
    rng = np.random.default_rng(0)
    history = trained(model, blobs, optimizer, rng=rng)
    assert trained(model, blobs, optimizer, rng=rng, history=history)[0]["epoch"] == 1
    assert optimizer.steps == 3 + 18


def test_the_progress_of_an_epoch_that_goes_on(blobs, sigint, monkeypatch):
    bars = []

    class Bar:
        disable = True

        def __init__(self, data, title, steps, initial, **options):
            bars.append((steps, initial))

    monkeypatch.setattr("tqdm.tqdm", Bar)
    model, optimizer = signalling(at=5)  # the first two look ahead
    history = trained(model, blobs, optimizer, verbose=True)
    trained(model, blobs, optimizer, verbose=True, history=history)
    assert bars == [(6, 0), (6, 3), (6, 0), (6, 0)]


def test_within_a_step_nothing_can_go_on(blobs, sigint, capsys):
    class Twice(nn.ReLU):
        def forward(self, x, needs_dx=True):
            for _ in range(0 if nn.inferring() else 2):
                signal.raise_signal(signal.SIGINT)
            return super().forward(x, needs_dx)

    history = nn.fit(nn.MLP((2, 8, 3), activation=Twice()), *blobs, verbose=False)
    assert history.interrupted
    assert history.begun is None
    assert "interrupted in epoch 1, within a step" in capsys.readouterr().out


class TestHandlers:
    """Whose they are, before, during and after."""

    @pytest.fixture(autouse=True)
    def handlers(self):
        """Those of a process that begins in a terminal."""
        before = [(signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))]
        before += [(number, signal.signal(number, signal.SIG_DFL)) for number in interrupt._TERMINATING]
        yield
        for number, handler in before:
            signal.signal(number, handler)

    @pytest.mark.parametrize("handler", [lambda number, frame: None, signal.SIG_IGN])
    def test_a_foreign_one_stays(self, handler, blobs):
        signal.signal(signal.SIGINT, handler)
        seen = []
        model, optimizer = signalling(at=2)
        history = trained(model, blobs, optimizer, on_epoch_end=lambda _: seen.append(signal.getsignal(signal.SIGINT)))
        assert not history.interrupted
        assert seen == [handler] * 3
        assert signal.getsignal(signal.SIGINT) is handler

    def test_one_that_is_set_meanwhile_stays(self, blobs):
        def own(number, frame):
            pass

        model, optimizer = signalling()
        trained(model, blobs, optimizer, on_epoch_end=lambda _: signal.signal(signal.SIGINT, own))
        assert signal.getsignal(signal.SIGINT) is own

    def test_another_thread_sets_none(self, blobs):
        results, model, optimizer = [], *signalling()

        def run():
            results.append(
                trained(model, blobs, optimizer, on_epoch_end=lambda _: results.append(signal.getsignal(signal.SIGINT)))
            )

        with interrupt.terminable():
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        assert results[:-1] == [signal.default_int_handler] * 3
        assert len(results[-1]) == 3

        def terminable():
            with interrupt.terminable():
                results.append("in a thread")

        thread = threading.Thread(target=terminable)
        thread.start()
        thread.join()
        assert results[-1] == "in a thread"

    def test_fit_alone_leaves_termination_to_the_system(self, blobs):
        seen = []
        model, optimizer = signalling()
        trained(model, blobs, optimizer, on_epoch_end=lambda _: seen.append(signal.getsignal(signal.SIGTERM)))
        assert seen == [signal.SIG_DFL] * 3

    @pytest.mark.parametrize("number", interrupt._TERMINATING)
    def test_in_a_terminable_block_termination_ends_it_after_the_step_however_often_it_comes(self, number, blobs):
        class Often(nn.ReLU):
            def forward(self, x, needs_dx=True):
                for _ in range(3):
                    signal.raise_signal(number)
                return super().forward(x, needs_dx)

        optimizer = nn.SGD(0.1)
        with interrupt.terminable():
            history = nn.fit(nn.MLP((2, 8, 3), activation=Often()), *blobs, optimizer=optimizer, verbose=False)
        assert (history.signal, optimizer.steps, history.begun["steps"]) == (number, 1, 1)
        assert signal.getsignal(number) is signal.SIG_DFL

    @pytest.mark.parametrize("number", interrupt._TERMINATING)
    def test_elsewhere_in_it_termination_is_a_keyboard_interrupt_that_names_it(self, number):
        with pytest.raises(KeyboardInterrupt) as caught, interrupt.terminable():
            signal.raise_signal(number)
        assert interrupt.signal_of(caught.value) == number
        assert interrupt.signal_of(KeyboardInterrupt()) == signal.SIGINT
        assert signal.getsignal(number) is signal.SIG_DFL

    @pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has none")
    def test_what_nohup_ignores_stays_ignored(self, blobs):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        model, optimizer = signalling(at=2, number=signal.SIGHUP)
        with interrupt.terminable():
            assert not trained(model, blobs, optimizer).interrupted
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
