"""The window of a convolution or a pooling, and its positions."""

from typing import NamedTuple, TypeAlias

Pair: TypeAlias = tuple[int, int]


class Window(NamedTuple):
    """A convolution's kernel or a pooling's window, which moves over an image.

    Attributes:
        size: (k1, k2), elements along the height and along the width.
        stride: (s1, s2), the step from one position to the next.
        padding: (p1, p2), rows and columns around the image on each side.
        dilation: (d1, d2), the distance between neighbouring elements of the window.
    """

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def positions(self, image: tuple[int, ...]) -> Pair:
        """Positions (H', W') on an image (H, W): H' = floor((H + 2 p1 - d1 (k1 - 1) - 1) / s1) + 1, W' likewise."""
        (H, W), (k1, k2), (s1, s2), (p1, p2), (d1, d2) = image, *self
        return (H + 2 * p1 - d1 * (k1 - 1) - 1) // s1 + 1, (W + 2 * p2 - d2 * (k2 - 1) - 1) // s2 + 1
