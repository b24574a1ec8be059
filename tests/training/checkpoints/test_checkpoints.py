"""Runs that stop at any step and go on from their checkpoints."""

import errno
import functools
import os
import random
import shutil
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from border import AS_USED, host, parameters

import xpnn as nn
from xpnn.data import files
from xpnn.training.checkpoints import generators, keeper

STEPS = 6  # an epoch
pytestmark = pytest.mark.filterwarnings("error")


class CrashError(Exception):
    pass


class Crashing(nn.Callback):
    """Ends the process, so to speak, after so many steps or within the last step's epoch_end."""

    def __init__(self, at):
        self.at, self.count = at, 0

    def on_batch_end(self, batch, logs):
        self.count += 1
        if self.count == self.at:
            raise CrashError


class Averaging(nn.Callback):
    def __init__(self, model):
        self.ema = nn.EMA(model, 0.9)

    def on_batch_end(self, batch, logs):
        self.ema.update()


@pytest.fixture
def data(rng):
    y = np.arange(96) % 3
    return (rng.standard_normal((96, 1, 3, 4)) + y[:, None, None, None]).astype(np.float32), y


def network():
    return nn.Sequential(
        nn.Conv2D(1, 2, 3, padding=1, rng=0), nn.BatchNorm2D(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3, rng=4),
        nn.Dense(24, 3, rng=1),
    )  # fmt: skip


def arrays(x, y):
    return (x, y), {"rng": 5, "batch_size": 16}


def by_a_generator(x, y):
    return (x, y), {"rng": np.random.default_rng(5), "batch_size": 12, "validation_split": 0.25}


def augmented(x, y):
    inner = nn.batches(x, y, 16, rng=np.random.Generator(np.random.Philox(3)))
    return (nn.Augmented(inner, noise=0.5, flip=True, rng=2),), {}


def in_a_function(x, y):
    rng = np.random.default_rng(7)
    return (lambda: nn.batches(x + rng.standard_normal(x.shape).astype("f"), y, 16, rng=rng),), {}


def by_other_generators(x, y):
    legacy, python = np.random.RandomState(1), random.Random(2)

    def given():
        for rows in np.split(legacy.permutation(96), STEPS):
            yield x[rows] + np.float32(legacy.normal() + python.gauss(0, 1)), y[rows]

    return (given,), {}


def grouped(x, y):
    return (x, y), {"accumulate": 2, "batch_size": 8, "sample_weight": np.arange(1, 97), "rng": 5}


def run(data, given, crash=0, **options):
    """(parameters, buffers, the optimiser's state, history, EMA) of three epochs, or None after the crash."""
    model, optimizer = network(), nn.Adam(0.05)
    positional, settings = given(*data)
    averaging = Averaging(model)
    callbacks = [
        averaging, nn.EarlyStopping("loss", patience=9), nn.ReduceLROnPlateau("loss", patience=1, min_delta=0.5),
        Crashing(crash),
    ]  # fmt: skip
    try:
        history = nn.fit(
            model, *positional, epochs=3, optimizer=optimizer, callbacks=callbacks, metrics=["f1"], verbose=False,
            **settings, **options,
        )  # fmt: skip
    except CrashError:
        return None
    state = {name: host(value).tobytes() for name, value in optimizer.state(model.flat_params).items()}
    buffers = {name: host(value).tobytes() for name, value in model.buffers.items()}
    rows = [{**row, "seconds": 0} for row in history]
    return parameters(model).tobytes(), buffers, state, rows, host(averaging.ema.mean).tobytes()


@pytest.mark.parametrize("given", [arrays, by_a_generator, augmented, in_a_function, by_other_generators, grouped])
def test_a_run_that_crashed_goes_on_to_the_same_bits(given, data, tmp_path):
    wanted = run(data, given)
    for crash in (2, STEPS, STEPS + 1, 2 * STEPS) if AS_USED and given is arrays else (STEPS + 2,):
        folder = tmp_path / str(crash)
        assert run(data, given, crash, checkpoint=nn.Checkpoint(folder, every=1)) is None
        assert run(data, given, crash=2, checkpoint=nn.Checkpoint(folder, every=1)) is None  # and once more
        assert run(data, given, checkpoint=nn.Checkpoint(folder, every=1)) == wanted


