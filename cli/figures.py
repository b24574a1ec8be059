"""The figures that apply to a run, as pictures and as one page."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import plots
from ..data.files import write_file
from ..models import Graph, Sequential
from ..plots.canvas import needs_matplotlib
from ..plots.outputs import probabilities
from ..training import History
from .recipe import Recipe
from .sources import Data, held_out

_SAMPLES = 9  # the number of samples whose saliency is shown
_FONTS = (  # for scripts that matplotlib's own font lacks
    "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai",
)  # fmt: skip
_CHARACTERS = 64  # the number of characters whose states are shown


class Shown(NamedTuple):
    """A figure, the name of its file, and its description."""

    name: str
    text: str
    figure: Any


class Run(NamedTuple):
    """A trained network, its recipe and history, and, if available, data to examine it with."""

    recipe: Recipe
    model: Sequential
    history: History
    data: Data | None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels; () for a text, or for a table's quantity."""
        return self.recipe.names or ()

    def figures(self) -> Iterator[Shown]:
        """All figures that apply to the run, one by one, since each takes memory."""
        recipe, model, history, data = self
        x, y = (None, None) if data is None else held_out(recipe, data)
        shape = (recipe.channels, *recipe.image_shape) if recipe.model == "mlp" else None  # of pictures fed as rows
        if history:
            yield Shown("curves", "Loss and accuracy over the epochs", plots.curves(history))
        if x is not None and y is not None and self.classes:
            figure = plots.confusion_matrix(y, probabilities(model, x).argmax(1), self.classes)
            yield Shown("confusion_matrix", "How many samples of each class were taken for which class", figure)
            if recipe.classes:
                yield from self._of_pictures(x, y, shape)
        if recipe.classes and recipe.model != "rnn":
            figure = plots.filters(model, shape=shape)
            yield Shown("filters", "The weights by which the first layer sees its input", figure)
        if x is not None and recipe.model in ("rnn", "charrnn"):
            text = "The recurrent state over time, and the gradient of the last step's largest logit with respect to it"
            yield Shown("states", text, plots.states(model, x[0] if recipe.classes else x[0][:_CHARACTERS]))
        yield Shown("weights", "Histograms of the parameters", plots.weights(model))

    def _of_pictures(self, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...] | None) -> Iterator[Shown]:
        model, classes = self.model, self.classes
        text = "The pictures that were taken for another class, the surest first"
        yield Shown("wrong", text, plots.wrong(model, x, y, classes, shape=shape))
        if x.ndim == 4 and not isinstance(model.layers[0], Graph):  # a Graph's nodes are not the Sequential's layers
            yield Shown("feature_maps", "One picture on its way through the network", plots.feature_maps(model, x[0]))
        figure = plots.saliency(model, x[:: -(-len(x) // _SAMPLES)], classes=classes, shape=shape)
        yield Shown("saliency", "How much each pixel moves the largest logit", figure)


@contextmanager
def readable() -> Iterator[None]:
    """Within this block figures use the installed fonts for names in other scripts."""
    needs_matplotlib()
    from matplotlib import rc_context
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    with rc_context({"font.family": ["DejaVu Sans", *(name for name in _FONTS if name in installed)]}):
        yield


@readable()
def write_pictures(run: Run, folder: Path) -> list[str]:
    """Write each figure into the folder; return the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, _, figure in run.figures():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        write_file(folder / f"{name}.png", picture.getvalue())
        names.append(f"{name}.png")
    return names
