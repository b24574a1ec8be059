"""Coverage-guided fuzzing of every reader of files, by atheris (pip install "xpnn[fuzz]"; Linux).

    python benchmarks/fuzz.py TARGET [-runs=100000] [libFuzzer's other options]
    python benchmarks/fuzz.py all -runs=1000000

``all`` divides the executions among the targets, each in a process of its own, and prints a line for each. A target
ends at the first exception that its reader does not document, after five seconds for a file, or beyond 2 GB of memory.
The seeds are one valid file of each kind, which tests/peers/hostile_files.py makes; libFuzzer mutates them.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))


def fuzz(name: str, options: list[str]) -> None:
    """Fuzz one target; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["xpnn.data", "xpnn.cli", "xpnn.training", "xpnn.interop"]):
        from peers.hostile_files import ERRORS, TARGETS
    warnings.simplefilter("ignore")
    target, seed = TARGETS[name]

    def one(data: bytes) -> None:
        with contextlib.suppress(*ERRORS), contextlib.redirect_stdout(None):
            target(data)

    with tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "seed").write_bytes(seed())
        limits = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=20000"]
        atheris.Setup([sys.argv[0], corpus, *limits, *options], one)
        atheris.Fuzz()


def fuzz_all(runs: int) -> int:
    """Fuzz every target in turn; the number of those that failed."""
    from peers.hostile_files import TARGETS

    failed = 0
    for name in TARGETS:
        start = time.perf_counter()
        words = [sys.executable, __file__, name, f"-runs={runs // len(TARGETS)}"]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        lines = result.stderr.strip().splitlines()
        failed += result.returncode != 0
        print(f"{name:14} {time.perf_counter() - start:6.0f} s  status {result.returncode}  {lines[-1]}", flush=True)
        if result.returncode:
            print(result.stderr[-2000:], flush=True)
    return failed


if __name__ == "__main__":
    name, *options = sys.argv[1:]
    if name == "all":
        given = [word.removeprefix("-runs=") for word in options if word.startswith("-runs=")]
        sys.exit(fuzz_all(int(given[0]) if given else 1_000_000))
    fuzz(name, options)
