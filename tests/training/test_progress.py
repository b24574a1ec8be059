"""What a run prints, and where it cannot."""

import io
import sys

import numpy as np
import pytest

import xpnn as nn

X, Y = np.eye(4), np.arange(4) % 2


class Broken(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, text):
        raise self._error


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, closed, lambda: Broken(OSError("no space left"))])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_training_goes_on_where_nothing_can_be_printed(monkeypatch, name, make):
    monkeypatch.setattr(sys, name, make())
    assert len(nn.fit(nn.MLP((4, 2)), X, Y, epochs=3)) == 3


def test_an_epoch_is_kept_before_its_line_is_printed(monkeypatch):
    kept = []
    monkeypatch.setattr(sys, "stdout", Broken(BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        nn.fit(nn.MLP((4, 2)), X, Y, epochs=3, on_epoch_end=lambda history: kept.append(len(history)))
    assert kept == [1]


def test_the_last_line_is_printed_where_a_callback_ends_the_run(capsys):
    nn.fit(nn.MLP((4, 2)), X, Y, epochs=3, on_epoch_end=lambda history: True)
    assert capsys.readouterr().out.startswith("epoch   1")
