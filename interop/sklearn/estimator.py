"""The base of the classifier and the regressor: training, and the attributes that describe it."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ... import training
from ...backend import ALONE, to_numpy
from ...data.sequences import pad
from ...layers import Dense, Layer
from .monitors import CallbackSupportMixin, HeldOutScore, Tasks, with_callbacks
from .network import network_of
from .settings import Settings
from .solvers import lbfgs, optimizer_of, stopping

Data = tuple[Any, Any, Any, Any]
"""X, y, sample_weight and lengths; the last two may be None."""

_NONE = "no_validation"  # scikit-learn's marker for a y that is not given


class NetworkEstimator(Settings, CallbackSupportMixin):
    """The base class of :class:`NetworkClassifier` and :class:`NetworkRegressor`.

    The arguments are MLPClassifier's and xpnn's own. If a setting has two names and both are given, MLPClassifier's
    counts.

    Args:
        network (or ``hidden_layer_sizes``): the sizes of an MLP's hidden layers, or one size; or a function
            ``network(shape, outputs, rng=, dtype=)`` that builds a network for samples of this shape:
            ``lambda shape, k, **options: LeNet5(28, k, **options)``.
        activation: activation of an MLP's hidden layers: "relu", "tanh", "logistic", "identity" or a layer.
        optimizer (or ``solver``): "adam" (the default), "sgd", "lbfgs", or an optimiser, which each fit copies.
        loss: by default the classifier's or the regressor's own.
        epochs (or ``max_iter``): the most passes over the data, or iterations of "lbfgs".
        batch_size: samples per step; "auto" is 200, or all if there are fewer.
        shuffle: whether to draw a new order for each pass.
        tol, n_iter_no_change: training ends when the loss, or with early_stopping the score, has not improved by tol
            for this many epochs.
        early_stopping: whether to hold out a share of the data, ``validation_fraction``, and keep the model of the
            epoch with the best score on it.
        warm_start: whether fit continues with the network of the last fit.
        callbacks: xpnn's callbacks; give scikit-learn's own (1.9) to ``set_callbacks``.
        random_state: seed or RandomState of the weights and shuffles.
        verbose: whether to show a progress bar and a line per epoch.
        ranks: the ranks of :func:`xpnn.mpi` that train together, with the same random_state; not with "lbfgs".
        alpha: weight of the penalty alpha/2 |W|^2 / batch_size, in place of the optimiser's ``weight_decay``; by
            default 1e-4 for an optimiser given by name. Except with "lbfgs", biases decay, too.
        learning_rate, learning_rate_init, power_t, momentum, nesterovs_momentum, beta_1, beta_2, epsilon, max_fun:
            as for MLPClassifier, for an optimiser given by name.

    Attributes:
        model_: the trained network.
        history_: one row per epoch: loss, val_score, val_loss and others. ``loss_curve_``, ``loss_``, ``best_loss_``,
            ``validation_scores_`` and ``best_validation_score_`` are taken from it, without the penalty.
        n_iter_: the number of epochs of the last fit.
        t_: the number of samples that training has seen, counted once per epoch.
        out_activation_: the function of the outputs, "softmax", "logistic" or "identity".
        coefs_, intercepts_: weights and biases of the dense layers, (in, out) and (out,).
        n_features_in_: length of X's second axis.

    Shapes: X (samples, features), also sparse, or (samples, ...) if the network takes such samples. The network
    computes in float32 if X is float32, else in float64.

    Raises:
        ValueError, TypeError: as in scikit-learn for X and y, and as in :func:`xpnn.fit`.
    """

    _target_options: ClassVar[dict[str, Any]]  # options of scikit-learn's validate_data
    _metric: ClassVar[Callable[..., float]]
    model_: Layer
    history_: training.History
    n_outputs_: int
    n_iter_: int
    t_: int
    out_activation_: str = "identity"

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, lengths: Any = None, eval_set: Any = None) -> Any:
        """Train a new network, or with ``warm_start`` continue with the last one.

        Args:
            X: the samples; for recurrent networks also a list of sequences (steps, features).
            y: their labels or targets, (samples,) or (samples, outputs).
            sample_weight: a weight for each sample.
            lengths: the number of steps of each sequence in a padded X (samples, steps, features).
            eval_set: held-out data (X, y), instead of a share of the data; each row of ``history_`` then has the loss
                and the score on them.
        """
        return self._fit(X, y, sample_weight, lengths, eval_set, begun=self.warm_start and hasattr(self, "model_"))

    def _fit(
        self, X: Any, y: Any, weights: Any, lengths: Any, eval_set: Any = None, *, begun: bool, partial: bool = False
    ) -> Any:
        """Train a new network, or continue with the last one, for all epochs or for one."""
        self._check_ranges()
        X, y, lengths = self._validated(X, y, lengths, reset=not begun)
        if weights is not None:
            weights = _check_sample_weight(weights, X, dtype=X.dtype)
            if weights.min() < 0:
                raise ValueError(f"{type(self).__name__}: expected sample_weight of at least 0, got {weights.min()}")
        self._learn_targets(y, known=begun or partial)
        data: Data = (X, y, self._weights(y, weights), lengths)
        held_out = None
        if eval_set is not None:
            held_out = self._held_out(*(eval_set[0] if isinstance(eval_set, list) else eval_set))
        elif self.early_stopping and self._setting("optimizer") != "lbfgs":
            data, held_out = self._split(data)
        if not begun:
            self._rng = np.random.default_rng(self._draws().randint(2**31))
            self.model_ = network_of(self, X[:1], lengths, self.n_outputs_, self._rng)
            self.history_, self.t_ = training.History(), 0
        if not (begun and partial):
            self._optimizer = optimizer_of(self, data[0].shape[0], data[2])
        history = self._train(data, held_out, 1 if partial else self._setting("epochs"))
        self.n_iter_, past = len(history), len(self.history_)
        self.t_ += self.n_iter_ * data[0].shape[0]
        self.history_.extend(row | {"epoch": past + row["epoch"]} for row in history)
        return self

    def _partial_fit(self, X: Any, y: Any, weights: Any, lengths: Any) -> Any:
        if self.early_stopping or self._setting("optimizer") == "lbfgs":
            raise ValueError(f"{type(self).__name__}: partial_fit does not support early_stopping or 'lbfgs'")
        return self._fit(X, y, weights, lengths, begun=hasattr(self, "model_"), partial=True)

    def _train(self, data: Data, held_out: Data | None, epochs: int) -> training.History:
        """Train for this many epochs; returns their rows."""
        X, y, weights, lengths = data
        by_score = held_out is not None and self.early_stopping
        callbacks = [stopping(self, "val_score" if by_score else "loss"), *self.callbacks]
        if held_out is not None:
            callbacks.insert(0, HeldOutScore(lambda model: self._score(model, held_out)))
        if hasattr(self, "_init_callback_context"):
            metadata = None if weights is None else {"sample_weight": weights}
            callbacks.append(Tasks(self, epochs, X=X, y=y, metadata=metadata))
        if self._optimizer is None:
            if (self.ranks or ALONE).size > 1:
                raise ValueError(f"{type(self).__name__}: 'lbfgs' is for one process: give another optimizer")
            return lbfgs(self, self.model_, self._loss, (X, self._encoded(y), weights, lengths), callbacks)
        return training.fit(
            self.model_, X, self._encoded(y),
            loss=self._loss,
            optimizer=self._optimizer,
            epochs=epochs,
            batch_size=self._size_of_batch(X.shape[0]),
            validation=None if held_out is None else (held_out[0], self._encoded(held_out[1]), *held_out[2:]),
            sample_weight=weights,
            lengths=lengths,
            callbacks=callbacks,
            shuffle=self.shuffle,
            rng=self._rng,
            verbose=bool(self.verbose),
            ranks=self.ranks,
        )  # fmt: skip

    def _validated(self, X: Any, y: Any = _NONE, lengths: Any = None, *, reset: bool) -> tuple[Any, Any, Any]:
        """X, sparse or an array (lists of sequences are padded); y; the sequences' lengths if they differ."""
        if isinstance(X, list) and X and np.ndim(X[0]) > 1:
            X, lengths = pad(X)
        options = {"dtype": [np.float64, np.float32], "accept_sparse": "csr", "allow_nd": True}
        targets = {} if y is _NONE else {"y": y, **self._target_options}
        if lengths is None:
            validated = validate_data(self, X, reset=reset, **targets, **options)
            X, y = validated if targets else (validated, y)
        else:
            X = check_array(X, **options)
            validate_data(self, X.reshape(-1, X.shape[-1]), reset=reset)  # checks each step like a sample
            y = validate_data(self, reset=False, **targets) if targets else y
            check_consistent_length(X, None if y is _NONE else y, lengths)
            lengths = None if (np.equal(lengths, X.shape[1])).all() else np.asarray(lengths)
        if scipy.sparse.issparse(y):
            y = y.toarray()
        if is_classifier(self) and np.shape(y)[1:] == (1,):
            y = column_or_1d(y, warn=True)
        return X, y, lengths

    def _held_out(self, X: Any, y: Any, weights: Any = None) -> Data:
        """Data that the caller has held out."""
        X, y, lengths = self._validated(X, y, reset=False)
        self._learn_targets(y, known=True)
        return X, y, weights if weights is None else _check_sample_weight(weights, X, dtype=X.dtype), lengths

    def _split(self, data: Data) -> tuple[Data, Data]:
        """The training data, and the share that is held out."""
        trained, held_out = train_test_split(
            np.arange(data[0].shape[0]),
            test_size=self.validation_fraction,
            random_state=self._draws(),
            stratify=data[1] if is_classifier(self) and data[1].ndim == 1 else None,
        )
        if len(held_out) < 2:
            raise ValueError(
                f"{type(self).__name__}: validation_fraction={self.validation_fraction} holds {len(held_out)} of "
                f"{data[0].shape[0]} samples out: a score needs two"
            )
        return _rows(data, trained), _rows(data, held_out)

    def _draws(self) -> np.random.RandomState:
        """The generator from random_state; if it is None, ranks agree on a common seed."""
        state: np.random.RandomState = check_random_state(self.random_state)
        return state if self.random_state is not None else (self.ranks or ALONE).gather(state)[0]

    def _score(self, model: Layer, data: Data) -> float:
        X, y, weights, lengths = data
        outputs = training.predict(model, X, lengths=lengths)
        return self._metric(y, self._decoded(outputs), sample_weight=weights)

    def _outputs(self, X: Any, lengths: Any = None) -> np.ndarray:
        check_is_fitted(self)
        X, _, lengths = self._validated(X, lengths=lengths, reset=False)
        return training.predict(self.model_, X, lengths=lengths)

    def _learn_targets(self, y: np.ndarray, known: bool) -> None:
        """Set ``n_outputs_`` and the loss according to the targets."""
        raise NotImplementedError

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """The targets as the loss takes them."""
        raise NotImplementedError

    def _decoded(self, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs as predictions."""
        raise NotImplementedError

    def _weights(self, y: np.ndarray, weights: "np.ndarray | None") -> "np.ndarray | None":
        return weights

    @property
    def loss_curve_(self) -> list[float]:
        """The loss of each epoch, without the penalty."""
        return self.history_.column("loss")

    @property
    def loss_(self) -> float:
        """The loss of the last epoch."""
        return self.loss_curve_[-1]

    @property
    def best_loss_(self) -> float:
        """The lowest loss of an epoch."""
        return min(self.loss_curve_)

    @property
    def validation_scores_(self) -> "list[float] | None":
        """The score on held-out data of each epoch; None if there were none."""
        return self.history_.column("val_score") or None

    @property
    def best_validation_score_(self) -> "float | None":
        """The highest score on held-out data; None if there were none."""
        return max(self.validation_scores_ or [], default=None)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each dense layer, (in, out)."""
        return [to_numpy(layer.params["W"]).T for layer in self._dense()]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each dense layer, (out,)."""
        return [to_numpy(layer.params["b"]) for layer in self._dense() if "b" in layer.params]

    @property
    def n_layers_(self) -> int:
        """The number of an MLP's layers, including the input layer."""
        return len(self._dense()) + 1

    def _dense(self) -> list[Layer]:
        return [leaf for _, leaf in self.model_.leaves() if isinstance(leaf, Dense)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _rows(data: Data, rows: np.ndarray) -> Data:
    X, y, weights, lengths = (None if one is None else one[rows] for one in data)
    return X, y, weights, lengths
