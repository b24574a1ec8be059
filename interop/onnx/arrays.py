"""ONNX operators that move, choose, compare or reduce values, without a layer's equation."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from onnx import TensorProto, helper, numpy_helper

from ...backend import Array, to_numpy, xp
from .node import Node

Result: TypeAlias = Array | tuple[Array, ...]

MOST = 2**31
"""The largest number of elements that an operator may create from a shape."""


def is_number(dtype: np.dtype) -> bool:
    """Whether it is one of NumPy's own types of real numbers: not text, bfloat16, float8, ..."""
    return dtype.kind in "biuf" and dtype.num < 256  # types added by packages have larger numbers


def integers(value: Array) -> list[int]:
    """A shape or axes on the host."""
    if value.ndim > 1:
        raise ValueError(f"expected a shape, lengths or axes in one row, got an array of shape {value.shape}")
    return [int(number) for number in to_numpy(value).reshape(-1)]


def in_range(indices: Array, length: int) -> Array:
    """Non-negative indices; ONNX allows -length to length - 1. A device would accept others without an error."""
    wrong = indices[(indices < -length) | (indices >= length)]
    if wrong.size:
        raise ValueError(f"expected each index from {-length} to {length - 1}, got {int(wrong[0])}")
    return xp.where(indices < 0, indices + length, indices)


def _shape(node: Node, x: Array) -> Array:
    o = node.options("start", "end")
    return xp.asarray(x.shape[o.start or 0 : o.end], dtype="int64")


def _size(node: Node, x: Array) -> Array:
    node.options()
    return xp.asarray(x.size, dtype="int64")


def _reshape(node: Node, x: Array, shape: Array | None = None) -> Array:
    o = node.options("allowzero", "shape")  # an attribute before opset 5
    sizes = o.shape if shape is None else integers(shape)
    if min(sizes, default=0) < -1:
        raise ValueError(f"expected sizes from -1, got {sizes}")
    sizes = [x.shape[i] if size == 0 and not o.allowzero else size for i, size in enumerate(sizes)]
    others = prod(size for size in sizes if size != -1)
    if -1 in sizes and not x.size and others:  # NumPy does not divide 0 elements
        sizes[sizes.index(-1)] = 0
    return x.reshape(sizes)


def _transpose(node: Node, x: Array) -> Array:
    return x.transpose(node.options("perm").perm)


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes")
    wanted = o.axes if axes is None else integers(axes)
    return x.squeeze(tuple(wanted) if wanted else None)


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes")
    return xp.expand_dims(x, tuple(o.axes if axes is None else integers(axes)))


def _flatten(node: Node, x: Array) -> Array:
    axis = node.options("axis").axis
    axis = axis if axis == x.ndim else normalize_axis_index(axis, x.ndim)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def _concat(node: Node, *values: Array) -> Array:
    return xp.concatenate(values, axis=1 if (axis := node.options("axis").axis) is None else axis)


