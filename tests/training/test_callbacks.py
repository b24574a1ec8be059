"""Callbacks: when they are told, and what those of the package do."""

import functools
import io
import re
import sys

import numpy as np
import pytest
import tqdm
from border import ONCE, host, parameters

import xpnn as nn


class Telling(nn.Callback):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def on_train_begin(self):
        self.told.append("begin")

    def on_epoch_begin(self, epoch):
        self.told.append(f"epoch {epoch} of {self.run.epochs}, {self.run.steps} steps")

    def on_batch_end(self, batch, logs):
        self.told.append((batch, dict(logs)))

    def on_epoch_end(self, epoch, logs):
        self.told.append((epoch, logs))

    def on_train_end(self):
        self.told.append("end")


def fitted(blobs, *callbacks, **options):
    model = nn.MLP((2, 8, 3), rng=0)
    return model, nn.fit(model, *blobs, callbacks=callbacks, verbose=False, **({"batch_size": 45} | options))


def test_what_a_callback_is_told(blobs):
    one = Telling()
    model, history = fitted(blobs, one, epochs=2, validation=blobs)
    begin, first, (step, after_one), (_, after_two), end_of_first, second, *_, end = one.told
    assert (begin, end, step) == ("begin", "end", 1)
    assert (first, second) == ("epoch 1 of 2, 2 steps", "epoch 2 of 2, 2 steps")
    assert end_of_first == (1, history[0])
    assert after_two == {"loss": history[0]["loss"], "accuracy": history[0]["accuracy"]}
    assert after_one.keys() == after_two.keys()
    assert after_one != after_two
    assert one.model is model
    assert len(one.told) == 10


