"""Errors planted where data, losses and labels are looked at; ``fails`` names the file whose tests find each."""

from .planting import Mutation

DATA, INPUTS, SCORE = "backend.shared.data", "training/test_inputs.py", "training/test_score.py"
SOURCES, CALLBACKS = "training/test_sources.py", "training/test_callbacks.py"
NONFINITE, ALIKE = "training/test_nonfinite.py", "training/test_alike.py"

TRAINING = [
    Mutation(f"{DATA}.not_finite", "of.isfinite(array[start", "~of.isinf(array[start", "NaN is none", INPUTS),
    Mutation(f"{DATA}.not_finite", "of.isfinite(array[start", "~of.isnan(array[start", "inf is none", INPUTS),
    Mutation(f"{DATA}.not_finite", ".astype(dtype, copy=False)", "", "looks before the conversion", INPUTS),
    Mutation(f"{DATA}.not_finite", "row = start + int(", "row = int(", "a row of its block", INPUTS),
    Mutation("backend.border.dtype_of", '.newbyteorder("=")', "", "another byte order is kept", INPUTS),
    Mutation(f"{DATA}.accumulate", "math.isfinite(", "not math.isinf(", "NaN alone is no error", SCORE),
    Mutation(f"{DATA}.accumulate", "math.isfinite(", "not math.isnan(", "infinity alone is none", SCORE),
    Mutation("training.score.Sums", "+= ~xp.isfinite(array)", "+= 0 * xp.isnan(array)", "forgets parameters", SCORE),
    Mutation("training.score.Sums", "xp.isfinite(array)", "~xp.isinf(array)", "NaN alone in a parameter", SCORE),
    Mutation("training.score.Sums", "xp.isfinite(array)", "~xp.isnan(array)", "infinity alone in a parameter", SCORE),
    Mutation("training.score.names_not_finite", "xp.isfinite(", "~xp.isinf(", "NaN alone is no error", SCORE),
    Mutation("training.score.names_not_finite", "xp.isfinite(", "~xp.isnan(", "infinity alone is none", SCORE),
    Mutation(
        "training.loop.fit", "held_out_sums.reset(where)", "held_out_sums.reset()",
        "no error in validation", SCORE,
    ),
    Mutation("training.nonfinite.Guard", ", *self._buffers()]", "]", "forgets the buffers", SCORE),
    Mutation("training.loop._finite_buffers", "if name not in bad", "", "no buffer may be infinite", SCORE),
    Mutation("training.inference.predict", "not_finite(one, one.dtype)", "None", "predicts NaN silently", SCORE),
    Mutation("training.inputs.loss_for", "(_one_hot(y[:1]) and _one_hot(y))", "False", "squares one-hot rows", INPUTS),
    Mutation("training.inputs._one_hot", "bool((y.max(-1) == 1).all()) and", "", "takes any sparse rows", INPUTS),
    Mutation("training.sources.InMemory", "(y.argmin(), y.argmax())", "(0, len(y) - 1)", "misses labels", INPUTS),
    Mutation("training.sources.Source", "return 1 in (", "return 0 in (1, ", "one left", INPUTS),
    Mutation("training.inputs.check_arrays", 'y = y.view("uint8")', "pass", "truth values stay such", INPUTS),
    Mutation("training.columns.numbers", "array.tolist()", "array, float", "texts become numbers", INPUTS),
    Mutation("training.inputs.check_arrays", "len(array) != len(arrays[0])", "False", "takes any length", SOURCES),
    Mutation("training.inputs._checked_weights", "weights.min() < 0", "False", "takes weights below 0", SOURCES),
    Mutation("training.inputs._as_outputs", "y = y[..., None]", "pass", "broadcasts targets", SOURCES),
    Mutation("training.steps.training_step", "doutputs * weight", "doutputs * 1", "small batches weigh more", SOURCES),
    Mutation("training.sources.Source", "-(-samples // batch_size)", "samples // batch_size + 1", "more", CALLBACKS),
    Mutation("training.sources.Source", "skip, full)", "skip, None)", "keeps the last batch", SOURCES),
    Mutation("training.stream.Stream", "chain([first], batches)", "batches", "loses the first batch", SOURCES),
    Mutation("training.sources.Rows", "self._rows[key]", "key", "holds rows out that it trains on", SOURCES),
    Mutation("training.inputs._classes", "y.argmax(-1)", "y[..., 0].astype(int)", "weighs other classes", SOURCES),
    Mutation("training.monitors.is_less_better", "return falls", "return not falls", "the worst is best", CALLBACKS),
    Mutation("training.columns.Lazy", "result[order] = read", "result[...] = read", "mixes the rows up", SOURCES),
    Mutation("training.metrics.Metrics", "counts &= w > 0", "pass", "counts the padding", SOURCES),
    Mutation("training.monitors.EarlyStopping", "flat_params.copy()", "flat_params", "keeps no copy", CALLBACKS),
    Mutation("layers.batchnorm._BatchNorm", "rehearsing() or ", "", "met in the last step alone", INPUTS),
    Mutation("training.nonfinite.Guard", "if not self._looks:", "if True:", "updates by NaN", NONFINITE),
    Mutation("training.nonfinite.Guard", "buffer[...] = value", "pass", "keeps a step's NaN in buffers", NONFINITE),
    Mutation("training.nonfinite.Guard", "and not bool(xp.isfinite(grads).all())", "", "a large product", NONFINITE),
    Mutation("training.nonfinite.Guard", "(grads.size + 1)", "grads.size", "overlooks the middle", NONFINITE),
    Mutation("training.nonfinite.Guard", 'vars(leaf).pop("forward", None)', "pass", "watches on", NONFINITE),
    Mutation("training.nonfinite.Guard", "array[...] = value", "pass", "keeps parameters that overflowed", NONFINITE),
    Mutation(
        "training.files.saving._keep_finite", "if not spoilt:", "if True:",
        "replaces a finite model by NaN", "training/files/test_saving.py",
    ),
    Mutation(
        "training.optimizer.Optimizer", 'rate.item() if hasattr(rate, "item") else rate', "rate",
        "takes no array of one element for a rate", "training/test_schedules.py",
    ),
    Mutation("training.alike.begin_alike", "others[name] != value", "False", "ranks may differ", ALIKE),
    Mutation("training.alike.agree", "other != every[0][0]", "False", "ranks may come apart", ALIKE),
    Mutation("training.together.share_of", "ranks.rank + 1)", "ranks.rank + 2)", "shares overlap", ALIKE),
    Mutation("layers.whole.Share", "self.allreduce is not None", "False", "statistics of the share", ALIKE),
]  # fmt: skip
"""What is planted, each for the tests of one file."""
