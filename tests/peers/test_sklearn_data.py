"""Tables as scikit-learn encodes them and learns them, and augmentation as SciPy interpolates."""

import warnings

import numpy as np
import pandas as pd
import pytest
from border import ONCE
from scipy.ndimage import map_coordinates
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli.saved import load_model
from xpnn.data.augment import bilinear

pytestmark = pytest.mark.skipif(not ONCE, reason="data know neither forms nor a device: once is enough")


def test_a_table_is_encoded_as_scikit_learn_does(rng):
    rows = pd.DataFrame({"a": rng.normal(5, 2, 60), "b": rng.choice(["u", "v", "w"], 60), "c": rng.integers(0, 9, 60)})
    data = nn.load_table(rows.assign(y=rng.normal(size=60)), "y")
    train = rows.iloc[nn.data.split.split(np.zeros(60), 0.2, 0)[0]]
    others = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["b"]), (StandardScaler(), ["c"]))
    others.fit(train)
    np.testing.assert_allclose(data.encoder.transform(rows), others.transform(rows), rtol=1e-6, atol=1e-7)


def test_wine_is_learnt_as_well_as_by_mlpclassifier(tmp_path):
    load_wine(as_frame=True).frame.rename(columns={"target": "class"}).to_csv(tmp_path / "wine.csv", index=False)
    data = nn.load_table(tmp_path / "wine.csv", "class")
    other = MLPClassifier((256, 128), max_iter=40, batch_size=16, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 40 epochs are few
        other.fit(data.x_train, data.y_train)
    command = "train", "mlp", "--data", tmp_path / "wine.csv", "--target", "class", "--out", tmp_path
    assert main([str(word) for word in command]) == 0
    _, model = load_model(tmp_path)
    assert nn.evaluate(model, data.x_test, data.y_test).accuracy >= other.score(data.x_test, data.y_test) > 0.9


def test_bilinear_interpolation_is_scipy_s(rng):
    x = rng.random((3, 2, 7, 9))
    rows, columns = rng.uniform(-2, 9, (3, 5, 6)), rng.uniform(-2, 11, (3, 5, 6))
    read = [
        [map_coordinates(m, [i, j], order=1, mode="nearest") for m in one]
        for one, i, j in zip(x, rows, columns, strict=True)
    ]
    np.testing.assert_allclose(bilinear(x, rows, columns), read, rtol=1e-12)
