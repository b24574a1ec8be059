"""The figures as pictures."""

from pathlib import Path
from typing import Any

from contenders import CONTENDERS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from report import Cell, medians, ratio

COLOURS = dict(
    zip(CONTENDERS, ("black", "#d95f02", "#7570b3", "#1b9e77", "#e7298a", "#66a61e", "#a6761d"), strict=True)
)
RATIOS = FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10])


def ratios(cells: list[Cell], path: Path) -> None:
    """xpnn's time by each other's, per network and batch: a panel for each task and number of threads."""
    panels = sorted({(cell["threads"], cell["task"]) for cell in cells})
    threads, tasks = ({panel[axis]: None for panel in panels} for axis in (0, 1))
    labels = list(dict.fromkeys(f"{cell['net']}, {cell['batch']}" for cell in cells))
    figure = Figure(figsize=(2 + 4.2 * len(tasks), 1.5 + 0.27 * len(labels) * len(threads)), layout="constrained")
    axes = figure.subplots(len(threads), len(tasks), sharex=True, sharey=True, squeeze=False)
    for row, count in enumerate(threads):
        for column, task in enumerate(tasks):
            own = [cell for cell in cells if (cell["threads"], cell["task"]) == (count, task)]
            _dots(axes[row, column], own, labels)
            axes[row, column].set_title(f"{task}, {count} thread{'s' * (count > 1)}", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("xpnn's time / the other's (left of 1: xpnn is quicker)", fontsize=9)
    handles = {
        label: handle for axis in axes.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(COLOURS), frameon=False)
    figure.savefig(path, dpi=120)


def _dots(axis: Axes, cells: list[Cell], labels: list[str]) -> None:
    axis.axvline(1, color="0.4", linewidth=1)
    for name in CONTENDERS:
        shown = [cell for cell in cells if name in cell["seconds"] and name != "xpnn"]
        quartiles = [ratio(cell, name) for cell in shown]
        if shown:
            at = [labels.index(f"{cell['net']}, {cell['batch']}") for cell in shown]
            middles = [middle for _, middle, _ in quartiles]
            errors: list[Any] = [[m - low for low, m, _ in quartiles], [high - m for _, m, high in quartiles]]
            axis.errorbar(middles, at, xerr=errors, fmt="o", markersize=5, color=COLOURS[name], label=name)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(RATIOS)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(labels)), labels, fontsize=9)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(alpha=0.3)


def scaling(cells: list[Cell], path: Path) -> None:
    """Milliseconds per step against the batch, a panel for each network, and against the depth."""
    nets = list(dict.fromkeys(cell["net"] for cell in cells if "depth" not in cell))
    series = [(net, "batch", [cell for cell in cells if cell["net"] == net and "depth" not in cell]) for net in nets]
    series.append(("mlp, hidden layers of 256, batch 64", "depth", [cell for cell in cells if "depth" in cell]))
    series = [entry for entry in series if entry[2]]
    figure = Figure(figsize=(12, 3.3 * -(-len(series) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(series) // 3), min(3, len(series)), squeeze=False).flat
    for axis, (title, key, own) in zip(axes, series, strict=False):
        for name in COLOURS:
            points = [(cell[key], 1e3 * medians(cell)[name]) for cell in own if name in cell["seconds"]]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", markersize=4, color=COLOURS[name], label=name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set(title=title, xlabel="hidden layers" if key == "depth" else "batch", ylabel="ms per SGD step")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=9)
    for axis in list(axes)[len(series) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=120)
