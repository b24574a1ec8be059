"""Models and optimisers saved and loaded, and files that are not what they say."""

import copy
import json
import os
import struct

import numpy as np
import pytest
from border import host, parameters, traced

import xpnn as nn


class TestCheckpoint:
    def test_round_trip(self, tmp_path):
        model, other = nn.LeNet5(rng=0), nn.LeNet5(rng=1)
        nn.save(model, tmp_path / "m.safetensors", {"note": "hello"})
        nn.load(other, tmp_path / "m.safetensors")
        assert parameters(other).tobytes() == parameters(model).tobytes()
        assert nn.read_metadata(tmp_path / "m.safetensors") == {"note": "hello"}

    def test_parameters_in_another_memory_order_are_written_right(self, tmp_path):
        model = nn.Dense(3, 2)
        dict.__setitem__(model.params, "W", nn.xp.asarray(np.arange(6, dtype="f").reshape(3, 2)).T)
        nn.save(model, tmp_path / "m.safetensors")
        other = nn.Dense(3, 2)
        nn.load(other, tmp_path / "m.safetensors")
        np.testing.assert_array_equal(host(other.params["W"]), [[0, 2, 4], [1, 3, 5]])

    def test_another_architecture_is_refused_and_the_model_unchanged(self, tmp_path):
        nn.save(nn.MLP((2, 3, 1)), tmp_path / "m.safetensors")
        model = nn.MLP((2, 4, 1), rng=0)
        before = parameters(model)
        with pytest.raises(ValueError, match=r"0.W is float32 \(3, 2\), in the model float32 \(4, 2\)"):
            nn.load(model, tmp_path / "m.safetensors")
        with pytest.raises(ValueError, match="4.W is missing"):
            nn.load(nn.MLP((2, 3, 1, 1)), tmp_path / "m.safetensors")
        with pytest.raises(ValueError, match="2.b is not in the model"):
            nn.load(nn.MLP((2, 3)), tmp_path / "m.safetensors")
        assert (parameters(model) == before).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_not_finite_replaces_no_model_that_is(self, tmp_path, value):
        path, model = tmp_path / "m.safetensors", nn.Sequential(nn.Dense(2, 2, rng=0), nn.BatchNorm1D(2))
        nn.save(model, path)
        saved = path.read_bytes()
        for name, arrays in (("0.b", model.params), ("1.running_var", model.buffers)):
            finite = host(arrays[name]).copy()
            arrays[name] = [0.0, value]
            with pytest.raises(FloatingPointError, match=f"save: {name} holds NaN or infinity; .*, was kept"):
                nn.save(model, path)
            assert path.read_bytes() == saved
            arrays[name] = finite
        model.params["0.b"] = [0.0, value]
        nn.save(model, tmp_path / "other")  # to look at, say
        nn.save(model, tmp_path / "other")
        (tmp_path / "text").write_text("no model")
        nn.save(model, tmp_path / "text")
        nn.save(nn.Dense(2, 2), tmp_path / "text")

    def test_another_dtype_is_refused(self, tmp_path):
        nn.save(nn.Dense(2, 3, dtype="float64"), tmp_path / "m")
        model = nn.Dense(2, 3, rng=0)
        before = host(model.params["W"]).copy()
        with pytest.raises(ValueError, match=r"W is float64 \(3, 2\), in the model float32 \(3, 2\)"):
            nn.load(model, tmp_path / "m")
        assert (host(model.params["W"]) == before).all()

    @pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2"])
    def test_dtypes_that_numpy_lacks(self, tmp_path, dtype):
        size = 2 if dtype == "BF16" else 1
        header = json.dumps({"W": {"dtype": dtype, "shape": [1, 1], "data_offsets": [0, size]}}).encode()
        (tmp_path / "m").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
        with pytest.raises(ValueError, match=r"m (is not a readable safetensors file|does not fit the model)"):
            nn.load(nn.Dense(1, 1), tmp_path / "m")

    @pytest.mark.parametrize(
        "make", [lambda: nn.SGD(nn.StepDecay(0.1, 3)), lambda: nn.SGD(0.1, momentum=0.9), lambda: nn.AdamW(0.01)]
    )
    def test_training_goes_on_as_if_it_had_not_stopped(self, make, blobs, tmp_path):
        path = tmp_path / "m.safetensors"
        once, optimizer, rng = nn.MLP((2, 8, 3), rng=0), make(), np.random.default_rng(0)
        nn.fit(once, *blobs, optimizer=optimizer, epochs=2, batch_size=16, rng=rng, verbose=False)
        nn.save(once, path, optimizer=optimizer)
        resumed, other, order = nn.MLP((2, 8, 3), rng=1), make(), copy.deepcopy(rng)
        nn.load(resumed, path, optimizer=other)
        assert other.steps == optimizer.steps == 12
        for model, by, draws in ((once, optimizer, rng), (resumed, other, order)):
            nn.fit(model, *blobs, optimizer=by, epochs=2, batch_size=16, rng=draws, verbose=False)
        assert parameters(resumed).tobytes() == parameters(once).tobytes()
        nn.load(once, path, optimizer=other)  # which was the other model's
        other.step(once)

    def test_a_model_that_is_no_network_yet_is_read_with_its_optimiser(self, tmp_path):
        layer, other, adam = nn.Dense(2, 3, rng=0), nn.Dense(2, 3, rng=1), nn.Adam()
        nn.save(layer, tmp_path / "m.safetensors", optimizer=adam)
        nn.load(other, tmp_path / "m.safetensors", optimizer=nn.Adam())
        assert parameters(other).tobytes() == parameters(layer).tobytes()

    def test_an_optimizer_is_passed_over_or_must_fit(self, tmp_path):
        model, path = nn.MLP((2, 3, 1), rng=0), tmp_path / "m.safetensors"
        nn.save(model, path, optimizer=nn.Adam())
        nn.load(nn.MLP((2, 3, 1), rng=1), path)
        sgd, before = nn.SGD(0.1, momentum=0.9), parameters(model)
        with pytest.raises(ValueError, match=r"optimizer.m is not in .*; optimizer.velocity is missing"):
            nn.load(model, path, optimizer=sgd)
        nn.save(nn.MLP((2, 3, 1), rng=1), path)
        with pytest.raises(ValueError, match="optimizer.steps is missing"):
            nn.load(model, path, optimizer=sgd)
        assert (parameters(model) == before).all()
        sgd.step(nn.MLP((2, 2)))  # as if nothing had been tried

    def test_the_centers_of_an_rbf_are_saved(self, tmp_path):
        model, other = nn.RBF([[1.0, 2.0]]), nn.RBF([[0.0, 0.0]])
        nn.save(model, tmp_path / "m.safetensors")
        nn.load(other, tmp_path / "m.safetensors")
        np.testing.assert_array_equal(host(other.centers), [[1, 2]])

    def test_there_is_always_a_whole_file(self, tmp_path, monkeypatch):
        path = tmp_path / "model.safetensors"
        nn.save(nn.MLP((2, 3)), path)
        before = path.read_bytes()

        def full(descriptor):
            raise OSError("no space left")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="cannot write .*no space left"):
            nn.save(nn.MLP((2, 3)), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_no_folder_to_write_to(self, tmp_path):
        with pytest.raises(OSError, match="cannot write"):
            nn.save(nn.MLP((2, 3)), tmp_path / "none" / "model.safetensors")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            nn.load(nn.Dense(1, 1), tmp_path / "none")

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle"])
    def test_no_safetensors_file(self, tmp_path, content):
        (tmp_path / "m").write_bytes(content)
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            nn.load(nn.Dense(1, 1), tmp_path / "m")

    @pytest.mark.parametrize(
        ("name", "content", "hint"),
        [
            ("m.onnx", b"\x08\x08", "xpnn.interop.onnx.load reads ONNX"),
            ("m", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            ("m.pt", b"PK\x03\x04", "from_state_dict"),
            ("m.npz", b"PK\x03\x04", "numpy.load reads its arrays"),
            ("m.keras", b"PK\x03\x04", "Keras writes it as ONNX"),
        ],
    )
    def test_what_else_it_may_be(self, tmp_path, name, content, hint):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"not a readable safetensors file.*; .*{hint}"):
            nn.load_model(tmp_path / name)

    @pytest.mark.parametrize("model", ["m.safetensors", {"W": 1}, nn.Dense])
    def test_what_is_no_network(self, tmp_path, model):
        for call in (nn.save, nn.load):
            with pytest.raises(TypeError, match="expected a network, got"):
                call(model, tmp_path / "m")

    def test_truncated(self, tmp_path):
        path = tmp_path / "m.safetensors"
        nn.save(nn.Dense(9, 9), path)
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            nn.load(nn.Dense(9, 9), path)

    def test_arrays_that_are_not_the_model_s_are_not_read(self, tmp_path):
        """As in a sparse file, whose content takes no room on the disk."""
        with open(tmp_path / "m", "wb") as file:
            write_header(file, x={"dtype": "F32", "shape": [100_000_000], "data_offsets": [0, 400_000_000]})
            file.truncate(file.tell() + 400_000_000)
        with (
            traced() as memory,
            pytest.raises(
                ValueError, match=r"W is missing; b is missing; x is not in the model \(float32 \(100000000,"
            ),
        ):
            nn.load(nn.Dense(1, 1), tmp_path / "m")
        assert memory.peak < 10_000_000

    @pytest.mark.parametrize(
        ("code", "name"), [("BF16", "bfloat16"), ("F16", "float16"), ("U16", "uint16"), ("I16", "int16")]
    )
    def test_arrays_of_another_dtype_also_of_one_that_numpy_lacks(self, tmp_path, code, name):
        with open(tmp_path / "m", "wb") as file:
            arrays = {
                "W": {"dtype": code, "shape": [1, 1], "data_offsets": [0, 2]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
            }
            write_header(file, **arrays)
            file.write(bytes(6))
        with pytest.raises(ValueError, match=rf"W is {name} \(1, 1\), in the model float32 \(1, 1\)$"):
            nn.load(nn.Dense(1, 1), tmp_path / "m")

    def test_a_message_about_many_arrays_is_short(self, tmp_path):
        nn.save(nn.MLP((1,) * 200), tmp_path / "m")
        with pytest.raises(ValueError, match=r"; and \d+ more$") as caught:
            nn.load(nn.Dense(1, 1), tmp_path / "m")
        assert len(str(caught.value)) < 2_000

    @pytest.mark.parametrize("error", [TypeError("data type 'bfloat16' not understood"), AttributeError("float8")])
    def test_what_the_reader_raises_is_told_with_the_file_s_name(self, tmp_path, monkeypatch, error):
        """Of dtypes that NumPy lacks; which of the two depends on the version."""

        def raises(*arguments):
            raise error

        nn.save(nn.Dense(1, 1), tmp_path / "m")
        monkeypatch.setattr("safetensors.safe_open", raises)
        with pytest.raises(ValueError, match="m is not a readable safetensors file"):
            nn.load(nn.Dense(1, 1), tmp_path / "m")


def write_header(file, **arrays):
    header = json.dumps(arrays).encode()
    file.write(struct.pack("<Q", len(header)) + header)
