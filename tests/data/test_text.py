"""Texts, their vocabulary, and windows on them."""

import numpy as np
import pytest

import xpnn as nn
from xpnn.data import text


class TestText:
    def test_topics(self):
        data = nn.load_text()
        assert len(data.train) > 300_000
        assert len(data.test) == pytest.approx(len(data.train) / 9, rel=0.01)
        shown = "".join(data.vocabulary[i] for i in data.train)
        assert "statement" in shown

    def test_file(self, tmp_path):
        (tmp_path / "t.txt").write_text("abcä " * 300, encoding="utf-8")
        data = nn.load_text(tmp_path / "t.txt")
        assert data.vocabulary == " abcä"
        assert data.train[:5].tolist() == [1, 2, 3, 4, 0]

    def test_short_or_not_utf8_or_missing(self, tmp_path):
        (tmp_path / "short").write_text("abc")
        with pytest.raises(ValueError, match="expected 1,000"):
            nn.load_text(tmp_path / "short")
        (tmp_path / "latin").write_bytes("ä".encode("latin-1") * 2000)
        with pytest.raises(ValueError, match="not a text in UTF-8"):
            nn.load_text(tmp_path / "latin")
        with pytest.raises(FileNotFoundError, match="no text 'mnist': expected topics, or the path of a text file"):
            nn.load_text("mnist")

    @pytest.mark.parametrize("held_out", [0, 1, -0.1, 1.5, float("nan")])
    def test_a_share_that_leaves_nothing(self, held_out):
        with pytest.raises(ValueError, match="held_out: expected a share between 0 and 1"):
            nn.load_text(held_out=held_out)

    def test_characters_outside_the_vocabulary(self):
        with pytest.raises(ValueError, match="'xy' is not in the vocabulary"):
            text.encode("axby", "ab")

    def test_windows_shift_the_targets_by_one(self):
        x, y = nn.windows(np.arange(12), 4)
        assert x.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert y.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
        with pytest.raises(ValueError, match="more than 12 characters"):
            nn.windows(np.arange(12), 12)
        with pytest.raises(ValueError, match="length of at least 1"):
            nn.windows(np.arange(12), 0)
