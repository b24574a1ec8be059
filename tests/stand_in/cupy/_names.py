"""Names and signatures of CuPy 14, a selection: what the stand-in hands on to NumPy. tests/peers compares with CuPy.

To offer a function more, write its line, with CuPy's signature, into the table. One that NumPy has not, or that differs
on a device in more than its signature, is written by hand in _functions.py.
"""

import inspect
import re
from typing import Any

# Taken over by CuPy from NumPy as they are.
SHARED = """
    bool bool_ broadcast_shapes complex128 complex64 double dtype e finfo float16 float32 float64 floating generic
    iinfo index_exp inexact inf int16 int32 int64 int8 int_ integer intp isdtype issubdtype nan ndindex newaxis
    number pi promote_types s_ signedinteger single uint16 uint32 uint64 uint8 unsignedinteger
"""

UFUNCS = """
    abs absolute acos acosh add arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh
    bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor cbrt ceil
    conj conjugate copysign cos cosh deg2rad degrees divide equal exp exp2 expm1 fabs float_power floor floor_divide
    fmax fmin fmod greater greater_equal heaviside hypot invert isfinite isinf isnan left_shift less less_equal log
    log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum minimum mod multiply
    negative not_equal positive pow power rad2deg radians reciprocal remainder right_shift rint sign signbit sin sinh
    sqrt square subtract tan tanh true_divide trunc
"""

# Functions that make arrays out of sizes and scalars.
CREATION = """
    zeros(shape, dtype=float, order='C')
    ones(shape, dtype=float, order='C')
    empty(shape, dtype=float, order='C')
    full(shape, fill_value, dtype=None, order='C')
    arange(start, stop=None, step=1, dtype=None)
    linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0)
    eye(N, M=None, k=0, dtype=float, order='C')
    identity(n, dtype=float)
    tri(N, M=None, k=0, dtype=float)
"""

# Functions of arrays, each NumPy's own under CuPy's signature.
FUNCTIONS = """
    zeros_like(a, dtype=None, order='K', subok=None, shape=None)
    ones_like(a, dtype=None, order='K', subok=None, shape=None)
    empty_like(prototype, dtype=None, order='K', subok=None, shape=None)
    full_like(a, fill_value, dtype=None, order='K', subok=None, shape=None)
    asfortranarray(a, dtype=None)
    copy(a, order='K')
    sum(a, axis=None, dtype=None, out=None, keepdims=False)
    prod(a, axis=None, dtype=None, out=None, keepdims=False)
    mean(a, axis=None, dtype=None, out=None, keepdims=False)
    var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    median(a, axis=None, out=None, overwrite_input=False, keepdims=False)
    max(a, axis=None, out=None, keepdims=False)
    min(a, axis=None, out=None, keepdims=False)
    amax(a, axis=None, out=None, keepdims=False)
    amin(a, axis=None, out=None, keepdims=False)
    argmax(a, axis=None, dtype=None, out=None, keepdims=False)
    argmin(a, axis=None, dtype=None, out=None, keepdims=False)
    any(a, axis=None, out=None, keepdims=False)
    all(a, axis=None, out=None, keepdims=False)
    count_nonzero(a, axis=None)
    cumsum(a, axis=None, dtype=None, out=None)
    cumprod(a, axis=None, dtype=None, out=None)
    nansum(a, axis=None, dtype=None, out=None, keepdims=False)
    nanmean(a, axis=None, dtype=None, out=None, keepdims=False)
    nanmax(a, axis=None, out=None, keepdims=False)
    nanmin(a, axis=None, out=None, keepdims=False)
    reshape(a, newshape, order='C', *, copy=None)
    ravel(a, order='C')
    transpose(a, axes=None)
    permute_dims(a, axes=None)
    swapaxes(a, axis1, axis2)
    moveaxis(a, source, destination)
    expand_dims(a, axis)
    squeeze(a, axis=None)
    broadcast_to(array, shape)
    broadcast_arrays(*args)
    atleast_1d(*arys)
    atleast_2d(*arys)
    concatenate(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
    concat(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
    stack(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
    hstack(tup, *, dtype=None, casting='same_kind')
    vstack(tup, *, dtype=None, casting='same_kind')
    split(ary, indices_or_sections, axis=0)
    array_split(ary, indices_or_sections, axis=0)
    flip(a, axis=None)
    fliplr(a)
    flipud(a)
    roll(a, shift, axis=None)
    rot90(a, k=1, axes=(0, 1))
    tile(A, reps)
    repeat(a, repeats, axis=None)
    pad(array, pad_width, mode='constant', **kwargs)
    nonzero(a)
    argwhere(a)
    flatnonzero(a)
    unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True)
    sort(a, axis=-1, kind=None)
    argsort(a, axis=-1, kind=None)
    diag(v, k=0)
    diagonal(a, offset=0, axis1=0, axis2=1)
    trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None)
    tril(m, k=0)
    triu(m, k=0)
    clip(a, a_min, a_max, out=None)
    around(a, decimals=0, out=None)
    round(a, decimals=0, out=None)
    nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None)
    diff(a, n=1, axis=-1, prepend=None, append=None)
    allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
    isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
    array_equal(a1, a2, equal_nan=False)
    dot(a, b, out=None)
    vdot(a, b)
    inner(a, b)
    outer(a, b, out=None)
    tensordot(a, b, axes=2)
    einsum(*operands, **kwargs)
    matmul(*args, axes=None, axis=None, keepdims=False, casting='same_kind', dtype=None,
            signature=None, order='K', out=None)
    linalg.norm(x, ord=None, axis=None, keepdims=False)
"""

