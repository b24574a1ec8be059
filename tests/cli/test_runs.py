"""Runs of ``xpnn train``: stopped, killed, resumed, and several in one folder."""

import itertools
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli.saved import read_run
from xpnn.data.files import locked
from xpnn.training import interrupt, sources

pytestmark = pytest.mark.usefixtures("no_curves")

COMMAND = ["train", "mlp", "--epochs", 4, "--batch-size", 359, "--out"]
"""Five steps an epoch."""

SIGNALS = {"SIGINT": 130, "SIGTERM": 143} | ({"SIGHUP": 129} if hasattr(signal, "SIGHUP") else {})


@pytest.fixture
def run(capsys):
    """Exit status, standard output and standard error of a command line."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory, no_curves):
    """The folder of COMMAND in one go."""
    folder = tmp_path_factory.mktemp("whole")
    assert main([str(argument) for argument in [*COMMAND, folder]]) == 0
    return folder


@pytest.fixture
def send():
    """Sends a signal when a step, counted from 0 over all epochs, gets its batch."""
    before = {getattr(signal, name): signal.SIG_DFL for name in SIGNALS} | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in before.items()}
    patch, batch_indices = pytest.MonkeyPatch(), sources.batch_indices

    def at(step, name="SIGINT"):
        steps = itertools.count()

        def signalled(batch):
            if next(steps) == step:
                signal.raise_signal(getattr(signal, name))
            return batch

        def batches(samples, batch_size, rng):
            order = batch_indices(samples, batch_size, rng)
            return order if rng is None else map(signalled, order)  # inference shuffles nothing

        patch.setattr(sources, "batch_indices", batches)
        return patch

    yield at
    patch.undo()
    for number, handler in before.items():
        signal.signal(number, handler)


def names(folder):
    return {path.name for path in folder.iterdir()} - {".lock", "checkpoints"}


def history(folder):
    return nn.History.from_csv(folder / "history.csv")


def assert_same(folder, whole, times=4):
    """The same bytes of the model, and the same table but for the seconds, of which so many rows have some."""
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert sum(row.get("seconds", 0) > 0 for row in history(folder)) >= times
    assert [{**row, "seconds": 0} for row in history(folder)] == [{**row, "seconds": 0} for row in history(whole)]
    assert names(folder) == names(whole)


class TestSignals:
    @pytest.mark.parametrize("name", SIGNALS)
    @pytest.mark.parametrize("step", [0, 9, 12])
    def test_what_has_been_learnt_is_saved_and_goes_on_to_the_same_file(self, name, step, whole, tmp_path, run, send):
        patch = send(step, name)
        status, out, err = run(*COMMAND, tmp_path)
        patch.undo()
        assert status == SIGNALS[name]
        assert err == f"xpnn: interrupted by {name}\n"
        assert f"interrupted in epoch {1 + step // 5}, after " in out
        assert f"saved in {tmp_path}; the same command with --resume goes on from there" in out
        assert "test accuracy" not in out
        assert len(history(tmp_path)) == step // 5
        assert run("evaluate", tmp_path)[0] == 0
        status, out, _ = run(*COMMAND, tmp_path, "--resume")
        assert status == 0
        assert f"going on after epoch {step // 5}, step " in out
        assert_same(tmp_path, whole)

    def test_the_masks_and_the_best_epoch_are_those_of_an_uninterrupted_run(self, tmp_path, run, send):
        command = [*COMMAND[:-1], "--dropout", 0.4, "--lr", 0.05, "--early-stopping", 9, "--out"]
        assert run(*command, tmp_path / "whole")[0] == 0
        patch = send(7)
        assert run(*command, tmp_path / "run")[0] == 130
        patch.undo()
        assert run(*command, tmp_path / "run", "--resume")[0] == 0
        assert_same(tmp_path / "run", tmp_path / "whole")
        assert (tmp_path / "run/best.safetensors").read_bytes() == (tmp_path / "whole/best.safetensors").read_bytes()

    def test_a_second_ctrl_c_leaves_what_was_saved_and_says_so(self, whole, tmp_path, run, send, monkeypatch):
        def twice(*arguments):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        send(step=5)
        monkeypatch.setattr(nn.AdamW, "_update", twice)
        status, out, _ = run(*COMMAND, tmp_path)
        assert (status, names(tmp_path)) == (130, set())
        assert "interrupted in epoch 1, within a step" in out
        assert f"{tmp_path} is as it was\n" in out
        shutil.copytree(whole, tmp_path / "run")
        command = [*COMMAND, tmp_path / "run", "--resume", "--epochs", 5]
        status, out, _ = run(*command)
        assert status == 130
        assert f"{tmp_path / 'run'} is as it was after epoch 4" in out
        assert_same(tmp_path / "run", whole)

    def test_ctrl_c_while_an_epoch_is_saved_loses_none(self, whole, tmp_path, run, send, monkeypatch):
        saved, fsync = [], os.fsync

        def pressed(descriptor):
            saved.append(descriptor)
            if (
                len(saved) == 7
            ):  # four syncs an epoch, of two files and their names, and in the first two more of run.toml
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", pressed)
        status, out, _ = run(*COMMAND, tmp_path)
        assert status == 130
        assert "saved in" in out
        assert len(history(tmp_path)) == 2
        monkeypatch.undo()
        assert run(*COMMAND, tmp_path, "--resume")[0] == 0
        assert_same(tmp_path, whole)

    def test_termination_that_comes_twice_does_not_end_the_saving(self, whole, tmp_path, run, send, monkeypatch):
        patch = send(step=7, name="SIGTERM")
        fsync = os.fsync

        def terminated(descriptor):
            signal.raise_signal(signal.SIGTERM)
            fsync(descriptor)

        patch.setattr(os, "fsync", terminated)
        status, out, _ = run(*COMMAND, tmp_path)
        assert status == 143
        assert "saved in" in out
        patch.undo()
        assert "going on after epoch 1, step " in run(*COMMAND, tmp_path, "--resume")[1]
        assert_same(tmp_path, whole)

    @pytest.mark.parametrize("error", [OSError(5, "Input/output error"), BrokenPipeError()])
    def test_a_terminal_that_has_gone_costs_nothing(self, error, whole, tmp_path, send, monkeypatch):
        class Gone:
            def write(self, text):
                raise error

            def flush(self):
                pass

        patch = send(step=7, name="SIGTERM")
        real = interrupt.Interruptible.__exit__

        def leave(self, *arguments):
            if arguments[0] is KeyboardInterrupt:
                patch.setattr(sys, "stdout", Gone())
                patch.setattr(sys, "stderr", Gone())
            return real(self, *arguments)

        patch.setattr(interrupt.Interruptible, "__exit__", leave)
        assert main([str(argument) for argument in [*COMMAND, tmp_path]]) == 143
        patch.undo()
        assert main([str(argument) for argument in [*COMMAND, tmp_path, "--resume"]]) == 0
        assert_same(tmp_path, whole)


class TestResume:
    @pytest.mark.parametrize("sync", [1, 3, 7, 8])
    def test_a_run_that_was_killed_while_it_saved_goes_on(self, sync, whole, tmp_path, run):
        program = (
            "import os, signal, sys, xpnn.__main__ as cli\n"
            "fsync, calls = os.fsync, []\n"
            "def killed(descriptor):\n"
            f"    calls.append(1); len(calls) == {sync} and os.kill(os.getpid(), signal.SIGKILL); fsync(descriptor)\n"
            "os.fsync = killed; cli.main(sys.argv[1:])"
        )
        arguments = [str(argument) for argument in [*COMMAND, tmp_path]]
        assert subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True).returncode == -9
        status, out, _ = run(*COMMAND, tmp_path, "--resume")
        assert status == 0
        epochs = 0 if sync == 1 else 1 if sync <= 7 else 2  # an epoch's second sync comes when the model has its place
        assert (f"going on after epoch {epochs}\n" if epochs else f"nothing is saved in {tmp_path} yet") in out
        assert_same(tmp_path, whole, times=3)  # where the table was not written, one row has no seconds

    def test_a_table_that_is_missing_or_another_s_is_written_anew(self, whole, tmp_path, run):
        shutil.copytree(whole, tmp_path / "run")
        table = tmp_path / "run" / "history.csv"
        rows = history(whole)
        for wrong in (None, "no table", nn.History(rows[:2]), nn.History([*rows[:3], {**rows[3], "loss": 9.0}])):
            table.unlink(missing_ok=True)
            if isinstance(wrong, str):
                table.write_text(wrong)
            elif wrong is not None:
                wrong.to_csv(table)
            status, out, _ = run(*COMMAND, tmp_path / "run", "--resume")
            assert status == 0
            assert "its 4 epochs are done; a larger --epochs goes on" in out
            assert [{**row, "seconds": 0} for row in history(tmp_path / "run")] == [
                {**row, "seconds": 0} for row in rows
            ]
        assert [row.get("seconds") for row in history(tmp_path / "run")] == [
            *[row["seconds"] for row in rows[:3]],
            None,
        ]
        assert names(tmp_path / "run") == names(whole)

    def test_more_epochs(self, whole, tmp_path, run):
        shutil.copytree(whole, tmp_path / "run")
        status, out, _ = run(*COMMAND, tmp_path / "run", "--resume", "--epochs", 5)
        assert status == 0
        assert "going on after epoch 4" in out
        assert history(tmp_path / "run")[:4] == history(whole)
        assert len(history(tmp_path / "run")) == 5

    def test_other_options_are_refused(self, whole, run):
        status, _, err = run(*COMMAND, whole, "--resume", "--lr", 0.5)
        assert status == 1
        assert "--resume takes the same model and options" in err

    @pytest.mark.parametrize("changed", ["train-labels", "train-images", "t10k-labels", "t10k-images"])
    def test_changed_data_are_refused(self, changed, tmp_path, run):
        rng, data, out = np.random.default_rng(0), tmp_path / "data", tmp_path / "run"
        data.mkdir()
        for stem in ("train", "t10k"):
            (data / f"{stem}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (30, 8, 8), np.uint8)))
            (data / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(30, dtype=np.uint8) % 3))
        assert run("train", "mlp", "--data", data, "--epochs", 1, "--out", out)[0] == 0
        assert run("train", "mlp", "--data", data, "--epochs", 2, "--out", out, "--resume")[0] == 0
        (path,) = data.glob(f"{changed}*")
        raw = path.read_bytes()
        path.write_bytes(raw[:-2] + raw[-1:] + raw[-2:-1])
        status, _, err = run("train", "mlp", "--data", data, "--epochs", 3, "--out", out, "--resume")
        assert status == 1
        assert "the data as they were" in err

    def test_changed_text_is_refused(self, tmp_path, run):
        text, command = tmp_path / "text.txt", ["train", "charrnn", "--data", tmp_path / "text.txt", "--out", tmp_path]
        text.write_text("the quick brown fox jumps over the lazy dog. " * 30)
        assert run(*command, "--epochs", 1)[0] == 0
        text.write_text("the quick brown dog jumps over the lazy fox. " * 30)
        status, _, err = run(*command, "--epochs", 2, "--resume")
        assert status == 1
        assert "the data as they were" in err

    def test_a_history_that_is_not_the_optimiser_s(self, whole, tmp_path, run):
        recipe, rows, *_ = read_run(whole / "model.safetensors")
        model, optimizer = recipe.build(), nn.AdamW()
        nn.load(model, whole / "model.safetensors", optimizer=optimizer)
        nn.save(model, tmp_path / "model.safetensors", recipe.metadata(nn.History(rows[:3])), optimizer=optimizer)
        status, _, err = run(*COMMAND, tmp_path, "--resume")
        assert status == 1
        assert "its 3 epochs are not 20 steps" in err


class TestFolders:
    def test_a_run_is_replaced_only_if_one_says_so(self, whole, tmp_path, run):
        shutil.copytree(whole, tmp_path / "run")
        command = [*COMMAND, tmp_path / "run", "--epochs", 1]
        status, out, err = run(*command)
        assert status == 1
        assert "has a run: --resume goes on with it, --overwrite replaces it" in err
        assert "training samples" not in out
        assert_same(tmp_path / "run", whole)
        assert run(*command, "--overwrite")[0] == 0
        assert len(history(tmp_path / "run")) == 1

    def test_a_table_of_the_user_s_is_not_replaced_either(self, tmp_path, run):
        (tmp_path / "history.csv").write_text("mine")
        assert "--overwrite replaces it" in run(*COMMAND, tmp_path)[2]
        assert (tmp_path / "history.csv").read_text() == "mine"

    def test_overwriting_keeps_the_old_run_until_an_epoch_of_the_new_is_whole(self, whole, tmp_path, run, monkeypatch):
        def fails(*arguments, **keywords):
            raise FloatingPointError("diverged")

        shutil.copytree(whole, tmp_path / "run")
        monkeypatch.setattr("xpnn.cli.job.fit", fails)
        assert run(*COMMAND, tmp_path / "run", "--overwrite")[0] == 1
        assert_same(tmp_path / "run", whole)

    def test_resume_and_overwrite_exclude_each_other(self, tmp_path, run):
        with pytest.raises(SystemExit, match="2"):
            run(*COMMAND, tmp_path, "--resume", "--overwrite")

    @pytest.mark.parametrize("option", [[], ["--resume"], ["--overwrite"]])
    def test_where_another_run_writes_none_begins(self, option, tmp_path, run):
        with locked(tmp_path):
            status, out, err = run(*COMMAND, tmp_path, *option)
        assert status == 1
        assert "another run writes there" in err
        assert "training samples" not in out
        assert names(tmp_path) == set()

    def test_what_a_killed_process_left_is_removed_and_nothing_else(self, tmp_path, run):
        for name in (".model.safetensors.0a1b.part", ".history.csv.0a1b.part", ".other.0a1b.part", "model.part"):
            (tmp_path / name).write_text("")
        assert run(*COMMAND, tmp_path, "--epochs", 1)[0] == 0
        assert {name for name in names(tmp_path) if name.endswith("part")} == {".other.0a1b.part", "model.part"}

    def test_data_of_the_same_last_name_have_folders_of_their_own(self, tmp_path, run, monkeypatch):
        monkeypatch.chdir(tmp_path)
        folders = [tmp_path / "a" / "digits", tmp_path / "b" / "digits"]
        for seed, data in enumerate(folders):
            data.mkdir(parents=True)
            rng = np.random.default_rng(seed)
            for stem in ("train", "t10k"):
                (data / f"{stem}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (30, 8, 8), np.uint8)))
                (data / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(30, dtype=np.uint8) % 3))
        for data in (*folders, "digits"):
            assert run("train", "mlp", "--data", data, "--epochs", 1)[0] == 0
            assert run("train", "mlp", "--data", data, "--epochs", 1)[0] == 1  # it is its own folder again
        for data in (*folders, "digits"):
            assert "going on after epoch 1" in run("train", "mlp", "--data", data, "--epochs", 2, "--resume")[1]
        runs = sorted((tmp_path / "runs").iterdir())
        assert runs[0] == tmp_path / "runs" / "mlp-digits"
        assert len(runs) == 3
        assert {read_run(path / "model.safetensors")[0].data for path in runs} == {*map(str, folders), "digits"}
        assert all(len(history(path)) == 2 for path in runs)
