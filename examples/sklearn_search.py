"""A search with scikit-learn
==========================

A network as an estimator in a pipeline, whose settings a grid search finds: python examples/sklearn_search.py
"""

import sys
import warnings

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xpnn.interop.sklearn import NetworkClassifier


def main(short: bool = False) -> float:
    """The best mean accuracy of three folds."""
    x, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), NetworkClassifier((16,), epochs=30 if short else 50, random_state=0))
    grid = {"networkclassifier__alpha": [1e-4, 1e-1], "networkclassifier__hidden_layer_sizes": [(8,), (32, 16)]}
    search = GridSearchCV(model, grid, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of runs that have not converged
        search.fit(x, y)
    print(f"accuracy {search.best_score_:.3f} with {search.best_params_}")
    return float(search.best_score_)


if __name__ == "__main__":
    main("--short" in sys.argv)
