"""What a search may try, and what a proposal means."""

import numpy as np
import optuna
import pytest

import freerun
from freerun.errors import SettingError
from freerun.search.space import Among, Range, Space, parse_dimension
from freerun.settings import Settings


@pytest.fixture(scope="module")
def series():
    return freerun.systems.mackey_glass(300, seed=0)


def test_ranges_and_values_are_read_from_text():
    assert parse_dimension("learning_rate=1e-4..1e-1") == ("learning_rate", Range(1e-4, 1e-1, log=True))
    assert parse_dimension("hidden=5..40") == ("hidden", Range(5, 40, log=False))
    assert parse_dimension("cell=gru,lstm") == ("cell", Among(("gru", "lstm")))
    for wrong in ("cell", "cell=", "leak=0.9..0.1", "leak=a..b"):
        with pytest.raises(SettingError, match="--try"):
            parse_dimension(wrong)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"leek": Range(0.1, 0.9)}, "no parameter 'leek'"),
        ({"leak": Range(0.1, 1.5)}, r"leak=1\.5: input should be less than 1"),
        ({"cell": Among(("gru", "elephant"))}, "cell='elephant'"),
        ({"members": Range(1, 5)}, "this parameter cannot be searched"),
        ({"hidden": Range(5, 40)}, "fixed to 40 as well"),
    ],
)
def test_a_search_space_with_unknown_fixed_or_invalid_parameters_is_refused(series, wanted, message):
    with pytest.raises(SettingError, match=message):
        Space.of(Settings.checked(hidden=40, cell="memoryless", optimizer="ridge", difference=0), [series], wanted)


def test_a_proposal_leaves_out_what_has_no_effect(series):
    """Whatever the sampler draws makes settings that are accepted, leak for leaky cells alone,
    spacing for windows."""
    space = Space.of(Settings.checked(), [series], {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(60):
        trial = study.ask()
        proposal = space.suggest(trial)
        settings = space.to_settings(proposal)
        assert ("leak" in proposal) == (settings.cell == "leaky")
        assert ("spacing" in proposal) == (settings.cell == "memoryless")
        assert settings.lags[-1] < 75
        assert settings.l2 is None


def test_moves_stay_in_the_space(series):
    space = Space.of(Settings.checked(), [series], {})
    rng = np.random.default_rng(0)
    proposal = {"cell": "memoryless", "delays": 64, "spacing": 1, "input_scale": 3.0, "input_noise": 0.0, "seed": 0}
    moved = [space.move(proposal, proposal, rng) for _ in range(300)]
    assert all(value in space.dimensions[name] for one in moved for name, value in one.items())
    assert {one["spacing"] for one in moved} > {1, 2}
    assert len({one["input_scale"] for one in moved}) > 50
