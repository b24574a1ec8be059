"""Images with labels: scikit-learn's digits, MNIST, Fashion-MNIST, or a folder of IDX files."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .idx import read_idx

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_FILES = {  # "-idx" may also be ".idx", as some unpackers name them, and ".gz" may follow
    ("train", "x"): "train-images-idx3-ubyte",
    ("train", "y"): "train-labels-idx1-ubyte",
    ("test", "x"): "t10k-images-idx3-ubyte",
    ("test", "y"): "t10k-labels-idx1-ubyte",
}
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist
_SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        {
            "train-images-idx3-ubyte.gz": "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
}
_LARGEST = 32 << 20  # bytes of a download; the largest of these files has 26,421,880
BUILT_IN = ("digits", *_SOURCES)
"""The names of data sets, which come before folders of the same names."""


@dataclass(frozen=True)
class ImageData:
    """A data set of grey images.

    Attributes:
        name: the argument with which :func:`load_images` finds it again.
        x_train, x_test: uint8 (samples, 1, H, W), 0 is black.
        y_train, y_test: int64 (samples,), each an index into ``classes``.
        classes: the names of the classes.

    >>> data = load_images("digits")
    >>> data.x_test.shape, data.y_test.shape
    ((359, 1, 8, 8), (359,))
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]


def load_images(name: str | Path = "digits", *, test_only: bool = False) -> ImageData:
    """Load a data set by name or folder.

    Args:
        name: ``"digits"`` (scikit-learn's 1,797 digits of 8x8, a fifth held out as the test set), ``"mnist"`` or
            ``"fashion-mnist"`` (70,000 images of 28x28; Debian's package ``dataset-fashion-mnist`` is used if it is
            installed, else the files are downloaded once, verified and cached), or a folder of IDX files with MNIST's
            names, gzipped or not. A ``Path``, and a text like ``"./digits"``, is always a folder.
        test_only: leave out the training part, whose arrays are then empty; a folder needs only its two test files.

    Raises:
        ImportError: a package is missing; the message names the extra.
        OSError: a file is missing or the download failed.
        ValueError: the name is unknown, or a file is corrupt, or images and labels do not match.

    >>> load_images("digits").x_train.shape
    (1438, 1, 8, 8)
    """
    if name == "digits":
        digits = _load_digits()
        return replace(digits, x_train=digits.x_train[:0], y_train=digits.y_train[:0]) if test_only else digits
    if name == "fashion-mnist" and _DEBIAN.is_dir():
        return load_folder(_DEBIAN, str(name), _CLOTHES, test_only)
    if name in _SOURCES:
        classes = _CLOTHES if name == "fashion-mnist" else _DIGITS
        return load_folder(_download(str(name)), str(name), classes, test_only)
    if not Path(name).is_dir():
        raise ValueError(f"no data set {str(name)!r}: expected {', '.join(BUILT_IN)}, or a folder of IDX files")
    return load_folder(Path(name), str(Path(name).resolve()), test_only=test_only)


def load_folder(folder: Path, name: str, classes: tuple[str, ...] | None = None, test_only: bool = False) -> ImageData:
    """Read MNIST's IDX files from a folder; without ``classes``, a class is named by its index."""
    test = _split(folder, "test")
    x_train, y_train = (test[0][:0], test[1][:0]) if test_only else _split(folder, "train")
    if x_train.shape[1:] != test[0].shape[1:]:
        raise ValueError(f"{folder}: the training and the test images differ in size")
    highest = max(int(labels.max(initial=0)) for labels in (y_train, test[1]))
    if classes is None:
        classes = tuple(str(k) for k in range(highest + 1))
    if highest >= len(classes):
        raise ValueError(f"{folder}: label {highest}, where the data set has {len(classes)} classes")
    return ImageData(name, x_train, y_train, *test, classes)


def _split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of the training or the test part."""
    images, labels = (read_idx(_find(folder, _FILES[split, part]), 3 if part == "x" else 1) for part in "xy")
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(f"{folder}: {len(images)} {split} images, but {len(labels)} {split} labels")
    if images.size == 0:
        raise ValueError(f"{folder}: the {split} images have no pixels: their shape is {images.shape[1:]}")
    return images[:, None], labels.astype(np.int64)


def _find(folder: Path, stem: str) -> Path:
    for name in (stem, stem.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"{folder} has neither {stem} nor {stem}.gz (nor {name}, {name}.gz)")


def _load_digits() -> ImageData:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the digits need scikit-learn: install xpnn's extra [data]") from error
    digits: Any = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]  # 17 grey levels in the source
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))  # the same fifth in every run, whatever its seed
    test, train = np.split(order, [len(order) // 5])
    return ImageData("digits", images[train], labels[train], images[test], labels[test], _DIGITS)


class _Bounded(io.FileIO):
    """A file that takes no more than a data set's file may have, whatever a server sends."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _LARGEST:
            raise OSError(f"it is larger than {_LARGEST:,} bytes")
        return super().write(data)


def _download(name: str) -> Path:
    """The cache folder with the data set's files, which are downloaded if missing."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f"downloading {name} needs pooch: install xpnn's extra [data]") from error

    def download(url: str, path: str, store: Any) -> None:
        with _Bounded(path, "w") as file:
            pooch.HTTPDownloader()(url, file, store)

    base_url, registry = _SOURCES[name]
    store = pooch.create(path=pooch.os_cache("xpnn") / name, base_url=base_url, registry=registry)
    for file in registry:
        try:
            store.fetch(file, downloader=download)
        except Exception as error:  # whatever the error, the remedies are the same
            debian = f", or install Debian's package dataset-{name}" if name == "fashion-mnist" else ""
            raise OSError(
                f"{name}: {base_url}{file} cannot be had ({error}); with a network try again, or put the four IDX "
                f"files into a folder and give its path{debian}"
            ) from error
    return Path(store.path)
