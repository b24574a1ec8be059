"""Texts, their vocabulary, and windows on them."""

import numpy as np
import pytest
from border import traced

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
        with pytest.raises(ValueError, match="expected at least 1,000"):
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
        with pytest.raises(ValueError, match="'一.*' and others is not in") as caught:
            text.encode("".join(map(chr, range(0x4E00, 0x9FFF))), "ab")
        assert len(str(caught.value)) < 200

    def test_indices_are_the_places_in_the_vocabulary(self, rng):
        vocabulary = "é\ud800b🙂a\n"
        expected = rng.integers(len(vocabulary), size=200_000)
        indices = text.encode("".join(vocabulary[i] for i in expected), vocabulary)
        assert indices.dtype == np.int64
        np.testing.assert_array_equal(indices, expected)
        assert text.encode("", "").shape == (0,)

    @pytest.mark.parametrize("held_out", [0, 1, -0.1, float("nan")])
    def test_held_out_is_a_share(self, held_out):
        with pytest.raises(ValueError, match="held_out: expected a share between 0 and 1"):
            nn.load_text(held_out=held_out)

    def test_memory_is_little_more_than_the_text_and_its_indices(self, tmp_path):
        (tmp_path / "t").write_text("the quick brown fox jumps. " * 100_000)
        with traced() as memory:
            data = nn.load_text(tmp_path / "t")
        assert memory.peak < 10 * (len(data.train) + len(data.test))


class TestEncodings:
    TEXT = "the cat sat on the mat, à côté\n" * 60

    @pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize(
        ("encoding", "mark"),
        [
            *(("utf-8", ""), ("utf-8", "\ufeff"), ("utf-8-sig", ""), ("cp1252", "")),
            *(("utf-16", ""), ("utf-16-le", ""), ("utf-16-le", "\ufeff"), ("utf-32", "")),
        ],
    )
    def test_the_same_text(self, tmp_path, encoding, line_break, mark):
        (tmp_path / "t").write_bytes((mark + self.TEXT.replace("\n", line_break)).encode(encoding))
        data = nn.load_text(tmp_path / "t", encoding=encoding)
        assert "".join(data.vocabulary[i] for i in [*data.train, *data.test]) == self.TEXT

    @pytest.mark.parametrize("encoding", ["nonsense", "rot13", "hex", ""])
    def test_what_is_no_encoding(self, tmp_path, encoding):
        (tmp_path / "t").write_text(self.TEXT, encoding="utf-8")
        with pytest.raises(ValueError, match="encoding: expected one that Python knows"):
            nn.load_text(tmp_path / "t", encoding=encoding)

    def test_an_encoding_of_no_file(self):
        with pytest.raises(ValueError, match="topics: encoding is only for files"):
            nn.load_text("topics", encoding="latin-1")

    def test_another_encoding_than_the_file_has(self, tmp_path):
        (tmp_path / "t").write_text(self.TEXT, encoding="utf-16")
        with pytest.raises(ValueError, match="not a text in UTF-8 .*: name its encoding, such as utf-16"):
            nn.load_text(tmp_path / "t")
        (tmp_path / "l").write_text("größe\n" * 200, encoding="latin-1")
        with pytest.raises(ValueError, match="not a text in UTF-8 .*: name its encoding, such as latin-1"):
            nn.load_text(tmp_path / "l")
        with pytest.raises(ValueError, match="not a text in ASCII"):
            nn.load_text(tmp_path / "t", encoding="ascii")


class TestWindows:
    def test_windows_shift_the_targets_by_one(self):
        x, y = nn.windows(np.arange(12), 4)
        assert x.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert y.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
        with pytest.raises(ValueError, match="more than 12 characters"):
            nn.windows(np.arange(12), 12)
        with pytest.raises(ValueError, match="length of at least 1"):
            nn.windows(np.arange(12), 0)
