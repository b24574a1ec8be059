"""What every layer shares: where its parameters and gradients are, and the checks at its border."""

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..backend import Array, Params, Window, xp
from .inference import inference_mode
from .parameters import Gradients, Parameters, in_one_vector, vector_of

Backward = Callable[[Array], Any]
"""Takes dE/dy, adds to the layer's gradients, returns dE/dx (it may be None where nobody asked for it)."""


class Layer:
    """A differentiable function with parameters.

    ::

        y, backward = layer.forward(x)      # a pass that will be differentiated
        dx = backward(dy)                   # adds to layer.grads, returns the gradient for the input
        y = layer(x)                        # inference: dropout off, nothing kept

    What backward needs lives in its closure, so a layer keeps no state between calls: several threads may go through
    it at the same time. Backward may need the output y and the parameters, so nobody changes them in between; since it
    adds to the layer's gradients, it runs in one thread at a time.

    Attributes:
        params: the parameters by name, to be looked up in each pass: their arrays move when the layer joins a network.
        grads: dE/d(parameter) under the same names; backward adds to them, the optimiser clears them.
        buffers: arrays that belong to the layer's state and are saved with it, but have no gradient.
        separable: whether each sample's output depends on that sample alone, so that slices of a batch may go
            separately. False for a class with a forward of its own, unless it says otherwise.
        equation: the name of the accelerated function that it computes by, where it has one.
    """

    params: Parameters
    grads: Gradients
    buffers: Parameters

    separable: ClassVar[bool] = False
    equation: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if {"forward", "__call__"} & vars(cls).keys() and "separable" not in vars(cls):
            cls.separable = False

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
            needs_dx: False where nobody asks for dE/dx (the first layer of a network); backward may then return None,
                and does where that saves anything.

        Raises:
            TypeError: the input is no array of the backend, or of another dtype than the layer's.
            ValueError: the input has another shape than the layer's, or is empty.
        """
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        """The output alone, for inference."""
        token = inference_mode.set(True)  # as inference() does, in a third of the time
        try:
            return self.forward(x, needs_dx=False)[0]
        finally:
            inference_mode.reset(token)

    def children(self) -> Iterable[tuple[str, "Layer"]]:
        """The layers that it is made of, with their names."""
        return ()

    def leaves(self) -> Iterator[tuple[str, "Layer"]]:
        """The layers not made of others with their dotted paths, in order; one that stands twice comes once."""
        yield "", self

    @property
    def dtype(self) -> np.dtype | None:
        """Of the parameters; None for a layer without."""
        for value in self.params.values():
            return value.dtype
        return None

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

    _flat: tuple[Array, Array] | None = None
    _gathered: tuple["Layer", ...] = ()  # whose arrays they hold

    def gather(self) -> tuple[Array, Array]:
        """``flat_params`` and ``flat_grads``; the same pair as long as they keep their places.

        They are laid out anew where a layer's arrays are not views of them (any more), or the layers are others.

        A layer may also stand in a second network, or be deep-copied: whichever network is used gathers its own. One
        of a layer's arrays tells where all of them are, since they move together.
        """
        leaves = tuple(leaf for _, leaf in self.leaves() if leaf.params)
        if self._flat is not None and leaves == self._gathered:
            params, grads = self._flat
            if all(vector_of(leaf.params) is params and vector_of(leaf.grads) is grads for leaf in leaves):
                return self._flat
        self._flat = in_one_vector([leaf.params for leaf in leaves]), in_one_vector([leaf.grads for leaf in leaves])
        self._gathered = leaves
        return self._flat

    def check_leaves(self) -> None:
        """Meet a network of which parameters would be missed in training or saving.

        Raises:
            TypeError: a layer holds others with parameters that are no part of the network.
            ValueError: two layers have the same path.
        """
        named = list(self.leaves())
        paths, leaves = [path for path, _ in named], [leaf for _, leaf in named]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f"{type(self).__name__}: two of its layers have the name {path!r}")
        for layer in _tree(self):
            for name, value in vars(layer).items():
                held = layers_in(value) if name not in CACHES else ()
                if any(leaf.params and leaf not in leaves for child in held for _, leaf in child.leaves()):
                    raise TypeError(
                        f"{type(layer).__name__}: the parameters of its {name} would be missed: derive a layer made of "
                        "layers from Composite, and name them in children()"
                    )

    def twin(self, grads: Callable[["Layer"], Params]) -> "Layer":
        """The same layer, with the same parameters, whose backward adds to other gradients.

        Args:
            grads: gives those of a layer.
        """
        if not self.params:
            return self
        twin: Any = copy.copy(self)
        twin.grads = grads(self)
        return twin

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._arguments()})"

    def _arguments(self) -> str:
        """What repr and error messages show of the constructor's arguments."""
        return ""

    def _check(self, x: Any, *shape: int | str, dtype: Any = None) -> None:
        """Meet wrong input at the border.

        Args:
            x: the input.
            shape: the expected shape; a name stands for any length of at least 1, "..." first for any axes in front.
            dtype: the expected dtype, "integer", or None for the parameters' own (any floating-point without).
        """
        if not isinstance(x, xp.ndarray):
            raise TypeError(
                f"{self}: expected an array of the {xp.__name__} backend, got {type(x).__module__}."
                f"{type(x).__name__}: xpnn.asarray(x) makes one"
            )
        wrong = _mismatch(shape, x.shape, dtype or self.dtype or "floating-point", x.dtype)
        if wrong:
            error, text = wrong
            raise error(f"{self}: {text}")

    def _checked(self, y: Array, backward: Backward) -> Backward:
        """Backward with its own border: dE/dy has y's shape and dtype."""
        shape, dtype = y.shape, y.dtype

        def checked(dy: Array) -> Any:
            if dy.shape != shape or dy.dtype != dtype:
                got = f"{dy.shape} and {dy.dtype}"
                raise ValueError(f"{type(self).__name__}: expected dE/dy of y's shape {shape} and {dtype}, got {got}")
            return backward(dy)

        return checked

    def _check_images(self, x: Array, channels: int | str, window: Window) -> None:
        """Meet what is no batch of images (N, channels, H, W), or of images that have no room for the window."""
        self._check(x, "N", channels, "H", "W")
        if min(window.positions(x.shape[2:])) < 1:
            raise ValueError(f"{self}: the window is larger than the padded input of shape {x.shape}")


