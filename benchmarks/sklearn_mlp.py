"""Accuracy and time beside scikit-learn's MLPClassifier: python benchmarks/sklearn_mlp.py [SEEDS] [THREADS]

Both take their turns with the same data, batches and number of epochs. Accuracy is the mean over the seeds on a quarter
of the data that was held out; of the times' ratios it is the median. On a loaded machine the CPU time tells more than
the wall time. Needs the extra [sklearn].
"""

import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from xpnn.interop.sklearn import NetworkClassifier

SETS: dict[str, Any] = {
    "digits": load_digits(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "10,000 x 54, 7 classes": make_classification(10_000, 54, n_informative=20, n_classes=7, random_state=1),
    "20,000 x 50, 5 classes": make_classification(20_000, 50, n_informative=15, n_classes=5, random_state=0),
}
EPOCHS = 20


def timed(kind: Any, options: dict[str, Any], split: list[np.ndarray]) -> tuple[float, float, float]:
    """Accuracy, CPU seconds and wall seconds."""
    x, x_test, y, y_test = split
    model = kind((100,), max_iter=EPOCHS, n_iter_no_change=EPOCHS, **options)
    cpu, wall = time.process_time(), time.perf_counter()
    model.fit(x, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return model.score(x_test, y_test), cpu, wall


def main(seeds: int = 5, threads: int = 1) -> None:
    warnings.simplefilter("ignore")
    logs = []
    for title, (x, y) in SETS.items():
        split = train_test_split(StandardScaler().fit_transform(x), y, stratify=y, random_state=0)
        for batch_size in ("auto", 32):
            runs: dict[Any, list[tuple[float, float, float]]] = {MLPClassifier: [], NetworkClassifier: []}
            for seed in range(seeds):
                options = {"batch_size": batch_size, "random_state": seed}
                for kind in list(runs)[:: 1 if seed % 2 else -1]:
                    runs[kind].append(timed(kind, options, split))
            theirs, ours = (np.array(rows) for rows in runs.values())
            ratios = np.median(ours[:, 1:] / theirs[:, 1:], axis=0)
            logs.append(np.log(ratios))
            print(
                f"{title:24} batch {batch_size!s:>4}  accuracy {theirs[:, 0].mean():.4f} -> {ours[:, 0].mean():.4f}  "
                f"CPU time x {ratios[0]:.2f}  wall time x {ratios[1]:.2f}",
                flush=True,
            )
    cpu, wall = np.exp(np.mean(logs, axis=0))
    print(f"geometric mean, {threads} thread(s): CPU time x {cpu:.2f}, wall time x {wall:.2f}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    with threadpool_limits(given[1] if len(given) > 1 else 1):
        main(*given)
