"""What changes the weights: gradient methods, BFGS, and ridge regression of the readout."""

from freerun.optimizers.base import Optimizer, Report
from freerun.optimizers.bfgs import BFGS
from freerun.optimizers.gradient import GRADIENT_METHODS, Gradient
from freerun.optimizers.ridge import Ridge

__all__ = ["BFGS", "GRADIENT_METHODS", "Gradient", "Optimizer", "Report", "Ridge"]
