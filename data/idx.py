"""The IDX format of MNIST and its successors."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np


def read_idx(path: str | Path, ndim: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, 8 for unsigned bytes, the number of axes, the length of each axis as a big-endian
    32-bit integer, then the elements in C order.

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
    raw = Path(path).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the gzip data are corrupt or truncated ({error})") from error
    magic = bytes((0, 0, 8, ndim))
    if raw[:4] != magic:
        raise ValueError(
            f"{path}: not an IDX file of unsigned bytes with {ndim} axes: it starts with {raw[:4].hex() or 'nothing'}, "
            f"expected {magic.hex()}"
        )
    header = 4 + 4 * ndim
    if len(raw) < header:
        raise ValueError(f"{path}: truncated in the header, at {len(raw)} of {header} bytes")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", ndim, offset=4))
    expected = header + math.prod(shape)
    if len(raw) != expected:
        fault = "truncated" if len(raw) < expected else "too long"
        raise ValueError(f"{path}: {fault}: {len(raw)} bytes, where shape {shape} makes {expected}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
