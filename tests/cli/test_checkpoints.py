"""Runs of ``xpnn train`` that go on from their checkpoints."""

import shutil

import pytest
from cli.test_commands import run

import xpnn as nn

pytestmark = pytest.mark.usefixtures("no_curves")

COMMAND = ["train", "mlp", "--epochs", 2, "--batch-size", 359, "--dropout", 0.4, "--hidden", 8]
"""Five steps an epoch."""


class CrashError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory, no_curves):
    from xpnn.__main__ import main

    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main([*map(str, COMMAND), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def crash(monkeypatch):
    """Ends the process, so to speak, in a step."""

    def at(step):
        real, update = nn.AdamW, nn.AdamW._update

        def crashing(self, *given):
            if self.steps == step:
                raise CrashError
            return update(self, *given)

        monkeypatch.setattr(real, "_update", crashing)
        return monkeypatch

    return at


def flip(path):
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("step", [3, 8])
def test_a_crash_within_an_epoch_goes_on_to_the_same_file(step, whole, crash, tmp_path, capsys):
    patch = crash(step)
    command = [*COMMAND, "--out", tmp_path, "--checkpoint-every", "1 step"]
    assert run(capsys, *command)[0] == 1
    patch.undo()
    status, out, err = run(capsys, *command, "--resume")
    assert (status, err) == (0, "")
    assert f"going on from step-{step:09d}.safetensors: epoch {step // 5}, step {step}" in out
    assert (tmp_path / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    rows = [{**row, "seconds": 0} for row in nn.History.from_csv(tmp_path / "history.csv")]
    assert rows == [{**row, "seconds": 0} for row in nn.History.from_csv(whole / "history.csv")]
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 3


def test_a_damaged_model_is_known_and_the_newest_checkpoint_taken(whole, tmp_path, capsys):
    wanted = (whole / "model.safetensors").read_bytes()
    shutil.copytree(whole, folder := tmp_path / "run")
    flip(folder / "model.safetensors")
    status, _, err = run(capsys, "evaluate", folder)
    assert status == 1
    assert "is damaged" in err
    status, out, err = run(capsys, *COMMAND, "--out", folder, "--resume", "--epochs", 3)
    assert status == 0
    assert err.startswith(f"xpnn: warning: {folder / 'model.safetensors'} is damaged")
    assert "going on from step-000000010.safetensors: epoch 2, step 10; the learning rate was CosineDecay(" in out
    shutil.copytree(whole, folder := tmp_path / "other")
    for path in (*folder.glob("*.safetensors"), *folder.glob("checkpoints/*.safetensors")):
        flip(path)
    status, _, err = run(capsys, *COMMAND, "--out", folder, "--resume")
    assert status == 1
    assert err.count("is damaged") == 2
    assert (whole / "model.safetensors").read_bytes() == wanted


def test_another_run_s_checkpoint_is_not_gone_on_with(whole, crash, tmp_path, capsys):
    shutil.copytree(whole, folder := tmp_path / "run")
    (folder / "model.safetensors").unlink()
    status, _, err = run(capsys, *COMMAND, "--out", folder, "--resume", "--seed", 1)
    assert status == 1
    assert "was left by `xpnn train mlp" in err
    patch = crash(3)
    assert run(capsys, *COMMAND, "--out", folder, "--overwrite")[0] == 1
    assert [path.name for path in folder.glob("checkpoints/*.*")] == [".lock", "step-000000010.safetensors"]
    patch.undo()
    crash(8)
    assert run(capsys, *COMMAND, "--out", folder, "--overwrite")[0] == 1
    assert [path.name for path in folder.glob("checkpoints/*.*")] == [".lock"]
    assert "going on after epoch 1\n" in run(capsys, *COMMAND, "--out", folder, "--resume")[1]


def test_more_epochs_have_another_learning_rate_and_it_is_said(whole, tmp_path, capsys):
    shutil.copytree(whole, folder := tmp_path / "run")
    _, out, _ = run(capsys, *COMMAND, "--out", folder, "--resume", "--epochs", 4)
    assert "a cosine of 2 epochs; from here on it follows a cosine of 4 epochs, beginning at 0.0005" in out


def test_what_is_no_interval_is_wrong_usage(tmp_path, capsys):
    status, _, err = run(capsys, *COMMAND, "--out", tmp_path, "--checkpoint-every", "often")
    assert status == 2
    assert "expected every as '5 min'" in err
