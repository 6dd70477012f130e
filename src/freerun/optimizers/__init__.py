"""What changes the weights: gradient methods, BFGS, and Levenberg-Marquardt."""

from freerun.optimizers.base import Leg, Optimizer, Report, Stopped, Trainees, minimize, stack, unstack
from freerun.optimizers.bfgs import BFGS
from freerun.optimizers.gradient import Gradient
from freerun.optimizers.levenberg_marquardt import LevenbergMarquardt

__all__ = [
    "BFGS",
    "Gradient",
    "Leg",
    "LevenbergMarquardt",
    "Optimizer",
    "Report",
    "Stopped",
    "Trainees",
    "minimize",
    "stack",
    "unstack",
]
