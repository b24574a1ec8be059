"""The commands of the command line and their options."""

import argparse
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from .. import __version__
from . import commands, explore, gradcheck, learn, plot, scores
from .arguments import (
    augmented,
    data,
    existing,
    folder,
    interval,
    natural,
    new_path,
    pixels,
    positive,
    positive_int,
    prompt,
    share,
    sizes,
)
from .config import CONFIG, words_of
from .languages import Parser, language_of
from .options import add_data, add_encoding, add_json, add_model, add_own
from .recipe import CELLS, MODELS, VARIANTS
from .train import train

_SHELLS = ("bash", "zsh", "fish")


def parsed(words: list[str] | None) -> argparse.Namespace:
    """The arguments: those of the command line, then those of the file that --config names."""
    words = sys.argv[1:] if words is None else words
    parser, all_commands = _parser(language_of(words))
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help(sys.stderr)
        parser.exit(2)
    if args.command is not train:
        return args
    of_train = all_commands.choices["train"]
    if args.config is not None:
        of_train.place = f"{args.config}: "
        try:
            of_file = words_of(args.config, of_train, args)
            of_train.parse_args(of_file)  # by itself first, so that errors name the file
        except ValueError as error:
            of_train.error(str(error))
        of_train.place = ""
        first = words.index("train") + 1  # before the other words, which then override the file
        args = parser.parse_args([*words[:first], *of_file, *words[first:]])
    if args.model is None:
        of_train.error(f"expected a model: {', '.join(MODELS)}")
    return args


def _parser(language: str) -> tuple[Parser, Any]:
    """The parser, and its commands by their names."""
    parser = Parser(
        language=language,
        prog="xpnn",
        description="Neural networks by hand, on NumPy or CuPy (NN_BACKEND=cupy).",
        epilog="`xpnn COMMAND --help` says more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"xpnn {__version__}")
    parser.set_defaults(command=None)
    added = parser.add_subparsers(metavar="COMMAND")
    for name, add in _COMMANDS.items():
        text, _, examples = inspect.cleandoc(add.__doc__ or "").partition("\n")
        shape = argparse.RawDescriptionHelpFormatter
        add(added.add_parser(name, help=text, description=text, epilog=examples, formatter_class=shape))
    complete = functools.partial(commands.completion, parser, added)
    added.choices["completion"].set_defaults(command=complete, paths=(data, existing, folder, new_path))
    for one in (parser, *added.choices.values()):
        default = False if one is parser else argparse.SUPPRESS  # so that it may come before or after the command
        one.add_argument(
            "--debug", action="store_true", default=default, help="show warnings, and where an error arose"
        )
    return parser, added


def _train(parser: argparse.ArgumentParser) -> None:
    """train a network on real data

    examples:
      xpnn train lenet5                                    on scikit-learn's digits
      xpnn train mlp --data wine.csv --target class        on a table
      xpnn train mlp --hidden 512,256 --dropout 0.3 --early-stopping 5
      xpnn train rnn --cell lstm --data pictures/ --dry-run
      xpnn train --config runs/mlp-digits/run.toml --seed 1 --out second
    """
    model = parser.add_argument("model", choices=MODELS)
    model.required = False  # --config may name it; nargs="?" would not find it after options, before Python 3.13
    _add_training_data(parser)
    _add_network(parser)
    parser.add_argument("--epochs", type=positive_int, help="default: 12, with under 2,000 samples 40")
    parser.add_argument("--early-stopping", type=positive_int, metavar="PATIENCE", help="end after this many epochs "
                        "without a lower held-out loss; the result is the best epoch's network")  # fmt: skip
    parser.add_argument(
        "--batch-size", type=positive_int, help="default: 64, for charrnn 32, with under 2,000 samples 16"
    )
    parser.add_argument("--lr", type=positive, help="highest learning rate; it then falls along a cosine. "
                        "Default: 0.001, for lenet5 and charrnn 0.002; with sgd 25 times that")  # fmt: skip
    parser.add_argument("--optimizer", choices=("sgd", "adam", "adamw"), default="adamw", help="default: adamw")
    parser.add_argument("--seed", type=natural, default=0, help="seed of weights, masks and shuffles; default: 0")
    parser.add_argument("--out", type=folder, help="output folder; default: runs/MODEL-DATA")
    parser.add_argument("--checkpoint-every", type=interval, default="5 min", metavar="EVERY", help="how often to save "
                        "the run within an epoch, as '30 s', '5 min' (default) or '500 steps'")  # fmt: skip
    existing_run = parser.add_mutually_exclusive_group()
    existing_run.add_argument("--resume", action="store_true", help="resume the folder's run where it stopped, or "
                              "begin it if nothing is saved yet")  # fmt: skip
    existing_run.add_argument("--overwrite", action="store_true", help="replace the folder's run")
    parser.add_argument("--rank-timeout", type=positive, default=30.0, metavar="SECONDS", help="how long one of "
                        "mpiexec's ranks may keep the others waiting; default: 30")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="also write the run as one HTML page, report.html")
    parser.add_argument("--config", type=existing, metavar="FILE", help="a TOML file of these options, such as a run's "
                        f"{CONFIG}; the command line overrides it")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print the run's needs (shapes, parameters, memory, "
                        "the time of a step), and write nothing")  # fmt: skip
    add_json(parser, "the result")
    parser.add_argument("--quiet", action="store_true", help="print only errors, and the output of --json")
    parser.set_defaults(command=train)


