"""Files in the safetensors format with a checksum of every byte, which reveals damage by a disk, a cable or a crash."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SEAL = "xpnn.sha256"
"""The key, in the metadata, of the SHA-256 of the file as it would be with 64 zeros for this value."""

_PLACE = re.compile(rb'"xpnn\.sha256":"([0-9a-f]{64})"')
_ZEROS = b"0" * 64
_CHUNK = 1 << 20  # bytes that are read at once
_KINDS = {"f": "F", "i": "I", "u": "U", "b": "BOOL"}


def sealed(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> list[bytes | memoryview]:
    """The file's bytes, in pieces; arrays in C order are not copied.

    The same arrays and metadata always give the same bytes, which safetensors' own writer does not promise.

    Raises:
        TypeError: the metadata are not text.

    Source: the format's description in https://github.com/huggingface/safetensors.
    """
    for key, value in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"save: expected metadata of texts, got {key!r}: {value!r}")
    header: dict[str, object] = {"__metadata__": {**(metadata or {}), SEAL: _ZEROS.decode()}}
    pieces: list[bytes | memoryview] = []
    start = 0
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):  # so each is aligned
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
        end = start + len(data)
        header[name] = {"dtype": _code(array.dtype), "shape": array.shape, "data_offsets": (start, end)}
        pieces.append(data)
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    size = len(text).to_bytes(8, "little")
    digest = hashlib.sha256(size + text)
    for piece in pieces:
        digest.update(piece)
    found = _PLACE.search(text)
    assert found is not None
    return [size, text[: found.start(1)] + digest.hexdigest().encode() + text[found.end(1) :], *pieces]


def _code(dtype: np.dtype) -> str:
    """The format's name of a dtype, as F32 for float32."""
    kind = _KINDS[dtype.kind]
    return kind if dtype.kind == "b" else f"{kind}{8 * dtype.itemsize}"


def check_seal(path: str | Path, required: bool = False) -> None:
    """Compare a file with its checksum. Files by other programs have none.

    Raises:
        OSError: the file cannot be read.
        ValueError: the checksum does not match the bytes, or is missing though required.
    """
    with open(path, "rb") as file:
        size = file.read(8)
        text = file.read(min(int.from_bytes(size, "little"), Path(path).stat().st_size))
        found = _PLACE.search(text)
        if found is None:
            if required:
                raise ValueError(f"{path} is damaged, or no checkpoint: it has no checksum")
            return
        digest = hashlib.sha256(size + text[: found.start(1)] + _ZEROS + text[found.end(1) :])
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest().encode() != found[1]:
        raise ValueError(
            f"{path} is damaged: its bytes are not those that were saved (their SHA-256 differs); a program that "
            f"changes such a file must remove {SEAL} from its metadata"
        )
