"""What changes the weights: gradient methods, BFGS, Levenberg-Marquardt, and ridge regression of the readout."""

from freerun.optimizers.base import Leg, Optimizer, Report, Stopped, Trainees, minimize, stack, unstack
from freerun.optimizers.bfgs import BFGS
from freerun.optimizers.gradient import Gradient
from freerun.optimizers.levenberg_marquardt import LevenbergMarquardt
from freerun.optimizers.ridge import Readout, Ridge

__all__ = [
    "BFGS",
    "Gradient",
    "Leg",
    "LevenbergMarquardt",
    "Optimizer",
    "Readout",
    "Report",
    "Ridge",
    "Stopped",
    "Trainees",
    "minimize",
    "stack",
    "unstack",
]