# The array's methods, each NumPy's own under CuPy's signature.
METHODS = """
    all(self, axis=None, out=None, keepdims=False)
    any(self, axis=None, out=None, keepdims=False)
    argmax(self, axis=None, out=None, dtype=None, keepdims=False)
    argmin(self, axis=None, out=None, dtype=None, keepdims=False)
    argsort(self, axis=-1, kind=None)
    astype(self, dtype, order='K', casting=None, subok=None, copy=True)
    clip(self, min=None, max=None, out=None)
    conj(self)
    copy(self, order='C')
    cumprod(self, axis=None, dtype=None, out=None)
    cumsum(self, axis=None, dtype=None, out=None)
    diagonal(self, offset=0, axis1=0, axis2=1)
    dot(self, b, out=None)
    flatten(self, order='C')
    max(self, axis=None, out=None, keepdims=False)
    mean(self, axis=None, dtype=None, out=None, keepdims=False)
    min(self, axis=None, out=None, keepdims=False)
    prod(self, axis=None, dtype=None, out=None, keepdims=None)
    ravel(self, order='C')
    repeat(self, repeats, axis=None)
    reshape(self, *shape, order='C', copy=None)
    round(self, decimals=0, out=None)
    sort(self, axis=-1, kind=None)
    squeeze(self, axis=None)
    std(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    sum(self, axis=None, dtype=None, out=None, keepdims=False)
    swapaxes(self, axis1, axis2)
    trace(self, offset=0, axis1=0, axis2=1, dtype=None, out=None)
    transpose(self, *axes)
    var(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    view(self, dtype=None, type=None)
"""


def words(table: str) -> list[str]:
    """The names of SHARED or UFUNCS."""
    return table.split()


def signatures(table: str) -> dict[str, inspect.Signature]:
    """Name to signature, from CREATION, FUNCTIONS or METHODS; a signature ends with a bracket at a line's end."""
    entries = re.findall(r"^ +([\w.]+)(\(.*?\))$", table, re.MULTILINE | re.DOTALL)
    return {name: parse(signature) for name, signature in entries}


def parse(text: str) -> inspect.Signature:
    scope: dict[str, Any] = {}
    exec(f"def f{text}: ...", scope)
    return inspect.signature(scope["f"])
