"""Stacks of recurrent layers in one direction and in both, on sequences of different lengths, against torch.nn."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import xpnn as nn

KINDS = {nn.RNN: torch.nn.RNN, nn.LSTM: torch.nn.LSTM, nn.GRU: torch.nn.GRU}
LENGTHS = [4, 7, 1, 5]
I, H = 3, 4


def by_torch(kind, model, layers, both, sequences):
    """torch's module with the weights of a stack of xpnn's, and the names of its parameters for each of xpnn's."""
    peer = KINDS[kind](I, H, layers, batch_first=True, bidirectional=both, dtype=torch.float64)
    names = {}
    with torch.no_grad():
        for name, value in model.params.items():
            layer, *_, key = name.split(".")
            end = f"_l{layer}" + ("_reverse" if ".reverse." in name else "")
            ours = torch.tensor(nn.to_numpy(value))
            if key == "b_h":  # of the candidate alone; torch has one for each gate
                getattr(peer, "bias_hh" + end)[2 * H :] = ours
                names[name] = "bias_hh" + end, slice(2 * H, None)
                continue
            names[name] = {"W_x": "weight_ih", "W_h": "weight_hh", "b": "bias_ih"}[key] + end, slice(None)
            getattr(peer, names[name][0])[:] = ours
            if key == "b":
                getattr(peer, "bias_hh" + end)[:] = 0
    return peer, names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "both"), [(1, True), (2, False), (2, True)])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
def test_packed_sequences(kind, layers, both, sequences, measured):
    rng, stack = np.random.default_rng(0), []
    for i in range(layers):
        size = I if i == 0 else H * (1 + both)
        layer = kind(size, H, sequences or i < layers - 1, rng=rng, dtype="float64")
        stack.append(nn.Bidirectional(layer, rng=rng) if both else layer)
    model = nn.Sequential(*stack)
    for name, value in model.params.items():
        model.params[name] = rng.uniform(-0.8, 0.8, value.shape)
    x, _ = nn.pad([rng.standard_normal((length, I)) for length in LENGTHS])

    y, backward = model.forward(nn.asarray(x, "float64"), lengths=LENGTHS)
    dy = rng.standard_normal(y.shape)
    dx = backward(nn.asarray(dy, "float64"))

    peer, names = by_torch(kind, model, layers, both, sequences)
    leaf = torch.tensor(x, requires_grad=True)
    packed, last = peer(pack_padded_sequence(leaf, LENGTHS, batch_first=True, enforce_sorted=False))
    h = last[0] if kind is nn.LSTM else last
    want = pad_packed_sequence(packed, batch_first=True)[0] if sequences else torch.cat([*h[-1 - both :]], dim=1)
    (want * torch.tensor(dy)).sum().backward()
    pairs = [(y, want.detach()), (dx, leaf.grad)]
    pairs += [(model.grads[ours], getattr(peer, theirs).grad[rows]) for ours, (theirs, rows) in names.items()]
    for got, expected in pairs:
        error = np.abs(nn.to_numpy(got) - expected.numpy()).max() / np.abs(expected.numpy()).max()
        measured("torch, stacked recurrent layers, float64, relative error", error)
        assert error <= 1e-10
