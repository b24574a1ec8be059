"""Real data, and files that are not what they say."""

import gzip
import http.server
import struct
import sys
import threading

import numpy as np
import pytest

import xpnn as nn
from xpnn.data import images, text


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    """Four small IDX files, two of them gzipped."""
    for stem, count in (("train", 7), ("t10k", 3)):
        pixels = rng.integers(0, 256, (count, 4, 5), dtype=np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(pixels))
        labels = np.arange(count, dtype=np.uint8) % 3
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def test_digits():
    data = nn.load_images("digits")
    assert data.x_train.shape == (1438, 1, 8, 8)
    assert data.x_test.shape == (359, 1, 8, 8)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 255
    assert set(data.y_test) == set(range(10))
    again = nn.load_images("digits")
    np.testing.assert_array_equal(data.x_test, again.x_test)


def test_folder_of_idx_files(folder):
    data = nn.load_images(folder)
    assert data.x_train.shape == (7, 1, 4, 5)
    assert data.y_test.tolist() == [0, 1, 2]
    assert data.classes == ("0", "1", "2")
    raw = (folder / "train-images-idx3-ubyte").read_bytes()
    assert data.x_train.tobytes() == raw[16:]


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


def test_mismatched_counts(folder):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(6, np.uint8))))
    with pytest.raises(ValueError, match="7 train images, but 6 train labels"):
        nn.load_images(folder)


def test_images_of_two_sizes(folder):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 5, 5), np.uint8)))
    with pytest.raises(ValueError, match="differ in size"):
        nn.load_images(folder)


def test_labels_beyond_the_classes(folder):
    with pytest.raises(ValueError, match="label 2, where the data set has 2 classes"):
        images.load_folder(folder, "two", ("a", "b"))


def test_missing_file(folder):
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="has neither t10k-images-idx3-ubyte nor"):
        nn.load_images(folder)


def test_unknown_name():
    with pytest.raises(ValueError, match="expected digits, mnist, fashion-mnist, or a folder"):
        nn.load_images("cifar")


@pytest.fixture
def server(folder, monkeypatch, tmp_path_factory):
    """The folder's files over HTTP on this machine, in place of MNIST's own address."""
    import hashlib

    for path in list(folder.iterdir()):
        if path.suffix != ".gz":
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    registry = {path.name: f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}" for path in folder.glob("*.gz")}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setitem(images._SOURCES, "mnist", (f"http://127.0.0.1:{httpd.server_port}/", registry))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield httpd
        httpd.shutdown()


def test_download_is_checked_and_cached(server):
    data = nn.load_images("mnist")
    assert len(data.x_train) == 7
    server.shutdown()
    np.testing.assert_array_equal(nn.load_images("mnist").x_train, data.x_train)


def test_download_with_a_wrong_checksum(server, folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(OSError, match="cannot be had .*hash"):
        nn.load_images("mnist")


def test_download_without_a_network(server, monkeypatch):
    monkeypatch.setitem(images._SOURCES, "mnist", ("http://127.0.0.1:1/", images._SOURCES["mnist"][1]))
    with pytest.raises(OSError, match="put the four IDX files into a folder"):
        nn.load_images("mnist")


@pytest.mark.parametrize(("module", "call"), [("sklearn.datasets", "digits"), ("pooch", "mnist")])
def test_missing_package_names_the_extra(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"extra \[data\]"):
        nn.load_images(call)


class TestText:
    def test_topics(self):
        data = nn.load_text()
        assert len(data.train) > 300_000
        assert len(data.test) == pytest.approx(len(data.train) / 9, rel=0.01)
        shown = "".join(data.vocabulary[i] for i in data.train)
        assert "statement" in shown

    def test_file(self, tmp_path):
        (tmp_path / "t.txt").write_text("abcä " * 300, encoding="utf-8")
        data = nn.load_text(tmp_path / "t.txt")
        assert data.vocabulary == " abcä"
        assert data.train[:5].tolist() == [1, 2, 3, 4, 0]

    def test_short_or_not_utf8_or_missing(self, tmp_path):
        (tmp_path / "short").write_text("abc")
        with pytest.raises(ValueError, match="expected 1,000"):
            nn.load_text(tmp_path / "short")
        (tmp_path / "latin").write_bytes("ä".encode("latin-1") * 2000)
        with pytest.raises(ValueError, match="not a text in UTF-8"):
            nn.load_text(tmp_path / "latin")
        with pytest.raises(FileNotFoundError, match="no text 'mnist': expected topics, or the path of a text file"):
            nn.load_text("mnist")

    def test_characters_outside_the_vocabulary(self):
        with pytest.raises(ValueError, match="'xy' is not in the vocabulary"):
            text.encode("axby", "ab")

    def test_windows_shift_the_targets_by_one(self):
        x, y = nn.windows(np.arange(12), 4)
        assert x.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert y.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
        with pytest.raises(ValueError, match="more than 12 characters"):
            nn.windows(np.arange(12), 12)
        with pytest.raises(ValueError, match="length of at least 1"):
            nn.windows(np.arange(12), 0)


class TestBatches:
    def test_every_sample_once(self):
        x = np.arange(10)
        parts = list(nn.batches(x, x * 2, 4, np.random.default_rng(0)))
        assert [len(part) for part, _ in parts] == [4, 4, 2]
        seen = np.concatenate([part for part, _ in parts])
        assert sorted(seen) == list(range(10))
        assert seen.tolist() != list(range(10))
        assert all((b == 2 * a).all() for a, b in parts)

    def test_in_order_without_a_generator(self):
        assert [part.tolist() for part, _ in nn.batches(np.arange(3), np.arange(3), 2)] == [[0, 1], [2]]

    def test_batch_size(self):
        with pytest.raises(ValueError, match="at least 1"):
            nn.batches(np.arange(3), np.arange(3), 0)
        with pytest.raises(ValueError, match="x has 5 samples, y has 3"):
            nn.batches(np.arange(5), np.arange(3), 2)
