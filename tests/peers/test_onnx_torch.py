"""PyTorch's files of networks as people write them: loaded, trained for a step, and run as onnxruntime runs them.

A selection; ``onnx_corpus.py`` tries all, by both exporters, and prints the table of docs/onnx.md.
"""

import pytest
from peers.onnx_corpus import exported, judged, networks

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
