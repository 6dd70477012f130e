"""From settings with nothing left to choose to the network that they describe, its weights as they are drawn."""

from __future__ import annotations

from freerun.data.series import Series
from freerun.network.initial import Start, initial_network
from freerun.network.network import Network, Shape
from freerun.settings import PIECEWISE_LINEAR, Settings


def shape_of(settings: Settings, channels: int, inputs: int) -> Shape:
    """The shape of the networks that the settings describe, for D channels and E external inputs."""
    hidden = settings.hidden or 1
    latent = settings.latent or max(channels, hidden // 4)
    return Shape(
        channels,
        hidden,
        settings.cell or "simple",
        settings.lags,
        settings.layers,
        settings.direct,
        settings.nonlinearity,
        latent if settings.cell in PIECEWISE_LINEAR else 0,
        inputs,
        settings.differences,
    )


def drawn(settings: Settings, series: Series) -> Network:
    """A network as the settings draw it for such a series."""
    scale = 0.5 if settings.input_scale is None else settings.input_scale
    start = Start(
        settings.initial or "glorot",
        settings.seed,
        0.9 if settings.spectral_radius is None else settings.spectral_radius,
        scale,
        max(1.0, scale) if settings.bias_scale is None else settings.bias_scale,
        0.3 if settings.leak is None else settings.leak,
    )
    shape = shape_of(settings, series.shape[1], series.inputs.shape[1])
    return initial_network(shape, start, settings.dtype)
