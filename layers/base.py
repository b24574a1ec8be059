"""The base class of layers: parameters, gradients, and checks of the input."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from ..backend import Array, Params, Window, xp
from .inference import inference_mode, output_of
from .lengths import Lengths, may_have_steps
from .locks import Locks
from .parameters import Gradients, Parameters, in_one_vector, vector_of
from .settings import STARRED, constructor, shown

Backward = Callable[[Array], Any]
"""Takes dE/dy, adds to the layer's gradients, returns dE/dx (or None if it was not asked for)."""

_KINDS = {"integer": "iu", "floating-point": "f"}


class Layer:
    """A differentiable function with parameters.

    >>> layer, x = Dense(3, 2, rng=0), asarray(np.ones((4, 3)))
    >>> y, backward = layer.forward(x)  # a pass that will be differentiated
    >>> dx = backward(xp.ones_like(y))  # takes dE/dy, adds to layer.grads, returns dE/dx
    >>> y = layer(x)  # inference: dropout is off, nothing is kept for backward

    What backward needs is kept in its closure. A layer has no state between calls, so several threads may call forward
    at the same time. Backward may read y and the parameters, so they must not change before it runs. It adds to the
    layer's gradients, so only one thread may run it at a time. (A :class:`Sequential` makes its threads take turns.)

    Attributes:
        params: the parameters by name. Look them up in each pass: the arrays are replaced when the layer joins a
            network.
        grads: dE/d(parameter) under the same names; backward adds to them, the optimiser clears them.
        buffers: arrays that are saved with the layer but have no gradient.
        trainable: whether training changes the parameters. False freezes them: no step, weight decay or momentum moves
            them, and batch normalisation normalises as in inference. It is not saved. Setting it on a
            :class:`Composite` sets it on each of its layers.
        separable: whether each sample's output depends on that sample alone, so that a batch may be processed in
            slices.
        takes_lengths: whether ``forward`` and ``__call__`` have the argument ``lengths``, the number of steps of each
            sequence in a padded batch (N, T, ...).
        keeps_steps: whether the output has the same steps as the input, and the padding influences none of them.
            Without ``takes_lengths``, each output step must depend on the same input step alone.
        equation: the name of the accelerated function that computes the layer, or "".
        joins: whether x is a tuple of several arrays; backward then returns the tuple of their gradients.
        gives: the names of further outputs, such as the last state; y and dE/dy are then tuples of all outputs.

    A subclass that defines ``forward`` or ``__call__`` does not inherit separable, takes_lengths and keeps_steps: they
    are False unless the subclass sets them.
    """

    params: Parameters = Parameters()  # for a layer without parameters whose constructor does not call Layer's
    grads: Gradients = Gradients()
    buffers: Parameters = Parameters()

    trainable: bool = True
    separable: ClassVar[bool] = False
    takes_lengths: ClassVar[bool] = False
    keeps_steps: ClassVar[bool] = False
    equation: ClassVar[str] = ""
    joins: ClassVar[bool] = False
    gives: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if {"forward", "__call__"} & vars(cls).keys():
            for name in {"separable", "takes_lengths", "keeps_steps"} - vars(cls).keys():
                setattr(cls, name, False)

    def __init__(self, **params: np.ndarray) -> None:
        for value in params.values():
            if value.dtype not in ("float32", "float64"):
                raise TypeError(f"{type(self).__name__}: expected the dtype float32 or float64, got {value.dtype}")
        self.params = Parameters({key: xp.array(value) for key, value in params.items()})
        self.grads = Gradients({key: xp.zeros_like(value) for key, value in self.params.items()})
        self.buffers = Parameters()

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        """The output and the function that differentiates it.

        Args:
            x: the input, batch first.
            needs_dx: False if dE/dx is not needed, as in a network's first layer; backward may then return None.

        Raises:
            TypeError: the input is not an array of the backend, or its dtype is not the layer's.
            ValueError: the input's shape does not fit the layer, or the input is empty.
        """
        raise NotImplementedError(f"{type(self).__name__}: forward(x, needs_dx=True) must return y and backward")

    def __call__(self, x: Array, lengths: Lengths | None = None) -> Array:
        """The output alone, for inference; ``lengths`` as for :meth:`with_lengths`."""
        options, _ = self.with_lengths(x, lengths)
        token = inference_mode.set(True)  # does what inference() does, in a third of the time
        try:
            return output_of(self, self.forward(x, needs_dx=False, **options))
        finally:
            inference_mode.reset(token)

    def with_lengths(self, x: Any, lengths: Lengths | None) -> tuple[dict[str, Any], Lengths | None]:
        """The keyword arguments that pass these lengths to ``forward``, and the lengths of the output's sequences.

        Args:
            x: the padded batch (N, T, ...), 0 after each sequence's end.
            lengths: N integers from 1 to T on the host; None if all are T or the samples are not sequences.

        Raises:
            ValueError: the layer would mix the padding into the sequences.
        """
        if lengths is None:
            return {}, None
        first = several(x)[0]
        if not (self.takes_lengths or (self.keeps_steps and may_have_steps(first))):
            raise ValueError(
                f"{self}: would mix the padding of an input {first.shape} into its sequences of different lengths: put "
                "it behind a layer that returns the last state, or pass sequences of one length, without lengths"
            )
        return {"lengths": lengths} if self.takes_lengths else {}, lengths if self.keeps_steps else None

    def children(self) -> Iterable[tuple[str, "Layer"]]:
        """(name, layer) for each layer that this one is made of."""
        return ()

    def leaves(self) -> Iterator[tuple[str, "Layer"]]:
        """(dotted path, layer) for each layer that is not made of others, in order and without repetition."""
        yield "", self

    @property
    def dtype(self) -> np.dtype | None:
        """The dtype of the parameters; None if there are none."""
        for value in self.params.values():
            return value.dtype
        return None

    @property
    def learns(self) -> bool:
        """Whether it has parameters that are trainable, so that backward has to reach it."""
        return self.trainable and self.dtype is not None

    @property
    def flat_params(self) -> Array:
        """All parameters as one vector; the entries of ``params`` are views into it, in order."""
        return self.gather()[0]

    @property
    def flat_grads(self) -> Array:
        """All gradients as one vector, in the order of ``flat_params``."""
        return self.gather()[1]

    def zero_grad(self) -> None:
        """Set the gradients to 0, as an optimiser does at the end of its step."""
        for _, leaf in self.leaves():
            leaf.grads.clear()

    @property
    def locks(self) -> Locks:
        """The locks that admit one backward pass and one ``fit`` of this layer at a time."""
        locks: Locks = vars(self).get("_locks") or vars(self).setdefault("_locks", Locks())
        return locks

    _flat: tuple[Array, Array] | None = None
    _gathered: Sequence["Layer"] = ()  # the layers whose arrays are in _flat

    def gather(self) -> tuple[Array, Array]:
        """``flat_params`` and ``flat_grads``: the same two vectors until they have to be rebuilt.

        They are rebuilt if the layers have changed, or if a layer's arrays are no longer views of them because the
        layer has joined a second network or was deep-copied. Testing one array of each layer is enough, since a layer's
        arrays move together.
        """
        leaves = [leaf for _, leaf in self.leaves() if leaf.params]
        if self._flat is not None and leaves == self._gathered:
            params, grads = self._flat
            if all(vector_of(leaf.params) is params and vector_of(leaf.grads) is grads for leaf in leaves):
                return self._flat
        self._flat = in_one_vector([leaf.params for leaf in leaves]), in_one_vector([leaf.grads for leaf in leaves])
        self._gathered = leaves
        return self._flat

    def twin(self, grads: Callable[["Layer"], Params]) -> "Layer":
        """A layer with the same parameters, whose backward adds to other gradients.

        Args:
            grads: returns the other gradients of a layer.
        """
        if not self.params:
            return self
        twin: Any = copy.copy(self)
        twin.grads = grads(self)
        return twin

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._arguments()})"

    def _arguments(self) -> str:
        """The constructor's arguments as repr and error messages show them."""
        return shown(self)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments except ``rng``, ``init`` and ``dtype``, read from the attributes of their names.

        :func:`save` writes them, and :meth:`from_settings` builds the layer from them. A class that keeps its arguments
        under other names must override both methods; otherwise this one raises AttributeError.
        """
        omitted = {key for key in ("rng", "init") if not hasattr(self, key)} | {"dtype"}
        return {key: getattr(self, key) for key in constructor(type(self)) if key not in omitted}

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """A layer with these settings and initial parameters. ``dtype`` may be given too, if the class takes it."""
        if unknown := settings.keys() - constructor(cls).keys():
            raise TypeError(f"{cls.__name__}: unknown settings {', '.join(sorted(unknown))}")
        starred = [value for key, usual in constructor(cls).items() if usual is STARRED for value in settings.pop(key)]
        return cls(*starred, **settings)

    def _check(self, x: Any, *shape: int | str, dtype: Any = None) -> None:
        """Raise if the input does not fit.

        Args:
            x: the input.
            shape: the expected shape. A name stands for any length of at least 1, a leading "..." for any axes.
            dtype: the expected dtype, "integer", or None for the parameters' dtype (without parameters, any
                floating-point dtype).
        """
        if not isinstance(x, xp.ndarray):
            raise TypeError(
                f"{self}: expected an array of the {xp.__name__} backend, got {type(x).__module__}."
                f"{type(x).__name__}: xpnn.asarray(x) makes one"
            )
        wrong = mismatch(shape, x.shape, dtype or self.dtype or "floating-point", x.dtype)
        if wrong:
            error, text = wrong
            raise error(f"{self}: {text}")

    def _checked(self, y: Any, backward: Backward) -> Backward:
        """Backward, preceded by a check that dE/dy has y's shape and dtype, and run by one thread at a time."""
        expected, locks = _shapes_and_dtypes(y), self.locks

        def checked(dy: Any) -> Any:
            got = _shapes_and_dtypes(dy)
            if got != expected:
                want, given = (", ".join(f"{shape} and {dtype}" for shape, dtype in each) for each in (expected, got))
                raise ValueError(f"{type(self).__name__}: expected dE/dy of y's shape {want}, got {given}")
            with locks.backward:
                return backward(dy)

        return checked

    def _check_images(self, x: Array, channels: int | str, window: Window, axes: str = "HW") -> None:
        """Raise unless x is (N, channels, H, W), or with one axis (N, channels, L), and the window fits in it."""
        self._check(x, "N", channels, *axes)
        if min(window.positions((1, *x.shape[2:])[-2:])) < 1:
            raise ValueError(f"{self}: the window is larger than the padded input of shape {x.shape}")


