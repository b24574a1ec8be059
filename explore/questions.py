"""The questions that the page may ask: each is a list of a name and its arguments; the answer is JSON."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .pictures import Pictures
from .small import X, network, recurrent

Question = list[Any]
RATE = 0.1
SCALES = (0.25, 0.5, 1, 1.5, 2)


def answers(pictures: Pictures) -> dict[str, Callable[..., Any]]:
    """The function that answers questions of each name."""
    return {
        "pass": pictures.passed, "unit": pictures.unit, "weight": pictures.weight, "step": pictures.step,
        "reset": pictures.reset, "network": network, "rnn": recurrent,
    }  # fmt: skip


def kept(pictures: Pictures, samples: Sequence[int]) -> Iterator[tuple[Question, Any]]:
    """The questions of a page kept in a file, with their answers: for each layer its strongest element and the weight
    with the steepest gradient; each step of gradient descent begins at the current parameters."""
    known = answers(pictures)

    def asked(*question: Any) -> tuple[Question, Any]:
        name, *arguments = question
        return list(question), known[name](*arguments)

    for sample in samples:
        question, passed = asked("pass", sample)
        yield question, passed
        for index, layer in enumerate(passed["layers"][1:]):
            if layer["kind"] != "flatten":
                yield asked("unit", sample, index, *layer["strongest"])
            if "steepest" in layer:
                yield asked("weight", sample, index, *layer["steepest"])
                yield asked("step", sample, RATE, index, *layer["steepest"])
                pictures.reset()
    for sample in range(len(X)):
        yield from (asked("network", sample, steps, {}) for steps in range(6))
    yield from (asked("rnn", scale, {}) for scale in SCALES)
