"""The base of recurrent layers: the loop over time, sequence lengths, the initial and the last state."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from ..backend import Array, Params, Rng, accelerated, asarray, xp
from .base import Backward, Layer, of_several, several
from .init import initial
from .lengths import Lengths, check_lengths
from .parameters import with_biases
from .settings import positive

State: TypeAlias = Array | tuple[Array, ...]
"""h (N, H), or a tuple of such arrays for a layer whose state has several components."""

OfState: TypeAlias = Array | tuple[Array | None, ...]
"""As State, with None for a component that starts as the layer's ``initial_state`` says."""

STARTS = "zeros", "learned", "given"
"""How a state component may start: at 0, at a parameter's value, or at an input beside x."""

Stepped: TypeAlias = tuple[tuple[Array, ...], Callable[..., tuple[Array, tuple[Array, ...]]]]
"""The result of ``step(x_t, state, params)``: the new state, and ``backward(dnew, grads) -> (dx_t, dstate)``."""

Recurrence: TypeAlias = tuple[Array, tuple[Array, ...], Callable[..., tuple[Array | None, tuple[Array, ...]]]]
"""``(y, last state, backward)`` with ``backward(dy, dlast, grads) -> (dx, dstate)``."""


class StateBackward(Protocol):
    """Differentiates (x, state) -> (y, last)."""

    def __call__(self, dy: Array, dlast: State | None = None) -> tuple[Array | None, State]:
        """(dE/dx, dE/dstate) from dE/dy and, if E depends on the last state too, dE/dlast."""
        ...


@accelerated
def through_time(
    step: Callable[..., Stepped],
    x: Array,
    state: tuple[Array, ...],
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool = True,
) -> Recurrence:
    """A recurrence step by step; backward differentiates the same steps in reverse (back-propagation through time).

    After a sequence's end its state no longer changes, its outputs are 0, and x has no influence.
    """
    T = x.shape[1]
    alive = None if lengths is None else asarray(np.arange(T)[:, None, None] < lengths[:, None])  # (T, N, 1)
    outputs, backwards = [], []
    for t in range(T):
        x_t = x[:, t] if alive is None else xp.where(alive[t], x[:, t], 0)
        following, step_backward = step(x_t, state, params)
        state = following if alive is None else _chosen(alive[t], following, state)
        outputs.append(state[0] if alive is None else xp.where(alive[t], state[0], 0))
        backwards.append(step_backward)

    def backward(dy: Array, dlast: tuple[Array, ...], grads: Params) -> tuple[Array | None, tuple[Array, ...]]:
        dx, dstate = xp.empty_like(x), dlast if return_sequences else (dlast[0] + dy, *dlast[1:])
        for t in reversed(range(T)):
            if return_sequences:
                dh = dy[:, t] if alive is None else xp.where(alive[t], dy[:, t], 0)
                dstate = dstate[0] + dh, *dstate[1:]
            if alive is None:
                dx[:, t], dstate = backwards[t](dstate, grads)
            else:
                dx[:, t], before = backwards[t](tuple(xp.where(alive[t], d, 0) for d in dstate), grads)
                dstate = _chosen(alive[t], before, dstate)
        return (dx if needs_dx else None), dstate

    last = tuple(component.copy() for component in state)  # the caller may change it before backward
    return (xp.stack(outputs, axis=1) if return_sequences else state[0]), last, backward