def test_a_generator_that_has_moved_on_is_put_back(data, tmp_path):
    """To where it was when ``fit`` was called: it draws which samples are held out."""
    positional, settings = by_a_generator(*data)
    assert run(data, lambda *_: (positional, settings), STEPS + 2, checkpoint=nn.Checkpoint(tmp_path, every=1)) is None
    found = run(data, lambda *_: (positional, settings), checkpoint=nn.Checkpoint(tmp_path, every=1))
    assert found == run(data, by_a_generator)


def test_a_step_that_was_skipped_is_past(data, tmp_path):
    data[0][np.random.default_rng(5).permutation(96)[40]] = 3e38  # overflows in the third step
    kept = functools.partial(nn.Checkpoint, tmp_path, every=1)
    with warnings.catch_warnings(action="ignore"):
        wanted = run(data, arrays, on_nonfinite="skip")
        assert run(data, arrays, 4, on_nonfinite="skip", checkpoint=kept()) is None
        assert run(data, arrays, on_nonfinite="skip", checkpoint=kept()) == wanted


def test_it_goes_on_with_another_number_of_threads(data, tmp_path):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    wanted = run(data, arrays)
    with threadpoolctl.threadpool_limits(2):
        run(data, arrays, STEPS + 2, checkpoint=nn.Checkpoint(tmp_path, every=1))
    found = run(data, arrays, checkpoint=nn.Checkpoint(tmp_path, every=1))
    np.testing.assert_allclose(np.frombuffer(found[0], "f4"), np.frombuffer(wanted[0], "f4"), rtol=1e-3, atol=1e-4)


def small(tmp_path, epochs=2, blobs=None, model=None, **options):
    settings = {"every": "1 epoch"} | {key: options.pop(key) for key in ("every", "keep", "best", "resume", "metadata")
                                       if key in options}  # fmt: skip
    x, y = np.arange(24.0, dtype="f").reshape(12, 2) % 5, np.arange(12) % 2
    model = model or nn.MLP((2, 2), rng=0)
    checkpoint = nn.Checkpoint(tmp_path / "run", **settings)
    options = {"batch_size": 4, "epochs": epochs, "verbose": False, "optimizer": nn.SGD(0.1)} | options
    return model, nn.fit(model, x, y, checkpoint=checkpoint, **options)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "run").iterdir() if path.name != ".lock")


