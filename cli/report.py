"""A run as one self-contained HTML page, without scripts or links to a network."""

import base64
import io
import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..data import ImageData
from ..data.files import write_file
from ..plots.canvas import as_pictures
from ..plots.classes import mistakes
from ..plots.outputs import probabilities
from ..training.files.about import made_by
from .figures import Run, Shown, readable

REPORT = "report.html"
_MISTAKES = 48  # the most pictures that are shown
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --rule: #ccc }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --rule: #444 } }
body { color: var(--ink); background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 70rem; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem }
.wide { overflow-x: auto }
.wide svg { max-width: max(100%, 60rem); height: auto; fill: currentColor }
table { border-collapse: collapse; overflow-wrap: normal } th, td { padding: .2rem .8rem .2rem 0; text-align: right;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem } dd { margin: 0 }
ul { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr));
  gap: 1rem }
li img { width: 6rem; image-rendering: pixelated; display: block } li { font-size: .85rem }
"""


def write_report(run: Run, folder: Path, result: str) -> Path:
    """Write a run's page into the folder and return its path; ``result`` is the test's result as text."""
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / REPORT, page(run, result).encode("utf-8", "backslashreplace"))
    return folder / REPORT


@readable()
def page(run: Run, result: str) -> str:
    """The page. Texts from files, such as names of classes, are escaped."""
    title = escape(f"{run.recipe.model} on {Path(run.recipe.data).name}")
    sections = [
        f"<h1>{title}</h1>",
        f"<p><strong>{escape(result)}</strong></p>",
        _settings(run),
        *(_figure(shown) for shown in run.figures() if shown.name != "wrong"),
        *_wrong(run),
        _section("Layers", f"<div class=wide tabindex=0><pre>{escape(run.model.summary())}</pre></div>"),
        _epochs(run.history),
    ]
    return (
        f"<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>{title}</title>\n"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n'
        '<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _settings(run: Run) -> str:
    recipe = run.recipe
    facts = {
        "Data": recipe.data,
        "Options": recipe.options,
        "Parameters": f"{run.model.flat_params.size:,}",
        "Epochs": str(len(run.history)),
        "Training": f"{sum(seconds):.1f} s" if (seconds := run.history.column("seconds")) else "",
        "Data's SHA-256": recipe.digest,
        "Made by": made_by(),
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts.items() if value)
    return _section("Settings", f"<dl>\n{rows}</dl>")


def _figure(shown: Shown) -> str:
    """A figure as SVG, in which the page's text colour replaces black."""
    import matplotlib

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": shown.name}):
        shown.figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = re.sub(r"\bid=\"[a-z]+_\d+\"", "", text.getvalue()[text.getvalue().index("<svg ") :])
    svg = svg.replace("stroke: #000000", "stroke: currentColor")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(shown.text)}" ', 1)
    return _section(shown.text, f"<div class=wide tabindex=0>{svg}</div>")


def _wrong(run: Run) -> Iterator[str]:
    """The pictures that were taken for another class."""
    if not isinstance(run.data, ImageData):
        return
    data, classes = run.data, run.recipe.classes
    found = mistakes(probabilities(run.model, run.recipe.inputs(data.x_test)), data.y_test)
    shown = found[:_MISTAKES]
    title = f"Wrong: {len(found):,} of {len(data.y_test):,} pictures"
    title += f", the {len(shown)} surest" if len(found) > len(shown) else ""
    pictures = as_pictures(data.x_test[[mistake.sample for mistake in shown]]) if shown else ()
    items = [
        (f"{classes[m.predicted]} ({m.probability:.0%}), but it is {classes[m.true]}; picture {m.sample}", picture)
        for m, picture in zip(shown, pictures, strict=True)
    ]
    yield _section(title, _pictures(items))


def _pictures(items: Iterable[tuple[str, np.ndarray]]) -> str:
    """Pictures with captions, which also serve as the text that screen readers speak."""
    from matplotlib.image import imsave

    def source(picture: Any) -> str:
        file = io.BytesIO()
        imsave(file, picture, format="png")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    listed = (
        f'<li><img src="{source(picture)}" alt="{escape(text)}"><span aria-hidden=true>{escape(text)}</span></li>\n'
        for text, picture in items
    )
    return f"<ul>\n{''.join(listed)}</ul>"


def _epochs(history: list[dict[str, float]]) -> str:
    columns = list(dict.fromkeys(column for row in history for column in row))
    head = "".join(f"<th scope=col>{escape(column)}</th>" for column in columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_number(row.get(column))}</td>' for column in columns)}</tr>\n" for row in history
    )
    return _section("Epochs", f"<div class=wide tabindex=0><table>\n<tr>{head}</tr>\n{rows}</table></div>")


def _number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"
