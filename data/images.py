"""Images with labels: scikit-learn's digits, MNIST, Fashion-MNIST, or a folder of IDX files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .idx import read_idx

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_FILES = {
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
            "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}


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


def load_images(name: str | Path = "digits") -> ImageData:
    """Load a data set by name or folder.

    Args:
        name: ``"digits"`` (scikit-learn's 1,797 digits of 8x8, a fifth held out as the test set), ``"mnist"`` or
            ``"fashion-mnist"`` (70,000 images of 28x28; Debian's package ``dataset-fashion-mnist`` is used if it is
            installed, else the files are downloaded once, verified and cached), or a folder of IDX files with MNIST's
            names, gzipped or not.

    Raises:
        ImportError: a package is missing; the message names the extra.
        OSError: a file is missing or the download failed.
        ValueError: the name is unknown, or a file is corrupt, or images and labels do not match.

    >>> load_images("digits").x_train.shape
    (1438, 1, 8, 8)
    """
    if name == "digits":
        return _load_digits()
    if name == "fashion-mnist" and _DEBIAN.is_dir():
        return load_folder(_DEBIAN, str(name), _CLOTHES)
    if name in _SOURCES:
        return load_folder(_download(str(name)), str(name), _CLOTHES if name == "fashion-mnist" else _DIGITS)
    if not Path(name).is_dir():
        raise ValueError(f"no data set {str(name)!r}: expected digits, mnist, fashion-mnist, or a folder of IDX files")
    return load_folder(Path(name), str(Path(name).resolve()))


def load_folder(folder: Path, name: str, classes: tuple[str, ...] | None = None) -> ImageData:
    """Read MNIST's four IDX files from a folder; without ``classes``, a class is named by its index."""
    arrays: dict[tuple[str, str], np.ndarray] = {}
    for part, stem in _FILES.items():
        paths = [path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()]
        if not paths:
            raise FileNotFoundError(f"{folder} has neither {stem} nor {stem}.gz")
        arrays[part] = read_idx(paths[0], 3 if part[1] == "x" else 1)
    for split in ("train", "test"):
        images, labels = arrays[split, "x"], arrays[split, "y"]
        if len(images) != len(labels) or len(images) == 0:
            raise ValueError(f"{folder}: {len(images)} {split} images, but {len(labels)} {split} labels")
    if arrays["train", "x"].shape[1:] != arrays["test", "x"].shape[1:]:
        raise ValueError(f"{folder}: the training and the test images differ in size")
    highest = max(int(arrays[split, "y"].max()) for split in ("train", "test"))
    if classes is None:
        classes = tuple(str(k) for k in range(highest + 1))
    if highest >= len(classes):
        raise ValueError(f"{folder}: label {highest}, where the data set has {len(classes)} classes")
    return ImageData(
        name,
        arrays["train", "x"][:, None],
        arrays["train", "y"].astype(np.int64),
        arrays["test", "x"][:, None],
        arrays["test", "y"].astype(np.int64),
        classes,
    )


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


def _download(name: str) -> Path:
    """The cache folder with the data set's files, which are downloaded if missing."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f"downloading {name} needs pooch: install xpnn's extra [data]") from error
    base_url, registry = _SOURCES[name]
    store = pooch.create(path=pooch.os_cache("xpnn") / name, base_url=base_url, registry=registry)
    for file in registry:
        try:
            store.fetch(file)
        except Exception as error:  # whatever the error, the remedies are the same
            debian = f", or install Debian's package dataset-{name}" if name == "fashion-mnist" else ""
            raise OSError(
                f"{name}: {base_url}{file} cannot be had ({error}); with a network try again, or put the four IDX "
                f"files into a folder and give its path{debian}"
            ) from error
    return Path(store.path)
