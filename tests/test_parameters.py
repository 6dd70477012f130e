"""The constructor of `RNN` is written from the fields of `Settings`,
and users see its parameters."""

import inspect
import pydoc
from typing import get_args

import freerun
import write_parameters
from freerun.settings import Group, Settings


def test_the_constructor_is_as_the_fields_have_it():
    """Where this fails, run `make parameters`."""
    assert write_parameters.FILE.read_text() == write_parameters.written()


def test_help_describes_every_parameter():
    text = " ".join(pydoc.plain(pydoc.render_doc(freerun.RNN)).replace("|", " ").split())
    for group in get_args(Group):
        assert f"Args: {group} {Settings.named(group=group)[0]}: " in text
    for name, field in Settings.model_fields.items():
        assert f" {name}: {field.description} " in text
    assert "Leak of leaky cells at the start. Default: chosen, or 0.3. Above 0 and below 1." in text


def test_a_subclass_may_have_parameters_of_its_own():
    class Small(freerun.RNN):
        def __init__(self, hidden: int = 3) -> None:
            super().__init__(hidden)

    assert Small(4).get_params() == {"hidden": 4}
    assert repr(Small(4)) == "Small(hidden=4)"
    assert list(inspect.signature(freerun.RNN).parameters) == list(Settings.model_fields)
