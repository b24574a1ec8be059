"""Coverage-guided fuzzing of every reader of files, by atheris (pip install "xpnn[fuzz]"; Linux).

    python benchmarks/fuzz.py TARGET [-runs=100000] [libFuzzer's other options]
    python benchmarks/fuzz.py all [--minutes 60] [TARGET ...]

``all`` gives each target, or each that is named, as much of the time, in a process of its own, and prints a line for
each. A target ends at the first exception that its reader does not document, after five seconds for a file, or beyond
2 GB of memory; the file is left in the working directory. The seeds are one valid file of each kind, which
tests/peers/hostile_files.py makes; libFuzzer changes their bytes, and every second time tests/peers/structure.py their
structure. What once failed is kept in tests/peers/found, which the suite reads.
"""

import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
ROOMS = "data", "cli", "training", "interop", "models", "learn"


def fuzz(name: str, options: list[str]) -> None:
    """Fuzz one target; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=[f"xpnn.{room}" for room in ROOMS]):
        from peers.hostile_files import ERRORS, STRUCTURES, TARGETS

        import xpnn.interop.onnx  # noqa: F401 - else a target imports it later
    warnings.simplefilter("ignore")
    target, seed = TARGETS[name]
    structured = STRUCTURES.get(name)

    def one(data: bytes) -> None:
        with contextlib.suppress(*ERRORS), contextlib.redirect_stdout(None):
            target(data)

    def changed(data: bytes, most: int, number: int) -> bytes:
        if structured is not None and number % 2:
            with contextlib.suppress(ValueError, RecursionError):
                return structured(data, random.Random(number))[:most]
        return bytes(atheris.Mutate(data, most))

    one(seed())  # imports what the reader imports, which may take longer than a file may
    with tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "seed").write_bytes(seed())
        limits = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=40000", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], corpus, *limits, *options], one, custom_mutator=changed)
        atheris.Fuzz()


def fuzz_all(minutes: float, names: list[str]) -> int:
    """Fuzz these targets, or all, in turn; the number of those that failed."""
    from peers.hostile_files import TARGETS

    failed = total = 0
    names = names or [*TARGETS]
    for name in names:
        start = time.perf_counter()
        words = [sys.executable, __file__, name, f"-max_total_time={60 * minutes / len(names):.0f}"]
        result = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        done = re.search(r"number_of_executed_units: (\d+)", result.stderr)
        runs, seconds = int(done[1]) if done else 0, time.perf_counter() - start
        print(
            f"{name:14} {runs:9,} in {seconds:4.0f} s, {runs / seconds:5.0f}/s  status {result.returncode}", flush=True
        )
        if result.returncode:
            print(result.stderr[-3000:], flush=True)
        failed, total = failed + (result.returncode != 0), total + runs
    print(f"{total:,} executions, {failed} targets failed")
    return failed


if __name__ == "__main__":
    name, *options = sys.argv[1:]
    if name == "all":
        timed = options[:1] == ["--minutes"]
        sys.exit(fuzz_all(float(options[1]) if timed else 60, options[2 * timed :]))
    fuzz(name, options)
