"""xpnn's speed and memory on a GPU beside PyTorch and JAX: ``python benchmarks/gpu.py [--quick]``.

Training steps and inference of five networks in float32, from equal weights on equal data that are on the device; an
epoch of LeNet-5 on Fashion-MNIST, streamed and from the device; without TF32 and with it. Every contender has a process
of its own on the same device; they take turns in shuffled order. Times are taken between two waits for the device. What
a contender's process takes of the device's memory is read after its first network, VGG-like at batch 256.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from itertools import product
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from gpu_contenders import LIBRARIES, installed, variables
from nets import NETS, TASKS, Net, make_batches
from report import TOLERANCE, table
from tqdm import tqdm

BATCHES = [64, 256, 1024, 4096]
EPOCH_NET, EPOCH_BATCH = "lenet5-relu-max", 128
MEMORY_NET, MEMORY_BATCH = "vgg", 256
SECTIONS = ["memory", "epoch", "steps"]
PATIENCE_S = 60  # for an answer
TF32_TOLERANCE = 1e-2  # in place of TOLERANCE: factors keep 11 bits, and not every library rounds all of them
Cell = dict[str, Any]


def arguments() -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--contenders", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--tf32", nargs="+", choices=["off", "on"], default=["off", "on"])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="3 rounds of shorter slices, one epoch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    options = parser.parse_args()
    options.rounds, options.slice_s, options.epochs = (3, 0.05, 1) if options.quick else (options.rounds, 0.3, 3)
    return options


def device() -> str:
    """Its name and driver, as nvidia-smi tells them.

    Raises:
        SystemExit: there is none.
    """
    if shutil.which("nvidia-smi") is None:
        raise SystemExit("benchmarks/gpu.py: no CUDA device here (nvidia-smi is not found): nothing was measured")
    try:
        return smi("name,driver_version")
    except (subprocess.CalledProcessError, IndexError):
        raise SystemExit("benchmarks/gpu.py: nvidia-smi lists no CUDA device: nothing was measured") from None


def smi(field: str) -> str:
    """What nvidia-smi says of the first device."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits", "--id=0"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0].strip()


class Process:
    """A contender's process and the pipe to it."""

    def __init__(self, contender: str, tf32: bool) -> None:
        self.connection, other = Pipe()
        command = [sys.executable, str(Path(__file__).with_name("gpu_worker.py")), contender, str(other.fileno())]
        environment = {**os.environ, **variables(contender, tf32)}
        self.process = subprocess.Popen(command, pass_fds=(other.fileno(),), env=environment)
        other.close()

    def send(self, method: str, *arguments: Any) -> None:
        """Ask, and do not wait for the answer."""
        with suppress(OSError):  # it has ended, which the next answer will say
            self.connection.send((method, arguments))

    def answer(self) -> tuple[str | None, Any]:
        """(None, the answer), or (why there is none, None); one that takes too long is ended."""
        try:
            if self.connection.poll(PATIENCE_S):
                return self.connection.recv()
            self.process.kill()
            return f"no answer in {PATIENCE_S} s", None
        except (EOFError, OSError):
            return f"its process ended with code {self.process.wait()}", None

    def ask(self, method: str, *arguments: Any) -> tuple[str | None, Any]:
        """Send, and wait for the answer."""
        self.send(method, *arguments)
        return self.answer()

    def close(self) -> None:
        """Hang up, at which the process ends."""
        self.connection.close()
        self.process.wait()


Processes = dict[str, Process]


def measure_memory(processes: Processes) -> dict[str, int]:
    """MiB of the device's memory that each process takes, new as it is, for training MEMORY_NET."""
    from contenders.xpnn_ import initial_weights

    net, taken = NETS[MEMORY_NET], {}
    weights, batches = initial_weights(net), make_batches(net, MEMORY_BATCH)
    for name, process in processes.items():
        before = int(smi("memory.used"))
        reason, _ = process.ask("build", net, "sgd", weights, batches)
        if reason is None:
            taken[name] = int(smi("memory.used")) - before
    return taken


def measure(processes: Processes, net: Net, batch: int, task: str, options: argparse.Namespace) -> Cell:
    """Seconds a step of every contender in every round, and the first losses."""
    from contenders.xpnn_ import initial_weights

    cell: Cell = {"net": net.name, "batch": batch, "task": task, "seconds": {}, "losses": {}, "not_run": {}}
    weights, batches = initial_weights(net), make_batches(net, batch)
    for process in processes.values():  # at the same time, since some compile for long
        process.send("build", net, task, weights, batches)
    for name, process in processes.items():
        reason, losses = process.answer()
        if reason is None:
            cell["losses"][name], cell["seconds"][name] = losses, []
        else:
            cell["not_run"][name] = reason
    rng = random.Random(0)
    for _ in range(options.rounds):
        for name in rng.sample(list(cell["seconds"]), len(cell["seconds"])):
            reason, seconds = processes[name].ask("slice", options.slice_s)
            if reason is None:
                cell["seconds"][name].append(seconds)
            else:
                cell["not_run"][name] = reason
                del cell["seconds"][name]
    return cell