class TestFolder:
    @pytest.mark.parametrize(
        ("every", "steps"),
        [("1 epoch", [3, 6, 9]), ("2 epochs", [6, 9]), ("epoch", [3, 6, 9]), ("5 min", [9]), (4, [4, 8, 9]),
         ("4 steps", [4, 8, 9]), ("0.000001s", [7, 8, 9])],
    )  # fmt: skip
    def test_how_often(self, every, steps, tmp_path):
        small(tmp_path, epochs=3, every=every)
        assert names(tmp_path) == [f"step-{step:09d}.safetensors" for step in steps]

    def test_a_path_is_no_checkpoint(self, tmp_path):
        with pytest.raises(TypeError, match=r"fit: expected checkpoint=Checkpoint\(folder\), got"):
            nn.fit(nn.MLP((2, 2)), np.zeros((2, 2)), np.zeros(2, int), checkpoint=tmp_path)

    @pytest.mark.parametrize("every", ["", "often", "0 min", "-1 s", 0, "1.5 steps", ".", "3 weeks", "1 epochss"])
    def test_what_is_no_interval(self, every):
        with pytest.raises(ValueError, match="expected every as '5 min', '1 epoch' or '500 steps', got"):
            nn.Checkpoint("run", every)

    def test_how_many(self, tmp_path):
        small(tmp_path, epochs=3, every=1, keep=2)
        assert names(tmp_path) == ["step-000000008.safetensors", "step-000000009.safetensors"]
        for keep in (0, 2.5, "3"):
            with pytest.raises(ValueError, match=f"whole number of at least 1, got {keep!r}"):
                nn.Checkpoint("run", keep=keep)
        with pytest.raises(TypeError, match="metadata of texts, got .*'a': 1"):
            nn.Checkpoint("run", metadata={"a": 1})

    def test_the_best_epoch_is_a_run_too(self, tmp_path):
        class Watch(nn.Callback):
            def on_epoch_begin(self, epoch):
                if epoch == 3:
                    self.model.flat_params[:3] = 99

            def on_epoch_end(self, epoch, logs):
                after.append(parameters(self.model))

        after = []
        small(tmp_path, 3, best="loss", callbacks=[Watch()])
        best = nn.MLP((2, 2))
        nn.load(best, tmp_path / "run" / "best.safetensors")
        np.testing.assert_array_equal(parameters(best), after[1])
        with pytest.raises(ValueError, match="no column 'nonsense_loss' to monitor"):
            small(tmp_path / "other", best="nonsense_loss")
        with pytest.raises(ValueError, match="Checkpoint: expected mode='min' or mode='max' for 'nonsense'"):
            nn.Checkpoint(tmp_path / "other", best="nonsense")

    def test_the_best_epoch_puts_no_checkpoint_off(self, tmp_path, monkeypatch):
        class Minutes(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                clock[0] += 60

        clock = [0.0]
        monkeypatch.setattr(keeper, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        _, history = small(tmp_path, 5, every="2 min", best="loss", callbacks=[Minutes()], optimizer=nn.SGD(0.01))
        assert history.column("loss") == sorted(history.column("loss"), reverse=True)
        assert names(tmp_path) == ["best.safetensors", *(f"step-{step:09d}.safetensors" for step in (6, 12, 15))]

    def test_what_is_written_is_of_its_step(self, tmp_path, monkeypatch):
        after, waits, write_file = [], threading.Event(), keeper.write_file

        class Watch(nn.Callback):
            def on_batch_end(self, batch, logs):
                after.append(parameters(self.model))
                if len(after) == 2:
                    waits.set()  # the next step has been done

        monkeypatch.setattr(keeper, "write_file", lambda *given: waits.wait(9) and write_file(*given))
        small(tmp_path, 1, every=1, callbacks=[Watch()])
        model = nn.MLP((2, 2))
        nn.load(model, tmp_path / "run" / "step-000000001.safetensors")
        np.testing.assert_array_equal(parameters(model), after[0])

    def test_a_damaged_one_is_passed_over_with_a_word(self, tmp_path, capsys):
        _, wanted = small(tmp_path, 3)
        newest, before, _ = nn.Checkpoint(tmp_path / "run").files()
        newest.write_bytes(newest.read_bytes()[:-1])
        data = bytearray(before.read_bytes())
        data[-1] ^= 1
        before.write_bytes(data)
        with pytest.warns(nn.CheckpointWarning, match="is damaged.*trying the checkpoint before it") as caught:
            _, history = small(tmp_path, 3)
        assert len(caught) == 2
        assert "going on from step-000000003.safetensors: epoch 1, step 3\n" in capsys.readouterr().out
        assert [row["loss"] for row in history] == [row["loss"] for row in wanted]

    @pytest.mark.parametrize("content", [b"", (1 << 62).to_bytes(8, "little")], ids=["empty", "claims much"])
    def test_where_all_are_damaged_the_run_begins(self, content, tmp_path):
        small(tmp_path, 1)
        (only,) = nn.Checkpoint(tmp_path / "run").files()
        only.write_bytes(content)
        with pytest.warns(nn.CheckpointWarning, match="no checksum"):
            assert len(small(tmp_path, 1)[1]) == 1

    def test_one_of_a_later_step_that_is_damaged_takes_no_place(self, tmp_path):
        small(tmp_path, 3, keep=1)
        path = tmp_path / "run" / "step-000000009.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.warns(nn.CheckpointWarning, match="is damaged"):
            small(tmp_path, 2, keep=1)
        assert names(tmp_path) == ["step-000000006.safetensors", path.name]

    def test_what_a_killed_process_left_is_removed(self, tmp_path):
        small(tmp_path, 1)
        (tmp_path / "run" / ".step-000000006.safetensors.0123456789abcdef.part").touch()
        small(tmp_path, 1)
        assert names(tmp_path) == ["step-000000003.safetensors"]

    @pytest.mark.parametrize(
        "other", [{"batch_size": 2}, {"accumulate": 2}, {"shuffle": False}, {"drop_last": True}, {"metrics": ["f1"]}]
    )
    def test_within_an_epoch_the_batches_stay_those_they_were(self, other, tmp_path):
        with pytest.raises(CrashError):
            small(tmp_path, every=1, callbacks=[Crashing(3)])
        with pytest.raises(
            ValueError, match=rf"within an epoch with {next(iter(other))}=.*can change only between epochs"
        ):
            small(tmp_path, **other)
        small(tmp_path)
        assert len(small(tmp_path, 3, **other)[1]) == 3

    def test_the_same_optimizer_goes_on_with_the_run(self, tmp_path):
        optimizer = nn.SGD(0.1, momentum=0.9)
        model, _ = small(tmp_path, 2, optimizer=optimizer)
        _, history = small(tmp_path, 3, model=model, optimizer=optimizer)
        assert (len(history), optimizer.steps) == (3, 9)

    @pytest.mark.parametrize(
        ("value", "what"),
        [({1, 2}, "got {1, 2}"), (b"x", "got b'x'"), (1j, "got 1j"), (np.array(["a"]), "got dtype"),
         (np.ones(2, "longdouble"), "got dtype"), ({"counts": {0: 1}}, "counts: expected .* keys, got 0")],
        ids=lambda value: type(value).__name__,
    )  # fmt: skip
    def test_a_state_that_cannot_be_saved_is_known_before_the_first_step(self, value, what, tmp_path):
        class Holding(nn.Callback):
            def state_dict(self):
                return {"value": value}

        model = nn.MLP((2, 2), rng=0)
        with pytest.raises(TypeError, match=rf"^callbacks.Holding.value.*{what}"):
            small(tmp_path, model=model, callbacks=[Holding()])
        assert (parameters(model) == parameters(nn.MLP((2, 2), rng=0))).all()

    def test_a_callback_is_found_by_its_class(self, tmp_path):
        class Kept(nn.Callback):
            def __init__(self, value):
                self.value, self.found = value, None

            def state_dict(self):
                return {"value": self.value}

            def load_state_dict(self, state):
                self.found = state["value"]

        small(tmp_path, 1, callbacks=[Kept(1), nn.ReduceLROnPlateau(), Kept(2)])
        one, other = Kept(0), Kept(0)
        small(tmp_path, 2, callbacks=[nn.EarlyStopping(), one, nn.ReduceLROnPlateau(), other])
        assert (one.found, other.found) == (1, 2)
        with pytest.warns(nn.CheckpointWarning, match="that the run lacks") as caught:
            small(tmp_path, 3, callbacks=[Kept(3), nn.EarlyStopping()])
        assert [str(one.message).rpartition(": ")[2] for one in caught] == ["ReduceLROnPlateau", "Kept 2"]

    def test_a_callback_that_ends_the_run_between_epochs(self, tmp_path):
        class Enough(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                if epoch == 2:
                    raise KeyboardInterrupt

        wanted, _ = small(tmp_path / "other", 4)
        small(tmp_path, 4, callbacks=[Enough()])
        model, history = small(tmp_path, 4)
        assert len(history) == 4
        np.testing.assert_array_equal(parameters(model), parameters(wanted))

    def test_a_run_that_has_ended_has_nothing_to_do(self, tmp_path):
        first, rows = small(tmp_path)
        second, history = small(tmp_path)
        assert (parameters(first) == parameters(second)).all()
        assert history == rows

    def test_one_that_begins_anew_replaces_the_old_one_with_its_first(self, tmp_path):
        small(tmp_path, 3)
        with pytest.raises(ValueError, match="lr > 0"):
            small(tmp_path, 1, resume=False, optimizer=nn.SGD(-1))
        assert len(names(tmp_path)) == 3
        assert len(small(tmp_path, 1, resume=False)[1]) == 1
        assert names(tmp_path) == ["step-000000003.safetensors"]

    def test_the_old_ones_stay_until_the_new_run_s_first_is_on_the_disk(self, tmp_path, monkeypatch):
        def full(*given):
            raise OSError(errno.ENOSPC, "No space left on device")

        small(tmp_path)
        monkeypatch.setattr(keeper, "write_file", full)
        with pytest.warns(nn.CheckpointWarning, match="No space left"):
            small(tmp_path, resume=False)
        assert names(tmp_path) == ["step-000000003.safetensors", "step-000000006.safetensors"]

    def test_what_is_further_on_than_its_checkpoint_stays(self, tmp_path):
        model, history = small(tmp_path, 1)
        optimizer = nn.SGD(0.1)
        optimizer.steps = 99
        small(tmp_path, 2, model=model, history=history, optimizer=optimizer, keep=1)
        assert optimizer.steps == 102

    def test_other_models_and_other_runs_are_refused(self, tmp_path):
        small(tmp_path, metadata={"data": "a"})
        with pytest.raises(ValueError, match="does not fit the model"):
            small(tmp_path, model=nn.MLP((2, 3, 2)), metadata={"data": "a"})
        with pytest.raises(ValueError, match="belongs to another run, whose metadata differ"):
            small(tmp_path, metadata={"data": "b"})
        path = nn.Checkpoint(tmp_path / "run").files()[0]
        assert nn.read_metadata(path)["data"] == "a"
        nn.save(nn.MLP((2, 2)), path)
        with pytest.raises(ValueError, match="is not a checkpoint of a run"):
            small(tmp_path)

    def test_a_second_run_is_refused_while_the_first_one_lasts(self, tmp_path):
        def second(history):
            with pytest.raises(BlockingIOError, match="another run writes there"):
                small(tmp_path)

        small(tmp_path, on_epoch_end=second)
        small(tmp_path)

    def test_what_becomes_of_the_learning_rate_is_said(self, tmp_path, capsys):
        small(tmp_path, optimizer=nn.SGD(nn.CosineDecay(0.1, 6)))
        small(tmp_path, 3, optimizer=nn.SGD(nn.CosineDecay(0.1, 9)))
        out = capsys.readouterr().out
        assert "the learning rate was CosineDecay(lr=0.1, steps=6, warmup=0) and is now CosineDecay(lr=0.1, st" in out
        assert "0.025 in the next step" in out


class TestFailures:
    def test_a_full_disk_costs_a_checkpoint_and_no_training(self, tmp_path, monkeypatch):
        whole, fsync, calls = small(tmp_path / "whole", 3), os.fsync, []

        def full(descriptor):
            calls.append(descriptor)
            if len(calls) in (3, 5):
                raise OSError(28, "No space left on device")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.warns(nn.CheckpointWarning, match="no checkpoint.*No space left on device.*training goes on"):
            model, _ = small(tmp_path, 3)
        assert (parameters(model) == parameters(whole[0])).all()
        assert names(tmp_path) == ["step-000000003.safetensors", "step-000000009.safetensors"]

    @pytest.mark.parametrize(
        ("where", "name", "code", "left"),
        [
            (files, "open", errno.EROFS, [6, 9]),  # the first file that is opened is the lock
            (files, "_pieces", errno.ENOSPC, [3, 9]),
            (os, "fsync", errno.EDQUOT, [3, 6, 9]),  # the second sync is of the first one's name, which is there
            (Path, "replace", errno.EIO, [3, 9]),
        ],
    )
    def test_whatever_fails_the_others_stay_and_training_goes_on(self, where, name, code, left, tmp_path, monkeypatch):
        whole, calls, real = small(tmp_path / "whole", 3), [], vars(where).get(name, open)

        def failing(*given, **options):
            calls.append(given)
            if len(calls) == 2:
                raise OSError(code, os.strerror(code))
            return real(*given, **options)

        monkeypatch.setattr(where, name, failing, raising=False)
        with pytest.warns(nn.CheckpointWarning, match=rf"no checkpoint.*{os.strerror(code)}.*training goes on"):
            model, _ = small(tmp_path, 3)
        assert (parameters(model) == parameters(whole[0])).all()
        assert names(tmp_path) == [f"step-{step:09d}.safetensors" for step in left]

    def test_a_folder_that_has_gone(self, tmp_path):
        def remove(history):
            if len(history) == 1:
                shutil.rmtree(tmp_path / "run")

        with pytest.warns(nn.CheckpointWarning, match="No such file"):
            assert len(small(tmp_path, 3, on_epoch_end=remove)[1]) == 3

    def test_a_folder_that_cannot_be_made_is_known_before_the_first_step(self, tmp_path):
        (tmp_path / "run").write_text("a file")
        optimizer = nn.SGD(0.1)
        with pytest.raises(FileExistsError):
            small(tmp_path, optimizer=optimizer)
        assert optimizer.steps == 0

    def test_without_memory_for_a_copy_the_step_waits(self, tmp_path, monkeypatch):
        wanted = small(tmp_path / "whole", every=1)

        def none_left(array):
            raise MemoryError

        def slow(*given):
            time.sleep(0.02)
            write_file(*given)

        write_file = keeper.write_file
        monkeypatch.setattr(keeper, "copied", none_left)
        monkeypatch.setattr(keeper, "write_file", slow)
        assert (parameters(small(tmp_path, every=1)[0]) == parameters(wanted[0])).all()
        for path in nn.Checkpoint(tmp_path / "whole" / "run").files():
            found = nn.MLP((2, 2)), nn.MLP((2, 2))
            nn.load(found[0], path)
            nn.load(found[1], tmp_path / "run" / path.name)
            assert (parameters(found[0]) == parameters(found[1])).all()


class TestGenerators:
    def test_where_they_are_found(self):
        rng = np.random.default_rng(0)

        class Own:
            def __init__(self):
                self.rng = rng

            def batches(self):
                return []

        roots = {
            "model": nn.Sequential(nn.Residual(nn.Sequential(nn.Dropout(rng=rng)))), "list": [1, {"a": rng}],
            "function": lambda: rng, "partial": functools.partial(print, rng=rng), "method": Own().batches,
            "array": np.ones(3), "system": [random.SystemRandom()], "class": Own, "module": np,
        }  # fmt: skip
        found = generators.generators_in(roots)
        assert {name.split(".")[0] for name in found} == {"model", "list", "function", "partial", "method"}
        assert all(one is rng for one in found.values())

    @pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
    def test_one_goes_on_as_the_other_with_those_that_it_spawns(self, kind):
        one, other = np.random.Generator(kind(1)), np.random.Generator(kind(2))
        one.spawn(3)
        one.random(5, dtype=np.float32)
        generators.put_back(other, generators.state_of(one))
        assert (other.random(9) == one.random(9)).all()
        assert other.spawn(1)[0].random() == one.spawn(1)[0].random()

    def test_a_generator_of_pytorch_goes_on(self):
        torch = pytest.importorskip("torch")
        one, other = (torch.Generator().manual_seed(seed) for seed in (1, 2))
        torch.randn(5, generator=one)
        loader = torch.utils.data.DataLoader([0], generator=other)
        (found,) = set(generators.generators_in({"data": loader}).values())
        generators.put_back(found, generators.state_of(one))
        assert (torch.randn(9, generator=other) == torch.randn(9, generator=one)).all()

    def test_a_file_does_not_say_how_much_is_mixed_for_a_seed(self):
        state = generators.state_of(np.random.default_rng(0))
        state["spawned"]["pool_size"] = 1  # which NumPy refuses; a large one takes as long as its square
        generators.put_back(np.random.default_rng(1), state)

    @pytest.mark.parametrize("state", [{}, {"bits": {}, "spawned": {}}, {"bits": {"bit_generator": "MT19937"}}])
    def test_what_is_no_state(self, state):
        with pytest.raises(ValueError, match="expected the state of a PCG64 generator"):
            generators.put_back(np.random.default_rng(0), state)
        others = {"legacy": {"bit_generator": "MT19937"}, "python": [3, [1], None]}
        for generator in (np.random.RandomState(0), random.Random(0)):
            with pytest.raises(ValueError, match="expected the state of a"):
                generators.put_back(generator, state | others)