def _chosen(alive: Array, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
    """For each state component, the new one where the sequence goes on, else the old one."""
    return tuple(xp.where(alive, one, other) for one, other in zip(new, old, strict=True))


class Recurrent(Layer):
    """A layer that reads a sequence step by step and carries a state; a subclass defines :meth:`step`.

    Parameters: ``W_x`` (G*H, I) and ``W_h`` (G*H, H), one block of rows for each of the G gates; the biases; and the
    initial value, ``h_0`` or ``c_0`` (H,), of each state component whose start is learned.
    """

    separable = True
    takes_lengths = True
    equation = "through_time"

    biases: ClassVar[dict[str, int]] = {"b": 1}
    """For each bias, its number of blocks of H elements; "b" has one for each gate."""

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    """The state components; the first one is the output."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        *,
        bias: bool = True,
        return_state: bool = False,
        initial_state: str | tuple[str, ...] = "zeros",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(input_size=input_size, hidden_size=hidden_size)
        starts = (initial_state,) * len(self.state_names) if isinstance(initial_state, str) else tuple(initial_state)
        if len(starts) != len(self.state_names) or not {*starts} <= {*STARTS}:
            raise ValueError(
                f"{type(self).__name__}: expected initial_state {', '.join(map(repr, STARTS))}, or a tuple of one for "
                f"each of {', '.join(self.state_names)}, got {initial_state!r}"
            )
        self.starts = dict(zip(self.state_names, starts, strict=True))
        rng, gates = np.random.default_rng(rng), self.biases["b"]
        super().__init__(
            **{
                key: np.concatenate([initial(init, (hidden_size, size), rng) for _ in range(gates)]).astype(dtype)
                for key, init, size in (("W_x", "glorot_uniform", input_size), ("W_h", "orthogonal", hidden_size))
            },
            **{name: np.zeros(blocks * hidden_size, dtype) for name, blocks in self.biases.items() if bias},
            **{f"{name}_0": np.zeros(hidden_size, dtype) for name in self.starting("learned")},
        )
        self.input_size, self.hidden_size, self.return_sequences = input_size, hidden_size, return_sequences
        self.bias, self.return_state = bias, return_state
        self.initial_state = starts[0] if len({*starts}) == 1 else starts

    def starting(self, how: str) -> list[str]:
        """The names of the state components that start in this way."""
        return [name for name, start in self.starts.items() if start == how]

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        return self.return_sequences

    @property
    def joins(self) -> bool:  # type: ignore[override]
        return bool(self.starting("given"))

    @property
    def gives(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.state_names if self.return_state else ()

    def forward(self, x: Any, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Any, Backward]:
        """Like :meth:`forward_from`, but given state components follow x in a tuple, and the last state follows y."""
        names, (first, *given) = self.starting("given"), several(x)
        if len(given) != len(names):
            expected = "x" if not names else f"a tuple of x and {', '.join(f'{name}_0' for name in names)}"
            raise TypeError(f"{self}: expected {expected}, got {len(given) + 1} in a tuple")
        named = dict(zip(names, given, strict=True))
        state = tuple(map(named.get, self.state_names))
        y, last, backward = self.forward_from(first, state, needs_dx, lengths)

        def differentiated(dy: Any) -> Any:
            dy, *dlast = several(dy)
            dx, dstate = backward(dy, tuple(dlast) or None)
            d = dict(zip(self.state_names, several(dstate), strict=True))
            return of_several([dx, *map(d.get, names)])

        return ((y, *several(last)) if self.return_state else y), differentiated

    def forward_from(
        self, x: Array, state: OfState | None, needs_dx: bool = True, lengths: Lengths | None = None
    ) -> tuple[Array, State, StateBackward]:
        """Forward from a given state, for text or signals that continue where the last call ended.

        With lengths, sample n ends after lengths[n] steps: its last state is the state there, and its later outputs are
        0. Later elements of x and dy have no influence, and the gradient for them is 0.

        Args:
            x: (N, T, I).
            state: the state before the first step: h (N, H), for an LSTM (h, c). None, for the whole or for a
                component, means the learned initial state if there is one, else zeros.
            needs_dx: as for :meth:`Layer.forward`.
            lengths: N integers from 1 to T, a list or a NumPy array on the host; None if all are T.

        Returns:
            y, (N, T, H) or (N, H); the last state, which the next call takes as ``state``; and
            ``backward(dy, dlast=None) -> (dx, dstate)``, where dlast is dE/d(last state) if E depends on it too.

        Raises:
            TypeError: x or a state component is not an array of the backend or has another dtype than the layer, or
                lengths are not integers on the host.
            ValueError: x, state or lengths has another shape than above, or a length is not from 1 to T.
        """
        self._check(x, "N", "T", self.input_size)
        N, T, _ = x.shape
        steps = None if lengths is None else check_lengths(self, lengths, N, T)
        start = self._components(state, N, self.params)
        y, last, scan_backward = through_time(
            self.step, x, start, self._biased(self.params), steps, self.return_sequences, needs_dx
        )

        def backward(dy: Array, dlast: State | None = None) -> tuple[Array | None, State]:
            dx, dstate = scan_backward(dy, self._components(dlast, N), self._biased(self.grads))
            for name, given, d in zip(self.state_names, self._each(state), dstate, strict=True):
                if given is None and self.starts[name] == "learned":
                    self.grads[f"{name}_0"] += d.sum(0)  # dE/dh_0, summed over the samples
            return dx, of_several(dstate)

        return y, of_several(last), backward

    @staticmethod
    def step(x: Array, state: tuple[Array, ...], params: Params) -> Stepped:
        """One step of the recurrence, with its backward."""
        raise NotImplementedError

    def _biased(self, arrays: Params) -> Params:
        return with_biases(arrays, **{name: blocks * self.hidden_size for name, blocks in self.biases.items()})

    def _components(self, state: OfState | None, N: int, own: Params | None = None) -> tuple[Array, ...]:
        """The checked components of a state or its gradient; None becomes the parameter in ``own``, or else zeros."""
        shape, names = (N, self.hidden_size), self.state_names
        given = self._each(state)
        fits = len(given) == len(names)
        for one in given:
            if one is not None and (not isinstance(one, xp.ndarray) or one.dtype != self.dtype):
                kind, dtype = type(one), getattr(one, "dtype", None)
                got = f"{kind.__module__}.{kind.__name__} of dtype {dtype}"
                raise TypeError(f"{self}: expected a state of {xp.__name__} arrays of dtype {self.dtype}, got {got}")
            fits &= one is None or one.shape == shape
        if not fits:
            expected, got = ", ".join(names), ", ".join(str(shape if one is None else one.shape) for one in given)
            raise ValueError(f"{self}: expected a state ({expected}) of shape {shape} each, got {got}")
        components = []
        for name, one in zip(names, given, strict=True):
            if one is None:
                start = None if own is None else own.get(f"{name}_0")
                one = xp.zeros(shape, self.dtype) if start is None else xp.broadcast_to(start, shape)
            components.append(one)
        return tuple(components)

    def _each(self, state: OfState | None) -> tuple[Array | None, ...]:
        return (None,) * len(self.state_names) if state is None else several(state)
