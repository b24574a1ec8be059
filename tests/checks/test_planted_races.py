"""A planted error in what threads share makes the test fail that ``planted/in_threads.py`` names for it."""

import runpy
import threading
from importlib import import_module

import numpy as np
import pytest
from planted.in_threads import RACES
from planted.planting import TESTS, found, plant

import xpnn as nn
from xpnn.backend.select import plain

if nn.xp is np and not plain:

    @pytest.fixture
    def two_blas_threads():
        blas = import_module("xpnn.backend.cpu.numpy_blas")
        before = blas._current_threads()
        blas._set_threads([2] * len(before))
        yield
        blas._set_threads(before)
        blas._users, blas._before, blas.me.alone = 0, [], False

    @pytest.mark.parametrize("race", RACES, ids=str)
    def test_an_error_among_threads_is_found(race, monkeypatch, two_blas_threads):
        monkeypatch.setattr("xpnn.backend.cpu.threads._free", threading.Lock())  # one that the error may keep
        plant(monkeypatch, found(race.place), race.right, race.wrong)
        test = runpy.run_path(str(TESTS / f"{race.module.replace('.', '/')}.py"))[race.test]
        with pytest.raises((AssertionError, pytest.fail.Exception, RuntimeError, TypeError)):
            test(*race.arguments)