def test_a_callback_ends_the_run(blobs):
    class Ending(nn.Callback):
        def on_epoch_end(self, epoch, logs):
            return epoch == 2

    class Stopping(nn.Callback):
        def on_batch_end(self, batch, logs):
            self.run.stop_training = True

    class AsInKeras(nn.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 2

    assert len(fitted(blobs, Ending())[1]) == 2
    assert len(fitted(blobs, Stopping())[1]) == 1
    model, history = fitted(blobs, AsInKeras())
    assert len(history) == 2
    assert len(nn.fit(model, *blobs, epochs=3, verbose=False)) == 3
    with pytest.raises(TypeError, match=r"fit: expected callbacks, such as EarlyStopping\(\), got <class"):
        fitted(blobs, Ending)


def test_a_method_that_is_never_called(blobs):
    class Mistaken(nn.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise AssertionError

    with pytest.warns(UserWarning, match=r"Mistaken\.on_train_batch_end is never called, but on_train_begin, .*are"):
        fitted(blobs, Mistaken(), epochs=1)


def losses(*values):
    """Trains a model of one parameter, which is set before each epoch, so that the losses are these numbers."""

    class Setting(nn.Callback):
        def on_epoch_begin(self, epoch):
            self.model.params["0.b"] = [values[epoch - 1]]

    model = nn.Sequential(nn.Dense(1, 1, init="zeros"))
    data = np.zeros((4, 1)), np.zeros((4, 1))
    options = {"loss": nn.MeanAbsoluteError(), "optimizer": nn.SGD(1e-20), "epochs": len(values), "verbose": False}
    return lambda *callbacks: (model, nn.fit(model, *data, callbacks=[Setting(), *callbacks], **options))


class TestEarlyStopping:
    def test_ends_after_so_many_epochs_without_improvement(self):
        model, history = losses(3, 2, 4, 4, 1)(nn.EarlyStopping(patience=2))
        assert history.column("loss") == [3, 2, 4, 4]
        assert host(model.params["0.b"]).tolist() == [2]

    def test_a_run_that_improves_to_its_end_keeps_its_last_model(self):
        model, history = losses(5, 4, 3)(nn.EarlyStopping(patience=1))
        assert len(history) == 3
        assert host(model.params["0.b"]).tolist() == [3]

    def test_the_last_model_without_restore_best(self):
        assert host(losses(1, 2)(nn.EarlyStopping(patience=1, restore_best=False))[0].params["0.b"]).tolist() == [2]

    def test_what_counts_as_improvement(self):
        assert len(losses(3, 2.9, 2.8, 1)(nn.EarlyStopping(patience=2, min_delta=0.5))[1]) == 3
        assert len(losses(3, 4, 5, 4)(nn.EarlyStopping(patience=1, mode="max"))[1]) == 4

    def test_nan_is_no_improvement(self, blobs):
        def follow(*values):
            rows, stopping = iter(values), nn.EarlyStopping("score", patience=2)
            _, history = fitted(blobs, stopping, epochs=len(values), metrics={"score": lambda y, outputs: next(rows)})
            return len(history), stopping.best

        nan = np.nan
        assert follow(nan, nan, 0.5, 0.5)[0] == 2
        assert follow(nan, 0.5, nan, nan, 0.7) == (4, 0.5)

    def test_buffers_are_restored_too(self, blobs):
        kept = []

        class Keeping(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                kept.append(host(self.model.buffers["1.running_mean"]).copy())

        model = nn.Sequential(nn.Dense(2, 3, rng=0), nn.BatchNorm1D(3), nn.Dense(3, 3, rng=1))
        stopping = nn.EarlyStopping(
            "lr", patience=2, mode="min"
        )  # which never changes, so that the first epoch is the best one
        nn.fit(model, *blobs, epochs=9, callbacks=[Keeping(), stopping], verbose=False)
        assert len(kept) == 3
        np.testing.assert_array_equal(host(model.buffers["1.running_mean"]), kept[0])

    def test_a_run_that_goes_on_knows_its_best_epoch(self):
        history = nn.History([{"epoch": 1, "loss": 0.0}, {"epoch": 2, "loss": 1.0}])
        model = nn.MLP((2, 3))
        nn.fit(model, np.ones((4, 2)), np.ones(4, int), epochs=9, history=history, verbose=False,
               callbacks=[nn.EarlyStopping("loss", patience=2)])  # fmt: skip
        assert len(history) == 3

    def test_a_column_s_name_says_what_is_best(self):
        first = {"epoch": 1, "rmse": 2.0, "val_auc": 0.6, "neg_log_loss": -2.0, "top_5": 0.1}
        second = {"epoch": 2, "rmse": 1.0, "val_auc": 0.7, "neg_log_loss": -1.0, "top_5": 0.2}
        rows = [first, second]
        for name in first.keys() - {"epoch"}:
            stopping = nn.EarlyStopping(name)
            stopping.run = type("Run", (), {"history": rows, "stop_training": False})()
            stopping.on_train_begin()
            assert (stopping.best, stopping.wait) == (second[name], 0)

    def test_wrong_settings(self, blobs):
        with pytest.raises(ValueError, match="no column 'val_f1' to monitor: there are epoch, loss, accuracy"):
            fitted(blobs, nn.EarlyStopping("val_f1"))
        with pytest.raises(ValueError, match="expected mode='min' or mode='max' for 'val_los', since the name tells"):
            nn.EarlyStopping("val_los")
        with pytest.raises(TypeError, match="expected the name of a column to monitor, got 5"):
            nn.EarlyStopping(5)
        with pytest.raises(ValueError, match="expected mode 'auto', 'min' or 'max', got 'least'"):
            nn.EarlyStopping(mode="least")
        for patience in (0, 1.5, np.nan):
            with pytest.raises(ValueError, match=f"expected a patience of at least 1 epoch, got {patience}"):
                nn.EarlyStopping(patience=patience)
        with pytest.raises(ValueError, match="expected a finite min_delta, got inf"):
            nn.EarlyStopping(min_delta=np.inf)


def test_the_rate_falls_on_a_plateau():
    optimizer, rates = nn.SGD(1e-20), []

    class Rates(nn.Callback):
        def on_epoch_end(self, epoch, logs):
            rates.append(optimizer.lr)

    plateau = nn.ReduceLROnPlateau(factor=0.5, patience=2, min_lr=3e-21)
    data = np.zeros((4, 1)), np.zeros((4, 1))
    nn.fit(nn.Sequential(nn.Dense(1, 1, init="zeros")), *data, optimizer=optimizer, epochs=7, verbose=False,
           callbacks=[plateau, Rates()])  # fmt: skip
    assert rates == pytest.approx([1e-20, 1e-20, 5e-21, 5e-21, 3e-21, 3e-21, 3e-21])
    with pytest.raises(TypeError, match="expected an optimiser with a fixed learning rate"):
        nn.fit(nn.MLP((1, 1)), *data, optimizer=nn.SGD(nn.StepDecay(1.0, 2)), callbacks=[plateau], verbose=False)
    with pytest.raises(ValueError, match="factor above 0 and below 1"):
        nn.ReduceLROnPlateau(factor=1.0)


def test_checkpoints(blobs, tmp_path):
    best, each = nn.ModelCheckpoint(tmp_path / "best.st"), str(tmp_path / "{epoch}.st")
    model, history = fitted(
        blobs, best, nn.ModelCheckpoint(each, save_best_only=False), epochs=3, optimizer=nn.Adam(0.1)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.st", "2.st", "3.st", "best.st"]
    other, optimizer = nn.MLP((2, 8, 3)), nn.Adam()
    nn.load(other, tmp_path / "3.st", optimizer=optimizer)
    np.testing.assert_array_equal(parameters(other), parameters(model))
    assert optimizer.steps == 6
    at = int(np.argmin(history.column("loss"))) + 1
    assert (tmp_path / "best.st").read_bytes() == (tmp_path / f"{at}.st").read_bytes()


def test_a_checkpoint_s_path(blobs, tmp_path):
    fitted(blobs, nn.ModelCheckpoint(tmp_path / "not" / "yet" / "{epoch}.st"), epochs=1)
    assert (tmp_path / "not" / "yet" / "1.st").exists()
    for path in ("{val_acc}.st", "{}.st"):
        with pytest.raises(ValueError, match="ModelCheckpoint: .* names a column other than epoch, loss, accuracy"):
            fitted(blobs, nn.ModelCheckpoint(tmp_path / path), epochs=1)


@pytest.mark.skipif(not ONCE, reason="the same in every run")
def test_tensorboard(blobs, tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    def events(folder):
        (path,) = folder.iterdir()
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            record = data[12 : 12 + length]
            assert int.from_bytes(data[12 + length : 16 + length], "little") == masked_crc32c(record)
            yield Event.FromString(record)
            data = data[16 + length :]

    _, history = fitted(blobs, nn.TensorBoard(tmp_path / "first"), epochs=2)
    values = {
        (one.tag, event.step): one.simple_value for event in events(tmp_path / "first") for one in event.summary.value
    }
    for row in history:
        for name in row.keys() - {"epoch"}:
            assert values[name, row["epoch"]] == pytest.approx(row[name], rel=1e-6)
    fitted(blobs, nn.TensorBoard(tmp_path / "second"), epochs=1, history=history)
    starts = [event.step for event in events(tmp_path / "second") if event.HasField("session_log")]
    assert starts == [3]  # TensorBoard drops rows of an earlier process from there on


@pytest.mark.skipif(not ONCE, reason="the same in every run")
def test_the_bar_shows_the_loss(blobs, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("tqdm.tqdm", functools.partial(tqdm.tqdm, mininterval=0))
    monkeypatch.setattr("xpnn.training.callbacks._SHOWN", 0.0)
    nn.fit(nn.MLP((2, 3), rng=0), *blobs, epochs=1, batch_size=1, callbacks=[nn.ProgressBar()])
    shown = sys.stderr.getvalue()
    assert shown.count("90/90") == 1  # one bar, not two
    assert re.search(r"epoch 1/1.*\|.*\d+/90 \[.*loss=\d\.\d{4}", shown)
