"""Equations, and faster forms that replace them.

An equation is plain array code in ``layers``, ``models`` or ``training``. A form is a function of the same name and
signature in ``backend/cpu`` or ``backend/cuda`` that computes the same, optimised for that machine.
"""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any, TypeVar

from .select import on_device, plain

F = TypeVar("F", bound=Callable[..., Any])

EQUATIONS: dict[str, Callable[..., Any]] = {}
"""Every accelerated equation by name."""


def accelerated(equation: F) -> F:
    """Replace an equation by the form of the same name, if there is one for this machine and ``NN_PLAIN`` is not set.

    The choice is made once, at import, so a call has no overhead. Only a form that :func:`may_decline` is tried in
    each call: if it returns ``NotImplemented``, the equation computes. For example::

        @accelerated
        def relu(z):
            return xp.maximum(z, 0), lambda da: da * (z > 0)
    """
    name = equation.__name__
    if name in EQUATIONS:
        raise ValueError(f"accelerated: there is an equation {name!r} already, in {EQUATIONS[name].__module__}")
    EQUATIONS[name] = equation
    form = forms().get(name)
    if form is None:
        return equation
    if not getattr(form, "may_decline", False):
        return form  # type: ignore[return-value]

    @wraps(equation)
    def chosen(*args: Any, **options: Any) -> Any:
        result = form(*args, **options)
        return equation(*args, **options) if result is NotImplemented else result

    return chosen  # type: ignore[return-value]


def may_decline(form: F) -> F:
    """Mark a form that returns ``NotImplemented`` for arguments that it does not support."""
    form.may_decline = True  # type: ignore[attr-defined]
    return form


@cache
def forms() -> dict[str, Callable[..., Any]]:
    """The forms for this machine by name; none under ``NN_PLAIN=1``."""
    return {} if plain else import_module(".cuda.forms" if on_device else ".cpu.forms", __package__).FORMS


def runs_by(name: str) -> str:
    """The module of the form that replaces the equation of this name, such as "backend.cpu.pooling", or "equation"."""
    form = forms().get(name)
    return "equation" if form is None else form.__module__.partition(".")[2]
