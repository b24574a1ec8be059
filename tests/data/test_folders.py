"""Pictures in one folder a class, and .npz files: the same data set by either, and what is none."""

import shutil

import numpy as np
import pytest

import xpnn as nn
from xpnn.data.split import split

Image = pytest.importorskip("PIL.Image")


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, 2)).save(path)


@pytest.fixture
def pictures(tmp_path, rng):
    """Ten grey pictures of 4 x 5 of each of two classes, by their paths."""
    made = {}
    for label in ("cat", "dog"):
        for k in range(10):
            path = tmp_path / label / f"{k}.png"
            made[path] = rng.integers(0, 256, (4, 5), dtype=np.uint8)
            write(path, made[path])
    return made


def test_a_share_of_each_class_is_held_out(pictures, tmp_path):
    data = nn.load_images(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.split
    assert (data.x_train.shape, data.x_test.shape) == ((16, 1, 4, 5), (4, 1, 4, 5))
    assert data.y_test.tolist() == [0, 0, 1, 1]
    seen = {x.tobytes(): y for x, y in zip((*data.x_train, *data.x_test), (*data.y_train, *data.y_test), strict=True)}
    assert seen == {pixels.tobytes(): int(path.parent.name == "dog") for path, pixels in pictures.items()}
    np.testing.assert_array_equal(nn.load_images(tmp_path).x_test, data.x_test)
    assert (nn.load_images(tmp_path, seed=1).x_test != data.x_test).any()
    assert len(nn.load_images(tmp_path, test_share=0.5).x_test) == 10
    assert len(nn.load_images(tmp_path, test_share=0).x_test) == 0
    np.testing.assert_array_equal(nn.load_images(tmp_path, test_only=True).x_test, data.x_test)


def test_what_an_archive_s_folders_are_called(pictures, tmp_path):
    for part, k in (("Training", 0), ("Testing", 1)):
        for label in ("cat", "dog"):
            write(tmp_path / "set" / part / label / f"{k}.jfif", pictures[tmp_path / label / f"{k}.png"])
            write(
                tmp_path / "set" / part / label / ".ipynb_checkpoints" / "x.png", pictures[tmp_path / "cat" / "0.png"]
            )
    data = nn.load_images(tmp_path / "set")
    assert (data.classes, data.y_train.tolist(), data.y_test.tolist()) == (("cat", "dog"), [0, 1], [0, 1])
    for path in [*tmp_path.glob("set/Testing/*/*.jfif")]:  # as Kaggle's, without labels
        path.rename(tmp_path / "set" / "Testing" / f"{path.parent.name}.jpg")
    for label in ("cat", "dog"):
        shutil.rmtree(tmp_path / "set" / "Testing" / label)
        write(tmp_path / "set" / "Training" / label / "2.png", pictures[tmp_path / label / "2.png"])
    data = nn.load_images(tmp_path / "set")
    assert (data.y_train.tolist(), data.y_test.tolist(), data.split) == ([0, 1], [0, 1], True)
    (tmp_path / "set").rename(tmp_path / "cow")
    (tmp_path / "wrapped").mkdir()
    (tmp_path / "cow").rename(tmp_path / "wrapped" / "set")
    with pytest.raises(ValueError, match="one class, with the folders Testing, Training in it: give .*set"):
        nn.load_images(tmp_path / "wrapped")
    (tmp_path / "wrapped").rename(tmp_path / "cow")
    (tmp_path / "outer").mkdir()
    (tmp_path / "cow").rename(tmp_path / "outer" / "wrapped")
    with pytest.raises(ValueError, match="outer has one class, with the folders Testing, Training in it: give .*set"):
        nn.load_images(tmp_path / "outer")


def test_train_and_test_folders(pictures, tmp_path):
    for part, k in (("train", 0), ("val", 1)):
        for label in ("cat", "dog"):
            write(tmp_path / "set" / part / label / "deep" / "x.PNG", pictures[tmp_path / label / f"{k}.png"])
    data = nn.load_images(tmp_path / "set")
    np.testing.assert_array_equal(data.x_train[1, 0], pictures[tmp_path / "dog" / "0.png"])
    np.testing.assert_array_equal(data.x_test[0, 0], pictures[tmp_path / "cat" / "1.png"])
    assert (data.y_train.tolist(), data.y_test.tolist(), data.split) == ([0, 1], [0, 1], False)
    (tmp_path / "set" / "val" / "dog").rename(tmp_path / "set" / "val" / "cow")
    with pytest.raises(ValueError, match="no class 'cow' in the training part"):
        nn.load_images(tmp_path / "set")
    (tmp_path / "set" / "train").rename(tmp_path / "train")
    assert nn.load_images(tmp_path / "set", test_only=True).classes == ("cat", "cow")
    with pytest.raises(FileNotFoundError, match="set has val, but no folder train"):
        nn.load_images(tmp_path / "set")


def test_one_coloured_picture_makes_three_channels(pictures, tmp_path, rng):
    colour = rng.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    write(tmp_path / "cat" / "9.png", colour)
    write(tmp_path / "dog" / "9.png", np.repeat(pictures[tmp_path / "dog" / "9.png"][None], 3, axis=0))
    data = nn.load_images(tmp_path, test_share=0)
    assert data.x_train.shape == (20, 3, 4, 5)
    np.testing.assert_array_equal(data.x_train[9], colour)
    np.testing.assert_array_equal(data.x_train[19], [pictures[tmp_path / "dog" / "9.png"]] * 3)
    assert nn.load_images(tmp_path, colour=False).x_train.shape[1] == 1
    (tmp_path / "cat" / "9.png").unlink()
    assert nn.load_images(tmp_path).x_train.shape[1] == 1  # RGB files, but grey
    assert nn.load_images(tmp_path, colour=True).x_train.shape[1] == 3


def test_sizes(pictures, tmp_path, rng):
    write(tmp_path / "dog" / "0.png", rng.integers(0, 256, (8, 10), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"cat/0.png has 4 x 5 pixels, .*dog/0.png 8 x 10: give a common size"):
        nn.load_images(tmp_path, test_share=0)
    assert nn.load_images(tmp_path, size=(4, 5)).x_train.shape[2:] == (4, 5)
    assert nn.load_images(tmp_path, size=6).x_test.shape[2:] == (6, 6)
    for wrong in (0, (4, -1), (4, 5, 6)):
        with pytest.raises(ValueError, match="size: expected one length or"):
            nn.load_images(tmp_path, size=wrong)
    with pytest.raises(ValueError, match="for folders of pictures"):
        nn.load_images("digits", size=8)


def test_what_else_lies_there(pictures, tmp_path):
    expected = nn.load_images(tmp_path)
    (tmp_path / "README.txt").write_text("two classes")
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / "._0.png").write_bytes(b"what macOS leaves")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".ipynb_checkpoints").mkdir()
    np.testing.assert_array_equal(nn.load_images(tmp_path).x_train, expected.x_train)
    (tmp_path / "emu").mkdir()
    with pytest.raises(ValueError, match=r"emu has no pictures \(.png .* .pnm\): fill it, or move it elsewhere"):
        nn.load_images(tmp_path)
    nn.write_idx(tmp_path / "emu" / "raw-ubyte", np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"emu has no pictures .*: IDX files are read from their own folder, .*/emu$"):
        nn.load_images(tmp_path)


