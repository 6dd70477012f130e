"""Optimisers: they change the weights of a population of networks, stage by stage.

base                 their interface, and how networks are trained side by side
gradient             gradient methods (Optax)
bfgs                 BFGS, and BFGS with limited memory
levenberg_marquardt  Levenberg-Marquardt
"""

from freerun.training.optimizers.base import (
    Optimizer,
    Population,
    Report,
    StageState,
    Stopped,
    minimize,
    stack,
    unstack,
)
from freerun.training.optimizers.bfgs import BFGS
from freerun.training.optimizers.gradient import Gradient
from freerun.training.optimizers.levenberg_marquardt import LevenbergMarquardt

__all__ = [
    "BFGS",
    "Gradient",
    "LevenbergMarquardt",
    "Optimizer",
    "Population",
    "Report",
    "StageState",
    "Stopped",
    "minimize",
    "stack",
    "unstack",
]