def _add_training_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=data, help="digits (default), mnist, fashion-mnist, a folder of pictures in one "
                        "folder per class or of IDX files, or a .npz file; for mlp also a table (CSV, TSV, Parquet); "
                        "for charrnn a text file (default: the English of Python's help topics)")  # fmt: skip
    parser.add_argument("--target", help="the column of a table to predict")
    parser.add_argument("--drop", action="append", default=[], metavar="COLUMN", help="omit a column of a table")
    parser.add_argument("--task", choices=("classification", "regression"), help="default: regression if the target "
                        "holds fractions, or over 100 different numbers")  # fmt: skip
    parser.add_argument("--size", type=pixels, metavar="H[xW]", help="resize pictures to this size; default: their "
                        "own, for lenet5 at most 32")  # fmt: skip
    parser.add_argument("--augment", type=augmented, metavar="HOW", help="change pictures anew in each epoch, by flip, "
                        "shift=PIXELS, rotate=DEGREES, crop=SHARE, noise=LEVELS, separated by commas")  # fmt: skip
    add_encoding(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hidden", type=sizes, default=(), metavar="N[,N...]", help="sizes of the hidden layers, for "
                        "rnn all equal, for charrnn one; default: 256,128, for rnn 128, for charrnn 256")  # fmt: skip
    parser.add_argument("--cell", choices=tuple(CELLS), default="rnn", help="cell of rnn and charrnn; default: rnn")
    parser.add_argument("--dropout", type=share, default=0.0, metavar="P", help="dropout before each Dense layer that "
                        "is not the first layer; default: 0")  # fmt: skip
    parser.add_argument("--variant", choices=VARIANTS, default="modern", help="variant of lenet5; default: modern")


def _evaluate(evaluate: argparse.ArgumentParser) -> None:
    """test a saved network

    examples:
      xpnn evaluate runs/lenet5-digits
      xpnn evaluate runs/mlp-wine.csv --data others.csv --json
    """
    add_model(evaluate)
    add_data(evaluate)
    add_own(evaluate)
    add_json(evaluate, "the scores")
    evaluate.set_defaults(command=scores.evaluate_model)


def _predict(predict: argparse.ArgumentParser) -> None:
    """predict the classes of pictures, or the target of a table's rows

    examples:
      xpnn predict runs/lenet5-digits seven.png --invert
      xpnn predict runs/mlp-wine.csv new.csv > answers.csv
      xpnn predict runs/lenet5-pictures *.jpg --json
    """
    add_model(predict)
    predict.add_argument(
        "files", type=new_path, nargs="+", metavar="FILE", help="picture files (PNG, JPEG, ...), or tables"
    )
    add_encoding(predict)
    predict.add_argument("--invert", action="store_true", help="the pictures are dark on light, like ink on paper")
    add_own(predict)
    add_json(predict, "a line for each picture or row")
    predict.set_defaults(command=scores.predict_files)