def test_a_link_to_a_picture_that_is_not_there(pictures, tmp_path):
    (tmp_path / "dog" / "linked.png").symlink_to(tmp_path / "fetched later.png")  # as git-annex and DVC leave
    with pytest.raises(ValueError, match="dog/linked.png is not a readable picture .*No such file"):
        nn.load_images(tmp_path)


def test_parts_within_the_classes(pictures, tmp_path):
    """They would have been one: the test's pictures trained on."""
    for path in pictures:
        inner = path.parent / ("val" if path.stem < "2" else "train")
        inner.mkdir(exist_ok=True)
        path.rename(inner / path.name)
    with pytest.raises(ValueError, match="has parts in its classes, such as .*cat/train: put the classes into the"):
        nn.load_images(tmp_path)


def test_a_broken_picture_is_named(pictures, tmp_path):
    (tmp_path / "dog" / "3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"dog/3.png is not a readable picture"):
        nn.load_images(tmp_path)


def test_folders_without_classes(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="train: expected a folder of pictures for each class"):
        nn.load_images(tmp_path)


@pytest.mark.parametrize(("counts", "share", "held_out"), [((10, 2, 1), 0.2, (2, 1, 0)), ((3, 3, 3), 0.9, (2, 2, 2))])
def test_split(counts, share, held_out):
    labels = np.repeat(range(3), counts)
    train, test = split(labels, share, 0)
    assert sorted((*train, *test)) == list(range(len(labels)))
    assert tuple(np.bincount(labels[test], minlength=3)) == held_out


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_a_share_that_is_none(pictures, tmp_path, share):
    with pytest.raises(ValueError, match="test_share: expected"):
        nn.load_images(tmp_path, test_share=share)


# .npz files

X = np.arange(2 * 5 * 4 * 3, dtype=np.uint8).reshape(10, 4, 3)
Y = np.arange(10) % 2


def test_arrays_under_keras_and_medmnist_names(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3].astype(np.uint8))
    np.savez_compressed(
        tmp_path / "b.npz", train_images=X, train_labels=Y[:, None], test_images=X[:3], test_labels=Y[:3, None]
    )
    for name in "ab":
        data = nn.load_images(tmp_path / f"{name}.npz")
        np.testing.assert_array_equal(data.x_train[:, 0], X)
        assert (data.y_test.tolist(), data.y_test.dtype, data.classes, data.split) == (
            [0, 1, 0],
            int,
            ("0", "1"),
            False,
        )
        assert nn.load_images(tmp_path / f"{name}.npz", test_only=True).x_train.shape == (0, 1, 4, 3)


