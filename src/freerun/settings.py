"""`Settings`: every parameter of a network and its training, with its default, its range and its meaning."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from freerun.errors import SettingError

Nonlinearity = Literal["tanh", "sigmoid", "relu", "softplus", "identity"]
Initial = Literal["tutorial", "glorot", "orthogonal", "reservoir"]
OptimizerName = Literal["bfgs", "ridge", "sgd", "momentum", "adam", "nadam", "radam", "rmsprop"]
Dtype = Literal["float64", "float32"]

Missing = Literal["error", "interpolate"]
"""What to do with missing or infinite values of a series: refuse them, or fill them by linear interpolation."""

DEFAULT_EPOCHS = 1000
DEFAULT_LEARNING_RATE = 0.01
DEFAULT_SPECTRAL_RADIUS = 0.9
DEFAULT_INPUT_SCALE = 0.5


class Settings(BaseModel):
    """The parameters of `freerun.RNN` and the options of `freerun fit`, checked.

    A parameter that the others leave without effect is refused, never ignored: `learning_rate` belongs to the
    gradient methods, `epochs` to every optimiser but `ridge`, `spectral_radius` and `input_scale` to `reservoir`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = Field(15, ge=1, description="Hidden units.")
    nonlinearity: Nonlinearity = Field("tanh", description="Non-linearity of the hidden units.")
    direct: bool = Field(False, description="Direct connections from input to output.")
    initial: Initial = Field("glorot", description="How the initial weights are drawn.")
    spectral_radius: float | None = Field(
        None, ge=0, description=f"Of a reservoir's recurrent weights. Default {DEFAULT_SPECTRAL_RADIUS}."
    )
    input_scale: float | None = Field(
        None, gt=0, description=f"Largest input weight of a reservoir. Default {DEFAULT_INPUT_SCALE}."
    )
    optimizer: OptimizerName = Field("bfgs", description="What trains the weights; ridge solves the readout alone.")
    learning_rate: float | None = Field(
        None, gt=0, description=f"Step size of the gradient methods. Default {DEFAULT_LEARNING_RATE}."
    )
    epochs: int | None = Field(
        None, ge=1, description=f"Most passes over the training series. Default {DEFAULT_EPOCHS}."
    )
    l1: float = Field(0.0, ge=0, description="Penalty on the absolute weights.")
    l2: float = Field(0.0, ge=0, description="Penalty on the squared weights.")
    washout: int = Field(0, ge=0, description="First steps of a series whose errors do not count.")
    standardize: bool = Field(True, description="Standardise each channel inside; results keep their own units.")
    dtype: Dtype = Field("float64", description="Precision of the computation.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the initial weights.")

    @classmethod
    def checked(cls, **parameters: Any) -> Settings:
        """Settings from parameters.

        Raises:
            SettingError: a parameter is unknown, out of range or without effect; the message names it.
        """
        try:
            return cls(**parameters)
        except ValidationError as error:
            raise SettingError("; ".join(_sentence(dict(fault)) for fault in error.errors())) from error

    @model_validator(mode="after")
    def _refuse_without_effect(self) -> Self:
        gradient = self.optimizer not in ("bfgs", "ridge")
        if self.learning_rate is not None and not gradient:
            raise ValueError(f"learning_rate has no effect with optimizer={self.optimizer!r}; leave it out")
        if self.epochs is not None and self.optimizer == "ridge":
            raise ValueError("epochs has no effect with optimizer='ridge', which solves in one step; leave it out")
        if self.l1 and self.optimizer == "ridge":
            raise ValueError("l1 has no effect with optimizer='ridge', whose penalty is l2; leave it out")
        if self.initial != "reservoir":
            for name in ("spectral_radius", "input_scale"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} has no effect with initial={self.initial!r}; choose initial='reservoir'")
        return self


def _sentence(fault: dict[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = fault["loc"][0]
    if fault["type"] == "extra_forbidden":
        return f"there is no parameter {name!r}"
    return f"{name}={fault['input']!r}: {message[0].lower()}{message[1:]}"
