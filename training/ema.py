"""A running mean of a model's parameters, which often generalises better than the last parameters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..backend import Array, asarray
from ..layers import Layer
from ..layers.settings import real
from .inputs import check_model


class EMA:
    """The exponential moving average of a model's parameters over the steps::

        mean = decay mean + (1 - decay) p

    The mean begins as the parameters that the model has when the EMA is made. Buffers (the running estimates of batch
    normalisation) are not averaged, since they are means already: evaluation uses the model's own.

    Args:
        model: the model whose parameters are averaged.
        decay: the share of the mean that a step keeps; 0.999 averages over some 1,000 steps.

    Attributes:
        mean: the averages, in the order of ``model.flat_params``.

    Raises:
        TypeError: the model is not a network.
        ValueError: decay is out of its range, or the model's number of parameters has changed.

    On several ranks give the model a seed (``rng``), or make the EMA in a callback's ``on_train_begin``: until then
    each rank has parameters of its own.

    As an attribute of a callback, an EMA is saved with a :class:`Checkpoint`. To continue in another process without a
    Checkpoint, save the model twice, once averaged; then load the averaged file, make the EMA, and load the other file.

    Source: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992; values as of PyTorch's
    ``AveragedModel`` with ``get_ema_multi_avg_fn``, updated once before the first step.

    >>> model = Dense(1, 1, bias=False, init="zeros")
    >>> ema = EMA(model, decay=0.75)
    >>> model.params["W"] = [[1.0]]  # a step
    >>> ema.update()
    >>> with ema.averaged():
    ...     print(model.params["W"])
    [[0.25]]
    >>> print(model.params["W"])
    [[1.]]
    """

    def __init__(self, model: Layer, decay: float = 0.999) -> None:
        check_model("EMA", model)
        if not 0 <= real(decay) < 1:
            raise ValueError(f"EMA: expected 0 <= decay < 1, got {decay}")
        self.model, self.decay = model, float(decay)
        self.mean = model.flat_params.copy()

    def update(self) -> None:
        """Include the model's current parameters in the mean; call it after each step."""
        params = self._params()
        self.mean *= self.decay
        self.mean += (1 - self.decay) * params

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this block the model has the averaged parameters: to evaluate, to predict or to save it."""
        params = self._params()
        own = params.copy()
        params[...] = self.mean
        try:
            yield
        finally:
            self._params()[...] = own

    def state_dict(self) -> dict[str, Any]:
        """The mean."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a mean; ValueError if it is of another model."""
        mean = asarray(state["mean"], self.mean.dtype)
        if mean.shape != self.mean.shape:
            raise ValueError(f"EMA: expected the mean of {self.mean.size} parameters, got shape {mean.shape}")
        self.mean[...] = mean

    def _params(self) -> Array:
        params = self.model.flat_params
        if params.shape != self.mean.shape:
            raise ValueError(
                f"EMA: the mean is of {self.mean.size} parameters, the model has {params.size}: make a new EMA for "
                "another architecture"
            )
        return params