def several(x: Any) -> tuple[Any, ...]:
    """The tuple itself, or a tuple of the single array."""
    return x if isinstance(x, tuple) else (x,)


def _shapes_and_dtypes(x: Any) -> list[tuple[tuple[int, ...], np.dtype]]:
    """Shape and dtype of each array."""
    return [(a.shape, a.dtype) for a in x] if isinstance(x, tuple) else [(x.shape, x.dtype)]


def of_several(arrays: Sequence[Any]) -> Any:
    """The inverse of :func:`several`: a single array by itself, several as a tuple."""
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


@lru_cache(1024)  # every step repeats the same check
def mismatch(
    shape: tuple[int | str, ...], got: tuple[int, ...], dtype: Any, got_dtype: np.dtype
) -> tuple[type[Exception], str] | None:
    """(exception, message) if the input does not fit, else None."""
    fits = len(got) >= len(shape) if shape[0] == "..." else len(got) == len(shape)
    for want, length in zip(reversed(shape), reversed(got), strict=False):  # from the right, since "..." is leftmost
        fits &= want == length or isinstance(want, str)
    if not fits:
        text = ", ".join(map(str, shape)).replace("...", "N, ...") + ("," if len(shape) == 1 else "")
        return ValueError, f"expected input of shape ({text}), got {got}"
    if 0 in got:
        return ValueError, f"got an empty input, of shape {got}"
    if got_dtype.kind not in _KINDS[dtype] if isinstance(dtype, str) else got_dtype != dtype:
        return TypeError, f"expected input of dtype {dtype}, got {got_dtype}: xpnn.asarray(x, dtype) converts"
    return None
