"""Settings are checked, and the same in Python, on the command line and in `Settings`."""

import inspect

import pytest

import freerun
from freerun.cli.fit import fit
from freerun.errors import SettingError
from freerun.settings import Settings


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
        ({"forcing_strength": 0.5, "hidden": 9}, "forcing_strength has no effect .* needs forcing='generalized'"),
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
        ({"leak": 0.5, "cell": "gru"}, "leak has no effect .* needs cell='leaky'"),
        ({"leak": 1.0}, "leak=1.0"),
        ({"batch": 4, "optimizer": "adam"}, "batch has no effect .* needs a window"),
        ({"holdout": 0.7}, "holdout=0.7"),
        ({"members": 3, "restarts": 2}, "members=3: so many networks cannot be kept of restarts=2"),
        ({"optimizer": "ridge", "epochs": 3}, "epochs has no effect with optimizer='ridge'"),
        ({"optimizer": "ridge", "l1": 1.0}, "l1 has no effect with optimizer='ridge'"),
        ({"spectral_radius": 0.9, "hidden": 15}, "spectral_radius has no effect .* needs initial='reservoir'"),
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"seed": -1}, "seed=-1"),
        ({"units": 3}, "there is no parameter 'units'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SettingError, match=message):
        Settings.checked(**parameters)
