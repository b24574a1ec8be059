"""Augmentation: each change alone, all together, and the same in each run."""

import numpy as np
import pytest

import xpnn as nn
from xpnn.data.augment import bilinear


def augmented(x, **options):
    """x in one batch, changed."""
    ((changed, _),) = nn.Augmented([(x, np.arange(len(x)))], rng=0, **options)
    return changed


@pytest.fixture(params=[np.uint8, np.float32, np.float64])
def pictures(request, rng):
    return rng.integers(0, 256, (64, 2, 5, 6)).astype(request.param)


def test_nothing_changes_without_an_option(pictures):
    changed = augmented(pictures)
    assert changed.dtype == pictures.dtype
    np.testing.assert_array_equal(changed, pictures)


def test_half_are_mirrored_exactly(pictures):
    changed = augmented(pictures, flip=True)
    mirrored = [(a == b[..., ::-1]).all() for a, b in zip(changed, pictures, strict=True)]
    same = [(a == b).all() for a, b in zip(changed, pictures, strict=True)]
    assert [a != b for a, b in zip(mirrored, same, strict=True)] == [True] * 64
    assert 20 < sum(mirrored) < 44


def test_shifts_by_whole_pixels_with_the_border_repeated(pictures):
    changed = augmented(pictures, shift=2)
    padded = np.pad(pictures, ((0, 0), (0, 0), (2, 2), (2, 2)), "edge")
    found = set()
    for a, b in zip(changed, padded, strict=True):
        shifts = [(i, j) for i in range(5) for j in range(5) if (a == b[:, i : i + 5, j : j + 6]).all()]
        assert len(shifts) == 1
        found.update(shifts)
    assert len(found) > 20  # of 25


@pytest.mark.parametrize("options", [{"rotate": 30}, {"crop": 0.5}])
def test_a_plane_becomes_another_plane_within_the_borders(options):
    """Bilinear interpolation is exact for a i + b j."""
    i, j = np.mgrid[:41, :31]
    x = np.tile(2.0 * i - 3.0 * j, (20, 1, 1, 1))
    changed = augmented(x, **options)[:, 0]
    inner = changed[:, 14:27, 10:21]
    steps = np.diff(inner, axis=1)[..., 1:], np.diff(inner, axis=2)[:, 1:]
    assert max(np.ptp(step, axis=(1, 2)).max() for step in steps) < 1e-10
    down, right = (step.mean(axis=(1, 2)) for step in steps)
    if "rotate" in options:  # the gradient turns, and keeps its length; the centre stays
        np.testing.assert_allclose(np.hypot(down, right), 13**0.5, rtol=1e-12)
        angles = np.rad2deg(np.arctan2(down, right) - np.arctan2(2, -3))
        assert 20 < np.abs(angles).max() <= 30
        np.testing.assert_allclose(changed[:, 20, 15], x[:, 0, 20, 15], atol=1e-12)
    else:  # the window lies within the picture
        assert 0.5 <= (down / 2).min() < 0.6
        assert 0.9 < (down / 2).max() <= 1
        np.testing.assert_allclose(down / 2, right / -3, rtol=1e-12)
        assert np.ptp(np.diff(changed, axis=2), axis=(1, 2)).max() < 1e-10


def test_noise_has_its_standard_deviation():
    x = np.full((50, 1, 20, 20), 100.0)
    noise = augmented(x, noise=3.0) - x
    assert abs(noise.std() - 3) < 0.05
    assert abs(noise.mean()) < 0.1


def test_unsigned_bytes_are_rounded_and_stay_within_their_range():
    x = np.array([0, 255], np.uint8).repeat(512).reshape(1, 1, 32, 32)
    changed = augmented(x, noise=20.0)
    assert changed.dtype == np.uint8
    assert ((changed > 127) == (x > 127)).all()


def test_each_pass_is_another_and_each_run_the_same(rng):
    x, y = rng.random((6, 1, 8, 8)), np.arange(6)
    options = {"shift": 1, "flip": True, "rotate": 10, "crop": 0.2, "noise": 0.1}
    first, second = (nn.Augmented(nn.batches(x, y, 4, rng=1), rng=7, **options) for _ in range(2))
    assert len(first) == 2
    next(iter(first))  # of a pass that is not ended no later one depends on how far it went
    list(second)
    assert [list(y) for _, y in first] == [list(y) for _, y in second]
    for (a, _), (b, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    passes = [np.concatenate([a for a, _ in nn.Augmented([(x, y)], rng=s, **options)]) for s in (0, 1)]
    assert (passes[0] != passes[1]).any()


def test_a_function_gives_batches_and_weights_pass():
    data = nn.Augmented(lambda: iter([(np.ones((2, 1, 3, 3)), np.arange(2), np.ones(2))]), shift=1, rng=0)
    for _ in range(2):
        ((x, y, weight),) = data
        assert (x == 1).all()
        assert (y.tolist(), weight.tolist()) == ([0, 1], [1, 1])


@pytest.mark.parametrize(
    "options",
    [{"shift": -1}, {"shift": 0.5}, {"rotate": -1}, {"rotate": float("inf")}, {"crop": 1}, {"noise": float("nan")}],
)
def test_arguments_out_of_range(options):
    with pytest.raises(ValueError, match="Augmented: expected"):
        nn.Augmented([], **options)


def test_rows_are_no_pictures():
    with pytest.raises(ValueError, match=r"expected pictures \(N, C, H, W\), got shape \(3, 4\)"):
        augmented(np.ones((3, 4)), shift=1)


def test_at_the_border_stands_the_border():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    read = bilinear(x, np.array([[[-5.0, 0.5, 9.0]]]), np.array([[[-5.0, 0.25, 9.0]]]))
    np.testing.assert_array_equal(read, [[[[0, 1.75, 5]]]])


def test_a_network_learns_from_it_the_same_in_each_run(rng):
    x, y = rng.random((48, 1, 6, 6)), np.arange(48) % 2
    x[y == 1, :, :3] += 1

    def losses():
        data = nn.Augmented(nn.batches(x, y, 16, rng=0), shift=1, flip=True, rng=1)
        model = nn.Sequential(nn.Flatten(), nn.MLP((36, 8, 2), rng=0))
        return nn.fit(model, data, epochs=10, optimizer=nn.Adam(0.02), verbose=False).column("loss")

    first = losses()
    assert first == losses()
    assert first[-1] < first[0] / 2