_KINDS = {"integer": "iu", "floating-point": "f"}


@lru_cache(1024)  # every step asks the same
def _mismatch(
    shape: tuple[int | str, ...], got: tuple[int, ...], dtype: Any, got_dtype: np.dtype
) -> tuple[type[Exception], str] | None:
    """(exception, message) if the input does not fit, else None."""
    fits = len(got) >= len(shape) if shape[0] == "..." else len(got) == len(shape)
    for want, length in zip(reversed(shape), reversed(got), strict=False):  # from the last: "..." is the first
        fits &= want == length or isinstance(want, str)
    if not fits:
        text = ", ".join(map(str, shape)).replace("...", "N, ...") + ("," if len(shape) == 1 else "")
        return ValueError, f"expected input of shape ({text}), got {got}"
    if 0 in got:
        return ValueError, f"got an empty input, of shape {got}"
    if got_dtype.kind not in _KINDS[dtype] if isinstance(dtype, str) else got_dtype != dtype:
        return TypeError, f"expected input of dtype {dtype}, got {got_dtype}: xpnn.asarray(x, dtype) converts"
    return None


CACHES = ("_flat", "_gathered", "_plan")  # of layers and their arrays, not part of what a layer is


def _tree(layer: Layer) -> Iterator[Layer]:
    """The layer and all that it is made of."""
    yield layer
    for _, child in layer.children():
        yield from _tree(child)


def layers_in(value: Any) -> Iterator[Layer]:
    """The layers in an attribute, also in its lists, tuples and dicts."""
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, (list, tuple, set, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from layers_in(item)
