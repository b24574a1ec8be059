"""Images: the digits, a folder of IDX files, downloads."""

import gzip
import http.server
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.data import download, images


def test_digits():
    data = nn.load_images("digits")
    assert data.x_train.shape == (1438, 1, 8, 8)
    assert data.x_test.shape == (359, 1, 8, 8)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 255
    assert set(data.y_test) == set(range(10))
    again = nn.load_images("digits")
    np.testing.assert_array_equal(data.x_test, again.x_test)


@pytest.mark.parametrize("option", [{"test_share": 0.3}, {"seed": 1}])
def test_the_test_part_of_built_in_data_is_fixed(option):
    with pytest.raises(ValueError, match="digits: test_share and seed are for your own data"):
        nn.load_images("digits", **option)


def test_folder_of_idx_files(folder):
    data = nn.load_images(folder)
    assert data.x_train.shape == (7, 1, 4, 5)
    assert data.y_test.tolist() == [0, 1, 2]
    assert data.classes == ("0", "1", "2")
    raw = (folder / "train-images-idx3-ubyte").read_bytes()
    assert data.x_train.tobytes() == raw[16:]


def test_mismatched_counts(folder):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(6, np.uint8))))
    with pytest.raises(ValueError, match="7 train images, but 6 train labels"):
        nn.load_images(folder)


@pytest.mark.parametrize("split", ["train", "t10k"])
def test_no_images(folder, split):
    (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(np.zeros((0, 8, 8), np.uint8)))
    (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.zeros(0, np.uint8)))
    with pytest.raises(ValueError, match=f"0 {'train' if split == 'train' else 'test'} images"):
        nn.load_images(folder)


def test_images_of_two_sizes(folder):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 5, 5), np.uint8)))
    with pytest.raises(ValueError, match="differ in size"):
        nn.load_images(folder)


def test_labels_beyond_the_classes(folder):
    with pytest.raises(ValueError, match="label 2, but the data set has 2 classes"):
        images.load_folder(folder, "two", ("a", "b"))


def test_missing_file(folder):
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="has neither t10k-images-idx3-ubyte nor"):
        nn.load_images(folder)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_names_with_a_dot(folder, ending):
    """As Kaggle and some unpackers write them."""
    before = nn.load_images(folder)
    for path in list(folder.iterdir()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        dotted = path.name.removesuffix(".gz").replace("-idx", ".idx") + ending
        (folder / dotted).write_bytes(gzip.compress(content) if ending else content)
        path.unlink()
    np.testing.assert_array_equal(nn.load_images(folder).x_train, before.x_train)
    for path in list(folder.iterdir()):  # each in a folder of its name
        path.rename(folder / "file")
        path.mkdir()
        (folder / "file").rename(path / path.name)
    np.testing.assert_array_equal(nn.load_images(folder).x_train, before.x_train)


def test_emnist_s_names_and_memory_order(folder):
    before = nn.load_images(folder)
    for path in list(folder.iterdir()):
        path.rename(folder / f"emnist-letters-{path.name.replace('t10k', 'test')}")
    data = nn.load_images(folder)
    np.testing.assert_array_equal(data.x_train, before.x_train.swapaxes(2, 3))
    np.testing.assert_array_equal(data.y_test, before.y_test)
    nn.write_idx(folder / "emnist-digits-test-labels-idx1-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="has several data sets"):
        nn.load_images(folder)


def test_the_test_part_alone(folder):
    whole = nn.load_images(folder)
    for path in folder.glob("train*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        nn.load_images(folder)
    data = nn.load_images(folder, test_only=True)
    np.testing.assert_array_equal(data.x_test, whole.x_test)
    assert data.x_train.shape == (0, 1, 4, 5)
    assert data.y_train.shape == (0,)
    assert nn.load_images("digits", test_only=True).x_train.shape == (0, 1, 8, 8)


@pytest.mark.parametrize("stem", ["train", "t10k"])
@pytest.mark.parametrize(("shape", "message"), [((0, 4, 5), "0 .* images, but 0"), ((3, 0, 0), r"no pixels.*\(0, 0\)")])
def test_no_images_or_no_pixels(folder, stem, shape, message):
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(np.zeros(shape, np.uint8)))
    (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(shape[0], np.uint8))))
    with pytest.raises(ValueError, match=message):
        nn.load_images(folder)


def test_a_path_is_a_folder_also_where_its_name_is_a_data_set_s(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    Path("digits").symlink_to(folder)
    assert nn.load_images(Path("digits")).x_train.shape == (7, 1, 4, 5)
    assert nn.load_images("./digits").x_train.shape == (7, 1, 4, 5)
    assert nn.load_images("digits").x_train.shape == (1438, 1, 8, 8)


def test_unknown_name():
    with pytest.raises(ValueError, match="expected digits, mnist, fashion-mnist, or a folder"):
        nn.load_images("cifar")


@pytest.mark.parametrize("name", ["./cifar", "cifar.npz", Path("cifar")])
def test_a_path_to_nothing(name):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        nn.load_images(name)


@pytest.fixture
def server(folder, monkeypatch, tmp_path_factory):
    """The folder's files over HTTP on this machine, in place of MNIST's own address."""
    import hashlib

    for path in list(folder.iterdir()):
        if path.suffix != ".gz":
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    registry = {path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in folder.glob("*.gz")}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setitem(download.SOURCES, "mnist", (f"http://127.0.0.1:{httpd.server_port}/", registry))
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
    with pytest.raises(OSError, match="cannot be downloaded .*hash"):
        nn.load_images("mnist")


def test_a_download_is_no_larger_than_its_bound(server, folder, monkeypatch):
    path = folder / "train-images-idx3-ubyte.gz"
    monkeypatch.setattr(download, "_LARGEST", len(path.read_bytes()) - 1)
    with pytest.raises(OSError, match="cannot be downloaded .*larger than"):
        nn.load_images("mnist")


def test_downloads_are_encrypted_and_verified():
    for url, registry in download.SOURCES.values():
        assert url.startswith("https://")
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in registry.values())
        assert len(set(registry.values())) == 4


def test_download_without_a_network(server, monkeypatch):
    monkeypatch.setitem(download.SOURCES, "mnist", ("http://127.0.0.1:1/", download.SOURCES["mnist"][1]))
    with pytest.raises(OSError, match="put the four IDX files into a folder"):
        nn.load_images("mnist")


def test_an_empty_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="neither a folder of pictures for each class nor IDX files, such as t10k"
    ):
        nn.load_images(tmp_path)


@pytest.mark.parametrize(("module", "call"), [("sklearn.datasets", "digits"), ("pooch", "mnist")])
def test_missing_package_names_the_extra(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"extra \[data\]"):
        nn.load_images(call)
