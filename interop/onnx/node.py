"""One node of an ONNX model, and the allowed values of its attributes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import onnx


class UnsupportedNodeError(ValueError):
    """A valid ONNX model needs something that xpnn does not have.

    Attributes:
        node: the node's name.
        op: the node's operator.
        what: the attribute, input or output in question.
        reason: the reason why it is not supported; docs/onnx.md lists all reasons.
    """

    def __init__(self, node: str, op: str, what: str, reason: str, value: Any = None) -> None:
        shown = what if value is None else f"{what}={value!r}"
        super().__init__(f"node {node!r} ({op}): {shown} is not supported: {reason}")
        self.node, self.op, self.what, self.reason = node, op, what, reason

    @classmethod
    def of_all(cls, errors: "Sequence[UnsupportedNodeError]") -> "UnsupportedNodeError":
        """One error that counts all errors by operator and reason, with the attributes of the first one."""
        if len(errors) == 1:
            return errors[0]
        alike: dict[tuple[str, str, str], list[UnsupportedNodeError]] = {}
        for error in errors:
            alike.setdefault((error.op, error.what, error.reason), []).append(error)
        lines = [f"{op}: {len(each)}, first {each[0]}" for (op, _, _), each in alike.items()]
        first = cls(errors[0].node, errors[0].op, errors[0].what, errors[0].reason)
        first.args = (f"{len(errors)} nodes are not supported:\n  " + "\n  ".join(lines),)
        return first


CHOICES: dict[str, tuple[Any, ...]] = {
    "approximate": ("none", "tanh"),
    "auto_pad": ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    "direction": ("forward", "reverse", "bidirectional"),
    "reduction": ("none", "add", "mul", "max", "min"),
    "stash_type": (onnx.TensorProto.FLOAT, onnx.TensorProto.BFLOAT16),
}
# fmt: off
FLAGS = {
    "allowzero", "antialias", "broadcast", "ceil_mode", "count_include_pad", "exclude_outside", "fmod", "input_forget",
    "is_test", "keepdims", "layout", "linear_before_reset", "noop_with_empty_axes", "saturate", "select_last_index",
    "spatial", "storage_order", "training_mode", "transA", "transB",
}
# fmt: on
CHOICES |= dict.fromkeys(FLAGS, (0, 1))
"""The values that an attribute may have."""

LEAST = {
    "blocksize": 1,
    "dilations": 1,
    "group": 1,
    "hidden_size": 1,
    "kernel_shape": 1,
    "num_groups": 1,
    "output_padding": 0,
    "pads": 0,
    "strides": 1,
}
"""The least value of an attribute, or of each element if it is a list."""


@dataclass(frozen=True)
class Node:
    """One operation of the graph; an empty name among inputs or outputs stands for an omitted one.

    Attributes:
        proto: the node in the file.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    attributes: dict[str, Any]
    proto: onnx.NodeProto | None = None

    def options(self, *known: str) -> SimpleNamespace:
        """The attributes of these names: the node's value, else the operator's default, else None.

        Raises:
            UnsupportedNodeError: the node has another attribute, or a value that its operator does not allow.
        """
        for key, value in self.attributes.items():
            if key not in known:
                self.refuse(key, "xpnn does not know this attribute", value)
            if key in CHOICES and value not in CHOICES[key]:
                self.refuse(key, f"the operator allows {', '.join(map(str, CHOICES[key]))}", value)
            if key in LEAST and not all(LEAST[key] <= size < 2**31 for size in np.ravel(value).tolist()):
                self.refuse(key, f"the operator allows integers from {LEAST[key]}, and xpnn those below 2**31", value)
        return SimpleNamespace(**{**dict.fromkeys(known), **_defaults(self.op, self.opset), **self.attributes})

    def refuse(self, what: str, reason: str, value: Any = None) -> NoReturn:
        """Raise UnsupportedNodeError for this node."""
        raise UnsupportedNodeError(self.name, self.op, what, reason, value)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Within this block any error becomes a ValueError that names this node."""
        try:
            yield
        except UnsupportedNodeError:
            raise
        except Exception as error:  # layers and NumPy raise for weights, values and attributes that do not fit
            raise ValueError(f"node {self.name!r} ({self.op}): {error}") from error


def read_node(proto: onnx.NodeProto, opsets: Mapping[str, int]) -> Node:
    """A node of a model with these opsets by domain; a node without a name gets that of its first output."""
    if not all(isinstance(text, str) for text in (proto.name, proto.op_type, *proto.input, *proto.output)):
        raise ValueError("a name is not UTF-8 text")  # protobuf returns such names as bytes
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    op = f"{domain}.{proto.op_type}" if domain else proto.op_type
    attributes = {a.name: _plain_value(a) for a in proto.attribute}
    name = proto.name or next(filter(None, proto.output), op)
    return Node(name, op, tuple(proto.input), tuple(proto.output), opsets.get(domain, 1), attributes, proto)


def _plain_value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, list) and attribute.type == onnx.AttributeProto.STRINGS:
        return [text.decode() for text in value]
    return value.decode() if isinstance(value, bytes) else value


@lru_cache
def _defaults(op: str, opset: int) -> dict[str, Any]:
    """The values that omitted attributes have by the operator's definition in this opset."""
    domain, _, kind = op.rpartition(".")
    attributes = onnx.defs.get_schema(kind, opset, domain).attributes.values()
    return {a.name: _plain_value(a.default_value) for a in attributes if a.default_value.name}


def shortest(value: float, usual: float = 0.0) -> float:
    """``usual`` if float32 rounds it to this value, else the shortest decimal number that rounds to it.

    Attributes are float32. A slope of 0.01 is thus restored as 0.01, not as 0.009999999776482582.
    """
    if np.float32(value) == np.float32(usual):
        return usual
    return float(str(np.float32(value)))
