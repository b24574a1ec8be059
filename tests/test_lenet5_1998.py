"""LeNet-5 as published in 1998, and the layers that only it has.

The naive references are written from the paper's equations, in loops over single numbers.
"""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

# Table I as the paper prints it: a row for each map of S2, a column for each map of C3.
TABLE_I = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""
READS = np.array([[cell == "X" for cell in row.split()] for row in TABLE_I.split("\n") if row]).T  # (C3, S2)


def randomise(layer, rng):
    """Other than initial values in all parameters, so that no bias is 0."""
    for key, value in layer.params.items():
        layer.params[key] = rng.uniform(-1, 1, value.shape)


@pytest.fixture
def rng():
    return np.random.default_rng(1998)


@pytest.fixture(scope="module")
def lenet():
    return nn.LeNet5(32, variant="1998", rng=0, dtype="float64")


class TestScaledTanh:
    def test_has_the_values_of_appendix_a(self):
        f = nn.ScaledTanh()
        a = host(f(dev([-1.0, 0.0, 1.0, 50.0])))
        np.testing.assert_allclose(a, [-1, 0, 1, 1.7159], atol=1e-5)  # the paper's constant has five digits

    def test_equals_the_formula_for_other_constants(self, rng):
        x = rng.uniform(-3, 3, (2, 3, 4))
        np.testing.assert_allclose(host(nn.ScaledTanh(0.5, 3)(dev(x))), 0.5 * np.tanh(3 * x), rtol=1e-14)

    @pytest.mark.parametrize("constants", [(), (0.5, 3)])
    def test_directional_derivative(self, constants, rng):
        assert nn.gradcheck(nn.ScaledTanh(*constants), rng.uniform(-3, 3, (2, 3, 4)), max_elements=0).ok


