"""A page in the browser on which the library computes while a person looks: ``xpnn explore``."""

from .pages import frozen, page
from .pictures import Pictures
from .server import application, serve

__all__ = ["Pictures", "application", "frozen", "page", "serve"]
