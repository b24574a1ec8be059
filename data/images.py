"""Images with labels: scikit-learn's digits, MNIST, Fashion-MNIST, IDX files, a .npz file, or folders of pictures."""

import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .download import SOURCES, download
from .extras import needed
from .folders import class_folders, load_pictures
from .idx import read_idx
from .split import split

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_FILES = {  # some unpackers write ".idx" for "-idx"; ".gz" may follow
    ("train", "x"): "train-images-idx3-ubyte",
    ("train", "y"): "train-labels-idx1-ubyte",
    ("test", "x"): "t10k-images-idx3-ubyte",
    ("test", "y"): "t10k-labels-idx1-ubyte",
}
_KEYS = (  # of a .npz file; without those of a test part, one is split off
    ("x_train", "y_train", "x_test", "y_test"),  # Keras
    ("train_images", "train_labels", "test_images", "test_labels"),  # MedMNIST
    ("x", "y"),
)
_MOST_CLASSES = 10_000
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist
BUILT_IN = ("digits", *SOURCES)
"""The names of data sets, which take precedence over folders of the same names."""


@dataclass(frozen=True)
class ImageData:
    """A data set of images, grey (C = 1) or in colour (C = 3: red, green, blue).

    Attributes:
        name: the argument with which :func:`load_images` finds it again.
        x_train, x_test: uint8 (samples, C, H, W), 0 is black.
        y_train, y_test: int64 (samples,), each an index into ``classes``.
        classes: the names of the classes.
        split: whether the test part was held out from data that have none of their own.

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
    split: bool = False


def load_images(
    name: str | Path = "digits",
    *,
    test_only: bool = False,
    size: int | tuple[int, int] | None = None,
    colour: bool | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Load a data set by name, file or folder.

    ==============================  ==================================================================================
    ``"digits"``                    scikit-learn's 1,797 digits of 8x8, a fifth held out as the test set
    ``"mnist"``, ``fashion-mnist``  70,000 images of 28x28; Debian's package ``dataset-fashion-mnist`` is used if it is
                                    installed, else the files are downloaded once, verified and cached
    a folder of IDX files           with MNIST's names, with ``-`` or ``.`` before ``idx``, gzipped or not; or EMNIST's,
                                    whose images are stored transposed and are turned upright
    a folder of pictures            ``train/CLASS/*.png`` and ``test/CLASS/*.png`` (or ``val`` if there is no ``test``),
                                    or ``CLASS/*.png`` alone, of which a share of each class is held out
    a ``.npz`` file                 with uint8 images and integer labels: ``x_train``, ``y_train``, ``x_test``,
                                    ``y_test`` (Keras), ``train_images``, ... (MedMNIST), or ``x`` and ``y``, which are
                                    split; images are (samples, H, W), (samples, C, H, W) or (samples, H, W, C)
    ==============================  ==================================================================================

    A ``Path``, or a text like ``"./digits"``, is always a file or folder. Pictures are PNG, JPEG, GIF, BMP, TIFF, WebP
    and PPM files by their suffixes, at any depth below their class's folder; other files, and names that begin with
    ``.`` or ``__``, are ignored. Pictures are turned upright, and transparent pixels become black.

    Args:
        test_only: omit the training part, whose arrays are then empty; a folder needs only its test files.
        size: (H, W) of pictures, or one length for both, to which they are resized by averaging, without keeping their
            proportions; by default their own size, which must then be the same for all.
        colour: whether pictures get three channels; by default they do if one of them is not grey.
        test_share: the share of each class to hold out if a folder or file has no test part. Named data sets have a
            fixed one.
        seed: seed of the choice of these samples.

    Raises:
        ImportError: a package is missing; the message names the extra.
        OSError: there is no such file or folder, or the download failed.
        ValueError: the name is unknown; a file is corrupt; a class has no pictures; images and labels do not match;
            pictures differ in size and ``size`` is missing; or an argument is out of its range or not for such data.

    >>> load_images("digits").x_train.shape
    (1438, 1, 8, 8)
    """
    path = Path(name)
    if name not in BUILT_IN and holds_pictures(path):
        return ImageData(str(path.resolve()), *load_pictures(path, test_only, size, colour, test_share, seed))
    if size is not None or colour is not None:
        raise ValueError(f"{name}: size and colour are for folders of pictures")
    if name in BUILT_IN and (test_share, seed) != (0.2, 0):
        raise ValueError(f"{name}: test_share and seed are for your own data: built-in data sets have a test part")
    if name == "digits":
        digits = _load_digits()
        return replace(digits, x_train=digits.x_train[:0], y_train=digits.y_train[:0]) if test_only else digits
    if name == "fashion-mnist" and _DEBIAN.is_dir():
        return load_folder(_DEBIAN, str(name), _CLOTHES, test_only)
    if name in SOURCES:
        classes = _CLOTHES if name == "fashion-mnist" else _DIGITS
        return load_folder(download(str(name)), str(name), classes, test_only)
    if path.is_dir():
        return load_folder(path, str(path.resolve()), test_only=test_only)
    if path.suffix.lower() == ".npz" and path.is_file():
        return _load_npz(path, test_only, test_share, seed)
    expected = f"expected {', '.join(BUILT_IN)}, or a folder of IDX files or of pictures, or a .npz file"
    if not path.exists() and (isinstance(name, Path) or name != path.stem):  # no bare word
        raise FileNotFoundError(f"no data set {str(name)!r}, since there is no such file or folder: {expected}")
    raise ValueError(f"no data set {str(name)!r}: {expected}")


