"""Synthetic series: the generators of the Theano tutorial, accurate integrators,
and systems of dysts.

`mackey_glass`, `multiple_sines` and `lorenz` repeat the tutorial's generators exactly, including
their coarse Euler steps, so that results can be compared with published numbers. `mackey_glass_rk4`
and `lorenz_dop853` solve the equations accurately. `lorenz96` and `kuramoto_sivashinsky` are
fields: their channels are the sites of a ring.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.extras import require

CIRCLE = 32
"""Points of the half circle around a coefficient of ETDRK4 over which it is averaged,
as in Kassam and Trefethen."""


def mackey_glass(steps: int, tau: int = 17, seed: int | None = None) -> Series:
    """Generate the tutorial's Mackey-Glass series,
    which is also that of Jaeger's report GMD-148 (2001).

    Euler steps of 0.1 integrate dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t). The
    initial value is 1.2, and the history is 1.2 with uniform noise of width 0.2. Every tenth value
    x is kept, and transformed to tanh(x - 1).

    Args:
        steps: T, the length of the series.
        tau: the delay in steps; the series is chaotic from about 17.
        seed: seed of NumPy's legacy `RandomState`, which draws the history;
            None draws a different one each time.

    Returns:
        A series of shape (steps, 1), dt 1.
    """
    _require_positive(steps=steps, tau=tau)
    substeps = 10
    noise = np.random.RandomState(seed).rand(tau * substeps)
    history = deque((1.2 + 0.2 * (noise - 0.5)).tolist())
    x = 1.2
    values = np.empty(steps)
    for step in range(steps):
        for _ in range(substeps):
            delayed = history.popleft()
            history.append(x)
            x += (0.2 * delayed / (1.0 + delayed**10) - 0.1 * x) / substeps
        values[step] = x
    return Series(np.tanh(values - 1.0)[:, None], ("mackey_glass",))


def multiple_sines(steps: int, seed: int | None = None) -> Series:
    """Generate the tutorial's sum of two incommensurate sines,
    sin(0.2 t + phase) + sin(0.311 t + phase).

    Args:
        steps: T, the length of the series.
        seed: seed of NumPy's legacy `RandomState`, which draws the phase from [0, 1).

    Returns:
        A series of shape (steps, 1), dt 1.
    """
    _require_positive(steps=steps)
    phase = np.random.RandomState(seed).rand()
    t = np.arange(steps)
    return Series((np.sin(0.2 * t + phase) + np.sin(0.311 * t + phase))[:, None], ("sines",))


def lorenz(steps: int, sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3, dt: float = 0.01) -> Series:
    """Generate the tutorial's Lorenz series by Euler steps of `dt` from (0, -0.01, 9).

    The equations are dx/dt = sigma (y - x), dy/dt = x (rho - z) - y, dz/dt = x y - beta z. The
    tutorial's `8/3` was 2 by integer division; the default here is the beta of Lorenz (1963),
    2.667.

    Args:
        steps: T, the length of the series.
        sigma: the Prandtl number.
        rho: the Rayleigh number over its critical value.
        beta: a number for the shape of the rolls.
        dt: time between two steps.

    Returns:
        A series of shape (steps, 3), channels x, y, z.
    """
    _require_positive(steps=steps, dt=dt)
    values = np.empty((steps, 3))
    x, y, z = 0.0, -0.01, 9.0
    for step in range(steps):
        values[step] = x, y, z
        x, y, z = x + sigma * (y - x) * dt, y + (x * (rho - z) - y) * dt, z + (x * y - beta * z) * dt
    return Series(values, ("x", "y", "z"), dt=dt)


def mackey_glass_rk4(
    steps: int, tau: float = 17.0, dt: float = 1.0, start: float = 1.2, washout: int = 0, substeps: int = 100
) -> Series:
    """Solve the Mackey-Glass equation accurately,
    by the method of steps with the classical Runge-Kutta scheme.

    The delayed value at the middle of a step is interpolated by cubic Hermite polynomials, so the
    scheme is of fourth order (Bellen and Zennaro, Numerical Methods for Delay Differential
    Equations, 2003). With the default internal step of 0.01, the error after 100 time units is
    below 1e-9. Later it grows by a factor of e about every 140 time units, as with any method,
    since the solution is chaotic.

    Args:
        steps: T, the length of the series.
        tau: the delay, in time units; rounded to a multiple of the internal step dt / substeps.
        dt: time between two steps of the series.
        start: the constant history, and the value at time 0.
        washout: number of first steps to discard, while the solution approaches its attractor.
        substeps: number of internal steps per `dt`.

    Returns:
        A series of shape (steps, 1), in the units of the equation (without the tanh).
    """
    _require_positive(steps=steps, tau=tau, dt=dt, substeps=substeps)
    h = dt / substeps
    lag = max(1, round(tau / h))
    total = (washout + steps) * substeps
    x = [start] * (lag + 1)
    slope = [0.0] * lag
    production = [0.2 * start / (1.0 + start**10)] * 2

    for n in range(total):
        now = x[-1]
        # x[n] is lag steps in the past, since x starts with lag values of history
        middle = (x[n] + x[n + 1]) / 2
        if n >= lag:
            middle += h * (slope[n] - _slope_at(x, slope, n + 1, lag)) / 8
        production = [0.2 * delayed / (1.0 + delayed**10) for delayed in (x[n], middle, x[n + 1])]
        k1 = production[0] - 0.1 * now
        k2 = production[1] - 0.1 * (now + h / 2 * k1)
        k3 = production[1] - 0.1 * (now + h / 2 * k2)
        k4 = production[2] - 0.1 * (now + h * k3)
        slope.append(k1)
        x.append(now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    kept = np.array(x[lag:])[washout * substeps :: substeps][:steps]
    return Series(kept[:, None], ("mackey_glass",), dt=dt)


def _slope_at(x: list[float], slope: list[float], n: int, lag: int) -> float:
    """Return dx/dt at internal step `n`; with a delay of one internal step,
    that is the current one."""
    if n < len(slope):
        return slope[n]
    delayed = x[n - lag]
    return 0.2 * delayed / (1.0 + delayed**10) - 0.1 * x[n]


def lorenz_dop853(
    steps: int,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    dt: float = 0.01,
    start: tuple[float, float, float] = (0.0, -0.01, 9.0),
    washout: int = 0,
) -> Series:
    """Solve the Lorenz (1963) equations accurately by SciPy's DOP853,
    an explicit Runge-Kutta scheme of order 8.

    Relative and absolute tolerance are 1e-12. The error in the first time unit is below 1e-10.
    Later it grows by a factor of e every 1.1 time units (the largest Lyapunov exponent is 0.906).

    Args:
        steps: T, the length of the series.
        sigma: the Prandtl number.
        rho: the Rayleigh number over its critical value.
        beta: a number for the shape of the rolls.
        dt: time between two steps of the series.
        start: the state at time 0.
        washout: number of first steps to discard.

    Returns:
        A series of shape (steps, 3), channels x, y, z.
    """
    from scipy.integrate import solve_ivp

    _require_positive(steps=steps, dt=dt)

    def slope(_: float, state: np.ndarray) -> list[float]:
        x, y, z = state
        return [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]

    times = np.arange(washout, washout + steps) * dt
    solution = solve_ivp(slope, (0.0, times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-12)
    return Series(solution.y.T, ("x", "y", "z"), dt=dt)


def lorenz96(
    steps: int,
    sites: int = 40,
    forcing: float = 8.0,
    dt: float = 0.05,
    washout: int = 1000,
    seed: int = 0,
    substeps: int = 5,
) -> Series:
    """Solve the equations of Lorenz (1996) on a ring of sites, by the classical Runge-Kutta scheme.

    The equations are dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + forcing, where sites are counted
    around the ring (Lorenz, Predictability: a problem partly solved, 1996). With 40 sites and a
    forcing of 8, the largest Lyapunov exponent is 1.68, so that small errors grow by a factor of e
    in 0.6 time units. With the default internal step of 0.01, the error after one time unit is
    below 1e-5.

    Args:
        steps: T, the length of the series.
        sites: number of sites on the ring, at least 4.
        forcing: F; the system is chaotic at 8.
        dt: time between two steps of the series.
        washout: number of first steps to discard, while the solution approaches its attractor.
        seed: seed of the first state, which is standard normal around the forcing.
        substeps: number of internal steps per `dt`.

    Returns:
        A series of shape (steps, sites), channels x0, x1, ....
    """
    _require_positive(steps=steps, dt=dt, substeps=substeps)
    _require_sites("sites", sites)
    state = forcing + np.random.default_rng(seed).normal(size=sites)
    two_back, one_back, ahead = (np.roll(np.arange(sites), shift) for shift in (2, 1, -1))
    h = dt / substeps

    def slope(x: np.ndarray) -> np.ndarray:
        return (x[ahead] - x[two_back]) * x[one_back] - x + forcing

    values = np.empty((steps, sites))
    for step in range(-washout, steps):
        if step >= 0:
            values[step] = state
        for _ in range(substeps):
            k1 = slope(state)
            k2 = slope(state + h / 2 * k1)
            k3 = slope(state + h / 2 * k2)
            k4 = slope(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return Series(values, tuple(f"x{i}" for i in range(sites)), dt=dt)


def kuramoto_sivashinsky(
    steps: int,
    length: float = 22.0,
    points: int = 64,
    dt: float = 0.25,
    washout: int = 1000,
    seed: int = 0,
    substeps: int = 2,
) -> Series:
    """Solve the Kuramoto-Sivashinsky equation on a periodic interval,
    by exponential time differencing (ETDRK4).

    The equation is u_t = -u u_x - u_xx - u_xxxx. Space is discretized by Fourier modes. The scheme
    is of fourth order in time; its coefficients are means over a circle in the complex plane
    (Kassam and Trefethen, Fourth-order time-stepping for stiff PDEs, SIAM J. Sci. Comput. 26,
    2005). On a length of 22 the largest Lyapunov exponent is about 0.048 (Edson et al., 2019), so
    that small errors grow by a factor of e in 21 time units.

    Args:
        steps: T, the length of the series.
        length: L, of the interval.
        points: number of points on the interval, at least 4.
        dt: time between two steps of the series.
        washout: number of first steps to discard, while the solution approaches its attractor.
        seed: seed of the first state, a sum of the four longest waves. Its mean is 0, and stays 0.
        substeps: number of internal steps per `dt`.

    Returns:
        A series of shape (steps, points), channels u0, u1, ....
    """
    _require_positive(steps=steps, length=length, dt=dt, substeps=substeps)
    _require_sites("points", points)
    random = np.random.default_rng(seed)
    wavenumbers = 2 * np.pi / length * np.arange(points // 2 + 1)
    linear = wavenumbers**2 - wavenumbers**4
    h = dt / substeps
    roots = np.exp(1j * np.pi * (np.arange(CIRCLE) + 0.5) / CIRCLE)
    z = h * linear[:, None] + roots
    half = h * ((np.exp(z / 2) - 1) / z).mean(axis=1).real
    first = h * ((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3).mean(axis=1).real
    middle = h * ((2 + z + np.exp(z) * (z - 2)) / z**3).mean(axis=1).real
    last = h * ((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3).mean(axis=1).real
    whole_step, half_step = np.exp(h * linear), np.exp(h * linear / 2)
    gradient = -0.5j * wavenumbers
    if points % 2 == 0:
        gradient[-1] = 0.0  # the shortest wave has no derivative on this grid

    def advection(modes: np.ndarray) -> np.ndarray:
        return gradient * np.fft.rfft(np.fft.irfft(modes, points) ** 2)

    place = 2 * np.pi * np.arange(points) / points
    waves = np.arange(1, min(4, (points - 1) // 2) + 1)[:, None]
    amplitudes, phases = random.normal(size=waves.shape), random.uniform(0, 2 * np.pi, waves.shape)
    modes = np.fft.rfft((amplitudes * np.cos(waves * place + phases)).sum(axis=0))
    values = np.empty((steps, points))
    for step in range(-washout, steps):
        if step >= 0:
            values[step] = np.fft.irfft(modes, points)
        for _ in range(substeps):
            now = advection(modes)
            a = half_step * modes + half * now
            at_a = advection(a)
            b = half_step * modes + half * at_a
            at_b = advection(b)
            c = half_step * a + half * (2 * at_b - now)
            modes = whole_step * modes + first * now + 2 * middle * (at_a + at_b) + last * advection(c)
    return Series(values, tuple(f"u{i}" for i in range(points)), dt=dt)


def dysts(name: str, steps: int, points_per_period: int = 100) -> Series:
    """Generate a chaotic system of the dysts collection (Gilpin, 2021),
    from its recorded initial condition.

    Args:
        name: name in `dysts.flows`, for instance `Lorenz` or `Thomas`.
        steps: T, the length of the series.
        points_per_period: steps per dominant period of the system.

    Returns:
        A series of shape (steps, D) with the system's own time unit.

    Raises:
        MissingExtraError: dysts is not installed.
        SettingError: dysts has no such system.
    """
    _require_positive(steps=steps, points_per_period=points_per_period)
    require("systems", f"the system {name!r}")
    from dysts import flows  # pyright: ignore[reportMissingImports] - an optional package

    system = getattr(flows, name, None)
    if not (isinstance(system, type) and hasattr(system, "make_trajectory")):
        raise SettingError(f"dysts has no system {name!r}; give a name of dysts.flows, such as 'Lorenz'")
    model = system()
    times, values = model.make_trajectory(steps, pts_per_period=points_per_period, resample=True, return_times=True)
    return Series(values, times=times)


SYSTEMS: dict[str, Callable[..., Series]] = {
    "mackey-glass": mackey_glass,
    "mackey-glass-rk4": mackey_glass_rk4,
    "multiple-sines": multiple_sines,
    "lorenz": lorenz,
    "lorenz-dop853": lorenz_dop853,
    "lorenz96": lorenz96,
    "kuramoto-sivashinsky": kuramoto_sivashinsky,
}
"""Generators by the name that `make` and `freerun data` use."""


def make(name: str, steps: int, **parameters: Any) -> Series:
    """Generate a synthetic series by name.

    Args:
        name: a key of `SYSTEMS`, or `dysts:NAME`.
        steps: T, the length of the series.
        parameters: parameters of the generator; those that are None keep their defaults.

    Raises:
        SettingError: the name is unknown, or the system has no such parameter.
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    if name.startswith("dysts:"):
        function, given["name"] = dysts, name.removeprefix("dysts:")
    elif name in SYSTEMS:
        function = SYSTEMS[name]
    else:
        raise SettingError(f"no synthetic series {name!r}; there are: {', '.join(SYSTEMS)}, dysts:NAME")
    for key in given:
        if key not in inspect.signature(function).parameters:
            raise SettingError(f"{name} has no parameter {key!r}; leave it out")
    return function(steps=steps, **given)


def _require_sites(name: str, count: int) -> None:
    """Check that a ring has 4 sites or more.

    Raises:
        SettingError: it has fewer.
    """
    if count < 4:
        raise SettingError(f"{name} must be 4 or more, not {count}")


def _require_positive(**sizes: float) -> None:
    """Check that all arguments are positive.

    Raises:
        SettingError: one is not.
    """
    for name, size in sizes.items():
        if not size > 0:
            raise SettingError(f"{name} must be positive, not {size}")
