"""xpnn's speed and memory on a CPU beside other libraries: ``python benchmarks/cpu.py [--quick]``.

Training steps and inference of five networks, in float32, from equal weights on equal data. Every contender runs in a
fresh process, by turns with the others in shuffled order, and the ratios are taken within each round, so that what
disturbs the machine disturbs all. A contender that is not installed is left out.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import report
from contenders import CONTENDERS
from nets import NETS, TASKS, Net, deep
from processes import import_times, memory
from rounds import Plan, Pool
from tqdm import tqdm

SECTIONS = ("steps", "memory", "import", "scaling")
SCALED = ("xpnn", "torch", "jax")
BATCHES = [32, 64, 128, 256, 512, 1024, 2048, 4096]
DEPTHS = [1, 2, 4, 8, 16]
CORES = len(os.sched_getaffinity(0))


def arguments() -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 64, 256])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, CORES}), help="default: 1 and all cores")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="xpnn always runs"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="3 rounds of shorter slices, shorter scaling")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    options = parser.parse_args()
    options.contenders = ["xpnn", *(name for name in options.contenders if name != "xpnn")]
    options.rounds, options.slice_s = (3, 0.03) if options.quick else (options.rounds, 0.075)
    return options


def installed(names: list[str]) -> list[str]:
    """Those that are, with a line for each that is not."""
    for name in names:
        if not CONTENDERS[name].installed:
            print(f"{name} is not installed and left out: {CONTENDERS[name].install}")
    return [name for name in names if CONTENDERS[name].installed]


def machine() -> dict[str, Any]:
    """What the figures were taken on, and with."""
    packages = ("numpy", "xpnn", "torch", "jax", "jaxlib", "thinc", "dezero", "scikit-learn")
    found = {name for name in packages if importlib.util.find_spec(name.replace("scikit-learn", "sklearn"))}
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": CORES,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages if name in found},
        "load before": os.getloadavg()[0],
    }


def measure_all(cells: list[dict[str, Any]], contenders: list[str], options: argparse.Namespace) -> list[dict]:
    """Fill in the cells, each of which says what to measure."""
    rounds = options.rounds
    results = []
    with tqdm(total=len(cells) * len(contenders) * (rounds + 1), unit="slice") as bar:
        plan = Plan(rounds, options.slice_s, bar.update)
        for cell in cells:
            net: Net = cell["net"]
            bar.set_description(f"{net.name} {cell['batch']} {cell['task']} {cell['threads']}t")
            with Pool(contenders, cell["threads"]) as pool:
                results.append({**cell, **pool.measure(net, cell["batch"], cell["task"], plan)})
    return results


def step_cells(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every network, batch, task and number of threads."""
    return [
        {"net": NETS[net], "batch": batch, "task": task, "threads": threads}
        for threads in options.threads
        for net in options.nets
        for task in options.tasks
        for batch in options.batches
    ]


def scaling_cells(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Batches for every network (the largest not for VGG, which takes seconds there), and depths of an MLP."""
    common = {"task": "sgd", "threads": max(options.threads)}
    batches, depths = (BATCHES[::3], DEPTHS[::2]) if options.quick else (BATCHES, DEPTHS)
    sizes = [(net, batch) for net in options.nets for batch in batches if net != "vgg" or batch <= 512]
    cells = [{"net": NETS[net], "batch": batch, **common} for net, batch in sizes]
    return cells + [{"net": deep(depth), "depth": depth, "batch": 64, **common} for depth in depths]


def run(options: argparse.Namespace, contenders: list[str], results: dict[str, Any]) -> list[str]:
    """Measure section by section; the tables."""
    tables = []
    if "steps" in options.sections:
        results["steps"] = measure_all(step_cells(options), contenders, options)
        tables.append(report.steps_tables(results["steps"]))
    if "memory" in options.sections:
        results["memory"] = memory(options.nets, contenders, max(options.threads))
        tables.append(report.memory_table(results["memory"]))
    if "import" in options.sections:
        libraries = ["numpy", *(name for name in SCALED if name in contenders)]
        results["import"] = import_times(libraries, 3 if options.quick else 10)
        tables.append(report.import_table(results["import"]))
    if "scaling" in options.sections:
        options.rounds = min(options.rounds, 5)
        results["scaling"] = measure_all(scaling_cells(options), [n for n in SCALED if n in contenders], options)
        tables.append(report.scaling_table(results["scaling"]))
    return tables


def draw(results: dict[str, Any], out: Path) -> None:
    """The pictures, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        print("no pictures without matplotlib: pip install matplotlib")
        return
    import pictures

    if "steps" in results and any(len(cell["seconds"]) > 1 for cell in results["steps"]):
        pictures.ratios(results["steps"], out / "cpu-ratios.png")
    if "scaling" in results:
        pictures.scaling(results["scaling"], out / "cpu-scaling.png")


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = machine()
    if results["load before"] > 0.5:
        print(
            f"warning: the machine is busy (load {results['load before']:.1f}); several threads suffer most from that"
        )
    tables = run(options, installed(options.contenders), results)
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    head = f"{results['cpu']}, {results['cores']} cores, {results['date']}; Python {results['python']}, {versions}."
    text = "\n\n".join([head, *filter(None, tables)]) + "\n"
    print(text)
    (options.out / "cpu.md").write_text(text)
    (options.out / "cpu.json").write_text(json.dumps(results, indent=1))
    draw(results, options.out)


if __name__ == "__main__":
    main()
