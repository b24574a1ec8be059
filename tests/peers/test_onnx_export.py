"""What ``export`` can add to a network: lengths of sequences, the preprocessing, metadata; onnxruntime runs it."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from border import host
from onnx.reference import ReferenceEvaluator

import xpnn as nn
from xpnn.interop.onnx import export

LENGTHS = np.array([1, 4, 2])


def bidirectional(cell, merge, sequences):
    return nn.Bidirectional(cell(3, 3, sequences), merge=merge)


SEQUENCES = {
    "states": nn.Sequential(nn.RNN(3, 4, True), nn.Dense(4, 2)),
    "last": nn.RNNClassifier(3, 4, 2, cell=nn.LSTM),
    "no bias": nn.Sequential(nn.GRU(3, 4, True, bias=False), nn.GRU(4, 3), nn.Dense(3, 2)),
    "both directions, two layers": nn.RNNClassifier(3, 4, 2, cell=nn.GRU, num_layers=2, bidirectional=True),
    "added directions": nn.Sequential(bidirectional(nn.RNN, "sum", True), nn.LayerNorm(3), nn.Dense(3, 1)),
    "joined directions": nn.Sequential(bidirectional(nn.LSTM, "concat", True), nn.Softmax()),
    "residual": nn.Sequential(nn.Residual(nn.Sequential(nn.LSTM(3, 3, True), nn.Dense(3, 3))), nn.Sigmoid()),
    "a residual block alone": nn.Residual(nn.GRU(3, 3, True)),
    "no recurrent layer": nn.Sequential(nn.Dense(3, 2), nn.Sigmoid(), input_shape=(4, 3)),
    "graph": nn.Graph(
        {
            "r": (nn.RNN(3, 3, True), "x"),
            "y": (nn.Concat(-1), "r", "x"),
            "z": nn.Dense(6, 2),
            "last": (nn.GRU(3, 2), "r"),
        },
        outputs=("z", "r", "last"),
    ),
    "symbols": nn.CharRNN("abcde", 4, 3),
}


def padded(model, rng):
    model.flat_params[...] = nn.asarray(rng.standard_normal(model.flat_params.shape) / 2)
    x = rng.integers(0, 5, (3, 4)) if isinstance(model, nn.CharRNN) else rng.standard_normal((3, 4, 3), dtype="f")
    x[np.arange(4) >= LENGTHS[:, None]] = 0
    return x


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_of_different_lengths(name, rng, tmp_path):
    model = SEQUENCES[name]
    x = padded(model, rng)
    export(model, tmp_path / "m.onnx", lengths=True)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    got = session.run(None, {session.get_inputs()[0].name: x, "lengths": LENGTHS})
    expected = model(nn.asarray(x), lengths=LENGTHS)
    for y, z in zip(got, expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_allclose(y, host(z), atol=1e-5)
        assert y.ndim < 3 or (y[np.arange(4) >= LENGTHS[:, None]] == 0).all()


def test_lengths_of_one_of_two_inputs(rng, tmp_path):
    nodes = {"h": (nn.GRU(3, 2), "steps"), "y": (nn.Concat(), "h", "x")}
    model = nn.Graph(nodes, inputs=("steps", "x"), input_shape=((4, 3), (2,)))
    x = padded(model, rng), rng.standard_normal((3, 2), dtype="f")
    export(model, tmp_path / "m.onnx", lengths=["steps"])
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (got,) = session.run(None, {"steps": x[0], "x": x[1], "lengths": LENGTHS})
    np.testing.assert_allclose(got, host(model(tuple(map(nn.asarray, x)), lengths=(LENGTHS, None))), atol=1e-5)
    with pytest.raises(ValueError, match="lengths of 'z', which is not one of the inputs steps, x"):
        export(model, tmp_path / "m.onnx", lengths=["z"])


def test_padding_that_would_be_mixed_in(tmp_path):
    with pytest.raises(ValueError, match=r"Flatten\(\): would mix the padding"):
        export(nn.Sequential(nn.Flatten(), nn.Dense(12, 2), input_shape=(4, 3)), tmp_path / "m.onnx", lengths=True)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("pixels", "model"),
    [
        (nn.Pixels((1, 8, 8), 0.3, 0.4, "flat"), nn.MLP((64, 3))),
        (nn.Pixels((3, 8, 6), (0.3, 0.2, 0.1), 0.4, "rows"), nn.RNNClassifier(18, 4, 2, cell=nn.GRU)),
        (nn.Pixels((1, 8, 6), 0.3, 0.4, size=(28, 28)), nn.LeNet5()),
        (nn.Pixels((3, 8, 6), 0.5, (0.1, 0.2, 0.3)), nn.Sequential(nn.Conv2D(3, 2, 3, dtype="float64"), nn.Flatten())),
    ],
)
def test_pictures_as_they_are(pixels, model, rng, tmp_path):
    pictures = rng.integers(0, 256, (3, *pixels.shape), "u1")
    export(model, tmp_path / "m.onnx", preprocessing=pixels, prepared=False, classes=("a", "b"))
    if model.dtype == "float32":
        (got,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"pixels": pictures})
    else:  # which onnxruntime's convolution lacks
        (got,) = ReferenceEvaluator(str(tmp_path / "m.onnx")).run(None, {"pixels": pictures})
    expected = host(model(nn.asarray(pixels(pictures), model.dtype)))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("target", [["u", "v", "u"], [1.5, 2.5, 9.0]])
def test_a_table_s_columns_as_they_are(target, tmp_path):
    encoder = nn.TableEncoder.fit(pd.DataFrame({"output": [1.0, np.nan, 3.0], "b": ["x", None, "y"], "t": target}), "t")
    model = nn.MLP((encoder.width, 4, len(encoder.classes) or 1), rng=0)
    export(model, tmp_path / "m.onnx", preprocessing=encoder, prepared=False)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    rows = {"output": [1.0, np.nan, 7.0], "b": ["x", "", "z"]}
    feeds = {"output": np.array(rows["output"])[:, None], "b": np.array(rows["b"], object)[:, None]}
    (got,) = session.run(None, feeds)
    expected = nn.predict(model, encoder.transform(rows))
    np.testing.assert_allclose(
        got if encoder.classes else got[:, 0], expected if encoder.classes else encoder.decode(expected), atol=1e-5
    )


def test_metadata(tmp_path):
    pixels = nn.Pixels((1, 8, 8), 0.3, 0.4, "flat")
    export(nn.MLP((64, 2)), tmp_path / "m.onnx", classes=["no", "yes"], preprocessing=pixels)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    told = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
    assert told["classes"] == ["no", "yes"]
    assert told["preprocessing"]["pixels"]["mean"] == 0.3
    assert session.get_inputs()[0].shape == ["N", 64]
    with pytest.raises(ValueError, match="preprocessing is for a network of one input, got a, b"):
        export(
            nn.Graph({"y": nn.Concat()}, inputs=("a", "b"), input_shape=((2,), (2,))), tmp_path / "m.onnx",
            preprocessing=pixels, prepared=False,
        )  # fmt: skip


@pytest.mark.parametrize("beta", [1, 2])
def test_a_softplus_with_a_threshold(beta, tmp_path):
    layer, x = nn.Softplus(beta, threshold=1), np.linspace(-3, 3, 13, dtype="f")[None]
    export(layer, tmp_path / "m.onnx", input_shape=(13,))
    (got,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"input": x})
    np.testing.assert_allclose(got, host(layer(nn.asarray(x))), atol=1e-6)
