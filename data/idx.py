"""The IDX format of MNIST and its successors."""

import gzip
import math
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .files import write_file

_CHUNK = 1 << 20  # bytes that are read at once


def read_idx(path: str | Path, ndim: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, 8 for unsigned bytes, the number of axes, the length of each axis as a big-endian 32-bit
    integer, then the elements in C order. No more than that is read or decompressed, and memory is taken only for data
    that are present, whatever the header claims.

    Args:
        path: the file.
        ndim: the number of axes expected, 3 for images and 1 for labels.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not such a file: its magic number is wrong, or it is shorter or longer than its header
            says.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".

    >>> with open("labels-idx1-ubyte", "wb") as file:
    ...     size = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx("labels-idx1-ubyte", ndim=1)
    array([7, 2, 1], dtype=uint8)
    """
    try:
        with open(path, "rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            with gzip.GzipFile(fileobj=file) if packed else nullcontext(file) as content:
                return _read(content, path, ndim)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: the gzip data are corrupt or truncated ({error})") from error


def _read(content: BinaryIO | gzip.GzipFile, path: str | Path, ndim: int) -> np.ndarray:
    size = 4 + 4 * ndim
    header, magic = content.read(size), bytes((0, 0, 8, ndim))
    if header[:4] != magic:
        raise ValueError(
            f"{path}: not an IDX file of unsigned bytes with {ndim} axes: it starts with "
            f"{header[:4].hex() or 'nothing'}, expected {magic.hex()}"
        )
    if len(header) < size:
        raise ValueError(f"{path}: truncated in the header, at {len(header)} of {size} bytes")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4", offset=4))
    expected = math.prod(shape)
    data = bytearray()  # grows with the data present; writable, so that the array is
    while chunk := content.read(min(_CHUNK, expected + 1 - len(data))):  # one byte more, to check that the file ends
        data += chunk
    if len(data) != expected:
        fault = f"truncated: {len(data)} elements" if len(data) < expected else "too long: more elements"
        raise ValueError(f"{path}: {fault}, but shape {shape} needs {expected}")
    try:
        return np.frombuffer(data, np.uint8).reshape(shape)
    except ValueError as error:  # no elements, but an axis too long for NumPy
        raise ValueError(f"{path}: {error}") from error


def write_idx(path: str | Path, array: np.ndarray) -> None:
    """Write an array of unsigned bytes as an IDX file, whose format :func:`read_idx` describes.

    An existing file is replaced atomically, once the new one has reached the disk: neither an error nor a power cut can
    leave a torn file.

    Args:
        path: the file; with the suffix ``.gz`` it is gzipped.
        array: a uint8 array, with one axis for labels, three (samples, H, W) for grey images.

    Raises:
        OSError: the file cannot be written.
        TypeError: the array is not of unsigned bytes.
        ValueError: the array has no axis, more than 255, or one of more than 2^32 - 1 elements.

    >>> write_idx("labels-idx1-ubyte.gz", np.array([7, 2, 1], np.uint8))
    >>> read_idx("labels-idx1-ubyte.gz", ndim=1)
    array([7, 2, 1], dtype=uint8)
    """
    path, array = Path(path), np.asarray(array)
    if array.dtype != np.uint8:
        raise TypeError(f"write_idx: expected unsigned bytes (uint8), got dtype {array.dtype}")
    if not 0 < array.ndim < 256 or max(array.shape) >= 2**32:
        raise ValueError(f"write_idx: expected 1 to 255 axes of under 2^32 elements, got shape {array.shape}")
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    content = header + array.tobytes()
    # without name and time, so that the gzip file has the same bytes each time
    write_file(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
