"""What the recurrent layers share: rows in order of time, lengths, the first and the last state."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, TypeAlias

import numpy as np

from ..backend import Array, Rng, asarray, fused, matmul, xp
from .base import Backward, Layer, positive
from .init import glorot_uniform, orthogonal

State: TypeAlias = Array | tuple[Array, ...]
"""h, (N, H); for a layer whose state has several parts, a tuple of such arrays."""

Lengths: TypeAlias = Sequence[int] | np.ndarray
"""Steps of each sample, (N,) whole numbers on the host."""


class StateBackward(Protocol):
    """Differentiates (x, state) -> (y, last)."""

    def __call__(self, dy: Array, dlast: State | None = None) -> tuple[Array | None, State]:
        """(dE/dx, dE/dstate) from dE/dy and, where E depends on the last state too, dE/dlast."""
        ...


ScanBackward: TypeAlias = Callable[[Array | None, list[Array]], Array]
"""What :meth:`Recurrent._scan` returns."""


class Steps:
    """N sequences of T steps as rows, time-major: all of step 0, all of step 1, ...

    So one product serves all steps, and each step is a contiguous slice. States are kept as (N + rows, H): the states
    before step 0, then one for each row.

    Attributes:
        N: sequences.
        T: steps of the longest one that there may be.
        slices: for each step its rows, and the states that it starts from.
        before: for every row the state that it starts from.
    """

    slices: list[tuple[slice, slice]]
    before: slice | Array

    def __init__(self, N: int, T: int) -> None:
        self.N, self.T = N, T
        steps = [slice(t * N, (t + 1) * N) for t in range(T)]
        self.slices = list(zip(steps, steps, strict=True))  # N states stand in front, so row r starts from state r
        self.before = slice(0, N * T)

    def rows(self, batch: Array, ones: int = 0) -> Array:
        """(N, T, features) -> (rows, features + ones), of which the last are 1."""
        ordered, features = self._ordered(batch), batch.shape[2]
        rows = xp.empty((*ordered.shape[:-1], features + ones), dtype=batch.dtype)
        rows[..., :features] = ordered
        rows[..., features:] = 1
        return rows.reshape(-1, features + ones)

    def _ordered(self, batch: Array) -> Array:
        """The batch's samples and steps in the rows' order, along one axis or several."""
        return batch.transpose(1, 0, 2)

    def batch(self, rows: Array) -> Array:
        """(rows, features) -> (N, T, features), 0 in the padding; the transpose of :meth:`rows` without ones."""
        return rows.reshape(self.T, self.N, -1).transpose(1, 0, 2)

    def last(self, rows: Array) -> Array:
        """Each sequence's last row, (N, features), a copy."""
        return rows[-self.N :].copy()

    def sort(self, state: Array) -> Array:
        """(N, H) in the order of the batch -> in the order of the rows, a copy."""
        return state.copy()

    def unsort(self, state: Array) -> Array:
        """The inverse of :meth:`sort`."""
        return state


class RaggedSteps(Steps):
    """Sequences of different lengths, the longest first: those that reach step t are the first n_t rows of a state.

    The loop over time works on ever shorter slices, and nothing ever reads the padding. (PyTorch's packed sequence.)
    """

    def __init__(self, N: int, T: int, lengths: np.ndarray) -> None:
        self.N, self.T = N, T
        order = np.argsort(-lengths, kind="stable")
        sizes = (lengths[:, None] > np.arange(lengths.max())).sum(0)  # n_t
        starts = np.cumsum(sizes) - sizes
        before = N + starts - np.concatenate([[N], sizes[:-1]])  # where step t-1 starts among the states
        self.slices = [
            (slice(now, now + n), slice(past, past + n))
            for now, past, n in zip(starts.tolist(), before.tolist(), sizes.tolist(), strict=True)
        ]
        step = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(step)) - starts[step]  # of the row within its step
        ends = starts[lengths - 1] + np.argsort(order)
        indices = asarray(np.concatenate([order[place], step, before[step] + place, ends]))  # one copy to the device
        rows = len(step)
        self._sample, self._step, self.before = (indices[i * rows : (i + 1) * rows] for i in range(3))
        self._order, self._ends = self._sample[:N], indices[3 * rows :]

    def _ordered(self, batch: Array) -> Array:
        return batch[self._sample, self._step]

    def batch(self, rows: Array) -> Array:
        batch = xp.zeros((self.N, self.T, rows.shape[1]), dtype=rows.dtype)
        batch[self._sample, self._step] = rows
        return batch

    def last(self, rows: Array) -> Array:
        return rows.take(self._ends, axis=0)

    def sort(self, state: Array) -> Array:
        return state.take(self._order, axis=0)

    def unsort(self, state: Array) -> Array:
        unsorted = xp.empty_like(state)
        unsorted[self._order] = state
        return unsorted