def _split(node: Node, x: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    """Into the given sizes, or as many equal ones as there are outputs, of which the last one may be smaller."""
    o = node.options("axis", "split", "num_outputs")
    length, count = x.shape[axis := normalize_axis_index(o.axis or 0, x.ndim)], len(node.outputs)
    lengths = o.split if sizes is None else integers(sizes)
    each = -(-length // count)
    ends = np.cumsum(lengths)[:-1].tolist() if lengths else [each * (k + 1) for k in range(count - 1)]
    if o.num_outputs not in (None, count):
        raise ValueError(f"expected num_outputs of {count}, got {o.num_outputs}")
    if lengths and (sum(lengths) != length or min(lengths) < 0 or len(lengths) != count):
        raise ValueError(f"expected {count} sizes that add up to {length}, got {lengths}")
    return tuple(xp.split(x, ends, axis))


def _slice(node: Node, x: Array, *where: Array | None) -> Array:
    o = node.options("starts", "ends", "axes")  # attributes before opset 10
    given = [None if v is None else integers(v) for v in (*where, None, None, None, None)[:4]]
    starts, ends = given[0] or o.starts or [], given[1] or o.ends or []
    axes, steps = given[2] or o.axes or list(range(len(starts))), given[3] or [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step == 0:
            raise ValueError("expected steps other than 0")
        length = x.shape[axis]
        if step < 0:  # past the first element ends at None, since -1 counts from the end
            first = max(0, min(start + length if start < 0 else start, length - 1))
            stop = end + length if end < 0 else end
            cuts[axis] = slice(first, None if stop < 0 else stop, step)
        else:
            cuts[axis] = slice(start, end, step)
    return x[tuple(cuts)]


def _pad(node: Node, x: Array, *given: Array | None) -> Array:
    o = node.options("mode", "pads", "paddings", "value")  # all but the mode are attributes before opset 11
    pads, value, axes = (*given, None, None, None)[:3]
    widths = (o.pads or o.paddings) if pads is None else integers(pads)
    fill = float(to_numpy(value).reshape(())) if value is not None and value.size else o.value or 0.0
    all_of = [(0, 0)] * x.ndim
    for k, axis in enumerate(range(x.ndim) if axes is None else integers(axes)):
        all_of[axis] = widths[k], widths[k + len(widths) // 2]
    if prod(n + max(a, 0) + max(b, 0) for n, (a, b) in zip(x.shape, all_of, strict=True)) > MOST:
        raise ValueError(f"expected fewer than {MOST} elements, got pads {widths}")
    cuts = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, all_of, strict=True))
    rest = [(max(a, 0), max(b, 0)) for a, b in all_of]
    if o.mode == "constant":
        return xp.pad(x[cuts], rest, constant_values=fill)
    return xp.pad(x[cuts], rest, mode=o.mode)


def _constant_of_shape(node: Node, shape: Array) -> Array:
    value = node.options("value").value
    fill = np.zeros(1, "float32") if value is None else numpy_helper.to_array(value)
    sizes = integers(shape)
    if min(sizes, default=0) < 0 or prod(sizes) > MOST:
        raise ValueError(f"expected sizes from 0 that make fewer than {MOST} elements, got {sizes}")
    return xp.full(sizes, fill.reshape(())[()], dtype=fill.dtype)


def _expand(node: Node, x: Array, shape: Array) -> Array:
    node.options()
    sizes = np.broadcast_shapes(x.shape, tuple(integers(shape)))
    if prod(sizes) > MOST:
        raise ValueError(f"expected a shape of fewer than {MOST} elements, got {sizes}")
    return xp.broadcast_to(x, sizes).copy()


def _tile(node: Node, x: Array, repeats: Array) -> Array:
    node.options()
    if prod(counts := integers(repeats)) * x.size > MOST or len(counts) != x.ndim:
        raise ValueError(f"expected a repeat for each axis, of fewer than {MOST} elements, got {counts}")
    return xp.tile(x, counts)


def _range(node: Node, start: Array, limit: Array, delta: Array) -> Array:
    node.options()
    a, b, step = (to_numpy(each).reshape(()).item() for each in (start, limit, delta))
    if step == 0 or (b - a) / step > MOST:
        raise ValueError(f"expected fewer than {MOST} steps, from {a} to {b} in steps of {step}")
    return xp.arange(a, b, step).astype(start.dtype)


def _cast(node: Node, x: Array) -> Array:
    to = node.options("to", "saturate", "round_mode").to
    dtype = helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(to) if isinstance(to, str) else to)
    if not is_number(dtype):
        node.refuse("to", "xpnn has dense arrays of numbers only", dtype.name)
    return x.astype(dtype)


def _where(node: Node, condition: Array, a: Array, b: Array) -> Array:
    node.options()
    return xp.where(condition, a, b)


def _gather_elements(node: Node, data: Array, indices: Array) -> Array:
    axis = normalize_axis_index(node.options("axis").axis, data.ndim)
    return xp.take_along_axis(data, in_range(indices, data.shape[axis]), axis=axis)


def _extreme(node: Node, x: Array) -> Array:
    """ArgMax or ArgMin; among equal values the first, or the last."""
    o = node.options("axis", "keepdims", "select_last_index")
    find = xp.argmax if node.op == "ArgMax" else xp.argmin
    index = find(xp.flip(x, o.axis) if o.select_last_index else x, axis=o.axis)
    index = x.shape[o.axis] - 1 - index if o.select_last_index else index
    return (xp.expand_dims(index, o.axis) if o.keepdims else index).astype("int64")


def _outermost(x: Array, axes: Any, keep: bool, choose: Callable[..., Array], sign: int) -> Array:
    """The largest or smallest value; for no values, the neutral element."""
    if x.size:
        return choose(x, axis=axes, keepdims=keep)
    shape, kind = x.any(axes, keepdims=keep).shape, x.dtype
    if kind.kind in "fb":
        return xp.full(shape, sign * np.inf if kind.kind == "f" else sign > 0, dtype=kind)
    return xp.full(shape, np.iinfo(kind).max if sign > 0 else np.iinfo(kind).min, dtype=kind)


def _log_sum_exp(x: Array, axes: Any, keep: bool) -> Array:
    if not x.size:
        return _outermost(x, axes, keep, xp.max, -1)
    most = x.max(axes, keepdims=True)
    total = xp.log(xp.exp(x - most).sum(axes, keepdims=True)) + most
    return total if keep else total.squeeze(axes)


REDUCED: dict[str, Callable[[Array, Any, bool], Array]] = {
    "ReduceL1": lambda x, axes, keep: abs(x).sum(axes, keepdims=keep, dtype=x.dtype),
    "ReduceL2": lambda x, axes, keep: xp.sqrt(xp.square(x).sum(axes, keepdims=keep)).astype(x.dtype),
    "ReduceLogSum": lambda x, axes, keep: xp.log(x.sum(axes, keepdims=keep)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": lambda x, axes, keep: _outermost(x, axes, keep, xp.max, -1),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdims=keep, dtype=x.dtype),
    "ReduceMin": lambda x, axes, keep: _outermost(x, axes, keep, xp.min, 1),
    "ReduceProd": lambda x, axes, keep: x.prod(axes, keepdims=keep, dtype=x.dtype),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdims=keep, dtype=x.dtype),
    "ReduceSumSquare": lambda x, axes, keep: xp.square(x).sum(axes, keepdims=keep, dtype=x.dtype),
}
"""Each takes x, the axes (None for all), and whether they are kept with length 1."""


def _reduce(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes", "keepdims", "noop_with_empty_axes")
    wanted = o.axes if axes is None else integers(axes)
    if not wanted and o.noop_with_empty_axes:
        return x
    return REDUCED[node.op](x, tuple(wanted) if wanted else None, bool(o.keepdims))


def blocks(node: Node, shape: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """For DepthToSpace or SpaceToDepth: the lengths of six axes, their new order, and the lengths of the result."""
    o, (N, C, H, W) = node.options("blocksize", "mode"), shape
    b, modes = o.blocksize, (None, "DCR", "CRD")  # None: early opsets have only one mode
    if o.mode not in modes:
        node.refuse("mode", f"the operator allows {modes[1:]}", o.mode)
    if node.op == "SpaceToDepth":
        order = [0, 1, 3, 5, 2, 4] if o.mode == "CRD" else [0, 3, 5, 1, 2, 4]
        return [N, C, H // b, b, W // b, b], order, [N, C * b * b, H // b, W // b]
    c = C // (b * b)
    if o.mode == "CRD":
        return [N, c, b, b, H, W], [0, 1, 4, 2, 5, 3], [N, c, H * b, W * b]
    return [N, b, b, c, H, W], [0, 3, 4, 1, 5, 2], [N, c, H * b, W * b]


def _blocks(node: Node, x: Array) -> Array:
    lengths, order, result = blocks(node, x.shape)
    return x.reshape(lengths).transpose(order).reshape(result)


ARRAYS: dict[str, Callable[..., Result]] = {
    **dict.fromkeys(REDUCED, _reduce),
    "ArgMax": _extreme,
    "ArgMin": _extreme,
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _blocks,
    "Expand": _expand,
    "Flatten": _flatten,
    "GatherElements": _gather_elements,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _blocks,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its outputs."""
