"""Helpers of all figures: colours, texts that fit their space, pictures in a grid."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.extras import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION = "#0072B2", "#D55E00"  # from Okabe and Ito's palette
ON_DARK, ON_LIGHT = "#ffffff", "#111111"  # texts on a colour; other texts are black, which a dark page replaces
SIGNED, UNSIGNED = "PuOr", "cividis"  # colour maps safe for colour blindness: white at 0, and from dark to light
SMALL = 7.0  # points, the size of tile titles
_TILE, _LINE, _GAP = 1.3, 0.13, 0.12  # inches: the side of a tile, a line of its title, the gap between tiles


def needs_matplotlib() -> Any:
    """matplotlib's module of figures; if it is missing, an ImportError that names the extra."""
    return needed("matplotlib.figure", "drawing curves needs matplotlib", "plots")


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this size, in inches.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
    """
    figure: Figure = needs_matplotlib().Figure((width, height), layout="constrained")
    return figure


def grid(count: int, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure with ``count`` axes of this size, in rows."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    return figure, [figure.add_subplot(rows, columns, index + 1) for index in range(count)]


def label(text: object, longest: int = 30) -> str:
    """A name for matplotlib to show: on one line, shortened in its middle, not read as a formula.

    >>> label("cost in $\\n per unit of weight and distance")
    'cost in \\\\$·per…t and distance'
    """
    shown = "".join(c if c.isprintable() else "·" for c in str(text))
    if len(shown) > longest:
        shown = shown[: longest // 2] + "…" + shown[len(shown) - (longest - 1) // 2 :]
    return shown.replace("$", r"\$")


def fitting(text: str, inches: float) -> str:
    """The text as :func:`label` returns it, shortened to this width in the size of tile titles."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    longest = 40
    while True:
        shown = label(text, longest)
        points = text_to_path.get_text_width_height_descent(shown, FontProperties(size=SMALL), ismath=False)[0]
        if points <= inches * 72 or longest < 4:
            return shown
        longest = min(longest - 1, int(len(shown) * inches * 72 / points))


def tiles(
    pictures: Sequence[np.ndarray],
    titles: Sequence[Sequence[str]],
    heading: str,
    columns: int = 6,
    *,
    cmap: str = UNSIGNED,
    limits: tuple[float, float] = (0, 1),
    bar: str = "",
) -> "Figure":
    """Pictures in rows, each with lines of text above it.

    Args:
        pictures: values (H, W), shown by the colour map, or colours (H, W, 3) in [0, 1].
        titles: the lines above each picture, the same number for all.
        heading: the figure's heading.
        columns: the most pictures in a row.
        cmap, limits: the colour map of values, and its range.
        bar: the label of a colour bar; "" for none.
    """
    columns = min(columns, max(1, len(pictures)))
    step_x, step_y = _TILE + _GAP, _TILE + _GAP + _LINE * len(titles[0]) if titles else 0
    width, height = max(5.0, step_x * columns + _GAP + bool(bar)), step_y * -(-len(pictures) // columns) + 0.5
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # everything is placed in inches, so that texts cannot overlap
    axes = figure.add_axes((0, 0, 1, 1))
    for index, (picture, lines) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(index, columns)
        left, top = _GAP + column * step_x, 0.5 + row * step_y + _LINE * len(lines)
        axes.text(left, top - 0.05, "\n".join(fitting(line, _TILE) for line in lines), fontsize=SMALL)
        h, w = (np.array(picture.shape[:2]) * _TILE / max(picture.shape[:2])).tolist()
        axes.imshow(picture, cmap=cmap, clim=limits, extent=(left, left + w, top + h, top), interpolation="nearest")
    axes.text(_GAP, 0.25, heading, fontsize=9)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    axes.set_axis_off()
    if bar and pictures:
        place = figure.add_axes((1 - 0.85 / width, 0.15 / height, 0.12 / width, 1 - 0.8 / height))
        figure.colorbar(axes.images[0], cax=place).set_label(bar, size=SMALL)
        place.tick_params(labelsize=SMALL)  # small, so that a tick such as -0.00025 fits
    return figure


def as_pictures(x: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Samples as colours (N, H, W, 3) in [0, 1], scaled by the range of all.

    Args:
        x: (N, H, W); (N, C, H, W), shown in colour if C = 3, else as the mean over the channels; or (N, features).
        shape: the shape of one picture, (H, W) or (C, H, W); needed for (N, features) unless they form a square.

    Raises:
        ValueError: the samples do not have one of these shapes.
    """
    values = shaped(np.asarray(x, np.float64), shape)
    low, high = values.min(), values.max()
    values = (values - low) / (high - low or 1)
    if values.shape[1] != 3:
        values = values.mean(1, keepdims=True).repeat(3, axis=1)
    return np.moveaxis(values, 1, -1)


def shaped(x: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """Samples as (N, C, H, W). Arguments and errors as for :func:`as_pictures`."""
    if shape is None and x.ndim == 2 and (side := round(x.shape[1] ** 0.5)) ** 2 == x.shape[1]:
        shape = side, side
    if shape is not None and int(np.prod(shape)) == x[0].size:
        x = x.reshape(len(x), *shape)
    if x.ndim not in (3, 4):
        raise ValueError(f"expected pictures (N, H, W) or (N, C, H, W), or shape=(H, W), got {x.shape} and {shape}")
    return x if x.ndim == 4 else x[:, None]
