"""Synthetic series, against the tutorial's values, closed forms and SciPy's integrators."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from freerun import systems
from freerun.errors import MissingExtraError, SettingError


def test_mackey_glass_is_the_tutorials():
    series = systems.mackey_glass(2000, seed=0)
    assert series.shape == (2000, 1)
    np.testing.assert_allclose(series.values[:3, 0], [0.11300373, 0.03975956, -0.02885234], atol=5e-9)
    assert series.values[-1, 0] == pytest.approx(0.2349446315755871, abs=1e-15)
    assert series.values.mean() == pytest.approx(-0.06580588706451784, abs=1e-15)


def test_mackey_glass_without_a_seed_is_a_fresh_one():
    assert systems.mackey_glass(50).values[0, 0] != systems.mackey_glass(50).values[0, 0]


def test_mackey_glass_rk4_on_the_first_delay_is_the_closed_form():
    """While the delayed value is the constant history the equation is linear,
    with an exponential solution."""
    dt, start, tau = 0.5, 0.9, 17.0
    series = systems.mackey_glass_rk4(35, tau=tau, dt=dt, start=start)
    limit = 0.2 * start / (1 + start**10) / 0.1
    exact = limit + (start - limit) * np.exp(-0.1 * np.arange(35) * dt)
    np.testing.assert_allclose(series.values[:, 0], exact, atol=1e-12)


def test_mackey_glass_rk4_over_several_delays_agrees_with_scipy():
    """SciPy, one delay at a time, each with the dense solution
    of the one before as its delayed value."""
    tau, start = 17.0, 1.2
    before = lambda t: np.full_like(t, start)  # noqa: E731 - each leg puts another in its place
    x, expected = start, [start]
    for leg in range(6):
        begin = leg * tau
        past = before

        def slope(t, y, past=past):
            delayed = past(np.asarray(t - tau))
            return 0.2 * delayed / (1 + delayed**10) - 0.1 * y

        times = np.arange(begin + 1, begin + tau + 1)
        solution = solve_ivp(
            slope, (begin, begin + tau), [x], "DOP853", times, dense_output=True, rtol=1e-12, atol=1e-13
        )
        expected.extend(solution.y[0])
        x = solution.y[0, -1]
        before = lambda t, dense=solution.sol: dense(t)[0]  # noqa: E731 - the same
    values = systems.mackey_glass_rk4(len(expected), tau=tau, start=start).values[:, 0]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_mackey_glass_rk4_is_of_fourth_order():
    def after(substeps: int) -> float:
        return systems.mackey_glass_rk4(60, start=0.9, substeps=substeps).values[-1, 0]

    exact = after(160)
    coarse, fine = abs(after(5) - exact), abs(after(10) - exact)
    assert 3.5 < np.log2(coarse / fine) < 4.7


def test_mackey_glass_rk4_washout_drops_the_first_steps():
    whole = systems.mackey_glass_rk4(30, substeps=10)
    np.testing.assert_array_equal(systems.mackey_glass_rk4(20, washout=10, substeps=10).values, whole.values[10:])


def test_multiple_sines_are_the_sum_of_their_formula():
    phase = np.random.RandomState(3).rand()
    values = systems.multiple_sines(1000, seed=3).values[:, 0]
    assert values[0] == pytest.approx(2 * np.sin(phase))
    assert values[999] == pytest.approx(np.sin(199.8 + phase) + np.sin(310.689 + phase))


def test_lorenz_takes_euler_steps():
    values = systems.lorenz(3).values
    np.testing.assert_allclose(values[0], [0, -0.01, 9])
    np.testing.assert_allclose(values[1], [-0.001, -0.01 + 0.01 * 0.01, 9 - 0.01 * 8 / 3 * 9])


def test_lorenz_dop853_agrees_with_another_integrator():
    def slope(_, s):
        return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]

    times = np.arange(100) * 0.01
    other = solve_ivp(slope, (0, 1), [1.0, 1.0, 1.0], "LSODA", times, rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(systems.lorenz_dop853(100, start=(1.0, 1.0, 1.0)).values, other, atol=1e-8)


def test_lorenz96_agrees_with_another_integrator():
    series = systems.lorenz96(21, sites=12, forcing=7.0, dt=0.05, substeps=20)

    def slope(_, x):
        return [(x[(i + 1) % 12] - x[i - 2]) * x[i - 1] - x[i] + 7.0 for i in range(12)]

    times = np.arange(21) * 0.05
    other = solve_ivp(slope, (0, 1), series.values[0], "DOP853", times, rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(series.values, other, atol=1e-6)


def test_lorenz96_is_of_fourth_order():
    def after(substeps: int) -> np.ndarray:
        return systems.lorenz96(11, washout=0, substeps=substeps).values[-1]

    exact = after(64)
    coarse, fine = np.abs(after(4) - exact).max(), np.abs(after(8) - exact).max()
    assert 3.5 < np.log2(coarse / fine) < 4.7


def kuramoto_sivashinsky_by_radau(start: np.ndarray, length: float, times: np.ndarray) -> np.ndarray:
    """The equation in all its Fourier modes, by SciPy's implicit integrator for stiff systems."""
    points = len(start)
    wavenumbers = 2 * np.pi / length * np.fft.fftfreq(points, 1 / points)
    odd = np.where(np.abs(wavenumbers) == np.abs(wavenumbers).max(), 0.0, wavenumbers)

    def slope(_, u):
        modes = np.fft.fft(u)
        return np.fft.ifft((wavenumbers**2 - wavenumbers**4) * modes - 0.5j * odd * np.fft.fft(u * u)).real

    span = (times[0], times[-1])
    return solve_ivp(slope, span, start, "Radau", times, rtol=1e-10, atol=1e-10).y.T


