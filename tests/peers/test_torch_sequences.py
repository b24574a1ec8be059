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


def test_a_packed_sequence_is_no_array():
    packed = pack_padded_sequence(torch.zeros(3, 4, 2), torch.tensor([4, 2, 1]), batch_first=True)
    with pytest.raises(TypeError, match="fit: x: expected an array, got a PackedSequence: x, lengths = .* lengths="):
        nn.fit(nn.RNNClassifier(2, 3, 2), packed, np.zeros(3, int), epochs=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("both", [False, True], ids=["forwards", "both"])
def test_given_initial_states_and_last_states(kind, both, measured):
    """Two layers, whose states torch has in one array, first by layer and then by direction."""
    rng, names, D = np.random.default_rng(0), kind(I, H).state_names, 1 + both
    nodes, outputs = {}, []
    for i in range(2):
        layer = kind(H * D if i else I, H, True, return_state=True, initial_state="given", rng=rng, dtype="float64")
        nodes[str(i)] = nn.Bidirectional(layer, rng=rng) if both else layer, str(i - 1) if i else "x"
        nodes[str(i)] += tuple(f"{name}{i}" for name in names)
        outputs += [f"{i}.{name}" for name in names]
    inputs = ["x", *(f"{name}{i}" for i in range(2) for name in names)]
    model = nn.Graph(nodes, inputs, ["1", *outputs])
    for name, value in model.params.items():
        model.params[name] = rng.uniform(-0.8, 0.8, value.shape)
    x, _ = nn.pad([rng.standard_normal((length, I)) for length in LENGTHS])
    states = rng.standard_normal((2, len(names), len(x), D * H))  # by layer and component
    lengths = LENGTHS, *[None] * (len(inputs) - 1)
    given = nn.asarray(x, "float64"), *(nn.asarray(one, "float64") for layer in states for one in layer)
    y, backward = model.forward(given, lengths=lengths)
    dy = [rng.standard_normal(one.shape) for one in y]
    dx, *dstates = backward(tuple(nn.asarray(one, "float64") for one in dy))

    peer, found = by_torch(kind, model, 2, both, True)
    leaf, starts = torch.tensor(x, requires_grad=True), []
    for k in range(len(names)):
        starts.append(torch.tensor(as_torch(states[:, k], D), requires_grad=True))
    packed, last = peer(
        pack_padded_sequence(leaf, LENGTHS, batch_first=True, enforce_sorted=False),
        tuple(starts) if len(starts) > 1 else starts[0],
    )
    last = last if isinstance(last, tuple) else (last,)
    want = pad_packed_sequence(packed, batch_first=True)[0]
    n = len(names)
    energy = (want * torch.tensor(dy[0])).sum()
    energy += sum((one * torch.tensor(as_torch(np.stack(dy[1 + k :: n]), D))).sum() for k, one in enumerate(last))
    energy.backward()
    pairs = [(y[0], want.detach().numpy()), (dx, leaf.grad.numpy())]
    for k in range(n):
        pairs.append((as_torch(np.stack([nn.to_numpy(one) for one in y[1 + k :: n]]), D), last[k].detach().numpy()))
        pairs.append((as_torch(np.stack([nn.to_numpy(one) for one in dstates[k::n]]), D), starts[k].grad.numpy()))
    pairs += [(model.grads[ours], getattr(peer, their).grad[rows].numpy()) for ours, (their, rows) in found.items()]
    for got, expected in pairs:
        error = np.abs(nn.to_numpy(nn.xp.asarray(got)) - expected).max() / np.abs(expected).max()
        measured("torch, initial and last states, float64, relative error", error)
        assert error <= 1e-10


def as_torch(states, D):
    """(layers, N, D H) as (layers D, N, H)."""
    L, N, _ = states.shape
    return states.reshape(L, N, D, H).transpose(0, 2, 1, 3).reshape(L * D, N, H)
