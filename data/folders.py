"""Pictures in one folder per class."""

from pathlib import Path

import numpy as np

from .pictures import read_picture
from .split import split

_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # in order of preference


def load_pictures(
    folder: Path, test_only: bool, size: int | tuple[int, int] | None, colour: bool | None, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...], bool]:
    """The fields of :class:`xpnn.ImageData` after its name; arguments and errors as for :func:`xpnn.load_images`."""
    train, test = _parts(folder)
    classes = tuple(path.name for path in class_folders(train or test or folder))
    if not classes:
        raise ValueError(f"{train or test}: expected a folder of pictures for each class, found none")
    _check_depth(train or test or folder)
    (files, y_train), (held_out, y_test) = _files(train, classes), _files(test, classes)
    if test is None:
        for_training, for_test = split(y_train, share, seed)
        held_out, y_test = [files[i] for i in for_test], y_train[for_test]
        files, y_train = [files[i] for i in for_training], y_train[for_training]
    if test_only:
        files, y_train = [], y_train[:0]
    elif test and not train:
        raise FileNotFoundError(f"{folder} has {test.name}, but no folder train")
    pixels = _read(files + held_out, size, colour)
    return pixels[: len(files)], y_train, pixels[len(files) :], y_test, classes, test is None


def class_folders(folder: Path) -> list[Path]:
    """The folder's subfolders, sorted by name, without those that operating systems and tools create."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path.name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def first_picture(folder: Path) -> Path:
    """A picture of the folder, from which their size can be read.

    Raises:
        ValueError: there is no picture in the first class's folder.
    """
    train, test = _parts(folder)
    classes = class_folders(train or test or folder)
    return _pictures(classes[0] if classes else folder)[0]


def _parts(folder: Path) -> tuple[Path | None, Path | None]:
    """The folders of the training and the test part; for data without parts, their own folder and None.

    If there is a training part, a test folder without folders of classes is ignored: its pictures have no labels.
    """
    named = {path.name.lower(): path for path in class_folders(folder)}
    train = next((named[name] for name in _TRAIN if name in named), None)
    tests = (named[name] for name in _TEST if name in named)
    test = next((path for path in tests if train is None or class_folders(path)), None)
    return (train, test) if train or test else (folder, None)


def _check_depth(part: Path) -> None:
    """Refuse a single class whose folder holds several, as when an archive was unpacked into a folder of its own name;
    and parts within the classes."""
    inner, below = class_folders(part), part
    while len(inner) == 1 and not any(path.suffix.lower() in _SUFFIXES for path in inner[0].iterdir()):
        inner, below = class_folders(inner[0]), inner[0]
    if below != part and len(inner) > 1:
        named = ", ".join(path.name for path in inner[:5])
        raise ValueError(f"{part} has one class, with the folders {named} in it: give {below}")
    parts = [next(filter(None, _parts(own))) for own in inner]
    if parts and all(one != own for one, own in zip(parts, inner, strict=True)):
        raise ValueError(f"{part} has parts in its classes, such as {parts[0]}: put the classes into the parts")


def _files(part: Path | None, classes: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """The paths of a part's pictures, class by class, and their labels."""
    files: list[Path] = []
    labels: list[int] = []
    for own in class_folders(part) if part else ():
        if own.name not in classes:
            raise ValueError(f"{own}: there is no class {own.name!r} in the training part")
        found = _pictures(own)
        files += found
        labels += [classes.index(own.name)] * len(found)
    return files, np.array(labels, dtype=np.int64)


def _pictures(folder: Path) -> list[Path]:
    """The paths of a class's pictures."""
    candidates = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and _is_file(path))
    found = sorted(path for path in candidates if not any(map(_is_hidden, path.relative_to(folder).parts)))
    if not found:
        idx = next(folder.rglob("*ubyte*"), None)
        todo = f"IDX files are read from their own folder, {idx.parent}" if idx else "fill it, or move it elsewhere"
        raise ValueError(f"{folder} has no pictures ({' '.join(_SUFFIXES)}): {todo}")
    return found


def _is_file(path: Path) -> bool:
    """Whether the path is a file, or a broken link, which reading then reports."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _read(files: list[Path], size: int | tuple[int, int] | None, colour: bool | None) -> np.ndarray:
    """All pictures, uint8 (samples, C, H, W); if some are grey and some coloured, all get three channels."""
    shape = (size, size) if isinstance(size, int) else size
    if shape is not None and (len(shape) != 2 or min(shape) < 1):
        raise ValueError(f"size: expected one length or (H, W), of at least 1 pixel, got {size}")
    pixels = np.empty((0, 1, 0, 0), np.uint8)
    for index, path in enumerate(files):
        picture = read_picture(path, shape, colour=colour)
        if index == 0:
            pixels = np.empty((len(files), *picture.shape), np.uint8)
        elif picture.shape[1:] != pixels.shape[2:]:
            (H, W), (h, w) = pixels.shape[2:], picture.shape[1:]
            raise ValueError(f"{files[0]} has {H} x {W} pixels, {path} {h} x {w}: give a common size, such as size=32")
        elif len(picture) > pixels.shape[1]:
            pixels = pixels.repeat(3, axis=1)
        pixels[index] = picture
    return pixels
