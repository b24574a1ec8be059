"""Chains of operations that a device does in one kernel, since there each operation costs a launch.

The equations stand where they belong, in a layer, a loss or an optimiser, as a function of NumPy's operations that is
marked :func:`fused`. Here are their forms for a device, under the same names; kernels.cu holds what they launch.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .im2col import output_size
from .kernels import REAL, launch, number
from .select import Array, flag, on_device, xp

F = TypeVar("F", bound=Callable[..., Any])


def fused(equations: F) -> F:
    """The function itself on NumPy; on a device its form of the same name in this room.

    The equations hold for a device too, where the first argument is of a dtype that there are no kernels for; and the
    tests compare both. They are ``__wrapped__`` then.
    """
    if not on_device:
        return equations
    form = FORMS[equations.__name__]

    @wraps(equations)
    def chosen(*args: Any) -> Any:
        return (form if args[0].dtype.name in REAL else equations)(*args)

    return chosen  # type: ignore[return-value]


Pair = tuple[int, int]
Pooled = tuple[Array, Callable[[Array], Array]]


def max_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> Pooled:
    """The largest value under each window and the place that it has there; each pixel gathers what it won."""
    shape, out, window = _geometry(x, size, stride, padding)
    y, winner = xp.empty(out, dtype=x.dtype), xp.empty(out, dtype="int32")
    launch("max_pool", y.size, x.dtype, *_strided(x), y, winner, *out, *shape[1:3], *window)
    return y.transpose(3, 0, 1, 2), lambda dy: _pool_gradient(dy, winner, 1.0, shape, out, window)


def mean_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> Pooled:
    """The mean under each window; each pixel gathers its share of all that hold it."""
    shape, out, window = _geometry(x, size, stride, padding)
    y, scale = xp.empty(out, dtype=x.dtype), 1 / (size[0] * size[1])
    launch("mean_pool", y.size, x.dtype, *_strided(x), y, scale, *out, *shape[1:3], *window)
    return y.transpose(3, 0, 1, 2), lambda dy: _pool_gradient(dy, None, scale, shape, out, window)


def _pool_gradient(
    dy: Array, winner: Array | None, scale: float, shape: tuple[int, ...], out: tuple[int, ...], window: tuple[int, ...]
) -> Array:
    dx = xp.empty(shape, dtype=dy.dtype)
    launch("pool_gradient", dx.size, dy.dtype, *_strided(dy), winner, scale, dx, *shape, *out[1:3], *window)
    return dx.transpose(3, 0, 1, 2)


def _geometry(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[tuple[int, ...], ...]:
    """The input's and the output's shape with the batch last, and the window as the kernels take it."""
    N, C, H, W = x.shape
    out = map(output_size, (H, W), size, stride, padding)
    return (C, H, W, N), (C, *out, N), (*size, *stride, *padding)


def _strided(x: Array) -> tuple[Any, ...]:
    """An array (N, C, H, W) and its strides along C, H, W, N, in numbers: no memory order needs a copy."""
    n, c, h, w = (stride // x.itemsize for stride in x.strides)
    return x, c, h, w, n


def sgd(
    params: Array,
    grads: Array,
    velocity: Array | None,
    rate: Any,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """The whole step in one launch, each number being read and written once."""
    dtype = params.dtype
    numbers = (*number(rate, dtype), momentum, nesterov, weight_decay)
    launch("sgd", params.size, dtype, params, grads, velocity, *numbers, params.size)


def adam(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    rate: Any,
    correction: Any,
    shrink: Any,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """The whole step in one launch, each number being read and written once."""
    dtype, (beta1, beta2) = params.dtype, betas
    scalars = (x for scalar in (rate, correction, 1.0 if shrink is None else shrink) for x in number(scalar, dtype))
    numbers = (*scalars, float(beta1), 1.0 - beta1, float(beta2), 1.0 - beta2, float(eps), weight_decay)
    launch("adam", params.size, dtype, params, grads, m, v, *numbers, params.size)


def softmax_cross_entropy(logits: Array, labels: Array, complaint: str) -> tuple[Array, Callable[[], Array]]:
    """Each sample's loss, its gradient and the check of its label in one launch; the mean is another."""
    K = logits.shape[-1]
    z, t = logits.reshape(-1, K), xp.ascontiguousarray(labels.reshape(-1), dtype="int64")
    N = len(z)
    losses, dz = xp.empty(N, dtype=z.dtype), xp.empty((K, N), dtype=z.dtype)
    strides = (stride // z.itemsize for stride in z.strides)
    launch("softmax_cross_entropy", N, z.dtype, z, *strides, t, losses, dz, flag(complaint), N, K, 1 / N)
    return losses.mean(), lambda: dz.T.reshape(logits.shape)


FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form for form in (max_pool, mean_pool, sgd, adam, softmax_cross_entropy)
}
"""By the equations' names."""
