"""The result of a gradient check, as a readable table."""

from dataclasses import dataclass

_NOTES = {
    "zero": "both sides are 0 up to rounding",
    "unresolved": "differences cannot determine the derivative to this tolerance: a kink (ReLU at 0, a tie under max "
    "pooling; add noise to x), a gradient too small against the output, or an output that changes between calls",
}


@dataclass(frozen=True)
class GradientRow:
    """One gradient in a :class:`GradientReport`.

    Attributes:
        path: the layer's dotted path in the network; "" for the checked layer itself.
        layer: the layer's repr; for the input of a network, the network's class.
        parameter: the parameter's name, or "input".
        probes: what was compared, such as "12 elements" or "4 directions", without the unresolved ones.
        analytic: backward's value at the probe where the two differ most.
        numeric: the difference quotient there.
        error: the largest |analytic - numeric| of all probes, relative to the largest value of either; NaN if nothing
            can be compared.
        verdict: "ok"; "zero" if both are 0 up to rounding; "wrong"; "unresolved" if differences gave a derivative for
            less than half of the probes; "not finite"; or "shape" and the gradient's wrong shape.

    >>> [row.parameter for row in gradcheck(Dense(3, 2, rng=0), np.ones((4, 3))).rows]
    ['W', 'b', 'input']
    """

    path: str
    layer: str
    parameter: str
    probes: str
    analytic: float
    numeric: float
    error: float
    verdict: str

    @property
    def ok(self) -> bool:
        return self.verdict in ("ok", "zero")


@dataclass(frozen=True)
class GradientReport:
    """The result of :func:`gradcheck`: ``ok`` is the verdict, ``str(report)`` a table.

    >>> print(gradcheck(Dense(3, 2, rng=0), np.ones((4, 3))))
    gradcheck of Dense, x (4, 3), float64 on numpy, tolerance 1e-06
    layer parameter checked backward difference rel. error verdict
    Dense(3, 2) W 6 elements ...
    """

    title: str
    rows: tuple[GradientRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every gradient agrees with the differences."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        table: list[tuple[str, ...]] = [
            ("layer", "parameter", "checked", "backward", "difference", "rel. error", "verdict")
        ]
        for row in self.rows:
            layer = f"{row.path} {row.layer}".strip()
            layer = layer if len(layer) <= 40 else layer[:39] + "…"
            numbers = f"{row.analytic:.6g}", f"{row.numeric:.6g}", f"{row.error:.1e}"
            table.append((layer, row.parameter, row.probes, *(n.replace("nan", "-") for n in numbers), row.verdict))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [self.title]
        for cells in table:
            padded = (f"{cell:{side}{width}}" for cell, side, width in zip(cells, "<<<>>><", widths, strict=True))
            lines.append("  ".join(padded).rstrip())
        lines.append(self._conclusion())
        verdicts = {row.verdict for row in self.rows}
        lines += [f"{verdict}: {note}" for verdict, note in _NOTES.items() if verdict in verdicts]
        return "\n".join(lines)

    def _conclusion(self) -> str:
        count = len(self.rows)
        errors = [row.error for row in self.rows if row.verdict == "ok"]
        failed = sum(not row.ok for row in self.rows)
        if failed:
            return f"{failed} of {count} gradients fail"
        return f"all {count} gradients agree, relative error at most {max(errors, default=0):.1e}"
