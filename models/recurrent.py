"""The source document's RNN in two models: one classifies sequences, one predicts a text's next character."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ..backend import Rng, asarray, to_numpy
from ..data.text import encode
from ..layers import RNN, Bidirectional, Dense, Dropout, Embedding, Layer
from ..layers.recurrent import Recurrent, State
from ..layers.settings import is_whole, positive, real
from .sequential import Sequential


def _recurrent(cell: type[Recurrent]) -> type[Recurrent]:
    """The cell; TypeError if it is not a class of layers, but a name, say."""
    if not callable(cell):
        raise TypeError(f"cell: expected a class of layers, RNN, LSTM or GRU, got {cell!r}")
    return cell


class RNNClassifier(Sequential):
    """One or several recurrent layers, and a Dense layer on the last state of the last one.

    Args:
        input_size: features of each step (for an image read row by row, its width).
        hidden_size: units of each recurrent layer.
        num_classes: features of the output.
        cell: the class of the recurrent layers: RNN, LSTM or GRU.
        num_layers: the number of recurrent layers; each reads all states of the one before it.
        bidirectional: whether each is made :class:`Bidirectional`, with twice as many outputs.
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (N, T, input_size) with any T, output (N, num_classes).

    Raises:
        ValueError: a size or number is not a whole number of at least 1.
        TypeError: cell is not a class of layers, but a name, say.

    >>> model = RNNClassifier(8, cell=GRU, num_layers=2, bidirectional=True, rng=0)
    >>> model(asarray(np.ones((2, 5, 8))), lengths=[5, 3]).shape
    (2, 10)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 128,
        num_classes: int = 10,
        *,
        cell: type[Recurrent] = RNN,
        num_layers: int = 1,
        bidirectional: bool = False,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(num_layers=num_layers)
        cell = _recurrent(cell)
        rng, size = np.random.default_rng(rng), input_size
        layers: list[Layer] = []
        for i in range(num_layers):
            layer = cell(size, hidden_size, i < num_layers - 1, rng=rng, dtype=dtype)
            layers.append(Bidirectional(layer, rng=rng) if bidirectional else layer)
            size = 2 * hidden_size if bidirectional else hidden_size
        layers.append(Dense(size, num_classes, rng=rng, dtype=dtype))
        super().__init__(*layers, input_shape=(input_size, input_size))


class CharRNN(Sequential):
    """Embedding, RNN, Dense: after each character, the logits of the next one.

    Args:
        vocabulary: the characters; each is represented by its index.
        hidden_size: units of the RNN.
        embedding_dim: the length of a character's vector.
        cell, rng, dtype: as for :class:`RNNClassifier`.

    Shapes: input (N, T) of indices into the vocabulary with any T, output (N, T, len(vocabulary)).

    Raises:
        ValueError: a character occurs twice in the vocabulary, or a size is not a whole number of at least 1.
        TypeError: as for :class:`RNNClassifier`.

    Source: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015, with the document's RNN.

    >>> len("".join(CharRNN("ab ", rng=0).sample(5, prompt="a", rng=0)))
    5
    """

    def __init__(
        self,
        vocabulary: str,
        hidden_size: int = 256,
        embedding_dim: int = 64,
        *,
        cell: type[Recurrent] = RNN,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        rng, cell = np.random.default_rng(rng), _recurrent(cell)
        embedding = Embedding(len(vocabulary), embedding_dim, rng=rng, dtype=dtype)
        rnn = cell(embedding_dim, hidden_size, return_sequences=True, rng=rng, dtype=dtype)
        dense = Dense(hidden_size, len(vocabulary), rng=rng, dtype=dtype)
        super().__init__(embedding, rnn, dense, input_shape=(64,), input_dtype="int64")
        self._read_by(vocabulary)

    def _read_by(self, vocabulary: str) -> None:
        """Check and keep the vocabulary, and name the layers."""
        if not isinstance(vocabulary, str) or len(set(vocabulary)) != len(vocabulary):
            raise ValueError("CharRNN: expected a vocabulary, a text in which no character occurs twice")
        embedding, rnn, dense = (layer for layer in self.layers if not isinstance(layer, Dropout))
        if not (isinstance(embedding, Embedding) and isinstance(rnn, Recurrent) and isinstance(dense, Dense)):
            raise ValueError(f"CharRNN: expected an Embedding, a recurrent layer and a Dense one, got {self}")
        if not len(vocabulary) == embedding.num_embeddings == dense.out_features:
            raise ValueError(f"CharRNN: expected layers for {len(vocabulary)} characters, got {self}")
        self.vocabulary, self.embedding, self.rnn, self.dense = vocabulary, embedding, rnn, dense

    def settings(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary} | super().settings()

    @classmethod
    def from_settings(cls, vocabulary: str, **settings: Any) -> Self:  # type: ignore[override]
        model = super().from_settings(**settings)
        model._read_by(vocabulary)
        return model

    def sample(self, length: int, prompt: str = "", temperature: float = 1.0, *, rng: Rng = None) -> Iterator[str]:
        """Characters drawn one by one from softmax(logits / temperature), each fed back as the next input.

        Args:
            length: the number of characters to draw.
            prompt: text to continue, which is not repeated; by default a line break (if the vocabulary has none, its
                first character).
            temperature: below 1 for more likely characters, above 1 for more varied ones.
            rng: seed or generator of the draws.

        Raises:
            ValueError: length is not a whole number of at least 0, the prompt has an unknown character, or the
                temperature is not above 0.
        """
        if not is_whole(length) or length < 0:
            raise ValueError(f"CharRNN.sample: expected a length of at least 0, got {length!r}")
        if not real(temperature) > 0:
            raise ValueError(f"CharRNN.sample: expected a temperature above 0, got {temperature}")
        prompt = prompt or ("\n" if "\n" in self.vocabulary else self.vocabulary[0])
        return self._sample(length, encode(prompt, self.vocabulary), temperature, np.random.default_rng(rng))

    def _sample(self, length: int, prompt: np.ndarray, temperature: float, rng: "np.random.Generator") -> Iterator[str]:
        state: State | None = None
        x = prompt
        for _ in range(length):
            h, state, _ = self.rnn.forward_from(self.embedding(asarray(x[None])), state, needs_dx=False)
            logits = to_numpy(self.dense(h[:, -1]))[0].astype(np.float64)
            with np.errstate(over="ignore"):  # near temperature 0 all logits but the largest overflow to -inf
                p = np.exp((logits - logits.max()) / temperature)
            x = rng.choice(len(p), size=1, p=p / p.sum())
            yield self.vocabulary[x[0]]
