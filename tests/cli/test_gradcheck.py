"""The command gradcheck: what it checks, and its names."""

import argparse

import pytest

import xpnn as nn
from xpnn.cli import gradcheck as command

CASES = list(command.layer_cases(seed=0))


def run(*names, seed=0, tolerance=1e-6):
    return command.run(argparse.Namespace(names=[command.name(name) for name in names], seed=seed, tolerance=tolerance))


def test_command_checks_all_layers(capsys, monkeypatch):
    """Told nothing; a tenth of them, since tests/checks have them all."""
    monkeypatch.setattr(command, "layer_cases", lambda seed: iter(CASES[::10]))
    assert run() == 0
    output = capsys.readouterr().out
    assert f"gradcheck of {len(CASES[::10])} layers and losses, float64 on {nn.xp.__name__}, tolerance 1e-06" in output
    assert "gradients agree, relative error at most" in output
    assert all(type(case.layer).__name__ in output for case in CASES[::10])


def test_command_checks_what_it_is_told(capsys):
    assert run("conv2d", "rnn", "MLP", seed=3) == 0
    output = capsys.readouterr().out
    assert "Conv2D(1, 4, kernel_size=2)" in output
    assert "gradcheck of MLP, x (3, 64)" in output
    assert "Sigmoid" not in output
    assert "RNNClassifier" in output
    assert "LSTM" not in output


def test_command_tells_the_network_from_the_layer():
    assert [command.name(text) for text in ("rnn", "RNN", "Rnn", "LeNet5", "gru")] == [
        "rnn",
        "RNN",
        "rnn",
        "lenet5",
        "GRU",
    ]


def test_command_fails_with_status_1(capsys, monkeypatch):
    monkeypatch.setattr(nn.layers.flatten.Flatten, "forward", lambda self, x, needs_dx=True: (x * x, lambda dy: x * dy))
    assert run("flatten") == 1
    assert "1 of 1 gradients fail" in capsys.readouterr().out


def test_command_names_what_there_is():
    with pytest.raises(argparse.ArgumentTypeError, match="'dence' is none of mlp, lenet5, rnn, charrnn, Dense, Conv2D"):
        command.name("dence")
