"""Errors planted where sequences of different lengths are handled; ``fails`` names the file whose tests find each."""

from .planting import Mutation

ON_THE_WAY, ALONE, DATA = "layers/test_lengths.py", "models/test_sequences.py", "data/test_sequences.py"
STATES = "models/test_graph.py::test_a_last_state_is_read_under_its_name"
START = "layers/test_recurrent.py::test_a_network_learns_the_initial_state_or_gives_it"
PADDED = "training/test_sources.py::test_padded_steps_count_nowhere"

SEQUENCES = [
    Mutation("layers.base.Layer", "may_have_steps(first))", "True)", "Softmax over the steps", ON_THE_WAY),
    Mutation("layers.base.Layer", "lengths if self.keeps_steps", "lengths if True", "lengths of no steps", ON_THE_WAY),
    Mutation("models.graph.in_order", "isdisjoint(given)", "isdisjoint([*given][:1])", "a state without dE/dc", STATES),
    Mutation(
        "models.graph.Graph", "self._kept(self._spans(self._named(x), lengths))", "None",
        "a graph that drops the lengths", ALONE,
    ),
    Mutation("layers.losses.half_squared_error.HalfSquaredError", ".max(1)", ".sum(1)", "a weight a step", PADDED),
    Mutation("layers.recurrent.Recurrent", "+= d.sum(0)", "+= dstate[0].sum(0)", "dE/dh_0 for dE/dc_0", START),
    Mutation(
        "layers.residual.Residual", "without_padding(self, dy, kept)", "dy", "reads padding's gradient", ON_THE_WAY
    ),
    Mutation("models.sequential.inferred_in_a_row", ", **options)", ")", "infers without lengths", ALONE),
    Mutation(
        "layers.modern.bidirectional.reversal", "np.where(t < ends, ends - 1 - t, t)", "T - 1 - t + 0 * ends",
        "begins with the padding", ALONE,
    ),
    Mutation("data.sequences.bucketed", "lengths * rng", "0 * lengths + rng", "batches of any lengths", DATA),
    Mutation("data.sequences.bucketed", "rng.permutation(len(batches))", "range(len(batches))", "in order", DATA),
]  # fmt: skip
"""What is planted, each for the tests of one file."""