def test_kuramoto_sivashinsky_converges_in_fourth_order_to_another_integrator():
    """The order shows once the internal step resolves the fastest waves that matter."""

    def values(substeps: int) -> np.ndarray:
        return systems.kuramoto_sivashinsky(9, length=16.0, points=32, dt=0.25, washout=0, substeps=substeps).values

    exact = kuramoto_sivashinsky_by_radau(values(1)[0], 16.0, np.arange(9) * 0.25)
    coarse, fine = (np.abs(values(substeps) - exact).max() for substeps in (32, 64))
    assert fine < 1e-9
    assert 3.5 < np.log2(coarse / fine) < 4.7


def test_kuramoto_sivashinsky_produces_as_much_energy_as_it_dissipates():
    """d/dt of the energy is the mean of u_x^2 - u_xx^2, which is zero on average;
    the mean of u is conserved."""
    values = systems.kuramoto_sivashinsky(4000).values
    power = np.abs(np.fft.rfft(values, axis=1)) ** 2
    squares = (2 * np.pi / 22 * np.arange(33)) ** 2
    assert (power @ squares**2).mean() == pytest.approx((power @ squares).mean(), rel=1e-2)
    np.testing.assert_allclose(values.mean(axis=1), 0.0, atol=1e-10)


def growth_of_a_small_error(step, state: np.ndarray, steps: int, transient: int) -> float:
    """The largest Lyapunov exponent per step, by an error that is scaled
    back after each (Benettin et al., 1980)."""
    size = 1e-7
    error = size * np.random.default_rng(1).normal(size=state.shape) / np.sqrt(len(state))
    logs = []
    for _ in range(steps):
        after, beside = step(state), step(state + error)
        error = beside - after
        norm = np.linalg.norm(error)
        logs.append(np.log(norm / size))
        state, error = after, error * size / norm
    return float(np.mean(logs[transient:]))


@pytest.mark.slow
def test_lorenz96_has_the_published_lyapunov_exponent():
    """1.68 at 40 sites and F = 8 (Karimi and Paul, 2010; Vlachas et al., 2020)."""

    ahead, one_back, two_back = ((np.arange(40) + shift) % 40 for shift in (1, -1, -2))

    def step(x: np.ndarray) -> np.ndarray:  # RK4 of 0.05, as in Lorenz and Emanuel (1998)
        def slope(x: np.ndarray) -> np.ndarray:
            return (x[ahead] - x[two_back]) * x[one_back] - x + 8.0

        k1 = slope(x)
        k2 = slope(x + 0.025 * k1)
        k3 = slope(x + 0.025 * k2)
        return x + 0.05 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(x + 0.05 * k3))

    start = systems.lorenz96(1).values[0]
    assert growth_of_a_small_error(step, start, 16_000, 500) / 0.05 == pytest.approx(1.68, abs=0.07)


@pytest.mark.slow
def test_kuramoto_sivashinsky_has_the_published_lyapunov_exponent():
    """0.043 to 0.05 at L = 22 (Cvitanovic et al., 2010: 0.048),
    from two runs that begin close together."""
    wavenumbers = 2 * np.pi / 22 * np.arange(17)
    linear = wavenumbers**2 - wavenumbers**4
    whole, half = np.exp(0.05 * linear), np.exp(0.025 * linear)

    def advection(modes: np.ndarray) -> np.ndarray:
        return -0.5j * wavenumbers * np.append(np.fft.rfft(np.fft.irfft(modes, 32) ** 2)[:-1], 0)

    def step(u: np.ndarray) -> np.ndarray:  # the integrating factor form of RK4, with steps of 0.05
        modes = np.fft.rfft(u)
        for _ in range(5):
            k1 = advection(modes)
            k2 = advection(half * (modes + 0.025 * k1))
            k3 = advection(half * modes + 0.025 * k2)
            k4 = advection(whole * modes + 0.05 * half * k3)
            modes = whole * modes + 0.05 / 6 * (whole * k1 + 2 * half * (k2 + k3) + k4)
        return np.fft.irfft(modes, 32)

    start = systems.kuramoto_sivashinsky(1, points=32).values[0]
    rate = growth_of_a_small_error(step, start, 24_000, 500) / 0.25
    assert 0.043 <= rate <= 0.05


@pytest.mark.parametrize("name", ["lorenz96", "kuramoto-sivashinsky"])
def test_a_field_begins_where_its_seed_says(name):
    first, again, other = (systems.make(name, 5, seed=seed).values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_dysts_needs_its_package_and_a_system_of_that_name():
    try:
        import dysts  # noqa: F401  # pyright: ignore[reportMissingImports] - an optional package
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'freerun\[systems\]'"):
            systems.dysts("Lorenz", 10)
    else:
        series = systems.dysts("Lorenz", 500)
        assert series.shape == (500, 3)
        assert series.dt == pytest.approx(1.5008 / 100, rel=0.02)
        with pytest.raises(SettingError, match="no system 'Lorentz'"):
            systems.dysts("Lorentz", 10)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("mackey", {}, "no synthetic series 'mackey'; there are: mackey-glass"),
        ("lorenz", {"tau": 17}, "lorenz has no parameter 'tau'"),
        ("lorenz", {"steps": 0}, "steps must be positive, not 0"),
        ("mackey-glass", {"tau": -1}, "tau must be positive, not -1"),
        ("lorenz96", {"sites": 3}, "sites must be 4 or more, not 3"),
        ("kuramoto-sivashinsky", {"length": -22.0}, "length must be positive, not -22"),
    ],
)
def test_parameters_that_a_system_cannot_have_are_refused(name, parameters, message):
    with pytest.raises(SettingError, match=message):
        systems.make(name, **{"steps": 10, **parameters})