class Recurrent(Layer):
    """A layer that reads a sequence step by step and carries a state.

    A subclass says in :meth:`_scan` how a step goes on from W_x x_t + b.

    Parameters: ``W_x`` (G*H, I) and ``W_h`` (G*H, H), one block of rows for each of the G gates, and the biases.
    """

    separable = True

    biases: ClassVar[dict[str, int]] = {"b": 1}
    """The biases by name and how many blocks of H each has; "b" has one for each gate."""

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    """The parts of the state; the first is the output."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(input_size=input_size, hidden_size=hidden_size)
        rng, gates = np.random.default_rng(rng), self.biases["b"]
        super().__init__(
            W_x=glorot_uniform(rng, (gates * hidden_size, input_size), input_size + hidden_size, dtype),
            W_h=np.concatenate([orthogonal(rng, hidden_size, dtype) for _ in range(gates)]),
            **{name: np.zeros(blocks * hidden_size, dtype) for name, blocks in self.biases.items()},
        )
        self.input_size, self.hidden_size, self.return_sequences = input_size, hidden_size, return_sequences

    def forward(self, x: Array, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Array, Backward]:
        """As :meth:`forward_from` from a state of zeros; the last state is left out, and so is its gradient."""
        y, _, backward = self.forward_from(x, None, needs_dx, lengths)
        return y, lambda dy: backward(dy)[0]

    def __call__(self, x: Array, lengths: Lengths | None = None) -> Array:
        return self.forward(x, needs_dx=False, lengths=lengths)[0]

    def forward_from(
        self, x: Array, state: State | None, needs_dx: bool = True, lengths: Lengths | None = None
    ) -> tuple[Array, State, StateBackward]:
        """Forward from an initial state, for text or signals that go on where the last call ended.

        With lengths, sample n ends after lengths[n] steps: its last state is the one there, its outputs past it are 0,
        and whatever stands there in x (or in dy) has no influence and gets the gradient 0.

        Args:
            x: (N, T, I).
            state: before the first step: h (N, H), for an LSTM (h, c); None is zeros.
            needs_dx: as for :meth:`Layer.forward`.
            lengths: N whole numbers from 1 to T, a list or a NumPy array on the host; None is T for every sample.

        Returns:
            y, (N, T, H) or (N, H); the last state, in the form that the next call takes; and
            ``backward(dy, dlast=None) -> (dx, dstate)``, where dlast is dE/d(last state) if E depends on it too.

        Raises:
            TypeError: x or a part of the state is no array of the backend or has another dtype than the layer;
                lengths are no whole numbers on the host.
            ValueError: x, state or lengths have another shape than said above; a length is not in 1 to T.
        """
        self._check(x, "N", "T", self.input_size)
        N, T, I = x.shape
        steps = Steps(N, T) if lengths is None else RaggedSteps(N, T, self._check_lengths(lengths, N, T))
        W_x, x_rows = self.params["W_x"], steps.rows(x, ones=1)  # b is one more weight of W
        W = xp.empty((len(W_x), I + 1), dtype=x.dtype)
        W[:, :I], W[:, I] = W_x, self.params["b"]
        a = matmul(x_rows, W.T)
        states = []
        for part in self._parts(state, N):
            states.append(xp.empty((N + len(a), self.hidden_size), dtype=x.dtype))
            states[-1][:N] = 0 if part is None else steps.sort(part)
        scan_backward = self._scan(a, states, steps)

        def backward(dy: Array, dlast: State | None = None) -> tuple[Array | None, State]:
            dstates = [
                xp.zeros((N, self.hidden_size), dtype=W_x.dtype) if part is None else steps.sort(part)
                for part in self._parts(dlast, N)
            ]
            if not self.return_sequences:
                dstates[0] += steps.sort(dy)
            delta = scan_backward(steps.rows(dy) if self.return_sequences else None, dstates)
            dW = matmul(delta.T, x_rows)
            self.grads["W_x"] += dW[:, :I]
            self.grads["b"] += dW[:, I]
            dx = steps.batch(matmul(delta, W_x)) if needs_dx else None
            return dx, self._state([steps.unsort(part) for part in dstates])

        h = states[0][N:]
        last = self._state([steps.last(part[N:]) for part in states])
        return (steps.batch(h) if self.return_sequences else steps.last(h)), last, backward

    def _scan(self, a: Array, states: list[Array], steps: Steps) -> ScanBackward:
        """Run through time.

        Args:
            a: W_x x_t + b of every row, (rows, G*H); to be used up.
            states: for each part of the state an array (N + rows, H), of which the first N rows are given and the rest
                is to be filled in.
            steps: which rows a step has.

        Returns:
            ``backward(dh, dstates) -> delta``: takes the gradient for each row's h (None where only the last counts)
            and for the parts of the last state, (N, H) each; turns the latter in place into those for the initial
            state; adds to the gradients of all parameters but W_x and b; gives dE/da, (rows, G*H).
        """
        raise NotImplementedError

    def _parts(self, state: State | None, N: int) -> Sequence[Array | None]:
        """The parts of a state (or of its gradient) that has been checked; None for each part if there is none."""
        if state is None:
            return [None] * len(self.state_names)
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if not isinstance(part, xp.ndarray) or part.dtype != self.dtype:
                got = f"{type(part).__module__}.{type(part).__name__} of dtype {getattr(part, 'dtype', None)}"
                raise TypeError(f"{self}: expected a state of {xp.__name__} arrays of dtype {self.dtype}, got {got}")
        shapes = [part.shape for part in parts]
        if shapes != [(N, self.hidden_size)] * len(self.state_names):
            names, got = ", ".join(self.state_names), ", ".join(map(str, shapes))
            raise ValueError(f"{self}: expected a state ({names}) of shape {(N, self.hidden_size)} each, got {got}")
        return parts

    def _state(self, parts: list[Array]) -> State:
        return tuple(parts) if len(parts) > 1 else parts[0]

    def _check_lengths(self, lengths: Lengths, N: int, T: int) -> np.ndarray:
        if not isinstance(lengths, (Sequence, np.ndarray)) or np.asarray(lengths).dtype.kind not in "iu":
            raise TypeError(f"{self}: expected lengths as whole numbers in a list or NumPy array, got {lengths!r}")
        host = np.asarray(lengths, dtype="int64")
        if host.shape != (N,) or host.min() < 1 or host.max() > T:
            raise ValueError(f"{self}: expected {N} lengths from 1 to {T}, got {lengths!r}")
        return host

    def _arguments(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (", return_sequences=True" if self.return_sequences else "")


@fused
def add_rows(out: Array, x: Array) -> None:
    """out += the sum of x's rows."""
    out += x.sum(0)
