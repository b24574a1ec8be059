"""Pictures of all kinds, the same in each; and files that are none, or too many pixels."""

import io
import struct
import zlib

import numpy as np
import pytest

from xpnn.data import pictures

Image = pytest.importorskip("PIL.Image")

BAR = np.zeros((80, 40), np.uint8)
BAR[:, 10:20] = 220
SMALL = np.zeros((8, 4), np.uint8)
SMALL[:, 1] = 220
WHITE = np.full_like(BAR, 255)


def saved(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "image", "options"),
    [
        ("grey.png", BAR, {}),
        ("grey.bmp", BAR, {}),
        ("grey.pgm", BAR, {}),
        ("colour.webp", np.dstack([BAR] * 3), {"lossless": True}),
        ("colour.jpg", np.dstack([BAR] * 3), {"quality": 100}),
        ("16 bits.png", BAR.astype("u2") * 257, {}),
        ("16 bits.tif", BAR.astype("u2") * 257, {}),
        ("16 bits, big-endian.tif", Image.frombytes("I;16B", (40, 80), (BAR.astype(">u2") * 257).tobytes()), {}),
        ("palette.gif", Image.fromarray(BAR).convert("P"), {}),
        ("print.jpg", Image.fromarray(BAR).convert("CMYK"), {"quality": 100}),
        ("transparent.png", np.dstack([WHITE, WHITE, WHITE, BAR]), {}),
        ("transparent grey.png", Image.fromarray(np.dstack([WHITE, WHITE, WHITE, BAR])).convert("LA"), {}),
        ("without its name's suffix", BAR, {"format": "PNG"}),
    ],
)
def test_the_same_picture_in_many_formats(tmp_path, name, image, options):
    read = pictures.read_picture(saved(tmp_path / name, image, **options), (8, 4))
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read, SMALL[None], atol=1)


def test_a_sixteen_bit_pgm(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5 40 80 65535\n" + (BAR.astype(">u2") * 257).tobytes())
    np.testing.assert_array_equal(pictures.read_picture(tmp_path / "x.pgm", (8, 4)), SMALL[None])


@pytest.mark.parametrize("dtype", ["f4", "i4"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (5, 70_000), (-(2**30), 2**30), (-3, 0)])
def test_32_bits_are_scaled_by_their_own_range(tmp_path, dtype, low, high):
    values = np.where(BAR > 0, high, low).astype(dtype)
    read = pictures.read_picture(saved(tmp_path / "x.tif", values), (8, 4))
    np.testing.assert_array_equal(read, np.where(SMALL > 0, 255, 0)[None])
    inverted = pictures.read_picture(saved(tmp_path / "x.tif", low + high - values), (8, 4), invert=True)
    np.testing.assert_array_equal(inverted, read)


def test_32_bits_without_a_range_or_not_finite(tmp_path):
    assert not pictures.read_picture(saved(tmp_path / "x.tif", np.full((9, 9), 0.5, "f4")), (3, 3)).any()
    for bad in (np.nan, np.inf):
        values = np.zeros((9, 9), "f4")
        values[4, 4] = bad
        with pytest.raises(ValueError, match=r"x.tif is not a readable picture \(its pixels are not finite\)"):
            pictures.read_picture(saved(tmp_path / "x.tif", values), (3, 3))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_stands_upright(tmp_path, suffix, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((24, 16), np.uint8))
    path = saved(tmp_path / f"x.{suffix}", quarters, exif=exif)
    turned = Image.fromarray(quarters)
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned).resize((6, 6), Image.Resampling.BOX))
    np.testing.assert_allclose(pictures.read_picture(path, (6, 6))[0].astype(int), expected, atol=2)


def test_dark_on_light_and_nothing_behind_it(tmp_path):
    ink = Image.new("RGBA", (40, 80))
    ink.putalpha(Image.fromarray(BAR))  # black on nothing
    for image in (255 - BAR, ink, Image.fromarray(255 - BAR).convert("P")):
        np.testing.assert_allclose(
            pictures.read_picture(saved(tmp_path / "x.png", image), (8, 4), invert=True), SMALL[None]
        )


def test_a_colour_that_stands_for_transparent(tmp_path):
    for image, key in ((Image.fromarray(BAR), 220), (Image.fromarray(BAR).convert("P"), 220)):
        assert not pictures.read_picture(saved(tmp_path / "x.png", image, transparency=key), (8, 4)).any()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    header = struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")])


@pytest.fixture
def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(BAR).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(7072, 7072), (60_000, 60_000), (1, 50_000_001)])
def test_too_many_pixels_are_refused_by_the_header(tmp_path, size, monkeypatch):
    (tmp_path / "x.png").write_bytes(png(*size, chunk(b"IDAT", b"")))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # a bound of our own, whatever Pillow's is
    with pytest.raises(ValueError, match=rf"x.png is not a readable picture \({size[0]} x {size[1]} pixels, more than"):
        pictures.read_picture(tmp_path / "x.png", (8, 8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        png(9, 9, chunk(b"IDAT", b"")),
        png(9, 9, chunk(b"IDAT", b"no zlib data")),
        png(9, 9, chunk(b"sRGB", b""), chunk(b"IDAT", zlib.compress(bytes(27)))),  # ValueError
        png(0, 9, chunk(b"IDAT", zlib.compress(bytes(27)))),
        png(9, 9)[:-6],
        b"II*\0\x08\0\0\0" + b"\x01\0\x00\x01\x03\0\x01\0\0\0\x09\0\0\0" + b"zzzz" * 9,
        b"GIF89a" + bytes(20),
        b"P6 9 9 255\n",
        b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20),
    ],
)
def test_what_is_no_picture_is_told_with_its_name(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.png is not a readable picture \(.+\)"):
        pictures.read_picture(tmp_path / "x.png", (8, 8))


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ValueError, match=r"is not a readable picture \(.+\)"):
            pictures.read_picture(path, (8, 8))


@pytest.mark.parametrize("error", [SyntaxError("broken"), struct.error("short"), KeyError("mode"), MemoryError()])
def test_whatever_pillow_raises_is_told_with_the_file_s_name(tmp_path, monkeypatch, error):
    def raises(*arguments, **options):
        raise error

    monkeypatch.setattr(Image, "open", raises)
    (tmp_path / "x.png").touch()
    with pytest.raises(ValueError, match=r"x.png is not a readable picture \(.+\)"):
        pictures.read_picture(tmp_path / "x.png", (8, 8))


def test_every_truncation_is_a_picture_or_an_error(tmp_path, jpeg):
    for length in range(0, len(jpeg), 7):
        (tmp_path / "x.jpg").write_bytes(jpeg[:length])
        try:
            assert pictures.read_picture(tmp_path / "x.jpg", (8, 8)).shape == (1, 8, 8)
        except ValueError as error:
            assert "x.jpg is not a readable picture" in str(error)  # noqa: PT017


def test_no_other_program_is_run(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/run\nexit 1\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "x.png").write_bytes(eps)
    with pytest.raises(ValueError, match="not a readable picture"):
        pictures.read_picture(tmp_path / "x.png", (8, 8))
    assert not (tmp_path / "run").exists()


def test_without_pillow(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"extra \[images\]"):
        pictures.read_picture(tmp_path / "x.png", (8, 8))
