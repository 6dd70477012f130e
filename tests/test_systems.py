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
    """While the delayed value is the constant history the equation is linear, with an exponential solution."""
    dt, start, tau = 0.5, 0.9, 17.0
    series = systems.mackey_glass_rk4(35, tau=tau, dt=dt, start=start)
    limit = 0.2 * start / (1 + start**10) / 0.1
    exact = limit + (start - limit) * np.exp(-0.1 * np.arange(35) * dt)
    np.testing.assert_allclose(series.values[:, 0], exact, atol=1e-12)


def test_mackey_glass_rk4_over_several_delays_agrees_with_scipy():
    """SciPy, one delay at a time, each with the dense solution of the one before as its delayed value."""
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


def test_multiple_sines():
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
    ],
)
def test_bad_requests(name, parameters, message):
    with pytest.raises(SettingError, match=message):
        systems.make(name, **{"steps": 10, **parameters})