class TestSubsample2D:
    @pytest.mark.parametrize(("size", "shape"), [(2, (3, 2, 4, 6)), ((2, 3), (1, 4, 5, 8)), (1, (2, 1, 3, 2))])
    def test_equals_sums_times_coefficient_plus_bias(self, size, shape, rng):
        layer = nn.Subsample2D(shape[1], size, dtype="float64")
        randomise(layer, rng)
        W, b, x = host(layer.params["W"]), host(layer.params["b"]), rng.standard_normal(shape)
        k1, k2 = size if isinstance(size, tuple) else (size, size)
        expected = np.zeros((shape[0], shape[1], shape[2] // k1, shape[3] // k2))
        for n, c, i, j in np.ndindex(expected.shape):
            total = 0.0
            for p in range(k1):
                for q in range(k2):
                    total += x[n, c, i * k1 + p, j * k2 + q]
            expected[n, c, i, j] = W[c] * total + b[c]
        np.testing.assert_allclose(host(layer(dev(x))), expected, rtol=1e-12, atol=1e-12)

    def test_directional_derivative(self, rng):
        layer = nn.Subsample2D(3, (2, 3), dtype="float64")
        randomise(layer, rng)
        assert nn.gradcheck(layer, rng.standard_normal((2, 3, 5, 7)), max_elements=0).ok

    def test_refuses_what_it_cannot_do(self):
        layer = nn.Subsample2D(3, rng=0)
        with pytest.raises(ValueError, match=r"Subsample2D\(3, size=2\): the window is larger"):
            layer(nn.asarray(np.zeros((1, 3, 1, 4), "float32")))
        with pytest.raises(ValueError, match="expected input of shape"):
            layer(nn.asarray(np.zeros((1, 2, 4, 4), "float32")))
        with pytest.raises(ValueError, match="channels"):
            nn.Subsample2D(0)


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


class TestRBF:
    def test_equals_the_negative_distance(self, rng):
        centers, x = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
        expected = np.zeros((4, 5))
        for n, k, f in np.ndindex(4, 5, 3):
            expected[n, k] -= (x[n, f] - centers[k, f]) ** 2
        layer = nn.RBF(centers, dtype="float64")
        np.testing.assert_allclose(host(layer(dev(x))), expected, rtol=1e-12)
        assert layer.flat_params.size == 0

    def test_directional_derivative(self, rng):
        layer = nn.RBF(rng.standard_normal((5, 3)), dtype="float64")
        assert nn.gradcheck(layer, rng.standard_normal((4, 3)), max_elements=0).ok

    def test_is_exact_near_a_center(self):
        """|x|^2 - 2xw + |w|^2 would err by about 84 * 6e-8 = 5e-6 here, five times the true 1e-6."""
        centers = np.ones((1, 84))
        x = centers.astype("float32")
        x[0, 0] += np.float32(2**-10)
        y, backward = nn.RBF(centers).forward(nn.asarray(x))
        assert float(host(y)[0, 0]) == -(2.0**-20)
        assert abs(host(backward(nn.xp.ones_like(y)))).max() == 2.0**-9

    def test_refuses_wrong_shapes_and_dtypes(self):
        with pytest.raises(ValueError, match="centers"):
            nn.RBF(np.ones(84))
        with pytest.raises(TypeError, match="float32"):
            nn.RBF(np.ones((10, 84)))(dev(np.ones((1, 84))))


class TestRBFLoss:
    def test_equals_equation_9(self, rng):
        y, labels, j = rng.uniform(0, 5, (4, 3)), np.array([0, 2, 2, 1]), 1.5
        expected = 0.0
        for n, label in enumerate(labels):
            expected += (y[n, label] + np.log(np.exp(-j) + sum(np.exp(-y[n, k]) for k in range(3)))) / 4
        assert float(host(nn.RBFLoss(j)(dev(-y), nn.asarray(labels)))) == pytest.approx(expected, rel=1e-12)

    def test_gradient(self, rng):
        z, labels, loss, h = -rng.uniform(0, 5, (4, 3)), nn.asarray(np.array([0, 2, 2, 1])), nn.RBFLoss(1.5), 1e-6
        gradient = host(loss.forward(dev(z), labels)[1]())
        for index in np.ndindex(z.shape):
            step = np.zeros_like(z)
            step[index] = h
            numeric = float(host(loss(dev(z + step), labels) - loss(dev(z - step), labels))) / (2 * h)
            assert gradient[index] == pytest.approx(numeric, abs=1e-9)  # rounding: 1e-16 * 5 / h

    def test_far_rubbish_leaves_the_softmax_cross_entropy(self, rng):
        z, labels = dev(-rng.uniform(0, 5, (4, 3))), nn.asarray(np.array([0, 2, 2, 1]))
        (value, backward), (expected, expected_backward) = (
            loss.forward(z, labels) for loss in (nn.RBFLoss(1000), nn.SoftmaxCrossEntropy())
        )
        assert float(host(value)) == pytest.approx(float(host(expected)), rel=1e-14)
        np.testing.assert_allclose(host(backward()), host(expected_backward()), rtol=1e-13)

    @pytest.mark.parametrize("label", [-1, 3, 4])
    def test_refuses_labels_of_no_class(self, label):
        """3 would be the rubbish class's own."""
        with pytest.raises(ValueError, match=r"outside \[0, 3\)"):
            nn.to_numpy(nn.RBFLoss()(dev(np.zeros((2, 3))), nn.asarray(np.array([0, label]))))

    @pytest.mark.parametrize("j", [0, -1, np.inf, np.nan])
    def test_refuses_a_wrong_j(self, j):
        with pytest.raises(ValueError, match="RBFLoss"):
            nn.RBFLoss(j)


class TestLeNet5:
    """Layers 0, 2, 4, 6, 8, 11 are C1, S2, C3, S4, C5, F6."""

    def test_parameters_are_as_many_as_the_papers(self, lenet):
        counts = [sum(value.size for value in layer.params.values()) for layer in lenet.layers]
        assert counts == [156, 0, 12, 0, 1516, 0, 32, 0, 48120, 0, 0, 10164, 0, 0]
        assert lenet.flat_params.size == 60_000

    def test_connections_are_as_many_as_the_papers(self, lenet):
        """Each use of a weight or bias is one; a subsampling unit has its four inputs and its bias."""
        x, connections = dev(np.zeros((1, 1, 32, 32))), []
        for layer in lenet.layers:
            x = layer(x)
            if isinstance(layer, nn.Subsample2D):
                connections.append(5 * x.size)
            elif layer.dtype is not None:
                size = sum(value.size for value in layer.params.values())
                connections.append(size * (x.size // x.shape[1]))
        connections.append(84 * x.size)
        assert connections == [122_304, 5_880, 151_600, 2_000, 48_120, 10_164, 840]
        assert sum(connections) == 340_908

    def test_c3_has_the_connections_of_table_1(self, lenet):
        np.testing.assert_array_equal(host(lenet[4].kernels).any((2, 3)), READS)

    def test_c3_moves_only_with_the_maps_it_reads(self, lenet, rng):
        x = rng.standard_normal((1, 6, 5, 5))
        before = host(lenet[4](dev(x)))[0, :, 0, 0]
        for c in range(6):
            changed = x.copy()
            changed[:, c] += 1
            np.testing.assert_array_equal(host(lenet[4](dev(changed)))[0, :, 0, 0] != before, READS[:, c])

    def test_weights_start_uniform_within_2_4_over_the_fan_in(self, lenet):
        fan_ins = {"0": 25, "2": 4, "6": 4, "8": 400, "11": 120}
        bounds = {f"{path}.{key}": 2.4 / fan_in for path, fan_in in fan_ins.items() for key in "Wb"}
        reads = READS.sum(1)
        bounds["4.W"], bounds["4.b"] = 2.4 / (25 * np.repeat(reads, reads)[:, None, None]), 2.4 / (25 * reads)
        assert bounds.keys() == lenet.params.keys()
        unit = {key: host(lenet.params[key]) / bound for key, bound in bounds.items()}  # uniform in ±1
        for key, values in unit.items():
            assert np.abs(values).max() <= 1, key
            # the variance is 1/3, its estimate's deviation sqrt(4/45 / n): 4 of these hold in 99.99 % of draws
            assert abs((values**2).mean() - 1 / 3) < 4 * np.sqrt(4 / 45 / values.size), key
            assert abs(values.mean()) < 4 * np.sqrt(1 / 3 / values.size), key

    def test_classes_have_codes_as_far_apart_as_can_be(self):
        codes = host(nn.LeNet5(num_classes=83, variant="1998")[13].centers).astype(int)
        assert codes.shape == (83, 84)
        assert set(np.unique(codes)) == {-1, 1}
        np.testing.assert_array_equal(codes @ codes.T, 84 * np.eye(83))  # orthogonal: any two differ in 42 places
        np.testing.assert_array_equal(codes.sum(1), 0)

    def test_codes_stay_the_same(self):
        """Saved networks rely on them. Euler's criterion: j is a square modulo 83 if and only if j^41 = 1."""
        codes = host(nn.LeNet5(num_classes=83, variant="1998")[13].centers)
        first = [1 if j == 0 or pow(j, 41, 83) == 1 else -1 for j in range(83)]
        for k in range(83):
            np.testing.assert_array_equal(codes[k], [-1, *np.roll(first, k)])

    @pytest.mark.parametrize("image_size", [28, 32])
    def test_shapes(self, image_size):
        model = nn.LeNet5(image_size, 7, 2, variant="1998", rng=0)
        x = nn.asarray(np.zeros((3, 2, image_size, image_size), "float32"))
        shapes = []
        for layer in model.layers:
            x = layer(x)
            shapes.append(x.shape[1:])
            assert x.dtype == "float32"
        maps = [(6, 28, 28)] * 2 + [(6, 14, 14)] * 2 + [(16, 10, 10)] * 2 + [(16, 5, 5)] * 2 + [(120, 1, 1)] * 2
        assert shapes == [*maps, (120,), (84,), (84,), (7,)]

    def test_directional_derivative_of_the_whole(self, rng):
        model = nn.LeNet5(28, variant="1998", rng=1, dtype="float64")
        assert nn.gradcheck(model, rng.uniform(-0.1, 1.175, (2, 1, 28, 28)), max_elements=0).ok

    def test_same_seed_same_network(self):
        a, b, c = (nn.LeNet5(variant="1998", rng=seed) for seed in (5, 5, 6))
        np.testing.assert_array_equal(host(a.flat_params), host(b.flat_params))
        assert not (host(a.flat_params) == host(c.flat_params)).any()

    def test_saves_and_loads(self, tmp_path):
        a, b = (nn.LeNet5(variant="1998", rng=seed) for seed in (5, 6))
        nn.save(a, tmp_path / "lenet.safetensors")
        nn.load(b, tmp_path / "lenet.safetensors")
        x = nn.asarray(np.random.default_rng(0).standard_normal((2, 1, 28, 28)))
        np.testing.assert_array_equal(host(a(x)), host(b(x)))

    def test_refuses_what_the_paper_leaves_no_room_for(self):
        for options in ({"activation": nn.ReLU()}, {"pool": nn.MaxPool2D(2)}):
            with pytest.raises(ValueError, match="1998"):
                nn.LeNet5(variant="1998", **options)
        for classes in (0, 84):
            with pytest.raises(ValueError, match="num_classes"):
                nn.LeNet5(num_classes=classes, variant="1998")
        with pytest.raises(ValueError, match="variant"):
            nn.LeNet5(variant="1989")

    def test_squashing_stands_where_the_paper_has_it(self, lenet):
        kinds = [type(layer).__name__ for layer in lenet]
        squashed = [kinds[i - 1] for i, kind in enumerate(kinds) if kind == "ScaledTanh"]
        assert squashed == ["Conv2D", "Subsample2D", "MappedConv2D", "Subsample2D", "Conv2D", "Dense"]
        assert {str(layer) for layer in lenet if isinstance(layer, nn.ScaledTanh)} == {str(nn.ScaledTanh())}

    def test_the_modern_variant_s_activation_comes_before_its_pooling(self):
        f, S = nn.Tanh(), nn.AvgPool2D(2)
        kinds = [type(layer).__name__ for layer in nn.LeNet5(activation=f, pool=S)]
        assert kinds[:7] == ["Conv2D", "Tanh", "AvgPool2D", "Conv2D", "Tanh", "AvgPool2D", "Conv2D"]

    def test_modern_variant_stays_as_it_was(self):
        """The layers one by one, drawn from one generator, have the names and weights that saved files rely on."""
        rng, model = np.random.default_rng(3), nn.LeNet5(rng=3)
        expected = {
            0: nn.Conv2D(1, 6, 5, padding=2, rng=rng),
            3: nn.Conv2D(6, 16, 5, rng=rng),
            6: nn.Conv2D(16, 120, 5, rng=rng),
            9: nn.Dense(120, 84, rng=rng),
            11: nn.Dense(84, 10, rng=rng),
        }
        assert list(model.params) == [f"{index}.{key}" for index in expected for key in "Wb"]
        for index, layer in expected.items():
            for key, value in layer.params.items():
                np.testing.assert_array_equal(host(model.params[f"{index}.{key}"]), host(value))

    @pytest.mark.parametrize("loss", [nn.SoftmaxCrossEntropy(), nn.RBFLoss()])
    def test_learns_the_digits(self, loss):
        """95.3 % to 97.2 % of the test digits over ten seeds and both losses; the nearest class mean gets 91.1 %."""
        digits = nn.load_images("digits")
        x, x_test = (paper_pixels(images) for images in (digits.x_train, digits.x_test))
        model = nn.LeNet5(32, variant="1998", rng=0)
        nn.fit(
            model, x, digits.y_train,
            loss=loss, optimizer=nn.Adam(nn.CosineDecay(0.002, 5 * 45)), epochs=5, batch_size=32, rng=0, verbose=False,
        )  # fmt: skip
        assert nn.evaluate(model, x_test, digits.y_test).accuracy >= 0.93


def paper_pixels(images):
    """The 8x8 digits three times as large in the middle of 32x32, the background -0.1 and the ink 1.175."""
    images = np.pad(images.repeat(3, axis=2).repeat(3, axis=3), ((0, 0), (0, 0), (4, 4), (4, 4)))
    return images.astype("float32") * np.float32(1.275 / 255) - np.float32(0.1)
