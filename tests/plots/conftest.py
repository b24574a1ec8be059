"""What tests of figures share."""

import itertools

import pytest
from border import ONCE, PLAIN

collect_ignore_glob = [] if ONCE else ["test_*"] if PLAIN else ["test_canvas.py", "test_curves.py", "test_legible.py"]
"""On a device, what takes arrays from it; how figures look, once."""


@pytest.fixture
def texts(monkeypatch):
    """``texts(figure)``: what is written in it, of which nothing is cut off and no two overlap."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    drawn, draw = {}, Text.draw

    def record(self, renderer):
        if self.get_visible() and self.get_text():
            drawn[id(self)] = self
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", record)

    def texts(figure):
        drawn.clear()
        FigureCanvasAgg(figure).draw()
        boxes = {text: text.get_window_extent().padded(-0.5) for text in drawn.values()}
        whole = figure.bbox
        cut = [t.get_text() for t, b in boxes.items() if not (whole.contains(*b.min) and whole.contains(*b.max))]
        pairs = itertools.combinations(boxes.items(), 2)
        met = [(s.get_text(), t.get_text()) for (s, a), (t, b) in pairs if a.overlaps(b)]
        assert (cut, met) == ([], [])
        return [text.get_text() for text in boxes]

    return texts
