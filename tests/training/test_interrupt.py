"""Ctrl-C during fit."""

import signal

import pytest
from border import parameters

import xpnn as nn


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
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)
            return super().forward(x, needs_dx)

    def trained(presses):
        optimizer, activation = nn.SGD(0.1), Pressed()
        activation.presses = presses
        model = nn.MLP((2, 8, 3), activation=activation, rng=0)
        history = nn.fit(model, *blobs, optimizer=optimizer, verbose=False)
        return optimizer.steps, len(history), history.interrupted

    assert trained(presses=1) == (1, 0, True)
    assert trained(presses=2) == (0, 0, True)  # the second time at once
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_after_the_last_step_interrupts_nothing(blobs, sigint, capsys):
    def press(history):
        signal.raise_signal(signal.SIGINT)

    history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=1, verbose=False, on_epoch_end=press)
    assert not history.interrupted
    assert "interrupted" not in capsys.readouterr().out
