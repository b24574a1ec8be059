"""Errors planted in what goes with the optimisers' equations; ``fails`` names the test that finds each."""

from .planting import Mutation

GROUPS, EMA, SCHEDULES = "training/test_groups.py", "training/test_ema.py", "training/test_schedules.py"

OPTIMIZERS = [
    Mutation("training.groups._settings", "settings |= own", "settings = own", "the last group alone", GROUPS),
    Mutation("training.groups.placed", "if part[1] else None", "", "frozen layers are trained", GROUPS),
    Mutation("training.optimizer.Optimizer", " * self.lr_factor", "", "no factor of the rate", GROUPS),
    Mutation("training.optimizer.Optimizer", "g.fill(0)", "pass", "a frozen layer's gradient stays", GROUPS),
    Mutation("training.optimizer.clip_grad_norm", "leaf.grads.clear()", "pass", "frozen ones count", GROUPS),
    Mutation("layers.batchnorm._BatchNorm", " or not self.trainable", "", "moves frozen estimates", GROUPS),
    Mutation("training.ema.EMA", "self.mean += (1 - self.decay) *", "self.mean +=", "sum for a mean", EMA),
    Mutation("training.schedules.OneCycle", "first / self.final", "self.final", "another last rate", SCHEDULES),
    Mutation("training.schedules.Warmup", "step - self.steps", "step", "begins within the schedule", SCHEDULES),
]
"""What is planted, each for the tests of one file."""
