"""The history of a fit, its progress while it runs, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freerun.errors import TrainingDiverged
from freerun.network.network import Network
from freerun.settings import Settings

if TYPE_CHECKING:
    from freerun.forecasting.model import Model


@dataclass(frozen=True)
class Progress:
    """The progress of a fit.

    If several networks are trained together, each error is that of the network where it is lowest.

    Attributes:
        task: what the fit is doing, in a few words.
        done: number of epochs done, of candidates tried, or of series finished.
        total: number of epochs, candidates or series in all. The number of candidates may grow,
            since the errors so far decide how many follow.
        training_mse: mean squared one-step error on the training series, in their units,
            mean over channels.
        validation_mse: the same on the validation series; None if there is none.
        free_run_error: mean error of free runs on the held-out steps, clipped at 1 standard
            deviation. None if no steps are held out, or if long runs are compared.
        seconds: time since this task began, in seconds.
        current: returns the model of the best network so far,
            which is the result if the fit stops now. None while candidates are tried.
        begun: number of epochs, candidates or series that were done before this process began.
    """

    task: str
    done: int
    total: int
    training_mse: float | None
    validation_mse: float | None
    free_run_error: float | None
    seconds: float
    current: Callable[[], Model] | None = None
    begun: int = 0

    @property
    def rate(self) -> float:
        """Epochs, candidates or series per second; 0 before this process has done any."""
        return (self.done - self.begun) / max(self.seconds, 1e-9)

    @property
    def pace(self) -> str:
        """Rate and remaining time, in words; empty while the rate is 0."""
        if not self.rate:
            return ""
        rate = f"{self.rate:.3g}/s" if self.rate >= 1.0 else f"{_duration(1.0 / self.rate)} each"
        return f"{rate}  {_duration((self.total - self.done) / self.rate)} left"


ProgressCallback = Callable[[Progress], None]
"""What `progress` arguments accept: a function that is called
repeatedly with the progress of the work."""


def _duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours, in words."""
    if seconds < 100.0:
        return f"{seconds:.{1 if seconds < 10.0 else 0}f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.1f} h"


@dataclass
class History:
    """The history of training.

    Attributes:
        objective: the objective of every epoch, in standardised units, penalties included. Gradient
            methods record it before each update, the other methods after each iteration.
        epochs: the epochs at which the errors below were measured; 0 is the initial network.
        training_mse: mean squared one-step errors on the training series, in their units,
            mean over channels.
        validation_mse: the same on the validation series; empty if there is none.
        free_run_error: mean errors of free runs on the held-out steps,
            clipped at 1 standard deviation; empty if no steps are held out.
        stopped: why training stopped, in words.
        seconds: duration of training in seconds, for all networks that were trained together.
    """

    objective: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    training_mse: list[float] = field(default_factory=list)
    validation_mse: list[float] = field(default_factory=list)
    free_run_error: list[float] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes:
        settings: of the network, with its own seed.
        network: the weights, as NumPy arrays.
        history: the errors during training.
        failure: divergence, or Ctrl-C, if it ended training early.
            The weights are then the last good ones.
        number: number of the network among those that were trained together.
        rungs: the lowest free-run error by the end of each stage that the network reached.
    """

    settings: Settings
    network: Network
    history: History
    failure: TrainingDiverged | KeyboardInterrupt | None = None
    number: int = 0
    rungs: tuple[float, ...] = ()


TrainingCallback = Callable[[Progress, Callable[[], Trained]], None]
"""Called repeatedly with the progress of training,
and a function that returns the best network so far."""
