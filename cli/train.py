"""``xpnn train``: a run, which writes parameters, history, options and curves to its folder."""

import argparse
import shlex
import tomllib
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn

from ..backend import ALONE, describe, mpi
from ..backend.mpi_ranks import launched
from ..data.files import locked, remove_unfinished, write_file
from ..models import CharRNN
from ..plots.canvas import needs_matplotlib
from ..training import Checkpoint, CheckpointWarning, EarlyStopping, History, save
from ..training.files.sealed import check_seal
from ..training.interrupt import Interruptible, terminable
from .config import CONFIG, config_of
from .dry_run import dry_run
from .figures import Run
from .job import Job, default_folder, job
from .report import REPORT, write_report
from .saved import BEST_FILE, MODEL_FILE, load_finite, read_run
from .scores import score
from .sources import for_training
from .streams import Output, answer, escaped

_HISTORY, _CURVES, _CHECKPOINTS = "history.csv", "curves.png", "checkpoints"


def train(args: argparse.Namespace) -> None:
    """Train a network and write parameters, history and curves to the output folder; only rank 0 writes."""
    args.ranks = mpi(args.rank_timeout) if launched() else ALONE
    if args.ranks.rank > 0:
        with redirect_stdout(Output(None)):
            _follow(args)
        return
    recipe, data = for_training(args)
    out: Path = args.out or default_folder(recipe)
    if args.dry_run:
        dry_run(args, job(args, recipe, data, out))
        return
    if args.report:
        needs_matplotlib()  # raises now rather than after the training
    out.mkdir(parents=True, exist_ok=True)
    with terminable(), locked(out):
        _train(args, job(args, recipe, data, out))


def _follow(args: argparse.Namespace) -> None:
    """Train as another rank than 0, which has determined where the run begins."""
    recipe, data = for_training(args)
    if args.dry_run:
        return
    todo = job(args, recipe, data, Path())
    history, steps, masks = args.ranks.gather(None)[0]
    todo.optimizer.resume(steps)
    todo.rng.bit_generator.state = masks
    with terminable():
        _fit(args, todo, history, _checkpoint(args, todo))
    if history.interrupted:
        raise KeyboardInterrupt(history.signal)


def _checkpoint(args: argparse.Namespace, todo: Job) -> Checkpoint:
    """The checkpoint in the run's folder, which only rank 0 has."""
    metadata, every = todo.recipe.metadata(), args.checkpoint_every
    return Checkpoint(todo.out / _CHECKPOINTS, every, resume=args.resume, metadata=metadata)


def _fit(
    args: argparse.Namespace, todo: Job, history: History, checkpoint: Checkpoint,
    keep: Callable[[History], None] | None = None,
) -> None:  # fmt: skip
    """Train up to the arguments' number of epochs; ``keep`` saves the run after each epoch."""
    patience = args.early_stopping
    stopping = [EarlyStopping("val_loss", patience, restore_best=False)] if patience else []
    todo.fit(
        *todo.epochs_of(history), epochs=todo.epochs, validation=todo.validation, history=history, callbacks=stopping,
        on_epoch_end=keep, verbose=not args.quiet, checkpoint=checkpoint, ranks=args.ranks,
    )  # fmt: skip


def _train(args: argparse.Namespace, todo: Job) -> None:
    recipe, model, out = todo.recipe, todo.model, todo.out
    checkpoint = _checkpoint(args, todo)
    history = _begin(args, todo, checkpoint)
    print(f"{describe()}\n\n{model.summary()}\n\n{len(todo.x):,} training samples from {escaped(recipe.data)}")
    if len(history) >= todo.epochs:
        print(f"{out}: its {len(history)} epochs are done; a larger --epochs goes on")
    elif todo.optimizer.steps:
        step = f", step {todo.optimizer.steps:,}" if history.begun else ""
        print(f"going on after epoch {len(history)}{step}")
    args.ranks.gather((history, todo.optimizer.steps, todo.rng.bit_generator.state))
    keep = _keeper(args, todo, checkpoint)
    try:
        _fit(args, todo, history, checkpoint, keep)
    finally:
        if history.interrupted:  # also if the terminal is gone, so that fit could not print it
            _stop(history, keep, out)
    if args.early_stopping and (out / BEST_FILE).exists():
        print(f"the network of epoch {_best(history)} of {len(history)}, which has the least held-out loss:")
        load_finite(model, out / BEST_FILE)
    _finish(args, todo, history)


def _finish(args: argparse.Namespace, todo: Job, history: History) -> None:
    """Print the run's result."""
    recipe, model, out = todo.recipe, todo.model, todo.out
    result = score(recipe, model, todo.data)
    print("\n" + result.text)
    if isinstance(model, CharRNN):
        print(f"\na sample:\n{''.join(model.sample(300, temperature=0.7, rng=args.seed))}\n")
    best = f", {BEST_FILE}" if args.early_stopping else ""
    text = f"saved in {out}: {MODEL_FILE}{best}, {_HISTORY}, {CONFIG}{_plot(history, out)}"
    if args.report:
        text += f"\nreport: {write_report(Run(recipe, model, history, todo.data), out, result.text)}"
    said: dict[str, Any] = {"model": recipe.model, "data": recipe.data, "options": recipe.options, "out": str(out)}
    said |= {"ranks": args.ranks.size, "hosts": len(set(args.ranks.hosts))}
    answer(args, text, **said, parameters=model.flat_params.size, test=result.values, history=list(history))


