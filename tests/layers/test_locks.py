"""What happens to a network only once at a time: backward passes take turns, a second fit is an error."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

X, Y = np.ones((4, 3), "float32"), np.array([0, 1, 0, 1])


def test_backward_passes_of_one_network_take_turns():
    """Each adds to the gradients all that is its own before the other one does."""
    order, both = [], threading.Event()

    class Slow(nn.Layer):
        def forward(self, x, needs_dx=True):
            def backward(dy):
                order.append(threading.get_ident())
                both.wait(0.2)
                order.append(threading.get_ident())
                return dy

            return x, backward

    model = nn.Sequential(nn.Dense(3, 2, rng=0), Slow())
    passes = [model.forward(dev(X, "float32")) for _ in range(2)]
    running = [threading.Thread(target=backward, args=(nn.xp.ones_like(y),)) for y, backward in passes]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert order[0] == order[1] != order[2] == order[3]
    np.testing.assert_allclose(host(model.grads["0.b"]), [8, 8])


def test_fit_within_its_own_fit_is_an_error_and_the_outer_one_goes_on():
    model, errors = nn.MLP((3, 2), rng=0), []

    def again(history):
        try:
            nn.fit(model, X, Y, epochs=1, verbose=False)
        except RuntimeError as error:
            errors.append(str(error))

    history = nn.fit(model, X, Y, epochs=2, verbose=False, on_epoch_end=again)
    assert len(history) == len(errors) == 2
    assert errors[0].startswith("fit: this MLP is being trained already")
    assert len(nn.fit(model, X, Y, epochs=1, verbose=False)) == 1


def test_fit_in_two_threads_is_an_error_in_the_second():
    model, errors = nn.MLP((3, 2), rng=0), []

    def other():
        try:
            nn.fit(model, X, Y, epochs=1, verbose=False)
        except RuntimeError as error:
            errors.append(error)

    def start(history):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(60)

    nn.fit(model, X, Y, epochs=1, verbose=False, on_epoch_end=start)
    assert len(errors) == 1


def test_other_networks_may_be_trained_within_a_fit():
    model, layer = nn.MLP((3, 2), rng=0), nn.Dense(3, 2, rng=0)
    nn.fit(model, X, Y, epochs=1, verbose=False, on_epoch_end=lambda h: nn.fit(layer, X, Y, epochs=1, verbose=False))


def test_an_error_in_fit_or_backward_leaves_no_lock_behind():
    model = nn.MLP((3, 2), rng=0)
    with pytest.raises(ZeroDivisionError):
        nn.fit(model, X, Y, epochs=1, verbose=False, on_epoch_end=lambda history: 1 // 0)
    y, backward = nn.Sequential(model, Raising()).forward(dev(X, "float32"))
    with pytest.raises(ZeroDivisionError):
        backward(nn.xp.ones_like(y))
    thread = threading.Thread(target=nn.fit, args=(model, X, Y), kwargs={"epochs": 1, "verbose": False})
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


class Raising(nn.Layer):
    def forward(self, x, needs_dx=True):
        return x, lambda dy: 1 // 0


def test_a_copy_and_a_pickle_of_a_network_in_training_can_be_trained():
    model, trained = nn.MLP((3, 2), rng=0), []

    def train_copies(history):
        for one in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
            trained.append(nn.fit(one, X, Y, epochs=1, verbose=False))

    y, backward = model.forward(dev(X, "float32"))
    backward(nn.xp.ones_like(y))
    nn.fit(model, X, Y, epochs=1, verbose=False, on_epoch_end=train_copies)
    assert len(trained) == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what it is about
@pytest.mark.skipif(not hasattr(os, "fork") or nn.xp is not np, reason="no fork on Windows, nor beside CUDA")
def test_a_process_forked_during_a_fit_trains_the_network():
    model, status = nn.MLP((3, 2), rng=0), []

    def fork(history):
        child = os.fork()
        if child == 0:
            os._exit(len(nn.fit(model, X, Y, epochs=1, verbose=False)) - 1)
        status.append(os.waitpid(child, 0)[1])

    nn.fit(model, X, Y, epochs=1, verbose=False, on_epoch_end=fork)
    assert status == [0]
