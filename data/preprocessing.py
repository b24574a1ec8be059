"""Turn pictures into a network's input, and write the preprocessing as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from .encoder import TableEncoder

LONGEST = 4096  # the longest side of a picture, in pixels
LAYOUTS = ("images", "flat", "rows")


@dataclass(frozen=True)
class Pixels:
    """Turns pictures into a network's input::

        x = (pixels / 255 - mean) / std

    Attributes:
        shape: (C, H, W) of the pictures, grey (1) or in colour (3).
        mean, std: mean and standard deviation of pixels / 255; one number, or one for each channel.
        layout: "images" for x (N, C, H, W), "flat" for (N, C H W), "rows" for a sequence (N, H, W C) of rows of pixels.
        size: (H, W) to which smaller pictures are first enlarged: pixels are repeated, and a black border fills the
            rest.

    Raises:
        ValueError: a value is of a wrong type or out of its range.

    >>> prepare = Pixels((1, 2, 2), mean=0.5, std=0.5, layout="flat")
    >>> prepare(np.array([[[[0, 255], [255, 0]]]], "uint8"))
    array([[-1.,  1.,  1., -1.]], dtype=float32)
    """

    shape: tuple[int, int, int]
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    layout: Literal["images", "flat", "rows"] = "images"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse values that no data give, since they may come from a stranger's file."""
        shape, size = self.shape, self.size
        for what, sides, axes in (("shape", shape, 3), ("size", (0, 0) if size is None else size, 2)):
            if not isinstance(sides, tuple) or len(sides) != axes or not all(type(side) is int for side in sides):
                raise ValueError(f"Pixels: expected {axes} whole numbers as {what}, got {sides!r}")
        if shape[0] not in (1, 3) or not all(0 < side <= LONGEST for side in shape[1:]):
            raise ValueError(f"Pixels: expected 1 or 3 channels, of at most {LONGEST} x {LONGEST} pixels, got {shape}")
        if size and not (shape[1] <= size[0] <= LONGEST and shape[2] <= size[1] <= LONGEST):
            raise ValueError(f"Pixels: expected a size of at least {shape[1:]} and at most {LONGEST}, got {size}")
        for what, values in (("mean", self.mean), ("std", self.std)):
            numbers = values if isinstance(values, tuple) else (values,)
            if len(numbers) not in {1, shape[0]} or not all(type(v) in (int, float) and abs(v) <= 255 for v in numbers):
                raise ValueError(f"Pixels: expected a {what} of pixels / 255, or one for each channel, got {values!r}")
            if what == "std" and min(numbers) < 1e-9:
                raise ValueError(f"Pixels: expected a std above 0, got {values!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"Pixels: expected a layout of {', '.join(LAYOUTS)}, got {self.layout!r}")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The network's input, float32, from uint8 pictures (N, C, H, W)."""
        mean, std = (np.array(values, np.float32).reshape(-1, 1, 1) for values in (self.mean, self.std))
        x = (self.enlarged(images).astype(np.float32) * np.float32(1 / 255) - mean) / std
        if self.layout == "flat":
            return x.reshape(len(x), -1)
        if self.layout == "rows":  # rows are the time steps, with the channels side by side
            return x.transpose(0, 2, 1, 3).reshape(len(x), x.shape[2], -1)
        return x

    def enlarged(self, images: np.ndarray) -> np.ndarray:
        """The pictures, enlarged to ``size``."""
        if not self.size:
            return images
        factor, *borders = self.enlargement
        return np.pad(images.repeat(factor, axis=2).repeat(factor, axis=3), ((0, 0), (0, 0), *borders))

    @property
    def enlargement(self) -> tuple[int, tuple[int, int], tuple[int, int]]:
        """The number of times each pixel is repeated along both axes, and the borders above, below, left and right."""
        (_, H, W), (height, width) = self.shape, self.size or self.shape[1:]
        factor = min(height // H, width // W)
        rows, columns = height - H * factor, width - W * factor
        return factor, (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


Preprocessing: TypeAlias = Pixels | TableEncoder
"""Turns pictures, or a table's rows, into a network's input."""

_NAMES: dict[str, type] = {"pixels": Pixels, "table": TableEncoder}


def preprocessing_to(preprocessing: Preprocessing) -> dict[str, Any]:
    """The preprocessing as JSON values."""
    for name, kind in _NAMES.items():
        if isinstance(preprocessing, kind):
            return {name: asdict(preprocessing)}
    raise TypeError(f"preprocessing: expected Pixels or a TableEncoder, got {type(preprocessing).__name__}")


def preprocessing_from(written: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing from the values of :func:`preprocessing_to`, which may have been written as JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the values do not describe a preprocessing.
    """
    if written.keys() == {"table"}:
        return TableEncoder.from_dict(written["table"])
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in written["pixels"].items()}
    return Pixels(**fields)
