"""``xpnn gradcheck``: the gradients of every layer and network, compared with differences."""

import argparse

from ..backend import name as backend
from ..checks import GradientReport, gradcheck
from ..checks.cases import layer_cases, model_cases
from .recipe import MODELS


def run(args: argparse.Namespace) -> int:
    """Print the reports; returns 0 if every gradient agrees, else 1."""
    layers = [case for case in layer_cases(args.seed) if not args.names or type(case.layer).__name__ in args.names]
    groups = [[case] for name in MODELS if name in args.names for case in model_cases(name, args.seed)]
    failed = False
    for cases in [layers, *groups] if layers else groups:
        reports = [gradcheck(c.layer, c.x, rng=args.seed, tolerance=args.tolerance, **c.options) for c in cases]
        title = f"gradcheck of {len(reports)} layers and losses, float64 on {backend}, tolerance {args.tolerance:g}"
        rows = tuple(row for report in reports for row in report.rows)
        report = GradientReport(title if len(reports) > 1 else reports[0].title, rows)
        print(report, end="\n\n")
        failed |= not report.ok
    return int(failed)


def name(text: str) -> str:
    """A model's or layer's name, for argparse; case matters only for rnn (the network) and RNN (the layer)."""
    known = [*MODELS, *dict.fromkeys(type(case.layer).__name__ for case in layer_cases(0))]
    if text in known:
        return text
    for candidate in known:
        if candidate.lower() == text.lower():
            return candidate
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
