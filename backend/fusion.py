"""Chains of operations that a device does in one kernel, since there each operation costs a launch.

The equations stand where they belong, in a layer, a loss or an optimiser, as a function of NumPy's operations that is
marked :func:`fused`. Here are their forms for a device, under the same names; the .cu files hold what they launch.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .convolution import correlate
from .im2col import Pair, batch_first, output_sizes
from .kernels import REAL, launch, lengths, number, row_sums, stretch, strided, together
from .select import Array, flag, on_device, xp

F = TypeVar("F", bound=Callable[..., Any])


def fused(equations: F) -> F:
    """The function itself on NumPy; on a device its form of the same name in this room.

    The equations hold for a device too, where the first argument is of a dtype that there are no kernels for, or the
    form gives ``NotImplemented``; and the tests compare both. They are ``__wrapped__`` then.
    """
    if not on_device:
        return equations
    form = FORMS[equations.__name__]

    @wraps(equations)
    def chosen(*args: Any) -> Any:
        result = form(*args) if args[0].dtype.name in REAL else NotImplemented
        return equations(*args) if result is NotImplemented else result

    return chosen  # type: ignore[return-value]


Pooled = tuple[Array, Callable[[Array], Array | None]]


def max_pool(x: Array, size: Pair, stride: Pair, padding: Pair, needs_dx: bool = True) -> Pooled:
    """The largest value under each window and the place that it has there; each pixel gathers what it won."""
    shape, out, window = x.shape, _out(x, size, stride, padding), (*size, *stride, *padding)
    y, winner = _images(out, x.dtype), _images(out, "int32") if needs_dx else None
    arrays = (*strided(x), *strided(y), *_winners(winner))
    _launch_on(y, "max_pool", arrays, *shape[2:], *window)
    return y, lambda dy: _pool_gradient(dy, winner, 1.0, shape, window) if winner is not None else None


def mean_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> Pooled:
    """The mean under each window; each pixel gathers its share of all that hold it."""
    y, window = _images(_out(x, size, stride, padding), x.dtype), (*size, *stride, *padding)
    scale, shape = 1 / (size[0] * size[1]), x.shape
    _launch_on(y, "mean_pool", (*strided(x), *strided(y), scale), *shape[2:], *window)
    return y, lambda dy: _pool_gradient(dy, None, scale, shape, window)


def _pool_gradient(
    dy: Array, winner: Array | None, scale: float, shape: tuple[int, ...], window: tuple[int, ...]
) -> Array:
    dx = _images(shape, dy.dtype)
    arrays = (*strided(dy), *_winners(winner), scale, *strided(dx))
    _launch_on(dx, "pool_gradient", arrays, *dy.shape[2:], *window)
    return dx


def _launch_on(images: Array, name: str, first: tuple[Any, ...], *rest: Any) -> None:
    """A kernel whose threads have the pixels of these images and samples of them, which it is told in between."""
    N, step = len(images), stretch(len(images))
    launch(name, images.size // max(1, N) * step, images.dtype, *first, *lengths(images), step, *rest)


def _winners(winner: Array | None) -> tuple[Any, ...]:
    return (None, 0, 0, 0, 0) if winner is None else strided(winner)


def _out(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[int, ...]:
    return (*x.shape[:2], *output_sizes(x.shape[2:], size, stride, padding))


def _images(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of the shape (N, C, H, W), in memory as the layers have it: rows first and the batch last."""
    N, C, H, W = shape
    return batch_first(xp.empty((H, C, W, N), dtype=dtype))


Activated = tuple[Array, Callable[..., Array]]


def linear(z: Array, b: Array | None) -> Activated:
    """z + b, and db in one launch."""
    return _biased(z, b), _bias_gradient


def sigmoid(z: Array, b: Array | None) -> Activated:
    """f(z + b) in one launch, delta and db in one; so are those below."""
    return _activation(0, z, b)


def tanh(z: Array, b: Array | None) -> Activated:
    return _activation(1, z, b)


def scaled_tanh(z: Array, b: Array | None, amplitude: float, slope: float) -> Activated:
    return _activation(2, z, b, amplitude, slope)


def relu(z: Array, b: Array | None) -> Activated:
    return _activation(3, z, b)


def leaky_relu(z: Array, b: Array | None, slope: float) -> Activated:
    """But b, which takes one more: delta needs z."""
    return _activation(4, _biased(z, b), None, 1.0, slope, from_a=False)


def _activation(
    f: int, z: Array, b: Array | None, p: float = 1.0, q: float = 1.0, from_a: bool = True
) -> tuple[Array, Callable[..., Array]]:
    if b is not None and not z.flags.c_contiguous:
        z, b = _biased(z, b), None
    z = z if _is_packed(z) else z.copy()
    y = _like(z) if b is None else z  # a product's result, which nobody else needs
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