def holds_pictures(path: Path) -> bool:
    """Whether the path is a folder with folders of pictures, not IDX files."""
    return path.is_dir() and not any(path.glob("*ubyte*")) and bool(class_folders(path))


def load_folder(folder: Path, name: str, classes: tuple[str, ...] | None = None, test_only: bool = False) -> ImageData:
    """Read MNIST's IDX files from a folder; without ``classes``, each class's name is its index."""
    test = _part(folder, "test")
    train = (test[0][:0], test[1][:0]) if test_only else _part(folder, "train")
    return _labelled(folder, name, (*train, *test), classes)


def _labelled(
    source: Path, name: str, arrays: tuple[np.ndarray, ...], classes: tuple[str, ...] | None = None
) -> ImageData:
    """The data set of these four arrays, if they fit each other."""
    x_train, y_train, x_test, y_test = arrays
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(f"{source}: the training and the test images differ in size")
    highest = max(int(labels.max(initial=0)) for labels in (y_train, y_test))
    if highest >= _MOST_CLASSES:
        raise ValueError(f"{source}: label {highest}, but labels must be below {_MOST_CLASSES:,}")
    if classes is None:
        classes = tuple(str(k) for k in range(highest + 1))
    if highest >= len(classes):
        raise ValueError(f"{source}: label {highest}, but the data set has {len(classes)} classes")
    return ImageData(name, x_train, y_train, x_test, y_test, classes)


def _part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of the training or the test part."""
    paths = [_find(folder, _FILES[part, which]) for which in "xy"]
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if paths[0].name.startswith("emnist"):  # stored column by column
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    return _pair(folder, f"{part} ", images, labels)


def _pair(source: Path, part: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(f"{source}: {len(images)} {part}images, but {len(labels)} {part}labels")
    if images.size == 0:
        raise ValueError(f"{source}: the {part}images have no pixels: their shape is {images.shape[1:]}")
    return images[:, None] if images.ndim == 3 else images, labels.astype(np.int64)


def _find(folder: Path, stem: str) -> Path:
    """The file with this name or a usual variant of it; if both a gzipped and a plain one exist, the plain one."""
    named = stem.replace("t10k", "(?:t10k|test)").replace("-idx", "[-.]idx")
    # some unpackers put each file into a folder of its own name
    paths = (path / path.name if path.is_dir() else path for path in sorted(folder.iterdir()))
    names = {path: re.fullmatch(rf"(emnist-\w+-)?{named}(\.gz)?", path.name) for path in paths}
    found = sorted((bool(match[2]), path, match[1]) for path, match in names.items() if match and path.is_file())
    if not found:
        if not any(folder.glob("*ubyte*")):
            raise FileNotFoundError(
                f"{folder} has neither a folder of pictures for each class nor IDX files, such as {stem}.gz"
            )
        dotted = stem.replace("-idx", ".idx")
        raise FileNotFoundError(f"{folder} has neither {stem} nor {stem}.gz (nor {dotted}, {dotted}.gz)")
    if len({prefix for _, _, prefix in found}) > 1:
        several = ", ".join(path.name for _, path, _ in found)
        raise ValueError(f"{folder} has several data sets ({several}): put the four files of one into a folder")
    return found[0][1]


def _load_npz(path: Path, test_only: bool, share: float, seed: int) -> ImageData:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a .npz file, as numpy.savez writes it")
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            own = {key.lower(): key for key in file.files}
            keys = next((keys for keys in _KEYS if set(keys) <= own.keys()), ())
            if not keys:
                expected = ", or ".join(" ".join(names) for names in _KEYS)
                raise ValueError(f"its arrays are {', '.join(file.files[:20]) or 'none'}; expected {expected}")
            arrays = [file[own[key]] for key in keys]
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors
        raise ValueError(f"{path} cannot be read ({str(error) or type(error).__name__})") from error
    pairs = [_pixels(path, *arrays[i : i + 2]) for i in range(0, len(arrays), 2)]
    whole = len(pairs) == 1
    if whole:
        pairs = [(pairs[0][0][part], pairs[0][1][part]) for part in split(pairs[0][1], share, seed)]
    (x, y), test = pairs
    if test_only:
        x, y = x[:0], y[:0]
    return replace(_labelled(path, str(path.resolve()), (x, y, *test)), split=whole)


def _pixels(path: Path, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a .npz file in the shapes of ImageData."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            f"{path}: expected images of 3 or 4 axes, of uint8 (0 is black, 255 white), got {images.dtype} of shape "
            f"{images.shape}"
        )
    if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = np.ascontiguousarray(np.moveaxis(images, 3, 1))
    if images.ndim == 4 and images.shape[1] not in (1, 3):
        raise ValueError(f"{path}: expected images of 1 or 3 channels, got shape {images.shape}")
    if labels.dtype.kind not in "iu" or labels.size != len(labels) or labels.min(initial=0) < 0:
        raise ValueError(f"{path}: expected a label from 0 for each image, got {labels.dtype} of {labels.shape}")
    return _pair(path, "", images, labels.reshape(-1))


def _load_digits() -> ImageData:
    digits = needed("sklearn.datasets", "the digits need scikit-learn", "data").load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]  # 17 grey levels in the source
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))  # the same fifth in every run, whatever its seed
    test, train = np.split(order, [len(order) // 5])
    return ImageData("digits", images[train], labels[train], images[test], labels[test], _DIGITS)
