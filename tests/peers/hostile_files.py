"""Every reader of files as a function of a file's bytes, and a valid file of each, for tests and benchmarks/fuzz.py.

A target returns for whatever bytes, or raises one of ``ERRORS``, which the readers document.
"""

import argparse
import functools
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy

import xpnn as nn
from xpnn.cli import config, parser, saved
from xpnn.cli.recipe import Recipe
from xpnn.data.pictures import read_picture
from xpnn.training.checkpoints import keeper
from xpnn.training.files.sealed import sealed

ERRORS = (ValueError, TypeError, OSError, FloatingPointError)
X, Y = np.arange(16.0, dtype="f").reshape(8, 2) % 3, np.arange(8) % 2


def _file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A reader of paths as one of bytes."""

    def target(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return read(path)

    return target


def _run(folder: Path) -> nn.History:
    keep = nn.Checkpoint(folder, metadata={"data": "x"})
    return nn.fit(nn.Sequential(nn.Dense(2, 2, rng=0), nn.Dropout(0.1, rng=0)), X, Y, epochs=1, batch_size=4,
                  checkpoint=keep, callbacks=[nn.EarlyStopping("loss")], metrics=["f1"], verbose=False)  # fmt: skip


@functools.cache
def _checkpoint() -> tuple[dict[str, np.ndarray], bytes]:
    """The arrays of a checkpoint, and the text that it holds of its run."""
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder))
        (path,) = nn.Checkpoint(folder).files()
        return safetensors.numpy.load_file(path), nn.read_metadata(path)[keeper._KEY].encode()


def checkpoint(data: bytes) -> None:
    """A run goes on from a checkpoint with this text, whose checksum is right."""
    with tempfile.TemporaryDirectory() as folder:
        text = {"data": "x", keeper._KEY: data.decode("utf-8", "replace")}
        (Path(folder) / "step-000000001.safetensors").write_bytes(b"".join(sealed(_checkpoint()[0], text)))
        _run(Path(folder))


def _saved() -> bytes:
    recipe = Recipe("mlp", "x", (1, 2), 0.5, 0.5, ("a", "b"), hidden=(3,))
    with tempfile.TemporaryDirectory() as folder:
        nn.save(recipe.build(0), path := Path(folder) / "m", recipe.metadata())
        return path.read_bytes()


def _recipe() -> bytes:
    data = _saved()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header["__metadata__"]["xpnn"].encode()


def text_of_run(data: bytes) -> object:
    """A run's file whose recipe is this text."""
    with tempfile.TemporaryDirectory() as folder:
        nn.save(nn.MLP((2, 3, 2), rng=0), path := Path(folder) / "m", {"xpnn": data.decode("utf-8", "replace")})
        return saved.load_model(path)


def _picture() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray((np.arange(64, dtype=np.uint8) * 3).reshape(8, 8)).save(file, "PNG")
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    x, y = np.zeros((4, 3, 3), np.uint8), np.arange(4) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    return file.getvalue()


def _onnx() -> bytes:
    from xpnn.interop.onnx import export

    with tempfile.TemporaryDirectory() as folder:
        export(nn.MLP((3, 4, 2), rng=0), path := Path(folder) / "m.onnx")
        return path.read_bytes()


def _load_onnx(path: Path) -> object:
    from xpnn.interop.onnx import load

    return load(path)


def _words(path: Path) -> object:
    train = argparse.ArgumentParser(add_help=False)
    parser._train(train)
    return config.words_of(path, train, train.parse_args([]))


IDX = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3)) + bytes(range(12))
TABLE = b"a,b,label\n1,x,0\n2.5,y,1\n-3,x,0\n4,,1\n5,z,0\n6,x,1\n7,y,0\n8,z,1\n9,x,0\n10,y,1\n"
TARGETS: dict[str, tuple[Callable[[bytes], object], Callable[[], bytes]]] = {
    "idx": (_file(lambda path: nn.read_idx(path, 3), "a"), lambda: IDX),
    "idx.gz": (_file(lambda path: nn.read_idx(path, 3), "a"), lambda: gzip.compress(IDX, mtime=0)),
    "safetensors": (_file(lambda path: nn.load(nn.MLP((2, 3, 2)), path), "m"), _saved),
    "run": (_file(saved.load_model, "m"), _saved),
    "recipe": (text_of_run, _recipe),
    "checkpoint": (checkpoint, lambda: _checkpoint()[1]),
    "history": (_file(nn.History.from_csv, "h"), lambda: b"epoch,loss,accuracy\r\n1,0.5,0.25\r\n2,nan,\r\n"),
    "configuration": (_file(_words, "run.toml"), lambda: b'model = "mlp"\nepochs = 3\nlr = 0.1\nhidden = [3, 4]\n'),
    "text": (_file(nn.load_text, "t"), lambda: b"the quick brown fox jumps over the lazy dog. " * 30),
    "table": (_file(lambda path: nn.load_table(path, "label"), "t.csv"), lambda: TABLE),
    "picture": (_file(lambda path: read_picture(path, (8, 8)), "p.png"), _picture),
    "npz": (_file(nn.load_images, "d.npz"), _npz),
    "onnx": (_file(_load_onnx, "m.onnx"), _onnx),
}  # fmt: skip
