"""Pooling: a thread reduces a window; in backward a thread sums the gradients that reach its pixel."""

from collections.abc import Callable
from typing import Any

from ..select import Array, xp
from ..shared.im2col import batch_first
from ..shared.window import Window
from .kernels import launch, lengths, real, stretch, strided

Pooled = tuple[Array, Callable[[Array], Array | None]]


@real
def max_pool(x: Array, window: Window, needs_dx: bool = True) -> Pooled:
    """The maximum under each window and its index there; in backward each pixel sums dy over the windows it won."""
    shape, out, numbers = x.shape, _out(x, window), (*window.size, *window.stride, *window.padding)
    y, winner = _images(out, x.dtype), _images(out, "int32") if needs_dx else None
    arrays = (*strided(x), *strided(y), *_winners(winner))
    _launch_on(y, "max_pool", arrays, *shape[2:], *numbers)
    return y, lambda dy: _pool_gradient(dy, winner, 1.0, shape, numbers) if winner is not None else None


@real
def mean_pool(x: Array, window: Window) -> Pooled:
    """The mean under each window; in backward each pixel sums scale dy over the windows that contain it."""
    y, numbers = _images(_out(x, window), x.dtype), (*window.size, *window.stride, *window.padding)
    scale, shape = 1 / (window.size[0] * window.size[1]), x.shape
    _launch_on(y, "mean_pool", (*strided(x), *strided(y), scale), *shape[2:], *numbers)
    return y, lambda dy: _pool_gradient(dy, None, scale, shape, numbers)


def _pool_gradient(
    dy: Array, winner: Array | None, scale: float, shape: tuple[int, ...], window: tuple[int, ...]
) -> Array:
    dx = _images(shape, dy.dtype)
    arrays = (*strided(dy), *_winners(winner), scale, *strided(dx))
    _launch_on(dx, "pool_gradient", arrays, *dy.shape[2:], *window)
    return dx


def _launch_on(images: Array, name: str, first: tuple[Any, ...], *rest: Any) -> None:
    """Launch a kernel with threads for the pixels and samples of ``images``; their lengths follow ``first``."""
    N, step = len(images), stretch(len(images))
    launch(name, images.size // max(1, N) * step, images.dtype, *first, *lengths(images), step, *rest)


def _winners(winner: Array | None) -> tuple[Any, ...]:
    return (None, 0, 0, 0, 0) if winner is None else strided(winner)


def _out(x: Array, window: Window) -> tuple[int, ...]:
    return (*x.shape[:2], *window.positions(x.shape[2:]))


def _images(shape: tuple[int, ...], dtype: Any) -> Array:
    """An uninitialised array (N, C, H, W), in the layers' memory order: rows first, batch last."""
    N, C, H, W = shape
    return batch_first(xp.empty((H, C, W, N), dtype=dtype))
