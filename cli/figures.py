"""The figures that apply to a run, as pictures and as one page."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import plots
from ..data import ImageData, TextData
from ..layers.recurrent import Recurrent
from ..models import Sequential
from ..plots.canvas import needs_matplotlib
from ..plots.outputs import probabilities
from ..training import History
from ..training.files import write_file
from .recipe import Recipe

_SAMPLES = 9  # that saliency is shown of
_FONTS = (  # of scripts that matplotlib's own font lacks
    "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai",
)  # fmt: skip
_CHARACTERS = 64  # whose states are shown


class Shown(NamedTuple):
    """A figure, the name of its file, and what it shows."""

    name: str
    text: str
    figure: Any


class Run(NamedTuple):
    """A trained network, how it came about, and, where they are at hand, data to look at it with."""

    recipe: Recipe
    model: Sequential
    history: History
    data: ImageData | TextData | None

    def figures(self) -> Iterator[Shown]:
        """All that apply, one after the other, since each takes memory."""
        recipe, model, data = self.recipe, self.model, self.data
        leaves = [leaf for _, leaf in model.leaves() if leaf.params]
        if self.history:
            yield Shown("curves", "Loss and accuracy over the epochs", plots.curves(self.history))
        if isinstance(data, ImageData):
            yield from self._of_pictures(recipe.inputs(data.x_test), data.y_test)
        if recipe.model in ("mlp", "lenet5"):
            yield Shown("filters", "The weights by which the first layer sees its input", self._filters())
        if any(isinstance(leaf, Recurrent) for leaf in leaves) and data is not None:
            sample = recipe.inputs(data.x_test[:1])[0] if isinstance(data, ImageData) else data.test[:_CHARACTERS]
            text = "The recurrent state over time, and the gradient of the last step's largest logit for it"
            yield Shown("states", text, plots.states(model, sample))
        yield Shown("weights", "Histograms of the parameters", plots.weights(model))

    def _filters(self) -> Any:
        return plots.filters(self.model, shape=self.recipe.image_shape if self.recipe.model == "mlp" else None)

    def _of_pictures(self, x: np.ndarray, y: np.ndarray) -> Iterator[Shown]:
        recipe, model = self.recipe, self.model
        shape = recipe.image_shape if x.ndim == 2 else None
        p = probabilities(model, x)
        text = "How many pictures of each class were taken for which"
        yield Shown("confusion_matrix", text, plots.confusion_matrix(y, p.argmax(1), recipe.classes))
        text = "The pictures that were taken for another class, the surest first"
        yield Shown("wrong", text, plots.wrong(model, x, y, recipe.classes, shape=shape))
        if x.ndim == 4:
            text = "One picture on its way through the network"
            yield Shown("feature_maps", text, plots.feature_maps(model, x[0]))
        figure = plots.saliency(model, x[:: -(-len(x) // _SAMPLES)], classes=recipe.classes, shape=shape)
        yield Shown("saliency", "How much each pixel moves the largest logit", figure)


@contextmanager
def readable() -> Iterator[None]:
    """A block whose figures have the installed fonts for names in other scripts."""
    needs_matplotlib()
    from matplotlib import rc_context
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    with rc_context({"font.family": ["DejaVu Sans", *(name for name in _FONTS if name in installed)]}):
        yield


@readable()
def write_pictures(run: Run, folder: Path) -> list[str]:
    """Write each figure into the folder; the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, _, figure in run.figures():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        write_file(folder / f"{name}.png", picture.getvalue())
        names.append(f"{name}.png")
    return names