_SHORT = 1 << 13  # numbers in a row that one block may take


def _biased(z: Array, b: Array | None) -> Array:
    if b is not None:
        z += b[:, None]
    return z


def _bias_gradient(delta: Array, db: Array | None = None) -> Array:
    if db is not None:
        row_sums(db, delta)
    return delta


def add_rows(out: Array, x: Array) -> None:
    """In one launch, where CuPy takes two, one of them long."""
    row_sums(out, x.T)


def _steps(x: Array) -> list[tuple[int, int]]:
    """Strides and lengths of the axes that have any step."""
    return [(stride, length) for stride, length in zip(x.strides, x.shape, strict=True) if length > 1]


def _like(x: Array) -> Array:
    """An array with the same order of the axes in memory, for numbers that lie side by side."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    empty = xp.empty([x.shape[axis] for axis in order], dtype=x.dtype)
    return empty.transpose(*sorted(range(x.ndim), key=order.__getitem__))


def _is_packed(x: Array) -> bool:
    """Whether the numbers lie side by side, in whatever order of the axes."""
    distance = x.itemsize
    for stride, length in sorted(_steps(x)):
        if stride != distance:
            return False
        distance *= length
    return True


def sgd(
    params: Array,
    grads: Array,
    velocity: Array | None,
    rate: Any,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> bool:
    """The whole step in one launch, each number being read and written once, and the gradient's 0."""
    dtype = params.dtype
    numbers = (*number(rate, dtype), momentum, nesterov, weight_decay)
    launch("sgd", params.size, dtype, params, grads, velocity, *numbers, params.size)
    return True


def adam(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    rate: Any,
    eps: Any,
    shrink: Any,
    betas: tuple[float, float],
    weight_decay: float,
) -> bool:
    """The whole step in one launch, each number being read and written once, and the gradient's 0."""
    dtype, (beta1, beta2) = params.dtype, betas
    scalars = (x for scalar in (rate, eps, 1.0 if shrink is None else shrink) for x in number(scalar, dtype))
    numbers = (*scalars, float(beta1), 1.0 - beta1, float(beta2), 1.0 - beta2, weight_decay)
    launch("adam", params.size, dtype, params, grads, m, v, *numbers, params.size)
    return True


def softmax_cross_entropy(logits: Array, labels: Array, complaint: str) -> tuple[Array, Callable[[], Array]]:
    """Each sample's loss, its gradient and the check of its label in one launch; the mean is another."""
    K = logits.shape[-1]
    z, t = logits.reshape(-1, K), xp.ascontiguousarray(labels.reshape(-1), dtype="int64")
    N = len(z)
    losses, dz = xp.empty(N, dtype=z.dtype), xp.empty((K, N), dtype=z.dtype)
    launch("softmax_cross_entropy", N, z.dtype, *strided(z), t, losses, dz, flag(complaint), N, K, 1 / N)
    mean = xp.empty((), dtype=z.dtype)
    row_sums(mean.reshape(1), losses[None], keep=0.0, scale=1 / N)
    return mean, lambda: dz.T.reshape(logits.shape)


_UNITS = {"float32": ((128, 32), (192, 48)), "float64": ((128, 32),)}
"""How many units there may be at most, and how many numbers of W_h a thread then holds."""


def elman(a: Array, h: Array, W_h: Array, slices: list[tuple[slice, slice]]) -> Any:
    """Forward in one launch and backward in one, where all sequences have one length and W_h fits into registers."""
    H, T, N = len(W_h), len(slices), len(h) - len(a)
    share = next((share for most, share in _UNITS[h.dtype.name] if most >= H), None)
    if share is None or len(a) != N * T:
        return NotImplemented
    block = H * -(-H // share)
    sizes = (N, T, block // H)
    launch(f"elman_{share}", N * block, h.dtype, a, h, xp.ascontiguousarray(W_h.T), *sizes, block=block)

    def backward(dh_rows: Array | None, dh: Array) -> Array:
        delta = xp.empty_like(a)
        arrays = (h, dh_rows, dh, delta, xp.ascontiguousarray(W_h))
        launch(f"elman_gradient_{share}", N * block, h.dtype, *arrays, *sizes, block=block)
        return delta

    return backward


FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form
    for form in (
        *(correlate, max_pool, mean_pool, linear, sigmoid, tanh, scaled_tanh, relu, leaky_relu),
        *(add_rows, elman, sgd, adam, softmax_cross_entropy),
    )
}
"""By the equations' names."""
