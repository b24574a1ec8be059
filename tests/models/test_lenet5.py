"""LeNet-5, and as it was published in 1998."""

import numpy as np
import pytest
from border import STAND_IN, dev, host, learns

import xpnn as nn


@pytest.mark.parametrize(("size", "batch"), [(28, 1), (32, 3)])
def test_lenet5_shapes(size, batch):
    model = nn.LeNet5(size, rng=0)
    x = dev(np.zeros((batch, 1, size, size)), "float32")
    shapes = []
    for layer in model:
        x = layer(x)
        shapes.append(x.shape[1:])
    assert shapes[0] == (6, 28, 28)  # C1
    assert shapes[2] == (6, 14, 14)  # S2
    assert shapes[3] == (16, 10, 10)  # C3
    assert shapes[5] == (16, 5, 5)  # S4
    assert shapes[6] == (120, 1, 1)  # C5
    assert shapes[9] == (84,)  # F6
    assert x.shape == (batch, 10)
    assert model.flat_params.size == 156 + 2416 + 48120 + 10164 + 850


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


@pytest.fixture(scope="module")
def lenet():
    return nn.LeNet5(32, variant="1998", rng=0, dtype="float64")


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

    @pytest.mark.skipif(STAND_IN, reason="takes it 8 s; steps are compared with NumPy's in backend/test_agreement.py")
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

    @learns
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
