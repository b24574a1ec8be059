"""``xpnn explore``: a page on which the library computes while a person looks."""

import argparse
from pathlib import Path
from typing import Any

from ..data import ImageData, load_images
from ..learn.words import LANGUAGES, translated
from ..training import Adam, fit
from .arguments import existing, index_list, new_path, port
from .languages import Parser
from .recipe import Recipe
from .saved import load_model
from .sources import for_testing
from .streams import tell


def add(parser: Parser) -> None:
    """a page in the browser where LeNet-5, a small network and an RNN compute while you look

    examples:
      xpnn explore                                 with a network that learns the digits at the start
      xpnn explore runs/lenet5-digits --lang zh
      xpnn explore --export page.html --samples 0,4,7
    """
    parser.add_argument("path", type=existing, nargs="?", metavar="MODEL", help="folder or file of `xpnn train "
                        "lenet5`; default: a network that learns the digits first, in seconds")  # fmt: skip
    parser.add_argument("--port", type=port, default=0, help="port on 127.0.0.1; default: any free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--lang", choices=LANGUAGES, default=parser.language, help="the page's first language")
    parser.add_argument("--export", type=new_path, metavar="FILE", help="write the page, with its results for some "
                        "samples, to one HTML file, and end")  # fmt: skip
    parser.add_argument("--samples", type=index_list, metavar="N[,N...]", help="indices of held-out "
                        "pictures, for --export; default: 0,1,2")  # fmt: skip
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> None:
    """Serve the page, or write it."""
    from ..explore import Pictures, frozen, serve  # here, so that other commands do not wait for this import

    pictures = Pictures(*(_of_run(args.path) if args.path else _learnt(args.lang)))
    if args.export:
        samples = args.samples or range(min(3, len(pictures.images)))
        args.export.write_text(frozen(pictures, samples, args.lang), "utf-8")
        print(translated(f"wrote {args.export}", args.lang))
        return

    def say(address: str) -> None:
        print(translated(f"{address}  (Ctrl-C ends it)", args.lang), flush=True)

    serve(pictures, args.port, args.lang, not args.no_browser, say)
    print(translated("ended", args.lang))


def _of_run(path: Path) -> tuple[Any, ...]:
    """The arguments of Pictures: a run's network and the pictures that were held out from its training."""
    recipe, model = load_model(path)
    if recipe.model != "lenet5":
        raise ValueError(f"{path}: expected a lenet5, got {recipe.model}")
    data = for_testing(recipe, recipe.data, "utf-8")
    assert isinstance(data, ImageData)
    return model, data.x_test, data.y_test, data.classes, recipe.inputs, recipe.loss


def _learnt(lang: str) -> tuple[Any, ...]:
    """The arguments of Pictures for a LeNet-5 that first learns the digits."""
    data = load_images("digits")
    recipe = Recipe.for_images("lenet5", data)
    model = recipe.build(0)
    tell(translated("a LeNet-5 learns the digits", lang), "explore")
    fit(model, recipe.inputs(data.x_train), data.y_train, optimizer=Adam(0.002), epochs=3, batch_size=16, rng=0,
        verbose=False)  # fmt: skip
    return model, data.x_test, data.y_test, data.classes, recipe.inputs
