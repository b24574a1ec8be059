"""The history as a file and a picture."""

import csv

import numpy as np
import pytest

import xpnn as nn


class TestHistory:
    rows = ({"epoch": 1, "loss": 0.5, "seconds": 1.0}, {"epoch": 2, "loss": 0.25, "seconds": 1.0})

    def test_csv(self, tmp_path):
        nn.History(self.rows).to_csv(tmp_path / "h.csv")
        assert nn.History.from_csv(tmp_path / "h.csv") == list(self.rows)
        with open(tmp_path / "h.csv", newline="") as file:
            assert [float(row["loss"]) for row in csv.DictReader(file)] == [0.5, 0.25]

    @pytest.mark.parametrize("text", ["epoch,loss\n1,low\n", "epoch\n1,2\n", "epoch\n" + 200_000 * "1"])
    def test_a_file_that_is_no_history(self, tmp_path, text):
        (tmp_path / "h.csv").write_text(text)
        with pytest.raises(ValueError, match=r"h\.csv is not a history"):
            nn.History.from_csv(tmp_path / "h.csv")
        (tmp_path / "h.csv").write_bytes(b"epoch\n\xff\n")
        with pytest.raises(ValueError, match=r"h\.csv is not a history"):
            nn.History.from_csv(tmp_path / "h.csv")

    def test_rows_without_some_columns(self, tmp_path):
        history = nn.History([{"loss": 0.5}, {"epoch": 7, "accuracy": 0.25, "seconds": 1.0}, {"val_loss": 2.0}])
        assert str(history).splitlines() == [
            "epoch   1  loss 0.5000",
            "epoch   7  accuracy 0.2500  1.0 s",
            "epoch   3  held out: loss 2.0000",
        ]
        history.plot(tmp_path / "h.png")
        history.to_csv(tmp_path / "h.csv")
        assert nn.History.from_csv(tmp_path / "h.csv") == history
        x, y = np.ones((4, 1)), np.arange(4) % 2
        assert len(nn.fit(nn.MLP((1, 2)), x, y, epochs=4, history=history, verbose=False)) == 4

    def test_a_table_that_another_program_has_saved(self, tmp_path):
        (tmp_path / "h.csv").write_bytes(b"\xef\xbb\xbfepoch,loss\n1,0.5\n")
        assert nn.History.from_csv(tmp_path / "h.csv") == [{"epoch": 1, "loss": 0.5}]

    def test_picture(self, tmp_path):
        nn.History(self.rows).plot(tmp_path / "h.png")
        assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")

    def test_missing_matplotlib_names_the_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"extra \[plots\]"):
            nn.History(self.rows).plot(tmp_path / "h.png")
