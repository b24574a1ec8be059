"""Errors planted in what ``xpnn explore`` says of an element and a weight; ``fails`` is as in ``in_saving.py``."""

from .planting import Mutation

PICTURES = "explore/test_pictures.py::test_"

EXPLORE = [
    Mutation("explore.geometry.region_of", "i * s - p", "i * s", "forgets the padding",
             f"{PICTURES}products_sum_to_the_layers_output_and_the_window_lies_where_it_says[0]"),
    Mutation("explore.geometry.cut", "(axis >= 0) & (axis < size)", "axis < size", "repeats the border for its zeros",
             f"{PICTURES}a_weights_sum_is_the_gradient_and_the_central_difference[0-at0]"),
    Mutation("explore.small.recurrent", "dh[0] * (1 - h_t * h_t)", "dh[0]", "delta without the slope",
             "explore/test_small.py::test_the_rnn_is_the_layers"),
]  # fmt: skip
"""What is planted."""
