"""The one interface that all optimisers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from freerun.network import Network
from freerun.objective import Objective

Report = Callable[[Network, Sequence[float]], None]
"""Called by an optimiser now and then: weights good to keep, and the objective of each epoch since the last call."""


@runtime_checkable
class Optimizer(Protocol):
    """Lowers an objective by changing the weights of a network."""

    def minimize(self, objective: Objective, network: Network, report: Report) -> str:
        """Work from the weights of `network`, reporting better ones; the last report is the result.

        Returns:
            Why it stopped, as a phrase for people.

        Raises:
            TrainingDiverged: after the last good weights were reported.
        """
        ...


def report_interval(epochs: int) -> int:
    """Epochs between two reports: about a hundred reports in all."""
    return max(1, epochs // 100)
