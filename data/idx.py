"""The IDX format of MNIST and its successors."""

import gzip
import math
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK = 1 << 20  # bytes that are read at once


def read_idx(path: str | Path, ndim: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, 8 for unsigned bytes, the number of axes, the length of each axis as a big-endian
    32-bit integer, then the elements in C order. No more than that is read or decompressed, so the memory is that of
    the data that are there, whatever the header claims.

    Args:
        path: of the file.
        ndim: the number of axes expected, 3 for images and 1 for labels.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file: its magic number is wrong, or it is shorter or longer than its header says.

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
    data = bytearray()  # grows with what is there; writable, and so is the array
    while chunk := content.read(min(_CHUNK, expected + 1 - len(data))):  # one byte more, and its end is checked
        data += chunk
    if len(data) != expected:
        fault = f"truncated: {len(data)} elements" if len(data) < expected else "too long: more elements"
        raise ValueError(f"{path}: {fault}, where shape {shape} makes {expected}")
    try:
        return np.frombuffer(data, np.uint8).reshape(shape)
    except ValueError as error:  # no elements, but an axis beyond what NumPy can index
        raise ValueError(f"{path}: {error}") from error
