"""Picture files, as Pillow reads them."""

from pathlib import Path
from typing import Any

import numpy as np

from .extras import needed

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # some other formats start programs, such as EPS
_PIXELS = 50_000_000  # 400 MB at 8 bytes per pixel, which averaging transparent colours needs
_ORIENTATION = 0x0112  # the EXIF tag
_AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F")  # the modes whose values can be averaged directly


def read_picture(
    path: str | Path, shape: tuple[int, int] | None, invert: bool = False, colour: bool | None = False
) -> np.ndarray:
    """Read a picture as uint8 values, turned upright and resized by averaging.

    Colours become grey by their luminance, and transparent pixels become background: black, or white with ``invert``.
    16-bit values are scaled to 8 bits. 32-bit values, integer or floating-point, are scaled by the picture's own range:
    its lowest value becomes black, its highest white.

    Args:
        path: a PNG, JPEG, GIF (its first picture), BMP, TIFF, WebP or PPM file, whatever its suffix.
        shape: (H, W) of the result; by default the picture's own.
        invert: whether the picture is dark on light, like ink on paper; the result is light on dark.
        colour: whether the result has three channels, red, green and blue; None for three if the picture is not grey.

    Shapes: result (1, H, W) or (3, H, W).

    Raises:
        ImportError: Pillow is missing; the message names the extra.
        ValueError: the file is not such a picture, or has more than 50 million pixels.
    """
    pillow = needed("PIL", "reading pictures needs Pillow", "images")
    try:
        pixels = _averaged(*_decoded(path), shape, "white" if invert else "black", colour)
    except pillow.UnidentifiedImageError as error:
        raise ValueError(f"{path} is not a readable picture (expected {', '.join(_FORMATS)})") from error
    except Exception as error:  # Pillow passes on any error of a decoder, even SyntaxError and struct.error
        raise ValueError(f"{path} is not a readable picture ({str(error) or type(error).__name__})") from error
    return 255 - pixels if invert else pixels


def _decoded(path: str | Path) -> tuple[Any, int, bool]:
    """The picture in a mode that can be averaged, its orientation, and whether it has 16 bits in 32."""
    from PIL import Image

    # a stream, since given a name Pillow maps a TIFF that has to be turned with its width and height interchanged
    with open(path, "rb") as stream, Image.open(stream, formats=_FORMATS) as file:
        if file.width * file.height > _PIXELS:  # checked before anything is decoded
            raise ValueError(f"{file.width} x {file.height} pixels, more than {_PIXELS:,}")
        file.load()  # also turns a TIFF upright
        orientation = file.getexif().get(_ORIENTATION, 1)
        if file.mode.startswith("I;16"):
            return file.convert("I"), orientation, True
        if file.mode not in _AVERAGED or "transparency" in file.info:
            return file.convert("RGBA" if file.has_transparency_data else "RGB"), orientation, False
        return file, orientation, file.mode == "I" and file.format in ("PNG", "PPM")


def _averaged(
    image: Any,
    orientation: int,
    sixteen_bits: bool,
    shape: tuple[int, int] | None,
    background: str,
    colour: bool | None,
) -> np.ndarray:
    """The picture as uint8 (C, H, W); everything but the averaging is done on the small result."""
    from PIL import Image, ImageOps

    H, W = image.size[::-1] if shape is None else shape
    if shape and orientation in (5, 6, 7, 8):
        H, W = W, H  # the size before the picture is turned
    small = image.resize((W, H), Image.Resampling.BOX)
    small.getexif()[_ORIENTATION] = orientation
    small = ImageOps.exif_transpose(small)
    if small.mode in ("I", "F"):
        grey = _scaled(np.asarray(small, dtype=np.float64), sixteen_bits)[None]
        return grey.repeat(3, axis=0) if colour else grey
    paper = Image.new("RGBA", small.size, background)
    paper.alpha_composite(small.convert("RGBA"))
    rgb = np.asarray(paper.convert("RGB")).transpose(2, 0, 1)
    if colour or (colour is None and (rgb != rgb[0]).any()):
        return rgb
    return np.asarray(paper.convert("L"))[None]


def _scaled(values: np.ndarray, sixteen_bits: bool) -> np.ndarray:
    low, high = (0, 65535) if sixteen_bits else (values.min(), values.max())
    if not np.isfinite(high - low):
        raise ValueError("its pixels are not finite")
    return np.rint((values - low) * (255 / (high - low or 1))).astype(np.uint8)
