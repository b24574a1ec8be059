"""Every reader of files as a function of a file's bytes, and a valid file of each, for tests and benchmarks/fuzz.py.

A target returns for whatever bytes, or raises one of ``ERRORS``, which the readers document.
"""

import argparse
import functools
import gzip
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy

import xpnn as nn
from xpnn.cli import config, parser, saved
from xpnn.cli.recipe import Recipe
from xpnn.data.pictures import read_picture
from xpnn.learn.exercise import HOME, exercises
from xpnn.training.checkpoints import keeper
from xpnn.training.files.about import KEY
from xpnn.training.files.saving import read_header
from xpnn.training.files.sealed import sealed

from .structure import of_json, of_onnx, of_safetensors, of_table

ERRORS = (ValueError, TypeError, OSError, FloatingPointError)
X, Y = np.arange(16.0, dtype="f").reshape(8, 2) % 3, np.arange(8) % 2
_MEMORY = Path("/dev/shm")
_SCRATCH = tempfile.TemporaryDirectory(
    dir=_MEMORY if _MEMORY.is_dir() else None
)  # a disk takes milliseconds for a file
SCRATCH = Path(_SCRATCH.name)


def _file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A reader of paths as one of bytes."""

    def target(data: bytes) -> object:
        (path := SCRATCH / name).write_bytes(data)
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
    (folder := SCRATCH / "run").mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    text = {"data": "x", keeper._KEY: data.decode("utf-8", "replace")}
    (folder / "step-000000001.safetensors").write_bytes(b"".join(sealed(_checkpoint()[0], text)))
    _run(folder)


def _saved() -> bytes:
    recipe = Recipe("mlp", "x", (1, 2), 0.5, 0.5, ("a", "b"), hidden=(3,))
    nn.save(recipe.build(0), path := SCRATCH / "s", recipe.metadata())
    return path.read_bytes()


def _network() -> bytes:
    inner = nn.Sequential(nn.Dense(3, 3), nn.Dropout(0.5))
    model = nn.Sequential(nn.Dense(2, 3), nn.Residual(inner), nn.LayerNorm(3), nn.Dense(3, 2))
    nn.save(model, path := SCRATCH / "s", classes=("a", "b"), preprocessing=nn.Pixels((1, 1, 2)))
    return path.read_bytes()


def _text(key: str, file: Callable[[], bytes]) -> bytes:
    header = file()[8:]
    return json.JSONDecoder().raw_decode(header.decode("latin-1"))[0]["__metadata__"][key].encode()


def _with_text(key: str, file: Callable[[], bytes], read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of files as one of the text that stands there under a key."""
    whole = functools.cache(lambda: (safetensors.numpy.load(file()), read_header(SCRATCH / "s")[0]))

    def target(data: bytes) -> object:
        arrays, texts = whole()
        path = SCRATCH / "m"
        path.write_bytes(b"".join(sealed(arrays, {**texts, key: data.decode("utf-8", "replace")})))
        return read(path)

    return target


def _picture(kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray((np.arange(64, dtype=np.uint8) * 3).reshape(8, 8)).save(file, kind)
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    x, y = np.zeros((4, 3, 3), np.uint8), np.arange(4) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    return file.getvalue()


def _onnx() -> bytes:
    from xpnn.interop.onnx import export

    export(nn.MLP((3, 4, 2), rng=0), path := SCRATCH / "m.onnx")
    return path.read_bytes()


def _load_onnx(path: Path) -> object:
    from xpnn.interop.onnx import load

    return load(path)


def _words(path: Path) -> object:
    train = _parser()
    return config.words_of(path, train, train.parse_args([]))


@functools.cache
def _parser() -> argparse.ArgumentParser:
    train = argparse.ArgumentParser(add_help=False)
    parser._train(train)
    return train


def _about(path: Path) -> object:
    return nn.load_model(path), nn.read_about(path)


def _exercise(data: bytes) -> object:
    (folder := SCRATCH / "exercises").mkdir(exist_ok=True)
    (folder / "e.toml").write_bytes(data)
    return exercises(folder)


IDX = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3)) + bytes(range(12))
TABLE = b"a,b,label\n1,x,0\n2.5,y,1\n-3,x,0\n4,,1\n5,z,0\n6,x,1\n7,y,0\n8,z,1\n9,x,0\n10,y,1\n"
HISTORY = b"epoch,loss,accuracy\r\n1,0.5,0.25\r\n2,nan,\r\n"
_mlp = functools.cache(lambda: nn.MLP((2, 3, 2), rng=0))
TARGETS: dict[str, tuple[Callable[[bytes], object], Callable[[], bytes]]] = {
    "idx": (_file(lambda path: nn.read_idx(path, 3), "a"), lambda: IDX),
    "idx.gz": (_file(lambda path: nn.read_idx(path, 3), "a"), lambda: gzip.compress(IDX, mtime=0)),
    "safetensors": (_file(lambda path: nn.load(_mlp(), path), "m"), _saved),
    "run": (_file(saved.load_model, "m"), _saved),
    "recipe": (_with_text("xpnn", _saved, saved.load_model), lambda: _text("xpnn", _saved)),
    "network": (_with_text(KEY, _network, _about), lambda: _text(KEY, _network)),
    "checkpoint": (checkpoint, lambda: _checkpoint()[1]),
    "history": (_file(nn.History.from_csv, "h"), lambda: HISTORY),
    "configuration": (_file(_words, "run.toml"), lambda: b'model = "mlp"\nepochs = 3\nlr = 0.1\nhidden = [3, 4]\n'),
    "exercise": (_exercise, (HOME / "relu.toml").read_bytes),
    "text": (_file(nn.load_text, "t"), lambda: b"the quick brown fox jumps over the lazy dog. " * 30),
    "table": (_file(lambda path: nn.load_table(path, "label"), "t.csv"), lambda: TABLE),
    "npz": (_file(nn.load_images, "d.npz"), _npz),
    "onnx": (_file(_load_onnx, "m.onnx"), _onnx),
} | {
    f"picture.{kind}": (_file(lambda path: read_picture(path, (8, 8)), "p"), functools.partial(_picture, kind))
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
}  # fmt: skip
STRUCTURES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    **dict.fromkeys(("recipe", "network", "checkpoint"), of_json),
    **dict.fromkeys(("safetensors", "run"), of_safetensors),
    "onnx": of_onnx,
    "table": of_table,
}
"""How files are changed by their structure, where they have one."""
