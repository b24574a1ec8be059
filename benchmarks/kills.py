"""SIGKILL `xpnn train` at random moments, go on with --resume, and compare the end with an uninterrupted run.

    python benchmarks/kills.py [--kills 200] [--seed 0]

Each run is killed up to three times: at a random moment, or at a random sync or rename of a checkpoint or the model
(syncs last some milliseconds here, so that random moments fall into them, too). It then goes on to its end. Exit status
0: every run ended with the bytes of the uninterrupted one, and no process failed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROGRAM = """
import os, signal, sys, time, pathlib
import xpnn.__main__ as cli
at, count = int(sys.argv[1]), 0
fsync, replace = os.fsync, pathlib.Path.replace
def here():
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
def synced(descriptor):
    here(); time.sleep(0.003); fsync(descriptor)
def replaced(path, target):
    here(); result = replace(path, target); here(); return result
os.fsync, pathlib.Path.replace = synced, replaced
sys.exit(cli.main(sys.argv[2:]))
"""
OPTIONS = ["--epochs", "3", "--batch-size", "128", "--dropout", "0.3", "--checkpoint-every", "4 steps"]
MODELS = ("mlp", "mlp", "lenet5", "rnn")


def command(model: str, out: Path, at: int, *more: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(at), "train", model, *OPTIONS, "--out", str(out), *more]


def finished(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def killed(words: list[str], seconds: float) -> int:
    """The status of a process that is killed after so many seconds, if it still runs."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait()


def campaign(kills: int, seed: int, folder: Path) -> Counter[str]:
    """What came of so many kills."""
    rng, tally = random.Random(seed), Counter[str]()
    wholes, seconds = {}, {}
    for model in dict.fromkeys(MODELS):
        start = time.perf_counter()
        result = finished(command(model, folder / f"{model}-whole", 0))
        assert result.returncode == 0, result.stderr
        seconds[model] = time.perf_counter() - start
        wholes[model] = (folder / f"{model}-whole" / "model.safetensors").read_bytes()
    while tally["kills"] < kills:
        model, out = rng.choice(MODELS), folder / "run"
        for _ in range(rng.choice((1, 1, 2, 3))):
            placed = rng.random() < 0.5
            at = rng.randrange(1, 60) if placed else 0
            wait = 600.0 if placed else rng.uniform(0.3, 1.1) * seconds[model]
            status = killed(command(model, out, at, "--resume"), wait)
            tally["kills"] += status == -signal.SIGKILL
            tally[f"status {status}"] += 1
        left = finished(command(model, out, 0, "--resume"))
        went_on = next(
            (word for word in ("going on from", "going on after", "nothing is saved") if word in left.stdout), ""
        )
        tally[f"at last: {went_on or 'was done'}"] += 1
        same = left.returncode == 0 and (out / "model.safetensors").read_bytes() == wholes[model]
        tally["same bytes" if same else f"OTHER BYTES {left.stderr[-200:]}"] += 1
        shutil.rmtree(out)
        print(f"{tally['kills']} kills, {tally['same bytes']} runs ended with the same bytes", flush=True)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        tally = campaign(args.kills, args.seed, Path(folder))
    for what, count in sorted(tally.items()):
        print(f"{count:5} {what}")
    wrong = [what for what in tally if what.startswith("OTHER") or what in ("status 1", "status 2")]
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
