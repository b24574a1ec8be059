"""IDX files that are not what they say."""

import gzip
import os

import numpy as np
import pytest
from border import idx, traced

import xpnn as nn


def test_every_truncation_is_noticed(folder):
    path = folder / "train-images-idx3-ubyte"
    raw = path.read_bytes()
    for length in [*range(17), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=r"truncated|not an IDX file"):
            nn.load_images(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw + b"x", "too long"),
        (lambda raw: b"\x00\x00\x0d\x03" + raw[4:], "it starts with 00000d03, expected 00000803"),
        (lambda raw: b"\x00\x00\x08\x01" + raw[4:], "with 3 axes"),
        (lambda raw: b"\x89PNG" + raw, "not an IDX file"),
        (lambda raw: b"", "it starts with nothing"),
        (lambda raw: gzip.compress(raw)[:-8] + bytes(4) + gzip.compress(raw)[-4:], "gzip data.*CRC"),
        (lambda raw: gzip.compress(raw)[:-9], "gzip data are corrupt or truncated"),
        (lambda raw: gzip.compress(raw)[:10] + b"\xff" * 9, "gzip data.*invalid block type"),
        (lambda raw: gzip.compress(raw)[:30] + b"garbage" * 9, "gzip data are corrupt or truncated"),
    ],
)
def test_corrupt_files(folder, change, message):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        nn.load_images(folder)


def test_an_array_can_be_changed_in_place(folder):
    data = nn.load_images(folder)
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        assert array.flags.writeable


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("length", [9, 2**32 - 1])
def test_memory_is_that_of_the_data_whatever_the_header_claims(tmp_path, pack, length):
    """A header of few elements before many, or of many before few."""
    header = idx(np.zeros(0, np.uint8))[:4] + length.to_bytes(4, "big")
    (tmp_path / "labels").write_bytes(pack(header + bytes(50_000_000 if length == 9 else 9)))
    fault = pytest.raises(ValueError, match="too long" if length == 9 else "truncated: 9 elements")
    with traced() as memory, fault:
        nn.read_idx(tmp_path / "labels", 1)
    assert memory.peak < 4_000_000


def test_a_shape_beyond_what_numpy_can_hold_is_a_fault_of_the_file(tmp_path):
    (tmp_path / "images").write_bytes(bytes((0, 0, 8, 3)) + b"\xff" * 8 + bytes(4))
    with pytest.raises(ValueError, match="images"):
        nn.read_idx(tmp_path / "images", 3)


@pytest.mark.parametrize("name", ["a-idx3-ubyte", "a-idx3-ubyte.gz"])
@pytest.mark.parametrize("shape", [(3,), (0,), (5, 4, 3)])
def test_what_is_written_is_read(tmp_path, rng, name, shape):
    array = rng.integers(0, 256, shape, dtype=np.uint8).T  # not contiguous
    nn.write_idx(tmp_path / name, array)
    content = (tmp_path / name).read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content) == idx(array)
    np.testing.assert_array_equal(nn.read_idx(tmp_path / name, len(shape)), array)
    nn.write_idx(str(tmp_path / name), array)
    assert (tmp_path / name).read_bytes() == content


def test_what_cannot_be_written_leaves_the_file(tmp_path, monkeypatch):
    nn.write_idx(tmp_path / "a", np.arange(3, dtype=np.uint8))
    with pytest.raises(TypeError, match="uint8.*got dtype float64"):
        nn.write_idx(tmp_path / "a", np.ones(3))
    with pytest.raises(ValueError, match="1 to 255 axes"):
        nn.write_idx(tmp_path / "a", np.uint8(3))

    def fails(descriptor):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="the disk is full"):
        nn.write_idx(tmp_path / "a", np.zeros(9, np.uint8))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    np.testing.assert_array_equal(nn.read_idx(tmp_path / "a", 1), [0, 1, 2])
