"""Networks as scikit-learn estimators, for its pipelines, cross-validation and searches; see docs/sklearn.md.

    from xpnn.interop.sklearn import NetworkClassifier

    model = make_pipeline(StandardScaler(), NetworkClassifier((64, 32), epochs=20))
    search = GridSearchCV(model, {"networkclassifier__alpha": [1e-4, 1e-2]})

They take the arguments of MLPClassifier and MLPRegressor, and also xpnn's own networks, optimisers, losses and
callbacks. Both pass scikit-learn's own checks of an estimator.
"""

try:
    import sklearn.utils.validation  # noqa: F401
except ImportError as error:
    raise ImportError(
        "xpnn.interop.sklearn needs scikit-learn, 1.6 or later: install xpnn's extra [sklearn]"
    ) from error

from .classifier import NetworkClassifier
from .estimator import NetworkEstimator
from .regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkEstimator", "NetworkRegressor"]
