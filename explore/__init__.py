"""``xpnn explore``: an interactive page in the browser, on which the library computes."""

from .pages import frozen, page
from .pictures import Pictures
from .server import application, serve

__all__ = ["Pictures", "application", "frozen", "page", "serve"]
