"""Batch normalisation in the input's memory order, which the layers before and after use, and in place."""

from collections.abc import Callable

from ..select import Array, Params, xp


def batch_norm(
    x: Array,
    params: Params,
    eps: float,
    M: int,
    needs_dx: bool = True,
    total: Callable[[Array], Array] = lambda sums: sums,
) -> tuple[Array, Array, Array, Callable[[Array, Params], Array | None]]:
    """The equation with in-place operations, in arrays of x's memory order."""
    axes = (0, *range(2, x.ndim))
    gamma, beta = (params[key].reshape(1, -1, *[1] * (x.ndim - 2)) for key in ("gamma", "beta"))
    mean = total(x.sum(axes, keepdims=True)) / M
    xhat = xp.subtract(x, mean, out=xp.empty_like(x))
    var = total((xhat * xhat).sum(axes, keepdims=True)) / M
    invstd = 1 / xp.sqrt(var + eps)
    xhat *= invstd
    y = xp.multiply(gamma, xhat, out=xp.empty_like(x))
    y += beta

    def backward(dy: Array, grads: Params) -> Array | None:
        dgamma, dbeta = (dy * xhat).sum(axes, keepdims=True), dy.sum(axes, keepdims=True)
        grads["gamma"] += dgamma.ravel()
        grads["beta"] += dbeta.ravel()
        if not needs_dx:
            return None
        dgamma, dbeta = total(xp.stack([dgamma, dbeta]))
        dx: Array = xp.multiply(xhat, dgamma / -M, out=xp.empty_like(xhat))
        dx += dy
        dx -= dbeta / M
        dx *= gamma * invstd
        return dx

    return y, mean.ravel(), var.ravel(), backward


def fixed_norm(
    x: Array, params: Params, mean: Array, var: Array, eps: float, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """The equation with in-place operations, in an array of x's memory order."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    gamma, beta = params["gamma"].reshape(shape), params["beta"].reshape(shape)
    mean, invstd = mean.reshape(shape), 1 / xp.sqrt(var.reshape(shape) + eps)
    y = xp.subtract(x, mean, out=xp.empty_like(x))
    y *= gamma * invstd
    y += beta

    def backward(dy: Array, grads: Params) -> Array | None:
        grads["gamma"] += (dy * (x - mean) * invstd).sum(axes)
        grads["beta"] += dy.sum(axes)
        return xp.multiply(dy, gamma * invstd, out=xp.empty_like(x)) if needs_dx else None

    return y, backward
