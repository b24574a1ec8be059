"""The page's server: reachable from this machine only, with the token in its address."""

import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..data.extras import needed
from ..learn.words import LANGUAGES, translated
from .pages import CONTENT_POLICY, page
from .pictures import Pictures
from .questions import answers

if TYPE_CHECKING:
    from flask import Flask

HOST = "127.0.0.1"
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}  # fmt: skip
_LONGEST = 1 << 20


def application(pictures: Pictures, token: str, port: int, language: str = "en") -> "Flask":
    """The web application: the page at ``/TOKEN/``, and its questions at ``/TOKEN/ask``.

    Requests for another host, from another origin or without the token are refused with status 403. Only a POST changes
    anything.

    Raises:
        ImportError: Flask is missing; the message names the extra.

    >>> from xpnn.explore import Pictures, application
    >>> images, labels = np.zeros((3, 1, 8, 8), "uint8"), np.arange(3)
    >>> model = Sequential(Conv2D(1, 4, 3, rng=0), ReLU(), Flatten(), Dense(144, 3, rng=0))
    >>> pictures = Pictures(model, images, labels, ["one", "two", "three"], lambda images: images / 255)
    >>> app = application(pictures, token="secret", port=8000)
    >>> app.test_client().get("/secret/", base_url="http://127.0.0.1:8000").status
    '200 OK'
    """
    needed("flask", "the page needs Flask", "explore")
    from flask import Flask, Response, abort, request

    app, lock, known = Flask(__name__, static_folder=None), threading.Lock(), answers(pictures)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST
    hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    @app.before_request
    def admit() -> None:
        given = request.path.split("/")[1].encode()
        origin = request.headers.get("Origin", f"http://{request.host}")
        if request.host not in hosts or origin != f"http://{request.host}":
            abort(403)
        if not secrets.compare_digest(given, token.encode()):
            abort(403)

    @app.after_request
    def closed(response: Response) -> Response:
        for header in HEADERS.items():
            response.headers.setdefault(*header)
        return response

    @app.get(f"/{token}/")
    def show() -> str:
        return page(pictures, language)

    @app.post(f"/{token}/ask")
    def ask() -> tuple[Any, int]:
        question = request.get_json()  # requires the content type of JSON, which a stranger's form cannot send
        try:
            with lock:
                name, *arguments = question
                return known[name](*arguments), 200
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            return {"error": translated(text, request.accept_languages.best_match(LANGUAGES, "en"))}, 400

    return app


def serve(
    pictures: Pictures, port: int = 0, language: str = "en", browser: bool = True, say: Callable[[str], None] = print
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: the port, or 0 for any free one.
        browser: whether to open the page in the user's browser.
        say: a function that is called with the address.

    Raises:
        ImportError: Flask is missing; the message names the extra.
        OSError: the port is in use.
    """
    serving = needed("werkzeug.serving", "the page needs Flask", "explore")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    token = secrets.token_urlsafe(16)
    with socket.create_server((HOST, port)) as listening:
        port = listening.getsockname()[1]
        app = application(pictures, token, port, language)
        server = serving.make_server(HOST, port, app, threaded=True, fd=listening.fileno())
        address = f"http://{HOST}:{port}/{token}/"
        say(address)
        if browser:
            webbrowser.open(address)
        server.serve_forever()  # until Ctrl-C
