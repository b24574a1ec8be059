"""The grader's verdict on a file."""

from dataclasses import asdict, dataclass, field
from typing import Any

from .exercise import Words
from .words import LANGUAGES, say


@dataclass(frozen=True)
class Finding:
    """A mistake that the grader has found.

    Attributes:
        gradients: the wrong gradients, such as ("dE/dW",); empty for the file as a whole.
        slip: the mistake's name, for statistics; "unknown" for a gradient that no slip explains.
        says: the explanation, in each language.

    >>> learn.Finding(("dE/db",), "sign", {"en": "dE/db has the wrong sign."}).slip
    'sign'
    """

    gradients: tuple[str, ...]
    slip: str
    says: Words


@dataclass(frozen=True)
class Verdict:
    """The result of grading a file.

    Attributes:
        exercise: the exercise's name.
        findings: the mistakes; empty if all is right.
        errors: each gradient's relative error against central differences, if these were computed.
        printed: the file's output.

    >>> learn.Verdict("dense", ()).passed
    True
    """

    exercise: str
    findings: tuple[Finding, ...]
    errors: dict[str, float] = field(default_factory=dict)
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The verdict for JSON, with the sentences in one language; a NaN or infinite error becomes null."""
        findings = [asdict(one) | {"says": one.says[language]} for one in self.findings]
        errors = {name: error if error < float("inf") else None for name, error in self.errors.items()}
        return asdict(self) | {"passed": self.passed, "findings": findings, "errors": errors}


def finding(key: str, *gradients: str, **values: Any) -> Finding:
    """The finding whose sentence ``words.toml`` has under ``key``; a value may be a text in both languages."""
    said = {}
    for language in LANGUAGES:
        of = {name: value[language] if isinstance(value, dict) else value for name, value in values.items()}
        said[language] = say(key, language, **of)
    return Finding(gradients, key, said)
