"""Ranks that train together: what they were given has to be the same, and what becomes of it; without MPI."""

import platform
from itertools import count

import numpy as np
import pytest
from border import host
from ranks.in_threads import together

import xpnn as nn

X, Y = np.random.default_rng(0).normal(size=(23, 4)), np.arange(23) % 3


def network(rng=0, dtype="float64", **options):
    norm = nn.BatchNorm1D(5, dtype=dtype)
    return nn.Sequential(
        nn.Dense(4, 5, bias=False, rng=rng, dtype=dtype), norm, nn.Dropout(0.2, rng=3),
        nn.Dense(5, 3, rng=2, dtype=dtype), **options,
    )  # fmt: skip


def train(ranks, model=None, **options):
    given = {"x": X, "y": Y, "epochs": 2, "batch_size": 8, "verbose": False, "rng": 1}
    given |= {"model": model or network(), "optimizer": nn.Adam(0.01)} | options
    history = nn.fit(**given, ranks=ranks)
    return host(given["model"].flat_params), history.column("loss")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("batch_size", {"batch_size": 7}),
        ("rng", {"rng": 2}),
        ("epochs", {"epochs": 3}),
        ("loss", {"loss": nn.SoftmaxCrossEntropy(0.1)}),
        ("max_norm", {"max_norm": 1.0}),
        ("accumulate", {"accumulate": 2}),
        ("class_weight", {"class_weight": "balanced"}),
        ("metrics", {"metrics": ["f1"]}),
        ("on_nonfinite", {"on_nonfinite": "skip"}),
        ("optimizer", {"optimizer": nn.SGD(0.01)}),
        ("training data (checksum)", {"x": X + np.eye(23, 4)}),
        ("validation data (checksum)", {"validation": (X[:5], Y[:5])}),
        ("model", {"model": nn.MLP((4, 5, 3), dtype="float64")}),
        ("model", {"model": network(dtype="float32")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_differs_is_named_before_the_first_step(name, options):
    for error in together(2, lambda ranks: train(ranks, **options if ranks.rank else {})):
        assert isinstance(error, ValueError)
        assert str(error).startswith(f"fit: rank 1 on here has another {name} than rank 0: ")


def test_another_version_switch_and_choice_of_frozen_layers_are_named(monkeypatch):
    def frozen(ranks):
        model = network()
        model.layers[0].trainable = ranks.rank == 0
        return train(ranks, model)

    assert "another choice of frozen layers" in str(together(2, frozen)[0])

    def apart(ranks):
        ranks.synchronized = ranks.rank == 0
        return train(ranks)

    assert "another synchronized than rank 0: False and True" in str(together(2, apart)[0])
    versions = count(11)
    monkeypatch.setattr(platform, "python_version", lambda: f"3.{next(versions)}.1")
    assert "another Python" in str(together(2, train)[0])


def test_parameters_that_come_apart_are_noticed_after_the_epoch():
    class Touch(nn.Callback):
        def on_batch_end(self, batch, logs):
            self.model.flat_params[0] += self.run.ranks.rank * 1e-15

    errors = together(2, lambda ranks: train(ranks, callbacks=[Touch()]))
    assert {str(error) for error in errors} == {"fit: rank 1 on here has come to other parameters than rank 0"}


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize(
    "options",
    [{}, {"accumulate": 2, "batch_size": 3}, {"sample_weight": np.arange(23) % 4, "max_norm": 0.1}],
    ids=["plain", "more ranks than samples", "weights"],
)
def test_ranks_come_to_what_one_process_does(size, options):
    """Each begins with other parameters, of which rank 0's are taken."""
    parameters, losses = train(None, **options)
    for found in together(size, lambda ranks: train(ranks, network(ranks.rank), **options)):
        np.testing.assert_allclose(found[0], parameters, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found[1], losses, rtol=1e-12)


def test_a_rank_reads_its_own_share_of_a_file_and_the_rows_that_are_compared():
    class File:
        """It counts the rows that are read."""

        def __init__(self):
            self.data, self.rows = np.random.default_rng(0).normal(size=(400, 4)), 0
            self.shape, self.dtype = self.data.shape, self.data.dtype

        def __len__(self):
            return 400

        def __getitem__(self, key):
            self.rows += len(self.data[key])
            return self.data[key]

    def read(ranks):
        file = File()
        train(ranks, x=file, y=np.arange(400) % 3)
        return file.rows

    assert max(together(2, read)) <= 2 * 200 + 64 + 20


class Stopping(nn.Callback):
    everywhere = False

    def on_train_begin(self):
        self.run.stop_training = True


def test_one_rank_s_callback_ends_the_run_of_all_before_it_begins():
    for params, losses in together(2, lambda ranks: train(ranks, callbacks=[Stopping()])):
        assert not losses
        np.testing.assert_array_equal(params, host(network().flat_params))


class Doubling(nn.Callback):
    everywhere = False

    def on_train_end(self):
        self.model.flat_params[...] *= 2


def test_all_get_the_model_that_rank_0_s_callbacks_make():
    one, _ = train(None, callbacks=[Doubling()])
    for params, _ in together(2, lambda ranks: train(ranks, callbacks=[Doubling()])):
        np.testing.assert_allclose(params, one, rtol=1e-12)


class OfRank0(nn.Callback):
    everywhere = False

    def state_dict(self):
        return {"epochs": self.run.epochs}

    def load_state_dict(self, state):
        assert self.run.epochs == state["epochs"] + 1


def test_what_a_checkpoint_has_of_rank_0_s_callbacks_is_for_rank_0(tmp_path):
    for epochs in (2, 3):
        found = together(
            2, lambda ranks, n=epochs: train(ranks, epochs=n, callbacks=[OfRank0()], checkpoint=nn.Checkpoint(tmp_path))
        )
        assert [len(losses) for _, losses in found] == [epochs] * 2


def test_a_checkpoint_is_given_to_all_ranks(tmp_path):
    for error in together(3, lambda ranks: train(ranks, checkpoint=None if ranks.rank else nn.Checkpoint(tmp_path))):
        assert str(error).startswith("fit: expected checkpoint= on all ranks")
        assert "rank 1 on here has none" in str(error)
