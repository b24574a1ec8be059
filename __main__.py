"""The command line: ``xpnn`` or ``python -m xpnn``."""

import argparse
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .backend import DeviceLostError
from .cli import commands, gradcheck, plot, scores, start
from .cli.recipe import MODELS
from .cli.streams import escaped, standard_streams, tell
from .data import images, text
from .training.interrupt import signal_of


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, escaped(f"{self.prog}: error: {message} (see {self.prog} --help)") + "\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 for success, 1 after an error (printed in one line) or a failed check, 2 for wrong usage."""
    debug = False
    with standard_streams() as output, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would stand between the lines of the command
        try:
            start.started()
            args = _parser().parse_args(argv)
            debug = args.debug
            if debug:
                warnings.simplefilter("default")
            status: int | None = args.command(args)
            output.flush()
            if output.error is not None:
                raise OSError(f"standard output cannot be written to ({output.error})")
        except BrokenPipeError:  # as with `xpnn sample ... | head`
            return 141  # a shell's status for SIGPIPE
        except KeyboardInterrupt as error:
            number = signal_of(error)
            with suppress(OSError):  # SIGHUP comes when the terminal has gone
                print(f"xpnn: interrupted by {signal.Signals(number).name}", file=sys.stderr)
            return 128 + number  # a shell's status for it
        except Exception as error:  # one line also for those that nobody has foreseen
            if debug:
                traceback.print_exc()
            foreseen = isinstance(error, _FORESEEN) and str(error)
            tell(str(error) if foreseen else f"{type(error).__name__}: {error} (--debug shows where)")
            if isinstance(error, DeviceLostError):
                output.flush()
                os._exit(1)  # else the destructor of every CuPy object would fail and print a traceback
            return 1
        return status or 0


_FORESEEN = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError, RuntimeError)


