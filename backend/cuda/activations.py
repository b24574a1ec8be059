"""Activations, and a fully connected layer fused with one: f(z + b) in one launch, delta and db in another."""

from collections.abc import Callable

from ..select import Array, Params, xp
from .kernels import launch, real, row_sums, together
from .products import add_product, matmul

Activated = tuple[Array, Callable[[Array], Array]]
Biased = tuple[Array, Callable[..., Array]]
"""f(z + b), and ``backward(dy, db=None) -> delta``, which also adds dE/db to db."""

_KERNELS = {"sigmoid": 0, "tanh": 1, "scaled_tanh": 2, "relu": 3}


@real
def sigmoid(z: Array) -> Activated:
    """f(z) in one launch, delta in another; the same for the functions below."""
    return _activation(0, z, None)


@real
def tanh(z: Array) -> Activated:
    return _activation(1, z, None)


@real
def scaled_tanh(z: Array, amplitude: float, slope: float) -> Activated:
    return _activation(2, z, None, amplitude, slope)


@real
def relu(z: Array) -> Activated:
    return _activation(3, z, None)


@real
def leaky_relu(z: Array, slope: float) -> Activated:
    return _activation(4, z, None, 1.0, slope, from_a=False)


@real
def dense(a: Array, params: Params, needs_dx: bool = True) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """The bias is added to the product in place, and cuBLAS itself adds dE/dW to the gradient."""
    z = _biased(matmul(params["W"], a), params["b"])
    return _with_gradients(a, params, z, _bias_gradient, needs_dx)


@real
def dense_activated(
    a: Array, params: Params, f: Callable[..., Activated], constants: tuple[float, ...], needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """f(z + b) overwrites the product; a leaky ReLU needs one more launch, since its delta depends on z."""
    z, b, name = matmul(params["W"], a), params["b"], f.__name__
    if name == "leaky_relu":
        y, f_backward = _activation(4, _biased(z, b), None, 1.0, constants[0], from_a=False)
    elif name in _KERNELS:
        p, q = constants or (1.0, 1.0)
        y, f_backward = _activation(_KERNELS[name], z, b, p, q)
    else:
        return NotImplemented
    return _with_gradients(a, params, y, f_backward, needs_dx)


def _with_gradients(
    a: Array, params: Params, y: Array, f_backward: Callable[..., Array], needs_dx: bool
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    W = params["W"]

    def backward(dy: Array, grads: Params) -> Array | None:
        delta = f_backward(dy, grads["b"])  # adds dE/db
        add_product(grads, "W", delta, a.T)
        return matmul(W.T, delta) if needs_dx else None

    return y, backward


def _activation(f: int, z: Array, b: Array | None, p: float = 1.0, q: float = 1.0, from_a: bool = True) -> Biased:
    p, q = float(p), float(q)  # a kernel would read an integer's bytes as a floating-point number
    if b is not None and not z.flags.c_contiguous:
        z, b = _biased(z, b), None
    z = z if _is_packed(z) else z.copy()
    y = _like(z) if b is None else z  # with b, z is a product that is no longer needed
    launch("activation", y.size, y.dtype, f, z, b, y, p, q, z.shape[-1] if z.ndim else 1, y.size)
    kept = y if from_a else z

    def backward(dy: Array, db: Array | None = None) -> Array:
        delta = _like(kept)
        if _steps(dy) != _steps(kept):
            dy, other = _like(kept), dy
            dy[...] = other
        arrays = (f, kept, dy, delta, p, q)
        if db is not None and kept.flags.c_contiguous and kept.shape[1] <= _SHORT:
            rows, block = len(kept), together(kept.shape[1])
            launch("activation_gradients", rows * block, kept.dtype, *arrays, db, kept.shape[1], block=block)
            return delta
        launch("activation_gradient", kept.size, kept.dtype, *arrays, kept.size)
        return _bias_gradient(delta, db)

    return y, backward


_SHORT = 1 << 13  # elements of a row up to which one block processes it


def _biased(z: Array, b: Array) -> Array:
    z += b[:, None]
    return z


def _bias_gradient(delta: Array, db: Array | None = None) -> Array:
    if db is not None:
        row_sums(db, delta)
    return delta


def _steps(x: Array) -> list[tuple[int, int]]:
    """(stride, length) of each axis longer than 1."""
    return [(stride, length) for stride, length in zip(x.strides, x.shape, strict=True) if length > 1]


def _like(x: Array) -> Array:
    """An uninitialised packed array with x's order of the axes in memory."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    empty = xp.empty([x.shape[axis] for axis in order], dtype=x.dtype)
    return empty.transpose(*sorted(range(x.ndim), key=order.__getitem__))


def _is_packed(x: Array) -> bool:
    """Whether x is packed: its elements are contiguous in some order of the axes."""
    distance = x.itemsize
    for stride, length in sorted(_steps(x)):
        if stride != distance:
            return False
        distance *= length
    return True
