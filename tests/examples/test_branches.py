"""The example's network that branches."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "branches.py"


def test_two_epochs_learn_the_digits(capsys):
    example = runpy.run_path(str(EXAMPLE))
    model = example["build"]()
    assert "seen Concat() point, near, far, image (N, 25, 8, 8) 0" in " ".join(model.summary().split())
    # 0.1 would be guessing
    assert example["train"](model, epochs=2).accuracy > 0.8
    assert "held out" in capsys.readouterr().out
