"""Settings are checked, and the same in Python, on the command line and in `Settings`."""

import inspect
import re
from typing import get_args

import numpy as np
import pytest

import freerun
from freerun.cli.fit import fit
from freerun.errors import SettingError
from freerun.settings import CellName, Group, OptimizerName, Settings


def test_estimator_command_and_settings_have_the_same_parameters_and_defaults():
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert freerun.RNN().get_params() == defaults
    options = inspect.signature(fit).parameters
    assert {name: options[name].default for name in defaults} == defaults


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden": 0}, r"hidden=0: input should be greater than or equal to 1"),
        ({"hidden": -3}, "hidden=-3"),
        ({"l2": -1.0}, "l2=-1.0"),
        ({"washout": -1}, "washout=-1"),
        ({"nonlinearity": "tan"}, "nonlinearity='tan': input should be 'tanh', 'sigmoid'"),
        ({"optimizer": "newton"}, "optimizer='newton'"),
        ({"learning_rate": 0.1}, "learning_rate has no effect with optimizer='ridge'.* needs a gradient method"),
        ({"optimizer": "bfgs", "learning_rate": 0.1}, "learning_rate has no effect with optimizer='bfgs'"),
        ({"forcing_strength": 1.5, "hidden": 9}, "forcing_strength=1.5: must lie between 0"),
        ({"forcing_strength": (1.0, -0.5), "hidden": 9, "forcing": "generalized"}, "forcing_strength=-0.5"),
        (
            {"forcing_strength": 0.5, "hidden": 9},
            "forcing_strength has no effect with forcing='segments'; it needs forcing='generalized'",
        ),
        ({"forcing": "sparse"}, "forcing has no effect with optimizer='ridge'"),
        ({"forcing_interval": 3, "hidden": 9}, "forcing_interval has no effect"),
        (
            {"forcing": "scheduled", "forcing_strength": "adaptive", "hidden": 9},
            "adaptive' needs forcing='generalized'",
        ),
        ({"segment_lengths": (0,), "hidden": 9}, "lengths are at least 1 step"),
        ({"delays": 0}, "delays=0: a step reads at least 1 value"),
        ({"delays": (0, 0, 1)}, "lags are ascending"),
        ({"delays": (-1, 2)}, "lags are ascending"),
        ({"leak": 0.5, "cell": "gru"}, r"^leak has no effect with cell='gru'; it needs cell='leaky'; leave it out$"),
        ({"leak": 0.5}, "leak has no effect with cell=None; it needs cell='leaky'"),
        ({"latent": 2, "cell": "lstm"}, "latent has no effect with cell='lstm'; it needs a piecewise-linear cell"),
        ({"leak": 1.0}, "leak=1.0"),
        ({"batch": 4, "optimizer": "adam"}, "batch has no effect with window=None; it needs a window"),
        ({"holdout": 0.7}, "holdout=0.7"),
        ({"members": 3, "restarts": 2}, "members=3 exceeds restarts=2; raise restarts or keep fewer members"),
        ({"optimizer": "ridge", "epochs": 3}, "epochs has no effect with optimizer='ridge'"),
        ({"optimizer": "ridge", "l1": 1.0}, "l1 has no effect with optimizer='ridge'"),
        (
            {"spectral_radius": 0.9, "hidden": 15},
            "spectral_radius has no effect with initial='glorot'; it needs initial='reservoir'",
        ),
        ({"spectral_radius": 0.0, "cell": "memoryless"}, "spectral_radius has no effect with cell='memoryless'"),
        ({"bias_scale": 0.0, "hidden": 15}, "bias_scale has no effect with initial='glorot'"),
        ({"parallel": False, "hidden": 15}, "parallel has no effect with optimizer='levenberg-marquardt'"),
        ({"forcing_strength": 0, "hidden": 15}, "forcing_strength has no effect with forcing='segments'"),
        ({"select": "chaos"}, "select='chaos': input should be 'forecast', 'attractor' or 'auto'"),
        (
            {"select": "forecast", "hidden": 9},
            "select has no effect with optimizer='levenberg-marquardt'; it needs optim",
        ),
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"seed": -1}, "seed=-1"),
        ({"units": 3}, "there is no parameter 'units'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SettingError, match=message):
        Settings.checked(**parameters)


@pytest.mark.slow
def test_prose_and_trainings_agree_on_the_default_epochs():
    """Noise, which nothing stops being fitted to before the last epoch."""
    prose = " ".join(str(inspect.getdoc(freerun.RNN.__init__)).split())
    usual = re.search(r"epochs: .*? Default: (\d+) for levenberg-marquardt, else (\d+)\.", prose)
    assert usual is not None
    x = np.random.default_rng(0).normal(size=40)
    small = {"hidden": 1, "cell": "simple", "delays": 1, "difference": 0, "restarts": 1, "washout": 0}
    assert freerun.RNN(**small, optimizer="sgd").fit(x).history_.epochs[-1] == int(usual[2])
    one_stage = {**small, "hidden": 8, "optimizer": "levenberg-marquardt", "forcing": "full"}
    assert freerun.RNN(**one_stage).fit(x).history_.epochs[-1] == int(usual[1])


def test_every_parameter_has_one_group_and_needs_that_name_other_parameters():
    grouped = [name for group in get_args(Group) for name in Settings.named(group=group)]
    assert grouped == list(Settings.model_fields)
    for name in Settings.model_fields:
        assert {need.other for need in Settings.parameter(name).needs} <= set(Settings.model_fields)


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("cell", [None, *get_args(CellName)])
def test_defaults_that_are_said_are_as_good_as_left_out(optimizer, cell):
    if (cell == "smoothing") != (optimizer == "likelihood"):
        with pytest.raises(SettingError, match="smoothers are weighted by likelihood, and nothing else is"):
            Settings.checked(optimizer=optimizer, cell=cell)
        return
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    said = Settings.checked(**defaults | {"optimizer": optimizer, "cell": cell})
    assert said == Settings.checked(optimizer=optimizer, cell=cell)
