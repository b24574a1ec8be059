"""Files with a checksum, and what reads them."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import xpnn as nn
from xpnn.training.files.sealed import SEAL, check_seal, sealed


def test_safetensors_reads_every_dtype_and_shape(tmp_path, rng):
    tensors = {
        f"{dtype}{shape}": rng.integers(0, 2, shape).astype(dtype)
        for dtype in ("?", "u1", "i2", "f2", "u4", "f4", "i8", "f8", ">f4")
        for shape in ((), (0, 3), (3,), (2, 3))
    }
    tensors["transposed"] = rng.standard_normal((3, 4)).T
    (tmp_path / "m").write_bytes(b"".join(sealed(tensors, {"note": 'a "text" \u2014 \x00'})))
    check_seal(tmp_path / "m", required=True)
    found = load_file(tmp_path / "m")
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("<")
    assert nn.read_metadata(tmp_path / "m") == {"note": 'a "text" \u2014 \x00'}


def test_metadata_in_the_order_given_and_the_same_bytes_each_time(tmp_path):
    texts = dict.fromkeys("qwertyuiop", "x")
    files = [b"".join(sealed({"b": np.ones(3), "a": np.ones(3, "i1")}, texts)) for _ in range(2)]
    assert files[0] == files[1]
    size = int.from_bytes(files[0][:8], "little")
    assert list(json.loads(files[0][8 : 8 + size])["__metadata__"]) == [*texts, SEAL]
    assert size % 8 == 0
    with pytest.raises(TypeError, match="metadata of texts, got 'epoch': 3$"):
        nn.save(nn.Dense(1, 1), tmp_path / "m", {"epoch": 3})


def test_every_flipped_bit_and_every_cut_is_known(tmp_path):
    path, model = tmp_path / "m", nn.Dense(2, 1, rng=0)
    nn.save(model, path, {"note": "x"})
    whole, before = path.read_bytes(), nn.to_numpy(model.flat_params).tobytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(ValueError, match="damaged"):
            check_seal(path, required=True)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            check_seal(path, required=True)
    data = bytearray(whole)
    data[-1] ^= 1  # of a weight
    path.write_bytes(data)
    with pytest.raises(ValueError, match="m is damaged: its bytes are not those that were saved"):
        nn.load(model, path)
    assert nn.to_numpy(model.flat_params).tobytes() == before


def test_a_file_of_another_program_has_no_checksum_and_is_read(tmp_path):
    save_file({"W": np.ones((1, 2), "f4"), "b": np.ones(1, "f4")}, tmp_path / "m", {"format": "np"})
    model = nn.Dense(2, 1)
    nn.load(model, tmp_path / "m")
    assert (nn.to_numpy(model.flat_params) == 1).all()
    with pytest.raises(ValueError, match="no checksum"):
        check_seal(tmp_path / "m", required=True)
