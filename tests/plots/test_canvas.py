"""Names, pictures and the missing library."""

import sys

import numpy as np
import pytest

from xpnn import plots
from xpnn.plots.canvas import as_pictures, fitting, label


def test_a_label_is_one_line_without_formulas():
    assert label("$x^2$\n\udce9 \x1b[m") == r"\$x^2\$·· ·[m"
    assert label("a" * 31) == "a" * 15 + "…" + "a" * 14
    assert label("a" * 30) == "a" * 30
    assert label(7) == "7"


@pytest.mark.parametrize("text", ["W" * 90, "il" * 40, "é" * 5 + "W" * 30, "short", ""])
def test_a_text_is_shortened_until_it_fits(text):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    shown = fitting(text, 1.0)
    assert text_to_path.get_text_width_height_descent(shown, FontProperties(size=7), ismath=False)[0] <= 72
    assert shown == text or len(shown) > 8


def test_pictures_have_the_range_of_all():
    x = np.arange(8).reshape(2, 1, 2, 2)
    assert as_pictures(x).shape == (2, 2, 2, 3)
    np.testing.assert_allclose(as_pictures(x)[..., 1].ravel(), np.arange(8) / 7)
    np.testing.assert_allclose(as_pictures(x.reshape(2, 4)), as_pictures(x))
    np.testing.assert_allclose(as_pictures(x.reshape(2, 4), (1, 4))[1, 0, :, 2], np.arange(4, 8) / 7)
    colours = np.arange(12).reshape(1, 3, 2, 2)
    np.testing.assert_allclose(as_pictures(colours)[0, 1, 0], np.array([2, 6, 10]) / 11)
    assert not as_pictures(np.full((1, 2, 2), 5)).any()
    for wrong in (np.zeros((2, 6)), np.zeros(4)):
        with pytest.raises(ValueError, match=r"expected pictures .* or shape=\(H, W\), got"):
            as_pictures(wrong)


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"extra \[plots\]"):
        plots.curves([{"loss": 0.5}])
