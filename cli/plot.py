"""``xpnn plot``: a run in pictures, or as one page."""

import argparse
from contextlib import suppress
from pathlib import Path

from ..training import History
from .figures import Run, write_pictures
from .report import write_report
from .saved import MODEL_FILE, load_model, read_run
from .scores import score
from .sources import for_testing


def run(args: argparse.Namespace) -> None:
    """Draw all figures that apply to the run's model and data."""
    recipe, model = load_model(args.path)
    folder = args.path if args.path.is_dir() else args.path.parent
    history = History()
    if recipe.data:  # else the file was saved from Python
        history = read_run(folder / MODEL_FILE if args.path.is_dir() else args.path).history
    with suppress(OSError, ValueError):  # unlike the model's file, the table has the seconds
        history = max(History.from_csv(folder / "history.csv"), history, key=len)
    known = args.data or recipe.data in recipe.built_in()
    data = for_testing(recipe, args.data or recipe.data, args.encoding) if known else None
    seen = Run(recipe, model, history, data)
    if args.report:
        print(f"wrote {write_report(seen, args.out or folder, score(recipe, model, data).text if data else '')}")
    else:
        out: Path = args.out or folder / "plots"
        print(f"wrote into {out}: {', '.join(write_pictures(seen, out))}")
    if data is None:
        named = f" ({recipe.data})" if recipe.data else ""
        print(f"some figures need the run's data{named}: give them by --data")
