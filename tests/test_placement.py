"""Training takes a GPU where it pays, and nowhere else;
what does not fit in its memory is refused."""

from types import SimpleNamespace

import jax
import pytest

import freerun
from freerun.plan import train_plan
from freerun.settings import Settings
from freerun.training import placement
from freerun.training.placement import choose_placement

ADAM = {"optimizer": "adam", "hidden": 15}


@pytest.mark.parametrize(
    ("parameters", "steps", "networks", "expected"),
    [
        ({"hidden": 15, "device": "gpu"}, 1500, 1, ("gpu", False)),
        ({"hidden": 15}, 1_000_000, 1, ("cpu", False)),
        (ADAM, 1500, 1, ("cpu", False)),
        (ADAM, 1500, 6, ("cpu", False)),
        (ADAM, 1500, 64, ("cpu", False)),
        (ADAM, 100_000, 1, ("gpu", True)),
        ({**ADAM, "device": "cpu"}, 100_000, 1, ("cpu", False)),
        ({**ADAM, "device": "gpu"}, 1500, 1, ("gpu", True)),
        ({**ADAM, "device": "gpu", "parallel": False}, 1500, 1, ("gpu", False)),
        ({**ADAM, "parallel": True}, 1500, 1, ("cpu", True)),
        ({**ADAM, "cell": "lstm"}, 100_000, 1, ("cpu", False)),
        ({**ADAM, "cell": "gru"}, 100_000, 1, ("gpu", True)),
        ({**ADAM, "hidden": 1000}, 1500, 1, ("gpu", False)),
        ({**ADAM, "window": 200, "batch": 32, "hidden": 40}, 100_000, 1, ("cpu", False)),
        ({**ADAM, "window": 200, "batch": 32, "hidden": 50}, 100_000, 1, ("gpu", False)),
        ({**ADAM, "window": 200, "batch": 32, "hidden": 256}, 100_000, 1, ("gpu", False)),
        ({**ADAM, "window": 200, "batch": 32, "hidden": 256, "cell": "lstm"}, 100_000, 1, ("gpu", False)),
    ],
)
def test_training_computes_where_it_fits_and_is_faster(parameters, steps, networks, expected, monkeypatch):
    memory = {"bytes_limit": 2**36}
    found = [SimpleNamespace(platform="gpu", memory_stats=lambda: memory)]
    monkeypatch.setattr(jax, "devices", lambda *_: found)
    assert choose_placement(train_plan(Settings.checked(**parameters), 1), steps, networks) == expected
    memory["bytes_limit"] = 2**10
    if expected[0] == "gpu" and "optimizer" in parameters:
        with pytest.raises(freerun.FreerunError, match=r"takes .* GiB, and this machine has 0\.0 GiB"):
            choose_placement(train_plan(Settings.checked(**parameters), 1), steps, networks)


def test_without_a_gpu_all_stays_on_the_processor(monkeypatch):
    monkeypatch.setattr(placement, "has_gpu", lambda: False)
    assert choose_placement(train_plan(Settings.checked(**ADAM), 1), 1_000_000, 1) == ("cpu", False)
