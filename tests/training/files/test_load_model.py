"""Files that are whole: built from what they say, whatever it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from border import ONCE, host, parameters, traced
from safetensors.numpy import save as serialized

import xpnn as nn
from xpnn.training.files import about
from xpnn.training.files.sealed import sealed

once = pytest.mark.skipif(not ONCE, reason="text that is read by NumPy alone: once is enough")
STORED = Path(__file__).parent / "version_1.safetensors"
"""Saved by the xpnn that introduced version 1; never to be written again."""


def network():
    """Of many kinds of layers, with parameters that a formula gives."""
    shared = nn.Conv2D(2, 2, 3, padding=1)
    block = nn.Residual(nn.Sequential(shared, nn.BatchNorm2D(2), nn.GELU("tanh")), nn.Conv2D(2, 2, 1, bias=False))
    rnn = nn.Bidirectional(nn.GRU(9, 3), merge="sum")
    model = nn.Graph(
        {
            "first": (nn.Conv2D(1, 2, (3, 2), padding=(1, 0)), "x"),
            "block": block,
            "again": (shared, "block"),
            "joined": (nn.Concat(), "again", "first"),
            "pool": nn.Sequential(nn.GlobalAvgPool2D(), nn.LayerNorm(4), nn.PReLU(4)),
            "rows": (nn.Sequential(rnn, nn.Dropout(0.1)), "steps"),
            "both": (nn.Concat(-1), "pool", "rows"),
            "logits": nn.MLP((7, 4, 2), nn.LeakyReLU(0.2)),
        },
        inputs=("x", "steps"),
        input_shape=((1, 9, 9), (9, 9)),
    )
    model.flat_params[...] = nn.asarray(np.sin(np.arange(model.flat_params.size) * 0.7))
    for index, key in enumerate(model.buffers):
        model.buffers[key] = np.linspace(0.5, 1.5 + index, 2)
    return model


def outputs(model):
    x = np.cos(np.arange(2 * 81) * 0.3).reshape(2, 1, 9, 9)
    return host(model((nn.asarray(x), nn.asarray(x[:, 0]))))


class TestVersion:
    """Files of version 1 load in every later xpnn."""

    def test_the_stored_file(self):
        model, expected = nn.load_model(STORED), network()
        assert repr(model) == repr(expected)
        assert parameters(model).tobytes() == parameters(expected).tobytes()
        np.testing.assert_allclose(outputs(model), outputs(expected), rtol=1e-5)
        assert nn.read_metadata(STORED) == {"note": "kept"}
        about = nn.read_about(STORED)
        assert about.classes == ("no", "yes")
        assert about.preprocessing == nn.Pixels((1, 8, 8), 0.25, (0.5,), size=(9, 9))

    def test_a_newer_one_is_refused(self, tmp_path):
        said = json.dumps({"version": about.VERSION + 1, "network": {"class": "Mamba"}})
        (tmp_path / "m").write_bytes(serialized({"W": np.zeros(1, "f4")}, {about.KEY: said}))
        for read in (nn.load_model, nn.read_about):
            with pytest.raises(ValueError, match="m has the format 2, this xpnn reads up to 1: install a newer xpnn"):
                read(tmp_path / "m")


def test_what_is_saved_is_loaded(tmp_path):
    model = network()
    nn.fit(
        model, (np.ones((4, 1, 9, 9)), np.ones((4, 9, 9))), np.array([0, 1, 0, 1]), epochs=1, batch_size=2, rng=0,
        verbose=False,
    )  # fmt: skip
    nn.save(model, tmp_path / "m", {"note": "mine"}, optimizer=nn.Adam())
    other = nn.load_model(tmp_path / "m")
    assert repr(other) == repr(model)
    assert parameters(other).tobytes() == parameters(model).tobytes()
    np.testing.assert_array_equal(outputs(other), outputs(model))
    assert nn.read_metadata(tmp_path / "m") == {"note": "mine"}
    assert nn.read_about(tmp_path / "m") == ((), None)


def test_a_table_s_encoder_is_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    encoder = nn.TableEncoder.fit(pandas.DataFrame({"a": [1, 2], "b": ["x", None], "y": ["no", "yes"]}), "y")
    nn.save(nn.MLP((2, 2)), tmp_path / "m", classes=encoder.classes, preprocessing=encoder)
    assert nn.read_about(tmp_path / "m") == (("no", "yes"), encoder)


def test_what_is_no_preprocessing(tmp_path):
    with pytest.raises(TypeError, match="expected Pixels or a TableEncoder, got dict"):
        nn.save(nn.Dense(1, 1), tmp_path / "m", preprocessing={"mean": 0.5})
    with pytest.raises(TypeError, match="classes: expected a sequence of texts, got 'ab'"):
        nn.save(nn.Dense(1, 1), tmp_path / "m", classes="ab")
    assert not (tmp_path / "m").exists()


def test_a_file_without_a_network(tmp_path):
    (tmp_path / "m").write_bytes(serialized({"0.weight": np.zeros((2, 2), "f4")}))
    with pytest.raises(
        ValueError, match=r"m does not say how its network is built: build it in Python, and read .*load"
    ):
        nn.load_model(tmp_path / "m")


def of(kind, **settings):
    return {"class": kind, **settings}


RELU = of("ReLU")
HOSTILE = {
    "more elements than the file": [
        of("Dense", in_features=10**6, out_features=10**6),
        of("Dense", in_features=-(10**6), out_features=-(10**6)),
        of("Conv2D", in_channels=1, out_channels=1, kernel_size=[10**5, 10**5], groups=1),
        of("Conv2D", in_channels=10**6, out_channels=10**6, kernel_size=[1, 1], groups=-1),
        of("ConvTranspose2D", in_channels=10**6, out_channels=10**6, kernel_size=[1, 1], groups=1),
        of("MappedConv2D", in_channels=1, connections=[[0]], kernel_size=[10**5, 10**5]),
        of("LSTM", input_size=1, hidden_size=10**6),
        of("Bidirectional", layer=of("RNN", input_size=10**6, hidden_size=10**6)),
        of("BatchNorm1D", num_features=10**9),
        of("BatchNorm2D", num_features=10**9),
        of("LayerNorm", normalized_shape=[10**5, 10**5], affine=True),
        of("Embedding", num_embeddings=10**6, embedding_dim=10**6),
        of("PReLU", num_parameters=10**9),
        of("RBF", centers={"array": [10**6, 10**6]}),
        of("Subsample2D", channels=10**9, size=[1, 1]),
        of("Sequential", layers=[of("Dense", in_features=2, out_features=1)] * 3),
        of("ReLU", W={"array": [10**6, 10**6]}),
        {"array": [10**9, 10**9]},
    ],
    "expected whole numbers as sizes": [
        of("Dense", in_features="a", out_features=10**9),
        of("Dense", in_features=1e9, out_features=1.0),
        of("Dense", in_features=True, out_features=True),
        of("Dense", in_features=[1], out_features=10**9),
    ],
    "more than 10,000 layers": [
        of("Sequential", layers=[RELU, *(of("Sequential", layers=[{"same": i}, {"same": i}]) for i in range(50))])
    ],
    "which is not a layer of xpnn": [of("os.system"), of("Layer"), of("Composite"), of(None), of(["Dense"])],
    "expected the dtype": [of("Dense", in_features=1, out_features=1, dtype="S1000000000")],
    "unknown settings": [of("ReLU", W={"array": [2, 2]}), of("Residual", body=RELU, forward=1)],
    "unexpected keyword argument": [of("Sequential", layers=[RELU], _plan=1)],
    "multiple values": [of("Sequential", layers=[RELU], cls=1)],
    "expected a layer": [None, 7, "Dense", [RELU], {"items": []}, {"array": [2, 2]}],
    "describes no valid network": [
        {},
        {"same": 0},
        of("Sequential", layers=[{"same": 0}]),
        of("Sequential", layers=[RELU, {"same": -1}]),
        of("Sequential", layers=[]),
        of("Sequential", layers=7),
        of("Dropout", p="a"),
        of("Dense"),
        of("RBF", centers={"array": [1] * 100}),
        of("LayerNorm", normalized_shape=[2]),
        of("Clip", low={"number": "one"}, high=1.0),
        of("CharRNN", vocabulary="ab", layers=[RELU]),
        of("Graph", nodes={"items": [["a", [RELU, "b"]], ["b", [RELU, "a"]]]}, inputs=["x"], outputs=["b"]),
    ],
    "does not fit the model": [
        RELU,
        of("LayerNorm", normalized_shape=[10**9], affine=0),
        of("MappedConv2D", in_channels=10**10, connections=[[0]], kernel_size=[1, 1]),
        of("Bidirectional", layer=of("RNN", input_size=1, hidden_size=1)),
    ],
}
TEXTS = ["", "\0", "null", "[]", '"Dense"', "7", "[" * 50_000, '{"network":' * 50_000, "9" * 5_000]


def refuses(path, text, message, most=100):
    path.write_bytes(serialized({"W": np.zeros((2, 2), "f4")}, {about.KEY: text}))
    with traced() as memory, pytest.raises(ValueError, match=message):
        nn.load_model(path)
    assert memory.peak < 2_000_000 + most * path.stat().st_size


@once
@pytest.mark.parametrize("message", HOSTILE)
def test_a_network_from_a_stranger(tmp_path, message):
    """Costs no more than a multiple of its file."""
    for written in HOSTILE[message]:
        refuses(tmp_path / "m", json.dumps({"version": 1, "network": written}), message)


@once
def test_text_that_is_none(tmp_path):
    for text in TEXTS:
        refuses(tmp_path / "m", text, "does not say how its network is built")
    refuses(tmp_path / "m", '{"network":' + "[[]," * 200 + "7" + "]" * 200 + "}", "expected a layer")
    refuses(tmp_path / "m", '{"network":[' + "[]," * 20_000 + "7]}", "expected a layer")
    refuses(tmp_path / "m", '{"network":' + '{"class":"Sequential","layers":[' * 300 + "]}" * 300 + "}", "Recursion")


@once
@pytest.mark.parametrize(
    "said",
    [
        {"classes": "ab"}, {"classes": [1]}, {"classes": 7}, {"preprocessing": 7}, {"preprocessing": {}},
        {"preprocessing": {"pixels": {"shape": [1, 10**6, 1]}}}, {"preprocessing": {"pixels": {"shape": [1, 1.0, 1]}}},
        {"preprocessing": {"pixels": {"shape": [2, 8, 8]}}}, {"preprocessing": {"table": {"columns": [], "target": 1}}},
        {"preprocessing": {"pixels": {"shape": [1, 8, 8], "std": 0}}},
        {"preprocessing": {"pixels": {"shape": [1, 8, 8], "mean": [0.5, 0.5]}}},
        {"preprocessing": {"pixels": {"shape": [1, 8, 8], "layout": "columns"}}},
        {"preprocessing": {"pixels": {"shape": [1, 8, 8], "size": [7, 8]}}},
        {"preprocessing": {"pixels": {"shape": [1, 8, 8], "code": "1"}}},
    ],
)  # fmt: skip
def test_classes_and_preprocessing_from_a_stranger(tmp_path, said):
    (tmp_path / "m").write_bytes(b"".join(sealed({"W": np.zeros(1, "f4")}, {about.KEY: json.dumps(said)})))
    with pytest.raises(ValueError, match="its classes or its preprocessing are malformed"):
        nn.read_about(tmp_path / "m")
