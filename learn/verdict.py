"""What the grader says of a file."""

from dataclasses import asdict, dataclass, field
from typing import Any

from .exercise import Words
from .words import LANGUAGES, say


@dataclass(frozen=True)
class Finding:
    """A mistake that the grader has found.

    Attributes:
        gradients: what it makes wrong, such as ("dE/dW",); empty for the file as a whole.
        slip: what it is called, for those who count; "unknown" for a gradient that no slip explains.
        says: what is wrong, in each language.

    >>> learn.Finding(("dE/db",), "sign", {"en": "dE/db has the wrong sign."}).slip
    'sign'
    """

    gradients: tuple[str, ...]
    slip: str
    says: Words


@dataclass(frozen=True)
class Verdict:
    """What the grader found.

    Attributes:
        exercise: its name.
        findings: what is wrong; none if all is right.
        errors: for each gradient its relative error against central differences, where they were taken.
        printed: what the file printed.

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
        """For JSON, with the sentences in one language; an error that is no number is null."""
        findings = [asdict(one) | {"says": one.says[language]} for one in self.findings]
        errors = {name: error if error < float("inf") else None for name, error in self.errors.items()}
        return asdict(self) | {"passed": self.passed, "findings": findings, "errors": errors}


def finding(key: str, *gradients: str, **values: Any) -> Finding:
    """One that ``words.toml`` has the sentence of; a value may be words too."""
    said = {}
    for language in LANGUAGES:
        of = {name: value[language] if isinstance(value, dict) else value for name, value in values.items()}
        said[language] = say(key, language, **of)
    return Finding(gradients, key, said)
