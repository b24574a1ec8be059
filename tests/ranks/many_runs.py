"""The searches of docs/many-machines.md as they stand there, run by `python tests/ranks/many_runs.py`.

The same settings have to be found by one process, by joblib's processes, and by Dask's, which needs `distributed`.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "many-machines.md"
LAST = "    print(search(n_jobs=2).best_params_)\n"


def scripts() -> dict[str, str]:
    """By the engine that starts the runs."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (whole,) = (block for block in blocks if LAST in block)
    (dask,) = (block for block in blocks if "dask" in block)
    return {"one process": whole.replace("n_jobs=2", ""), "loky": whole, "Dask": whole.replace(LAST, dask)}


def main() -> int:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for engine, script in scripts().items():
            file, began = Path(folder, "search.py"), time.monotonic()
            file.write_text(script, "utf-8")
            done = subprocess.run([sys.executable, file], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
            found.append(done.stdout)
            print(f"{engine}, {time.monotonic() - began:.0f} s: {done.stdout.strip()}", flush=True)
    return int(len(set(found)) > 1)


if __name__ == "__main__":
    sys.exit(main())
