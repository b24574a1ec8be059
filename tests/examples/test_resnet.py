"""The ResNet of the example."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from border import dev, host, learns

import xpnn as nn

EXAMPLE = Path(__file__).parents[2] / "examples" / "resnet.py"


class TestResNet:
    @pytest.fixture
    def example(self):
        return runpy.run_path(str(EXAMPLE))

    @learns
    def test_one_epoch_learns_the_digits(self, example, capsys):
        model = example["build"]()
        assert model.flat_params.size == 78_090
        score = example["train"](model, epochs=1)
        # 0.1 would be guessing; this seed reaches 0.93 after one epoch, 0.986 after the example's ten
        assert score.accuracy > 0.8
        assert "held out" in capsys.readouterr().out

    def test_a_saved_network_is_the_same_network(self, example, tmp_path, rng):
        model, other = example["build"](), example["build"](1)
        x = dev(rng.standard_normal((8, 1, 8, 8)), "float32")
        model.forward(x)
        nn.save(model, tmp_path / "resnet.safetensors")
        assert abs(host(model(x)) - host(other(x))).max() > 1e-3
        nn.load(other, tmp_path / "resnet.safetensors")
        np.testing.assert_array_equal(host(model(x)), host(other(x)))

    def test_the_first_convolution_computes_no_input_gradient(self, example, rng):
        model = example["build"]()
        y, backward = model.forward(dev(rng.standard_normal((8, 1, 8, 8)), "float32"), needs_dx=False)
        assert backward(y) is None
        assert all(host(value).any() for key, value in model.grads.items() if key.endswith(".W"))