def _keeper(args: argparse.Namespace, todo: Job, checkpoint: Checkpoint) -> Callable[[History], None]:
    """A function that saves the run's current state and, after the best epoch so far, also its network."""
    recipe, out, options = todo.recipe, todo.out, config_of(args, todo)

    def keep(rows: History) -> None:
        checkpoint.replace()  # removes those of a run that this one replaces, which --resume would take up
        metadata = recipe.metadata(rows, todo.rng)
        said: dict[str, Any] = {"classes": recipe.names, "preprocessing": recipe.preprocessing}
        best = args.early_stopping and not rows.begun and _best(rows) == len(rows)
        if best:  # saved first: after a kill between the two, the run resumes after this epoch and would not save it
            save(todo.model, out / BEST_FILE, metadata, **said)
        save(todo.model, out / MODEL_FILE, metadata, optimizer=todo.optimizer, **said)
        rows.to_csv(out / _HISTORY)
        if not args.early_stopping:
            (out / BEST_FILE).unlink(missing_ok=True)  # left by the run that this one replaces or resumes
        with suppress(OSError):
            if (out / CONFIG).read_bytes() == options:
                return
        write_file(out / CONFIG, options)

    return keep


def _best(history: History) -> int:
    """The first epoch with the least held-out loss, counted from 1."""
    losses = history.column("val_loss")
    return losses.index(min(losses)) + 1 if losses else 0


def _stop(history: History, keep: Callable[[History], None], out: Path) -> NoReturn:
    """Save what an interrupted run has learnt, and end the program."""
    if history.begun is None:
        result = f"{out} is as it was" + (f" after epoch {len(history)}" if history else "")
    else:
        with Interruptible():  # a further signal does not end the saving, unless it is a second Ctrl-C
            keep(history)
        result = f"saved in {out}; the same command with --resume goes on from there"
    with suppress(OSError):
        print(result)
    raise KeyboardInterrupt(history.signal)


def _begin(args: argparse.Namespace, todo: Job, checkpoint: Checkpoint) -> History:
    """The history of the run to resume, whose state model and optimizer take, or of a new run."""
    out, optimizer = todo.out, todo.optimizer
    for name in (MODEL_FILE, BEST_FILE, _HISTORY, CONFIG, _CURVES, REPORT):
        remove_unfinished(out, name)
    if not args.resume:
        if not args.overwrite and any((out / name).exists() for name in (MODEL_FILE, _HISTORY, CONFIG)):
            raise FileExistsError(f"{out} has a run: --resume goes on with it, --overwrite replaces it")
        return History()
    file = _whole(out, checkpoint)
    if file is None:
        print(f"nothing is saved in {out} yet: the run begins")
        return History()
    started, history, masks = read_run(file)
    if started != todo.recipe:
        command = shlex.join(["xpnn", "train", started.model, "--data", started.data, *_words(started.options)])
        raise ValueError(
            f"{out} was left by `{command}`: --resume takes the same model and options, and the data as they were"
        )
    if file.name != MODEL_FILE:
        return History()  # fit resumes from the checkpoint
    load_finite(todo.model, file, optimizer)
    if optimizer.steps != len(history) * todo.steps + (history.begun or {}).get("steps", 0):
        raise ValueError(f"{file}: its {len(history)} epochs are not {optimizer.steps} steps")
    if masks:
        todo.rng.bit_generator.state = masks
    _add_seconds(history, out / _HISTORY)
    _say_rate(todo)
    return history


def _whole(out: Path, checkpoint: Checkpoint) -> Path | None:
    """The file from which a run is resumed: its own or, if that is missing or damaged, its newest whole checkpoint."""
    path, newest = out / MODEL_FILE, next(checkpoint.whole(), None)
    if not path.exists():
        return newest
    try:
        check_seal(path, required=newest is not None)
    except ValueError as error:
        if newest is None:
            raise
        warnings.warn(f"{error}; using {newest}", CheckpointWarning, stacklevel=2)
        return newest
    return path


def _say_rate(todo: Job) -> None:
    """Print how the learning rate goes on if a run is resumed with another number of epochs."""
    with suppress(OSError, ValueError, KeyError, RecursionError):
        before = tomllib.loads((todo.out / CONFIG).read_text("utf-8", "surrogateescape"))["epochs"]
        if before != todo.epochs:
            print(
                f"the learning rate fell along a cosine of {before} epochs; from here on it follows a cosine of "
                f"{todo.epochs} epochs, beginning at {todo.optimizer.rate:.3g}"
            )


def _words(options: str) -> list[str]:
    """The words of a recipe's options, which may be a stranger's."""
    try:
        return shlex.split(options)
    except ValueError:
        return options.split()


def _add_seconds(history: History, path: Path) -> None:
    """Add the seconds from the table, and rewrite it: the last process may have been killed before it wrote it."""
    with suppress(OSError, ValueError):
        for row, written in zip(history, History.from_csv(path), strict=False):
            if row.items() <= written.items():
                row |= written
    history.to_csv(path)


def _plot(history: History, out: Path) -> str:
    try:
        history.plot(out / _CURVES)
    except ImportError as error:
        return f" (no {_CURVES}: {error})"
    return f", {_CURVES}"
