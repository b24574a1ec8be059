"""JAX: the whole step under one jit, parameters and optimiser state donated.

Images go in with the channels last, as Flax and Keras have them on JAX; channels first was slower in every cell tried.
"""

from functools import partial
from itertools import cycle

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp
from nets import ADAM_RATE, BETAS, EPS, MOMENTUM, SGD_RATE, Batches, Net, Op, Task, Weights, cross_entropy

Tree = dict[str, jax.Array]


def variants(net: Net, task: Task) -> tuple[str, ...]:
    """Of the recurrence a scan and the loop written out; of pooling XLA's own window and a reshape."""
    if net.has("rnn"):
        return ("scan", "unrolled")
    return ("window", "reshape") if net.has("conv") else ("",)


def _pool(x: jax.Array, kind: str, variant: str) -> jax.Array:
    if variant == "reshape":
        N, H, W, C = x.shape
        windows = x.reshape(N, H // 2, 2, W // 2, 2, C)
        return windows.max((2, 4)) if kind == "maxpool" else windows.mean((2, 4))
    window = (1, 2, 2, 1)
    if kind == "maxpool":
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") * 0.25


def _last_state(params: Tree, at: int, x: jax.Array, variant: str) -> jax.Array:
    a = x.transpose(1, 0, 2) @ params[f"{at}.W_x"] + params[f"{at}.b"]
    W_h = params[f"{at}.W_h"]
    h = jnp.zeros(a.shape[1:], a.dtype)
    return lax.scan(lambda h, a: (jnp.tanh(a + h @ W_h), None), h, a, unroll=variant == "unrolled")[0]


def apply(params: Tree, at: int, op: Op, x: jax.Array, variant: str) -> jax.Array:
    """One layer's output."""
    match op:
        case ("dense", *_):
            return x @ params[f"{at}.W"] + params[f"{at}.b"]
        case ("conv", _, _, _, p):
            orders = ("NHWC", "HWIO", "NHWC")
            z = lax.conv_general_dilated(x, params[f"{at}.W"], (1, 1), ((p, p), (p, p)), dimension_numbers=orders)
            return z + params[f"{at}.b"]
        case ("rnn", *_):
            return _last_state(params, at, x, variant)
        case ("relu",):
            return jax.nn.relu(x)
        case ("tanh",):
            return jnp.tanh(x)
        case ("flatten",):
            return x.reshape(len(x), -1)
    return _pool(x, op[0], variant)


def _to_jax(net: Net, weights: Weights) -> Weights:
    """The weights in the order that JAX's own libraries keep them in: (in, out), (k, k, in, out)."""
    out = {}
    for key, value in weights.items():
        before = net.ops[int(key.split(".")[0]) - 1][0]
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        elif value.ndim == 2:
            if before == "flatten":  # the features come with the channels last
                channels = next(op[2] for op in reversed(net.ops) if op[0] == "conv")
                side = round((value.shape[1] // channels) ** 0.5)
                value = value.reshape(-1, channels, side, side).transpose(0, 2, 3, 1).reshape(value.shape)
            value = value.T
        out[key] = np.ascontiguousarray(value)
    return out


def sgd(params: Tree, grads: Tree, state: tuple[Tree, ...]) -> tuple[Tree, tuple[Tree, ...]]:
    v = jax.tree.map(lambda v, g: MOMENTUM * v + g, state[0], grads)
    return jax.tree.map(lambda p, v: p - SGD_RATE * v, params, v), (v, *state[1:])


def adam(params: Tree, grads: Tree, state: tuple[Tree, ...]) -> tuple[Tree, tuple[Tree, ...]]:
    (b1, b2), t = BETAS, state[2]["t"] + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state[0], grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state[1], grads)
    rate, correction = ADAM_RATE / (1 - b1**t), 1 / (1 - b2**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + EPS), params, m, v)
    return params, (m, v, {"t": t})


def first_operation() -> None:
    jax.jit(jax.grad(lambda x: (x @ x).sum()))(jnp.ones((8, 8))).block_until_ready()


class Training:
    def __init__(self, net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> None:
        self.net, self.task, self.variant = net, task, variant
        self.weights = _to_jax(net, weights)
        axes = (0, 2, 3, 1) if net.has("conv") else range(1 + len(net.shape))
        self.batches = [(jnp.asarray(x.transpose(axes)), jnp.asarray(y)) for x, y in batches]
        self.compiled = self._compiled()

    def _compiled(self) -> object:
        update = sgd if self.task == "sgd" else adam

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(params: Tree, state: tuple[Tree, ...], x: jax.Array, y: jax.Array) -> tuple[object, ...]:
            value, grads = jax.value_and_grad(self.value_of)(params, x, y)
            return *update(params, grads, state), value

        return step

    def forward(self, params: Tree, x: jax.Array) -> jax.Array:
        for at, op in enumerate(self.net.ops):
            x = apply(params, at, op, x, self.variant)
        return x

    def value_of(self, params: Tree, x: jax.Array, y: jax.Array) -> jax.Array:
        z = self.forward(params, x)
        return (jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0]).mean()

    def start(self) -> None:
        self.params = {key: jnp.array(value) for key, value in self.weights.items()}
        slots = 1 if self.task == "sgd" else 2
        self.state = tuple(jax.tree.map(jnp.zeros_like, self.params) for _ in range(slots))
        if self.task == "adam":
            self.state += ({"t": jnp.zeros(())},)
        self.next = cycle(self.batches)

    def step(self) -> None:
        x, y = next(self.next)
        self.params, self.state, self.value = self.compiled(self.params, self.state, x, y)
        jax.block_until_ready((self.params, self.state, self.value))

    def loss(self) -> float:
        return float(self.value)


class Inference(Training):
    def _compiled(self) -> object:
        return jax.jit(self.forward)

    def step(self) -> None:
        x, self.labels = next(self.next)
        self.logits = self.compiled(self.params, x).block_until_ready()

    def loss(self) -> float:
        return cross_entropy(np.asarray(self.logits), np.asarray(self.labels))


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    return (Inference if task == "inference" else Training)(net, task, weights, batches, variant)
