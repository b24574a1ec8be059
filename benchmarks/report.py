"""The figures as markdown tables."""

import statistics
from collections import Counter, defaultdict
from typing import Any

from contenders import CONTENDERS, RIVALS

Cell = dict[str, Any]
TOLERANCE = 1e-3  # relative difference of losses beyond which two contenders do not do the same work


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown; all but the first column to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def medians(cell: Cell) -> dict[str, float]:
    """Seconds per step by contender."""
    return {name: statistics.median(values) for name, values in cell["seconds"].items()}


def ratio(cell: Cell, other: str) -> tuple[float, float, float]:
    """Quartiles over the rounds of xpnn's time by the other's; below 1 xpnn is quicker."""
    ratios = [ours / theirs for ours, theirs in zip(cell["seconds"]["xpnn"], cell["seconds"][other], strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return lower, middle, upper


def quickest_rival(cell: Cell) -> str | None:
    """Of PyTorch, PyTorch compiled and JAX."""
    times = medians(cell)
    return min((name for name in RIVALS if name in times), key=times.__getitem__, default=None)


def steps_tables(cells: list[Cell]) -> str:
    """One table for each number of threads, and what must be known to read them."""
    parts = []
    for threads in sorted({cell["threads"] for cell in cells}):
        own = [cell for cell in cells if cell["threads"] == threads]
        parts += [f"### Milliseconds per step, {threads} thread{'s' * (threads > 1)}", _steps_table(own), _summary(own)]
    return "\n\n".join([*parts, _same_work(cells), _variants(cells), _not_run(cells)])


def _steps_table(cells: list[Cell]) -> str:
    names = [name for name in CONTENDERS if any(name in cell["seconds"] for cell in cells)]
    rows = []
    for cell in cells:
        times, best = medians(cell), quickest_rival(cell)
        row = [f"{cell['net']}, {cell['batch']}, {cell['task']}"]
        row += [f"{1e3 * times[name]:.3g}" if name in times else "" for name in names]
        rows.append([*row, best or "", _spread(ratio(cell, best)) if best else ""])
    return table(["net, batch, task", *names, "best other", "xpnn / best other (quartiles)"], rows)


def _spread(quartiles: tuple[float, float, float]) -> str:
    lower, middle, upper = quartiles
    return f"{middle:.2f} ({lower:.2f} to {upper:.2f})"


def _summary(cells: list[Cell]) -> str:
    """Geometric means over the cells."""
    parts = []
    for other in (*CONTENDERS, None):
        pairs = [(cell, other or quickest_rival(cell)) for cell in cells]
        ratios = [ratio(cell, name)[1] for cell, name in pairs if name in cell["seconds"] and name != "xpnn"]
        if ratios:
            faster = sum(value < 1 for value in ratios)
            mean = statistics.geometric_mean(ratios)
            parts.append(f"{other or 'the best other'} {mean:.2f} (xpnn quicker in {faster} of {len(ratios)})")
    return "Geometric mean of xpnn's time by the other's: " + ", ".join(parts) + "." if parts else ""


def _same_work(cells: list[Cell]) -> str:
    """The largest difference of losses from xpnn's; loud where it is too large."""
    worst: dict[str, tuple[float, str]] = {}
    for cell in cells:
        for name, difference in cell["loss_difference"].items():
            place = f"{cell['net']}, {cell['batch']}, {cell['task']}"
            difference = difference if difference == difference else float("inf")  # NaN compares with nothing
            worst[name] = max(worst.get(name, (-1.0, "")), (difference, place))
    lines = ["Losses of the first steps from equal weights, largest relative difference from xpnn's:"]
    for name, (difference, place) in worst.items():
        wrong = "**ERROR, NOT THE SAME WORK:** " if difference > TOLERANCE else ""
        lines.append(f"- {wrong}{name} {difference:.1e} ({place})")
    apart = [
        name for name in CONTENDERS if not CONTENDERS[name].same_start and any(name in c["seconds"] for c in cells)
    ]
    lines += [f"- {name}: not compared, its interface takes no initial weights" for name in apart]
    return "\n".join(lines)


def _variants(cells: list[Cell]) -> str:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in cells:
        for name, variant in cell["variant"].items():
            if variant:
                counts[name][variant] += 1
    lines = ["The quickest way, chosen cell by cell (how often):"]
    lines += [
        f"- {name}: " + ", ".join(f"{v} ({n})" for v, n in counter.most_common()) for name, counter in counts.items()
    ]
    return "\n".join(lines) if counts else ""


def _not_run(cells: list[Cell]) -> str:
    reasons: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cell in cells:
        for name, reason in cell["not_run"].items():
            reasons[name, reason].add(cell["net"])
    return "\n".join(f"- {name} not run: {why} ({', '.join(sorted(nets))})" for (name, why), nets in reasons.items())


def memory_table(rows: list[dict]) -> str:
    """Peak over the bare process, and over the state after a first operation."""
    names = list(dict.fromkeys(row["contender"] for row in rows if "peak" in row))
    found = {(row["net"], row["contender"]): row for row in rows if "peak" in row}
    lines = []
    for net in dict.fromkeys(row["net"] for row in rows):
        line = [net]
        for name in names:
            row = found.get((net, name))
            line.append(
                " / ".join(f"{(row['peak'] - row[key]) / 2**20:.0f}" for key in ("import", "first operation"))
                if row
                else ""
            )
        lines.append(line)
    bare = {row["contender"]: f"{row['import'] / 2**20:.0f}" for row in rows if "import" in row}
    lines.append(["(the process after import)", *(bare[name] for name in names)])
    title = "### Peak memory of a training run, MiB over the process after import / after a first operation"
    return f"{title}\n\n{table(['net', *names], lines)}\n\nResident, with what is compiled or loaded at first use."


def import_table(seconds: dict[str, list[float]]) -> str:
    """Milliseconds, and the ratio to PyTorch's."""
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    torch = middle.get("torch")
    rows = [[name, f"{1e3 * value:.0f}", f"{value / torch:.3f}" if torch else ""] for name, value in middle.items()]
    return "### Time to import, beyond that of Python's start\n\n" + table(["library", "ms", "by torch's"], rows)


def scaling_table(cells: list[Cell]) -> str:
    """Milliseconds per SGD step against the batch and the depth."""
    names = list(dict.fromkeys(name for cell in cells for name in cell["seconds"]))
    rows = []
    for cell in cells:
        times = medians(cell)
        rows.append(
            [f"{cell['net']}, {cell['batch']}", *(f"{1e3 * times[n]:.3g}" if n in times else "" for n in names)]
        )
    return f"### Milliseconds per SGD step against size\n\n{table(['net, batch', *names], rows)}"
