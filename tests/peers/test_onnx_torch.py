"""PyTorch's files of networks as people write them: loaded, trained for a step, and run as onnxruntime runs them.

A selection; ``onnx_corpus.py`` tries all, by both exporters, and prints the table of docs/onnx.md.
"""

import warnings

import numpy as np
import pytest
import torch
from peers.onnx_corpus import Net, exported, judged, networks, normal

import xpnn as nn
from xpnn.interop import onnx as interop

NETWORKS = networks()
SELECTED = [
    *("LeNet, view(x.size(0), -1)", "ResNet, 2 blocks", "MobileNet block, squeeze and excitation", "U-Net"),
    *("LSTM, y[:, -1]", "LSTM, 2 layers, h[-1]", "bidirectional GRU, cat(h[-2], h[-1])", "text, Conv1d, max over time"),
    *("autoencoder, ConvTranspose2d", "ELU, PReLU, SELU, Mish ...", "two inputs, cat", "two outputs"),
    "input normalised, GroupNorm, reshape",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SELECTED)
def test_through_torchscript(name, tmp_path):
    exported(*NETWORKS[name], dynamo=False, path=tmp_path / "model.onnx")
    assert judged(tmp_path / "model.onnx", NETWORKS[name][1]) == (True, True)


@pytest.mark.filterwarnings("ignore")
def test_layer_norm_before_opset_17(tmp_path):
    net, inputs = NETWORKS["residual MLP, LayerNorm, GELU"]
    exported(net, inputs, dynamo=False, path=tmp_path / "model.onnx", opset=14)
    assert judged(tmp_path / "model.onnx", inputs) == (True, True)
    assert str(interop.load(tmp_path / "model.onnx")).count("LayerNorm(16)") == 3


def learned(s, x):
    h, c = (start.expand(-1, len(x), -1).contiguous() for start in (s.r.h, s.r.c))
    return s.r(x, (h, c))[0][:, -1]


def captions(s, image, words):
    h = torch.tanh(s.image(image))[None]
    return s.r(words, (h, torch.zeros_like(h)))[0]


def translation(s, x, z):
    return s.decoder(z, s.encoder(x)[1])[0]


def stateful():
    """By name, the network, the shapes of its inputs, and what stands in that of xpnn."""
    cell = {"batch_first": True}
    both = torch.nn.LSTM(4, 5, 2, bidirectional=True, **cell)
    both.h, both.c = (torch.nn.Parameter(normal(4, 1, 5)) for _ in range(2))
    return {
        "learned": (Net(learned, r=both), [(3, 7, 4)], "initial_state='learned'"),
        "of an encoder": (
            Net(translation, encoder=torch.nn.GRU(4, 5, 2, **cell), decoder=torch.nn.GRU(3, 5, 2, **cell)),
            [(3, 7, 4), (3, 6, 3)], "GRU(3, 5, return_sequences=True, initial_state='given')",
        ),
        "one of two": (
            Net(captions, image=torch.nn.Linear(6, 5), r=torch.nn.LSTM(3, 5, **cell)),
            [(3, 6), (3, 4, 3)], "initial_state=('given', 'zeros')",
        ),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", stateful())
def test_initial_states(name, tmp_path):
    net, shapes, text = stateful()[name]
    inputs = tuple(normal(*shape) for shape in shapes)
    exported(net.eval(), inputs, dynamo=False, path=tmp_path / "model.onnx")
    assert judged(tmp_path / "model.onnx", inputs) == (True, True)
    assert text in str(interop.load(tmp_path / "model.onnx"))


def test_steps_and_states_as_inputs_and_outputs(tmp_path):
    """As PyTorch has them where batch_first is not set: x (T, N, I), h (layers, N, H); here the batch comes first."""
    net = Net(lambda s, x, h: s.r(x, h), r=torch.nn.GRU(4, 5, 2, bidirectional=True))
    x, h = normal(7, 3, 4), normal(4, 3, 5)
    free = {"steps": {1: "n"}, "state": {1: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's exporter
        torch.onnx.export(
            net, (x, h), tmp_path / "m.onnx", dynamo=False, dynamic_axes=free, input_names=["steps", "state"],
            output_names=["y", "last"],
        )  # fmt: skip
    with pytest.warns(
        UserWarning, match="the batch is not the first axis of steps, state, y, last; in the network it is"
    ):
        model = interop.load(tmp_path / "m.onnx")
    y, last = nn.predict(model, {"steps": x.transpose(0, 1).numpy(), "state": h.transpose(0, 1).numpy()})
    for got, expected in zip((y, last), net(x, h), strict=True):
        np.testing.assert_allclose(got, expected.detach().transpose(0, 1), rtol=0, atol=1e-5)