def measure_epoch(processes: Processes, times: int) -> dict[str, dict[str, float]]:
    """Median seconds of an epoch by contender, from the device and streamed."""
    import numpy as np
    from contenders.xpnn_ import initial_weights

    import xpnn as nn

    data = nn.data.load_images("fashion-mnist")
    x, y = data.x_train / np.float32(255), data.y_train
    net, seconds = NETS[EPOCH_NET], {}
    weights, batches = initial_weights(net), make_batches(net, EPOCH_BATCH, 1)
    for name, process in processes.items():
        reason, _ = process.ask("build", net, "sgd", weights, batches)
        for where, on_device in (("on the device", True), ("streamed", False)):
            if reason is None:
                reason, taken = process.ask("epoch", x, y, EPOCH_BATCH, on_device, times)
            if reason is None:
                seconds.setdefault(name, {})[where] = statistics.median(taken)
    return seconds


def steps_table(cells: list[Cell]) -> str:
    """Milliseconds a step."""
    names = [name for name in LIBRARIES if any(name in cell["seconds"] for cell in cells)]
    rows = []
    for cell in cells:
        row = [f"{cell['net']}, {cell['batch']}, {cell['task']}"]
        for name in names:
            times = cell["seconds"].get(name)
            row.append(f"{1e3 * statistics.median(times):.3g}" if times else "")
        rows.append(row)
    return table(["net, batch, task", *names], rows)


def differences(cells: list[Cell], tolerance: float = TOLERANCE) -> str:
    """The largest relative difference of the first steps' losses from xpnn's; loud where the work was not the same."""
    worst: dict[str, float] = {}
    for cell in cells:
        ours = cell["losses"].get("xpnn", [])
        for name, losses in cell["losses"].items():
            if name != "xpnn" and ours:
                difference = max(abs(a / b - 1) for a, b in zip(losses, ours, strict=True))
                worst[name] = max(worst.get(name, 0.0), difference if difference == difference else float("inf"))
    loud = "**ERROR, NOT THE SAME WORK:** "
    return "\n".join(f"- {loud if value > tolerance else ''}{name} {value:.1e}" for name, value in worst.items())


def not_run(cells: list[Cell]) -> str:
    """Who did not run, and why."""
    reasons = {f"- {name}: {reason}" for cell in cells for name, reason in cell["not_run"].items()}
    return "Not run:\n" + "\n".join(sorted(reasons)) if reasons else ""


def text_of(results: dict[str, Any]) -> str:
    """The report."""
    parts = [f"{results['device']}; {results['date']}."]
    for part in results["parts"]:
        parts += [f"### {'With' if part['tf32'] else 'Without'} TF32"]
        if part.get("memory"):
            shown = ", ".join(f"{name} {mib}" for name, mib in part["memory"].items())
            parts += [f"MiB of a process on the device, training {MEMORY_NET} at batch {MEMORY_BATCH}: {shown}."]
        if part["steps"]:
            parts += ["Milliseconds a step:", steps_table(part["steps"])]
            parts += ["Losses of the first steps, largest relative difference from xpnn's:"]
            parts += [differences(part["steps"], TF32_TOLERANCE if part["tf32"] else TOLERANCE)]
        if part.get("epoch"):
            rows = [[name, *(f"{found.get(w, float('nan')):.3g}" for w in ("on the device", "streamed"))]
                    for name, found in part["epoch"].items()]  # fmt: skip
            title = f"Seconds for an epoch of {EPOCH_NET} on Fashion-MNIST, batch {EPOCH_BATCH}:"
            parts += [title, table(["", "data on the device", "streamed"], rows)]
        parts += [not_run(part["steps"])]
    return "\n\n".join(filter(None, parts)) + "\n"


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    results: dict[str, Any] = {"device": device(), "date": time.strftime("%Y-%m-%d %H:%M"), "parts": []}
    found = installed()
    for name in (name for name in options.contenders if name not in found):
        print(f"{name} is left out: {LIBRARIES[name]} is not installed")
    contenders = [name for name in options.contenders if name in found]
    options.out.mkdir(parents=True, exist_ok=True)

    def write() -> None:  # after each figure, so that a run that is cut off keeps them
        (options.out / "gpu.json").write_text(json.dumps(results, indent=1))
        (options.out / "gpu.md").write_text(text_of(results))

    for tf32 in (choice == "on" for choice in options.tf32):
        processes = {name: Process(name, tf32) for name in contenders}
        part: dict[str, Any] = {"tf32": tf32, "steps": []}
        results["parts"].append(part)
        if "memory" in options.sections:
            part["memory"] = measure_memory(processes)
            write()
        if "epoch" in options.sections:
            part["epoch"] = measure_epoch(processes, options.epochs)
            write()
        cells = list(product(options.tasks, options.batches, options.nets)) if "steps" in options.sections else []
        for task, batch, net in tqdm(cells, f"steps, TF32 {'on' if tf32 else 'off'}", unit="case"):
            part["steps"].append(measure(processes, NETS[net], batch, task, options))
            write()
        for process in processes.values():
            process.close()
    print(text_of(results))


if __name__ == "__main__":
    main()
