"""Errors planted in what figures show; ``fails`` is as in ``in_saving.py``."""

from .planting import Mutation

CLASSES, STATES = "plots/test_classes.py", "plots/test_states.py::test_states_and_gradients"
SALIENCY = "plots/test_inside.py::TestSaliency::test_the_gradient_of_the_logit"

PLOTS = [
    Mutation("plots.states._step_by_step", "d[0] + dy[:, t]", "dy[:, t]", "forgets the later steps", STATES),
    Mutation("plots.inside.saliency", "with inference():", "if True:", "lets dropout drop pixels", SALIENCY),
    Mutation(
        "plots.outputs.with_own_gradients", "model.twin", "(lambda gradients: model)",
        "adds to the network's gradients", f"{CLASSES}::test_the_network_stays_as_it_is",
    ),
    Mutation(
        "plots.classes.count_pairs", "both[0].astype(np.int64) * K + both[1]", "both[1].astype(np.int64) * K + both[0]",
        "rows for columns", f"{CLASSES}::TestConfusionMatrix::test_labels_by_name",
    ),
    Mutation("plots.classes.mistakes", "-surest[found]", "surest[found]", "the least sure first",
             f"{CLASSES}::TestWrong::test_the_surest_first"),
]  # fmt: skip
"""What is planted."""