def _plot(draw: argparse.ArgumentParser) -> None:
    """draw a saved network: curves, mistakes, filters, ...

    examples:
      xpnn plot runs/lenet5-digits
      xpnn plot runs/mlp-wine.csv --data wine.csv --report
    """
    add_model(draw)
    add_data(draw)
    draw.add_argument("--report", action="store_true", help="write one HTML page, report.html, instead of pictures")
    draw.add_argument("--out", type=folder, help="output folder; default: MODEL/plots, for --report MODEL itself")
    draw.set_defaults(command=plot.run)


def _sample(sample: argparse.ArgumentParser) -> None:
    """let a saved charrnn write text

    example:
      xpnn sample runs/charrnn-topics --prompt "The " --temperature 0.5
    """
    add_model(sample)
    sample.add_argument("--length", type=positive_int, default=500, help="number of characters; default: 500")
    sample.add_argument("--prompt", type=prompt, help="text to continue; default: a new line")
    sample.add_argument(
        "--temperature", type=positive, default=0.7, help="below 1: likelier text, above 1: more varied; default: 0.7"
    )
    sample.add_argument("--seed", type=natural, default=0, help="default: 0")
    sample.set_defaults(command=commands.sample)


def _export(export: argparse.ArgumentParser) -> None:
    """write a saved network as an ONNX model, or as C

    examples:
      xpnn export runs/lenet5-digits digits.onnx
      xpnn export runs/lenet5-digits digits.onnx --raw
      xpnn export runs/lenet5-digits digits.c --int8
    """
    add_model(export)
    written = export.add_mutually_exclusive_group()
    written.add_argument("file", type=new_path, nargs="?", metavar="FILE", help="the file to write: C if it ends in "
                         ".c, ONNX if it ends in .onnx; default: beside the network, as .onnx")  # fmt: skip
    written.add_argument("--out", type=new_path, metavar="FILE", help="the same as FILE")
    export.add_argument("--raw", action="store_true", help="the ONNX model takes pixels from 0 to 255, or the table's "
                        "columns, and includes their preprocessing")  # fmt: skip
    export.add_argument("--lengths", action="store_true", help="the ONNX model also takes the sequences' lengths")
    export.add_argument("--int8", action="store_true", help="in C, weights of one byte; prints the loss of accuracy")
    add_data(export)
    add_own(export)
    export.set_defaults(command=commands.export)


def _gradcheck(check: argparse.ArgumentParser) -> None:
    """check every backward against central differences

    examples:
      xpnn gradcheck
      xpnn gradcheck Conv2D rnn
    """
    check.add_argument(
        "names", type=gradcheck.name, nargs="*", metavar="NAME",
        help=f"{', '.join(MODELS)}, or a class of layers or losses; default: every layer and loss",
    )  # fmt: skip
    check.add_argument("--seed", type=natural, default=0, help="seed of parameters, input, directions; default: 0")
    check.add_argument("--tolerance", type=positive, default=1e-6, help="largest relative error; default: 1e-06")
    check.set_defaults(command=gradcheck.run)


def _info(info: argparse.ArgumentParser) -> None:
    """print versions and device, or describe a saved network

    examples:
      xpnn info
      xpnn info runs/lenet5-digits --json
    """
    add_model(info, nargs="?")
    add_own(info)
    add_json(info, "them")
    info.set_defaults(command=commands.info)


def _completion(completion: argparse.ArgumentParser) -> None:
    """print a script that completes the words of this command in a shell

    examples:
      xpnn completion bash > ~/.local/share/bash-completion/completions/xpnn
      xpnn completion zsh > "${fpath[1]}/_xpnn"
      xpnn completion fish > ~/.config/fish/completions/xpnn.fish
    """
    completion.add_argument("shell", choices=_SHELLS)


_COMMANDS: dict[str, Callable[[Any], None]] = {
    "train": _train, "evaluate": _evaluate, "predict": _predict, "plot": _plot, "sample": _sample, "export": _export,
    "gradcheck": _gradcheck, "learn": learn.add, "explore": explore.add, "info": _info, "completion": _completion,
}  # fmt: skip