def _parser() -> _Parser:
    parser = _Parser(prog="xpnn", description="Neural networks by hand, on NumPy or CuPy (NN_BACKEND=cupy).")
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands_of.add_parser("train", help="train a network on real data")
    train.add_argument("model", choices=MODELS)
    train.add_argument("--data", type=_data, help="digits (default), mnist, fashion-mnist, a folder of pictures in one "
                       "folder a class or of IDX files, or a .npz file; for mlp also a table (CSV, TSV, Parquet); "
                       "for charrnn a text file (default: the English of Python's help topics)")  # fmt: skip
    train.add_argument("--target", help="the column of a table to be predicted")
    train.add_argument("--drop", action="append", default=[], metavar="COLUMN", help="leave out a table's column")
    train.add_argument("--task", choices=("classification", "regression"), help="default: regression if the target "
                       "holds fractions, or over 100 different numbers")  # fmt: skip
    train.add_argument("--size", type=_size, metavar="H[xW]", help="to which pictures are brought; default: their own, "
                       "for lenet5 at most 32")  # fmt: skip
    _add_encoding(train)
    train.add_argument("--epochs", type=_positive_int, help="default: 12, with under 2,000 samples 40")
    train.add_argument(
        "--batch-size", type=_positive_int, help="default: 64, for charrnn 32, with under 2,000 samples 16"
    )
    train.add_argument("--lr", type=_positive, help="highest learning rate; it then falls along a cosine. "
                       "Default: 0.001, for lenet5 and charrnn 0.002; with sgd 25 times that")  # fmt: skip
    train.add_argument("--optimizer", choices=("sgd", "adam", "adamw"), default="adamw", help="default: adamw")
    train.add_argument("--seed", type=_natural, default=0, help="of weights and shuffles; default: 0")
    train.add_argument("--out", type=Path, help="output folder; default: runs/MODEL-DATA")
    existing = train.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the folder's run where it stopped, "
                          "or begin it if nothing is saved yet")  # fmt: skip
    existing.add_argument("--overwrite", action="store_true", help="replace the folder's run")
    train.add_argument("--report", action="store_true", help="write the run as one HTML page, report.html, as well")
    train.set_defaults(command=commands.train)

    evaluate = commands_of.add_parser("evaluate", help="test a saved network")
    _add_model(evaluate)
    evaluate.add_argument("--data", type=_data, help="default: the built-in data that it was trained on")
    _add_encoding(evaluate)
    evaluate.set_defaults(command=scores.evaluate_model)

    predict = commands_of.add_parser("predict", help="what a saved network says of pictures, or of a table's rows")
    _add_model(predict)
    predict.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="picture files (PNG, JPEG, ...), or tables"
    )
    _add_encoding(predict)
    predict.add_argument("--invert", action="store_true", help="the pictures are dark on light, as ink on paper is")
    predict.set_defaults(command=scores.predict_files)

    draw = commands_of.add_parser("plot", help="draw a saved network: curves, mistakes, filters, ...")
    _add_model(draw)
    draw.add_argument("--data", type=_data, help="default: the built-in data that it was trained on")
    _add_encoding(draw)
    draw.add_argument("--report", action="store_true", help="write one HTML page, report.html, instead of pictures")
    draw.add_argument("--out", type=Path, help="output folder; default: MODEL/plots, for the page MODEL")
    draw.set_defaults(command=plot.run)

    sample = commands_of.add_parser("sample", help="let a saved charrnn make up text")
    _add_model(sample)
    sample.add_argument("--length", type=_positive_int, default=500, help="characters; default: 500")
    sample.add_argument("--prompt", type=_prompt, help="text to go on from; default: a new line")
    sample.add_argument(
        "--temperature", type=_positive, default=0.7, help="below 1 likelier, above bolder; default: 0.7"
    )
    sample.add_argument("--seed", type=_natural, default=0, help="default: 0")
    sample.set_defaults(command=commands.sample)

    check = commands_of.add_parser("gradcheck", help="check every backward against central differences")
    check.add_argument(
        "names", type=gradcheck.name, nargs="*", metavar="NAME",
        help=f"{', '.join(MODELS)}, or a class of layers or losses; default: every layer and loss",
    )  # fmt: skip
    check.add_argument("--seed", type=_natural, default=0, help="of parameters, input and directions; default: 0")
    check.add_argument("--tolerance", type=_positive, default=1e-6, help="largest relative error; default: 1e-06")
    check.set_defaults(command=gradcheck.run)

    info = commands_of.add_parser("info", help="versions and device, or what a saved network is")
    _add_model(info, nargs="?")
    info.set_defaults(command=commands.info)
    for one in (parser, *commands_of.choices.values()):
        default = False if one is parser else argparse.SUPPRESS  # so that it may stand before or after the command
        one.add_argument(
            "--debug", action="store_true", default=default, help="show warnings, and where an error arose"
        )
    return parser


def _add_model(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument("path", type=_existing, nargs=nargs, metavar="MODEL", help="folder or file that train left")


def _add_encoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoding", default="utf-8", help="of a text file or a table, such as utf-16 or cp1252; default: utf-8"
    )


def _existing(text: str) -> Path:
    if not os.path.exists(text):
        raise argparse.ArgumentTypeError(f"there is no {text}")
    return Path(text)


def _data(name: str) -> str:
    if name not in (*images.BUILT_IN, *text.BUILT_IN):
        if not os.path.exists(name):
            raise argparse.ArgumentTypeError(f"{name!r} is neither {', '.join(images.BUILT_IN)} nor an existing path")
    elif os.path.isfile(name) or any(Path(name).glob("*ubyte*")) or any(Path(name).glob("*/")):
        raise argparse.ArgumentTypeError(
            f"{name!r} is a built-in data set, but data of your own have this name here: for them write ./{name}, for "
            "the built-in ones work in another folder"
        )
    return name


def _prompt(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected at least one character; without --prompt a new line is begun")
    return text


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    sides = text.split("x")
    if not all(side.isdecimal() and int(side) for side in sides) or len(sides) > 2:
        raise argparse.ArgumentTypeError(f"expected pixels, as 32 or 28x20 (height x width), got {text!r}")
    return int(sides[0]), int(sides[-1])


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
