"""What a fit goes through, and how it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from freerun.errors import TrainingDiverged
from freerun.network.network import Network
from freerun.settings import Settings


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes:
        task: what is going on, in a few words.
        done, total: how much of it is done: epochs, or recipes tried. While recipes are tried, what the next ones bring
            decides how many follow, so the total grows now and then.
        training_mse, validation_mse: mean squared one-step error in the units of the series, mean over channels; of the
            best of the networks trained at once.
        free_run_error: mean error of free runs on the held-out steps, cut off at 1 standard deviation; of the best;
            None where long runs are compared.
        seconds: time since this task began.
        current: the best network so far as a `freerun.model.Model`: what is left behind if the fit stops here; None
            while recipes are tried.
        begun: how much of it was done before this process began.
    """

    task: str
    done: int
    total: int
    training_mse: float | None
    validation_mse: float | None
    free_run_error: float | None
    seconds: float
    current: Callable[[], Any] | None = None
    begun: int = 0

    @property
    def rate(self) -> float:
        """How much is done in a second; 0 before this process has done any."""
        return (self.done - self.begun) / max(self.seconds, 1e-9)

    @property
    def pace(self) -> str:
        """Rate and time left, in words; empty before there is a rate."""
        if not self.rate:
            return ""
        rate = f"{self.rate:.3g}/s" if self.rate >= 1.0 else f"{_duration(1.0 / self.rate)} each"
        return f"{rate}  {_duration((self.total - self.done) / self.rate)} left"


Watcher = Callable[[Progress], None]
"""What can be given as `progress`: a function that is called now and then, with how far the work has come."""


def _duration(seconds: float) -> str:
    if seconds < 100.0:
        return f"{seconds:.{1 if seconds < 10.0 else 0}f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.1f} h"


@dataclass
class History:
    """What training went through.

    Attributes:
        objective: the objective of every epoch, standardised units, penalties included: before each update for
            gradient methods, after each iteration for the others.
        epochs: the epochs at which the errors below were measured; 0 is the initial network.
        training_mse, validation_mse: mean squared one-step errors in the units of the series, mean over channels.
        free_run_error: mean error of free runs on the held-out steps, cut off at 1 standard deviation; empty when none
            were held out.
        stopped: why training stopped, in words.
        seconds: how long it took, together with the networks trained at once.
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
        settings: what it was trained with; the seed is its own.
        network: the weights, as NumPy arrays.
        history: how they came about.
        failure: what ended training before its time: divergence, or Ctrl-C. The weights are the last good ones.
        number: its place among the networks that were trained at once.
        rungs: the lowest error of its free runs by the end of each stage that it reached.
    """

    settings: Settings
    network: Network
    history: History
    failure: TrainingDiverged | KeyboardInterrupt | None = None
    number: int = 0
    rungs: tuple[float, ...] = ()
