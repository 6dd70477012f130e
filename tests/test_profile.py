"""What is measured of a series once."""

import numpy as np
import pytest

from freerun.data.profile import observation_noise


@pytest.mark.parametrize("steps", [100, 1000, 10000])
@pytest.mark.parametrize("size", [0.05, 0.2])
def test_noise_of_a_smooth_series_is_estimated(steps, size):
    random = np.random.default_rng(0)
    smooth = np.stack([np.sin(np.arange(steps) / 9), np.cos(np.arange(steps) / 13)], axis=1)
    found = observation_noise(smooth + size * np.array([1.0, 0.5]) * random.normal(size=smooth.shape))
    np.testing.assert_allclose(found, [size, size / 2], rtol=0.35 if steps == 100 else 0.12)
