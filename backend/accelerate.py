"""Equations that run, and faster forms that take their place.

An equation is plain array code in ``layers``, ``models`` or ``training``. A form is a function of the same name and
signature in ``backend/cpu`` or ``backend/cuda`` that computes the same, arranged for that machine.
"""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any, TypeVar

from .select import on_device, plain

F = TypeVar("F", bound=Callable[..., Any])

EQUATIONS: dict[str, Callable[..., Any]] = {}
"""Every accelerated equation by its name."""


def accelerated(equation: F) -> F:
    """Bind the form of the equation's name, where the machine that runs has one; else the equation itself.

    The choice is made once, at import, so a call costs nothing more. Only a form that :func:`may_decline` is asked
    each time: where it gives ``NotImplemented``, the equation computes. ``NN_PLAIN=1`` keeps every equation.

    Example:
        >>> @accelerated
        ... def relu(z):
        ...     return xp.maximum(z, 0), lambda da: da * (z > 0)
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
    """Mark a form that gives ``NotImplemented`` for arguments that it does not serve."""
    form.may_decline = True  # type: ignore[attr-defined]
    return form


@cache
def forms() -> dict[str, Callable[..., Any]]:
    """The forms of the machine that runs, by name; none under ``NN_PLAIN=1``."""
    return {} if plain else import_module(".cuda.forms" if on_device else ".cpu.forms", __package__).FORMS


def runs_by(name: str) -> str:
    """Where the code stands that an equation of this name runs by: "backend.cpu.pooling", or "equation"."""
    form = forms().get(name)
    return "equation" if form is None else form.__module__.partition(".")[2]
