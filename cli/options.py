"""Options that several commands have."""

import argparse

from .arguments import data, existing


def add_model(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument("path", type=existing, nargs=nargs, metavar="MODEL", help="folder or file from train, or file "
                        "from xpnn.save")  # fmt: skip


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=data, help="default: the built-in data that the network was trained on")
    add_encoding(parser)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoding", default="utf-8", help="encoding of a text file or table, as utf-16 or cp1252; default: utf-8"
    )


def add_own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", metavar="FILE.py:FUNCTION", help="function that builds your own network; this "
                        "runs the file")  # fmt: skip


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--json", action="store_true", help=f"print {what} as JSON, and nothing else on standard output"
    )
