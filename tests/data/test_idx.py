"""IDX files that are not what they say."""

import gzip

import pytest

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
        (lambda raw: gzip.compress(raw)[:-9], "gzip data are corrupt or truncated"),
        (lambda raw: gzip.compress(raw)[:30] + b"garbage" * 9, "gzip data are corrupt or truncated"),
    ],
)
def test_corrupt_files(folder, change, message):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        nn.load_images(folder)