def test_x_and_y_are_split_and_channels_come_second(tmp_path):
    colour = np.stack([X, X, X], axis=-1)
    np.savez(tmp_path / "a.npz", x=colour, y=Y)
    data = nn.load_images(tmp_path / "a.npz")
    assert (data.x_train.shape, data.y_test.tolist(), data.split) == ((8, 3, 4, 3), [0, 1], True)


def test_an_npz_file_whatever_the_case_of_its_names(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    (tmp_path / "a.npz").rename(tmp_path / "b.NPZ")
    assert nn.load_images(tmp_path / "b.NPZ", test_share=0).x_train.shape == (10, 1, 4, 3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X}, "its arrays are a; expected x_train y_train x_test y_test, or train_images"),
        ({"x": X / 255, "y": Y}, "expected images of .* uint8 .*, got float64"),
        ({"x": X[:, 0], "y": Y}, "expected images of 3 or 4 axes"),
        ({"x": X.reshape(10, 2, 2, 3)[..., :2], "y": Y}, "of 1 or 3 channels"),
        ({"x": X, "y": Y[:5]}, "10 images, but 5 labels"),
        ({"x": X, "y": Y - 1}, "expected a label from 0"),
        ({"x": X, "y": Y / 2}, "expected a label from 0"),
        ({"x": X, "y": Y + 10**9}, "labels must be below 10,000"),
        ({"x": np.array([print] * 9), "y": Y}, "cannot be read"),  # a pickle
    ],
)
def test_an_npz_file_of_something_else(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=f"a.npz.*{message}"):
        nn.load_images(tmp_path / "a.npz")


def test_every_truncation_of_an_npz_file_is_noticed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    content = (tmp_path / "a.npz").read_bytes()
    for length in range(0, len(content), 9):
        (tmp_path / "a.npz").write_bytes(content[:length])
        with pytest.raises(ValueError, match="a.npz is not a .npz file|a.npz cannot be read"):
            nn.load_images(tmp_path / "a.npz")
