"""Files changed by their structure: a value of the text, a field of the message, and all around it as it should be.

Each function takes a valid file's bytes and a ``random.Random``, and raises ``ValueError`` where it is handed no such.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from xpnn.training.files.sealed import _PLACE, _ZEROS

DEEP = "@deep@"
ODD: list[Any] = [
    0, -1, 1, 3, 2**31, 2**63, 10**30, 0.5, 1e308, float("inf"), float("nan"), True, None, "", "0", "float64",
    "\x1b[31m", "../../x", "/dev/zero", "\ud800", "x" * 999, [], {}, [[]], {"class": "Dense"}, {"same": 0},
    {"array": [10**9, 9]}, DEEP,
]  # fmt: skip


CELLS = [
    b"", b"0", b"-1", b"1e999", b"nan", b"inf", b"True", b"None", b"9" * 40, b"0x1", b"1_0", b"1,5", b"label", b"a",
    b'"', b'"x\ny"', b"\x1b[31m", b"\xff", b"\x00", b"2020-01-01", b"1+2j", b" 1", b"\xef\xbb\xbf1",
]  # fmt: skip
"""Of a table; of its header too."""


def of_json(data: bytes, rng: random.Random) -> bytes:
    """A text of JSON, one of whose values is another one, is missing, or stands there twice."""
    whole = [json.loads(data)]
    holder, key = rng.choice(list(_places(whole)))
    action = rng.randrange(4)
    if action == 0 and holder is not whole:
        del holder[key]
    elif action == 1 and isinstance(holder, list) and holder is not whole:
        holder.insert(key, holder[key])
    elif action == 2:
        other, place = rng.choice(list(_places(whole)))
        holder[key] = json.loads(json.dumps(other[place]))
    else:
        holder[key] = rng.choice(ODD)
    deep = "[" * 9999 + "]" * 9999
    return json.dumps(whole[0]).replace(f'"{DEEP}"', deep).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in the value, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def of_safetensors(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header, whose length is right, and so is its checksum, if it has one."""
    size = int.from_bytes(data[:8], "little")
    text, rest = of_json(data[8 : 8 + size], rng), data[8 + size :]
    start = len(text).to_bytes(8, "little")
    if found := _PLACE.search(text.replace(b'": "', b'":"')):
        text = text.replace(b'": "', b'":"')
        start = len(text).to_bytes(8, "little")
        zeroed = text[: found.start(1)] + _ZEROS + text[found.end(1) :]
        digest = hashlib.sha256(start + zeroed + rest).hexdigest().encode()
        text = text[: found.start(1)] + digest + text[found.end(1) :]
    return start + text + rest


def of_table(data: bytes, rng: random.Random) -> bytes:
    """A table, some of whose cells hold something else, with its rows repeated some times."""
    rows = [line.split(b",") for line in data.splitlines()]
    for _ in range(rng.randrange(1, 4)):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(CELLS)
    whole = rows[:1] + rows[1:] * rng.choice([1, 1, 1, 9])
    end, separator = rng.choice([b"\n", b"\n", b"\r\n", b"\r"]), rng.choice([b",", b",", b";", b"\t"])
    return end.join(separator.join(row) for row in whole)


def of_onnx(data: bytes, rng: random.Random) -> bytes:
    """A model of ONNX, one of whose fields has another value, is missing, or stands there twice."""
    import onnx
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        message, field = rng.choice(list(_fields(model)))
    except (DecodeError, IndexError) as error:
        raise ValueError(error) from error
    value = getattr(message, field.name)
    repeated = not isinstance(value, int | float | str | bytes) and hasattr(value, "append")
    scalar = field.type not in (field.TYPE_MESSAGE, field.TYPE_GROUP)
    action = rng.randrange(3)
    if action == 0 or not (repeated or scalar):
        message.ClearField(field.name)
    elif repeated and len(value) and action == 1:
        value.append(rng.choice(value)) if scalar else value.add().CopyFrom(rng.choice(value))
    elif repeated and len(value):
        del value[rng.randrange(len(value))]
    elif not repeated:
        setattr(message, field.name, _odd(value, rng))
    return model.SerializeToString()


def _odd(value: Any, rng: random.Random) -> Any:
    kinds = {
        int: [0, -1, 1, 7, 16, 2**31 - 1],
        float: [0.0, -1.0, float("nan"), 1e38],
        bytes: [b"", b"NOTSET", b"\x1b"],
    }
    return rng.choice(kinds.get(type(value), ["", "x", "Conv", "Loop", "Reshape", "../../x"]))


def _fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """Each message in this one, with each of its fields that is set."""
    for field, value in message.ListFields():
        yield message, field
        if field.type == field.TYPE_MESSAGE:
            for inner in value if hasattr(value, "append") else (value,):
                yield from _fields(inner)
