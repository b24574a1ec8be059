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
    shape, out, window = x.shape, _out(x, size, stride, padding), (*size, *stride, *padding)
    y, winner = _images(out, x.dtype), _images(out, "int32")
    arrays = (*_strided(x), *_strided(y), *_strided(winner))
    launch("max_pool", y.size, x.dtype, *arrays, *_lengths(y), *shape[2:], *window)
    return y, lambda dy: _pool_gradient(dy, winner, 1.0, shape, window)


def mean_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> Pooled:
    """The mean under each window; each pixel gathers its share of all that hold it."""
    y, window = _images(_out(x, size, stride, padding), x.dtype), (*size, *stride, *padding)
    scale, shape = 1 / (size[0] * size[1]), x.shape
    launch("mean_pool", y.size, x.dtype, *_strided(x), *_strided(y), scale, *_lengths(y), *shape[2:], *window)
    return y, lambda dy: _pool_gradient(dy, None, scale, shape, window)


def _pool_gradient(
    dy: Array, winner: Array | None, scale: float, shape: tuple[int, ...], window: tuple[int, ...]
) -> Array:
    dx = _images(shape, dy.dtype)
    winners = (None, 0, 0, 0, 0) if winner is None else _strided(winner)
    arrays = (*_strided(dy), *winners, scale, *_strided(dx))
    launch("pool_gradient", dx.size, dy.dtype, *arrays, *_lengths(dx), *dy.shape[2:], *window)
    return dx


def _out(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[int, ...]:
    return (*x.shape[:2], *map(output_size, x.shape[2:], size, stride, padding))


def _images(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of the shape (N, C, H, W), in memory with the batch last."""
    N, C, H, W = shape
    return xp.empty((C, H, W, N), dtype=dtype).transpose(3, 0, 1, 2)


def _strided(x: Array) -> tuple[Any, ...]:
    """An array and its strides in numbers: no memory order needs a copy."""
    return x, *(stride // x.itemsize for stride in x.strides)


def _lengths(x: Array) -> tuple[int, ...]:
    """C, H, W, N, in the order of the threads."""
    return *x.shape[1:], x.shape[0]


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
    launch("softmax_cross_entropy", N, z.dtype, *_strided(z), t, losses, dz, flag(complaint), N, K, 1 / N)
    return losses.mean(), lambda: dz.T.reshape(logits.shape)


FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form for form in (max_pool, mean_pool, sgd, adam, softmax_cross_entropy)
}
"""By the equations' names."""
