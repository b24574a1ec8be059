"""The convolution over a table of connections, from loops over single elements."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn


class TestMappedConv2D:
    TABLE = ((0, 2), (1,), (2, 0, 1), (3,))  # of 4 input maps, in an order of its own

    def layer(self, rng, **options):
        layer = nn.MappedConv2D(4, self.TABLE, (2, 3), dtype="float64", **options)
        randomise(layer, rng)
        return layer

    @pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), ((2, 1), (0, 2))])
    def test_equals_loops_over_the_connections(self, stride, padding, rng):
        layer, x = self.layer(rng, stride=stride, padding=padding), rng.standard_normal((2, 4, 5, 6))
        (s1, s2), (p1, p2) = (value if isinstance(value, tuple) else (value, value) for value in (stride, padding))
        W, b, padded = host(layer.params["W"]), host(layer.params["b"]), np.pad(x, ((0, 0), (0, 0), (p1, p1), (p2, p2)))
        expected = np.zeros((2, 4, (5 + 2 * p1 - 2) // s1 + 1, (6 + 2 * p2 - 3) // s2 + 1))
        for n, i, j in np.ndindex(2, *expected.shape[2:]):
            connection = 0
            for d, maps in enumerate(self.TABLE):
                expected[n, d, i, j] = b[d]
                for c in maps:
                    for p, q in np.ndindex(2, 3):
                        expected[n, d, i, j] += W[connection, p, q] * padded[n, c, i * s1 + p, j * s2 + q]
                    connection += 1
        np.testing.assert_allclose(host(layer(dev(x))), expected, rtol=1e-12, atol=1e-12)

    def test_directional_derivative(self, rng):
        layer = self.layer(rng, stride=(2, 1), padding=1)
        assert nn.gradcheck(layer, rng.standard_normal((3, 4, 5, 6)), max_elements=0).ok

    def test_starts_by_he_s_rule(self):
        """W uniform in ±sqrt(6 / F), b in ±sqrt(1 / F), where F is 4 times an output map's connections."""
        table = [tuple(range(1 + d % 8)) for d in range(800)]
        layer, fan_in = nn.MappedConv2D(8, table, 2, rng=0), 4 * np.array([len(maps) for maps in table])
        unit = {
            "W": host(layer.params["W"]) / np.sqrt(6 / np.repeat(fan_in, fan_in // 4))[:, None, None],
            "b": host(layer.params["b"]) * np.sqrt(fan_in),
        }
        for values in unit.values():
            assert 0.99 < np.abs(values).max() < 1.000001  # the last digit is float32's
            assert (values**2).mean() == pytest.approx(1 / 3, abs=0.05)

    def test_absent_connections_have_no_parameters(self, rng):
        layer = self.layer(rng)
        assert layer.params["W"].shape == (7, 2, 3)
        assert layer.flat_params.size == 7 * 6 + 4

    def test_kernels_are_those_of_an_equal_conv2d(self, rng):
        layer, x = self.layer(rng), dev(rng.standard_normal((2, 4, 5, 6)))
        conv = nn.Conv2D(4, 4, (2, 3), dtype="float64")
        conv.params["W"], conv.params["b"] = layer.kernels, layer.params["b"]
        np.testing.assert_array_equal(host(conv(x)), host(layer(x)))
        present = host(layer.kernels).any((2, 3))
        assert [tuple(np.flatnonzero(row)) for row in present] == [tuple(sorted(maps)) for maps in self.TABLE]

    def test_keeps_no_state_between_passes(self, rng):
        """Two passes, then both backwards, then the first again, and the parameters laid out anew in between."""
        layer = self.layer(rng)
        x1, x2 = (dev(rng.standard_normal((2, 4, 3, 4))) for _ in range(2))
        expected, (y, _) = [], layer.forward(x1)
        dy = dev(rng.standard_normal(y.shape))
        for x in (x1, x2):
            layer.flat_grads[...] = 0
            layer.forward(x)[1](dy)
            expected.append(host(layer.flat_grads).copy())
        held = dict(vars(layer))
        _, backward1 = layer.forward(x1)
        _, backward2 = layer.forward(x2)
        now = dict(vars(layer))
        assert now.keys() == held.keys()
        assert all(now[key] is held[key] for key in held)
        model = nn.Sequential(layer)
        model.flat_grads[...] = 0
        for backward in (backward2, backward1, backward1):
            backward(dy)
        np.testing.assert_allclose(host(model.flat_grads), 2 * expected[0] + expected[1], rtol=1e-12, atol=1e-12)

    def test_first_in_a_network_gives_no_input_gradient(self, rng):
        layer = self.layer(rng)
        y, backward = layer.forward(dev(rng.standard_normal((1, 4, 3, 4))), needs_dx=False)
        assert backward(nn.xp.ones_like(y)) is None
        assert (host(layer.grads["W"]) != 0).all()

    @pytest.mark.parametrize("table", [((0,), ()), ((0, 0),), ((4,),), ((-1,),)])
    def test_refuses_a_wrong_table(self, table):
        with pytest.raises(ValueError, match="MappedConv2D: expected output map"):
            nn.MappedConv2D(4, table, 3)

    def test_refuses_an_empty_table(self):
        with pytest.raises(ValueError, match="out_channels"):
            nn.MappedConv2D(4, (), 3)
