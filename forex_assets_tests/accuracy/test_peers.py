"""Benchmark engines against distributions computed without their libraries, on generated prices."""

import warnings
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import t as student_t

from forex_assets.accuracy.peers import PEERS
from forex_assets.accuracy.peers.garch import GarchParameters, fit_garch, simulated_quantiles
from forex_assets.accuracy.peers.history import SESSIONS
from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.engine import EngineError, Origin

CONFIG = InferenceConfig(horizon="90d", model="none", context_length=16)
NAMES = ("autoarima", "autoets", "autotheta", "garch")
STEPS = 65
Z95 = NormalDist().inv_cdf(0.975)


def walk(seed: int, sessions: int = SESSIONS, sd: float = 0.006) -> Array:
    """A driftless random walk in logs, CLP per USD."""
    return 900 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sd, sessions)))


def fan_of(name: str, prices: Array, steps: int = STEPS, config: InferenceConfig = CONFIG) -> Fan:
    return PEERS[name].forecast([Origin(prices, steps, {})], config)[0]


def width_95(fan: Fan) -> Array:
    """Width of the 95 % band of the log price, by step."""
    return np.log(fan.quantiles[:, -1] / fan.quantiles[:, 0])


def test_the_four_peers_are_there_under_their_own_names():
    assert tuple(PEERS) == NAMES
    assert all((engine.name, engine.model) == (name, name) for name, engine in PEERS.items())


@pytest.mark.parametrize("name", NAMES)
def test_on_a_random_walk_medians_stay_near_the_last_price_and_widths_grow_like_its_own(name):
    sd = 0.006
    shares, first, last = [], [], []
    for seed in range(4):
        prices = walk(seed, sd=sd)
        fan = fan_of(name, prices)
        # In standard deviations of the walk: what a fitted trend may cost.
        shares.append(abs(np.log(fan.median[-1] / prices[-1])) / (sd * np.sqrt(STEPS)))
        widths = width_95(fan) / (2 * Z95 * sd)
        first.append(widths[0])
        last.append(widths[-1] / np.sqrt(STEPS))
    assert np.median(shares) < 0.6
    assert np.median(first) == pytest.approx(1.0, abs=0.1)
    assert np.median(last) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_origin_gives_the_same_fan_bit_for_bit_whatever_stands_beside_it(name):
    engine, origin = PEERS[name], Origin(walk(1), 22, {})
    neighbours = [Origin(3 * walk(2, 300), 5, {}), origin, Origin(walk(3), 30, {})]
    np.random.seed(1)
    alone = engine.forecast([origin], CONFIG)[0]
    np.random.seed(2)
    among = engine.forecast(neighbours, CONFIG)
    assert [fan.mean.shape for fan in among] == [(5,), (22,), (30,)]
    np.testing.assert_array_equal(among[1].quantiles, alone.quantiles)
    np.testing.assert_array_equal(among[1].mean, alone.mean)


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_generator_is_left_alone(name):
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    fan_of(name, walk(1), 5)
    assert np.random.random() == expected


@pytest.mark.parametrize("name", NAMES)
def test_prices_in_another_unit_give_the_same_fan_in_that_unit(name):
    prices = walk(4)
    plain, scaled = fan_of(name, prices), fan_of(name, 7.3 * prices)
    np.testing.assert_allclose(scaled.quantiles, 7.3 * plain.quantiles, rtol=1e-9)
    np.testing.assert_allclose(scaled.mean, 7.3 * plain.mean, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_last_500_sessions_count_and_no_setting_does(name):
    prices = walk(5, SESSIONS + 200)
    other = CONFIG.model_copy(update={"context_length": 4096, "seed": 99, "representation": "returns"})
    long = fan_of(name, prices, 10, other)
    np.testing.assert_array_equal(long.quantiles, fan_of(name, prices[-SESSIONS:], 10).quantiles)
    changed = prices.copy()
    changed[-SESSIONS] *= 1.05
    assert (fan_of(name, changed, 10).quantiles != long.quantiles).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_shorter_reach_is_the_beginning_of_a_longer_one(name):
    prices = walk(6)
    short, long = fan_of(name, prices, 5), fan_of(name, prices, 22)
    np.testing.assert_allclose(short.quantiles, long.quantiles[:5], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        (walk(0, 99), "99 prices, at least 100"),
        (np.full(300, 900.0), "never moved from 900"),
        (np.append(walk(0), np.nan), "not a positive, finite number"),
        (np.append(walk(0), -1.0), "not a positive, finite number"),
        (np.array([]), "0 prices"),
    ],
)
def test_an_origin_that_cannot_be_fitted_is_named_and_nothing_takes_its_place(name, prices, reason):
    origins = [Origin(walk(1), 1, {}), Origin(prices, 3, {})]
    with pytest.raises(EngineError, match=f"{name}: origin 2 of 2 .*{len(prices)} prices.*3 steps.*{reason}"):
        PEERS[name].forecast(origins, CONFIG)


@pytest.mark.parametrize("name", NAMES)
def test_fits_raise_no_warnings_over_many_kinds_of_market(name):
    rng = np.random.default_rng(0)
    calm_then_wild = np.concatenate([rng.normal(0, 0.002, 250), rng.normal(0, 0.02, 250)])
    jump = rng.normal(0, 0.005, 500) + 0.1 * (np.arange(500) == 480)
    trend = rng.normal(0.002, 0.004, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for returns in (calm_then_wild, jump, trend):
            fan = fan_of(name, 900 * np.exp(np.cumsum(returns)), 22)
            assert (np.diff(fan.quantiles, axis=1) > 0).all()
            assert (fan.quantiles[:, 0] < fan.mean).all()
            assert (fan.mean < fan.quantiles[:, -1]).all()


def test_autoarima_follows_an_autoregression_of_the_returns():
    phi, sd, moves, widths = 0.6, 0.006, [], []
    for seed in range(5):
        shocks = np.random.default_rng(seed).normal(0, sd, SESSIONS)
        shocks[-1] = 0.03  # a large last move, so that what follows from it stands out of the errors of the fit
        returns = np.zeros(SESSIONS)
        for k in range(1, SESSIONS):
            returns[k] = phi * returns[k - 1] + shocks[k]
        prices = 900 * np.exp(np.cumsum(returns))
        fan = fan_of("autoarima", prices, 5)
        # E[r_k] = phi^k r_0: the move expected by step k is their sum.
        moves.append(np.log(fan.median / prices[-1]) / (returns[-1] * np.cumsum(phi ** np.arange(1, 6))))
        # The sum of k returns has the psi-weights (1 - phi^j) / (1 - phi).
        psi = (1 - phi ** np.arange(1, 6)) / (1 - phi)
        widths.append(width_95(fan) / (2 * Z95 * sd * np.sqrt(np.cumsum(psi**2))))
    np.testing.assert_allclose(np.median(moves, axis=0), 1.0, atol=0.15)
    np.testing.assert_allclose(np.median(widths, axis=0), 1.0, atol=0.1)


@pytest.mark.parametrize("name", ["autoarima", "autoets", "autotheta"])
def test_a_normal_law_of_the_log_price_has_the_log_normal_mean_and_normal_quantiles(name):
    fan = fan_of(name, walk(8), 22)
    logs = np.log(fan.quantiles)
    scores = np.array([NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS])
    spread = (logs[:, 6] - logs[:, 2]) / (scores[6] - scores[2])
    np.testing.assert_allclose(logs, logs[:, [4]] + np.outer(spread, scores), atol=1e-9)
    np.testing.assert_allclose(np.log(fan.mean), logs[:, 4] + spread**2 / 2, atol=1e-12)


def test_autotheta_smooths_little_where_the_market_is_a_walk():
    # Fitted on bare log prices the library's optimizer stops at its start, smoothing .525: a fan 40 % too narrow.
    widths = [width_95(fan_of("autotheta", walk(seed))) for seed in range(4)]
    assert min(w[-1] / w[0] for w in widths) > 0.8 * np.sqrt(STEPS)


def test_autotheta_has_the_variance_of_smoothing_with_a_fitted_line():
    from statsforecast.models import AutoTheta

    prices = walk(9)
    fan = fan_of("autotheta", prices, 22)
    values = 100 * (np.log(prices) - np.log(prices).mean())
    fitted = AutoTheta(season_length=1).fit(values).model_
    alpha, sd = fitted["par"]["alpha"], fitted["residuals"][3:].std(ddof=1) / 100
    ahead = np.arange(1, 23)
    # The line moves so little with 500 sessions behind it that the law is nearly simple smoothing's (Hyndman, 2008).
    smoothing = sd * np.sqrt(1 + (ahead - 1) * alpha**2)
    np.testing.assert_allclose(width_95(fan) / (2 * Z95), smoothing, rtol=0.06)


def garch_returns(seed: int, sessions: int, fit: GarchParameters) -> Array:
    """Returns in percent of a GARCH(1,1)-t, by plain loop."""
    rng = np.random.default_rng(seed)
    variance, returns = fit.omega / (1 - fit.alpha - fit.beta), []
    for _ in range(sessions):
        returns.append(float(rng.standard_t(fit.nu)) * ((fit.nu - 2) / fit.nu * variance) ** 0.5)
        variance = fit.omega + fit.alpha * returns[-1] ** 2 + fit.beta * variance
    return np.array(returns)


def test_garch_recovers_the_parameters_that_made_a_long_history():
    truth = GarchParameters(0.02, 0.08, 0.88, 6.0, 0.0)
    fit = fit_garch(garch_returns(1, 20_000, truth))
    np.testing.assert_allclose([fit.alpha, fit.beta, fit.nu], [truth.alpha, truth.beta, truth.nu], rtol=0.15)


def test_garch_starts_from_the_variance_that_a_plain_loop_gives_for_the_next_session():
    returns = garch_returns(2, 499, GarchParameters(0.02, 0.1, 0.85, 6.0, 0.0))
    fit = fit_garch(returns)
    variance = fit.omega / (1 - fit.alpha - fit.beta)  # where it starts is forgotten after 499 sessions
    for value in returns:
        variance = fit.omega + fit.alpha * value**2 + fit.beta * variance
    assert fit.next_variance == pytest.approx(variance, rel=1e-4)


def test_garch_widths_are_those_of_the_variance_forecast():
    # With nearly normal shocks and a weak reaction to them the cumulated return is nearly normal.
    fit = GarchParameters(0.01, 0.02, 0.95, 200.0, 1.2)
    widths = simulated_quantiles(fit, STEPS)
    variance, total, expected = fit.next_variance, 0.0, []
    for _ in range(STEPS):
        total += variance
        expected.append(total**0.5)
        variance = fit.omega + (fit.alpha + fit.beta) * variance
    np.testing.assert_allclose(widths[:, -1] / Z95, expected, rtol=0.03)
    np.testing.assert_allclose(widths[:, -4] / NormalDist().inv_cdf(0.75), expected, rtol=0.03)


def test_garchs_first_step_is_a_student_t_scaled_to_the_variance():
    fit = GarchParameters(0.02, 0.1, 0.85, 4.0, 0.49)
    expected = 0.7 * student_t.ppf(QUANTILE_LEVELS, 4.0) * np.sqrt(2.0 / 4.0)
    np.testing.assert_allclose(simulated_quantiles(fit, 1)[0], expected, rtol=0.04, atol=1e-12)


def test_garchs_median_is_the_last_price_and_its_log_fan_symmetric():
    prices = walk(3)
    logs = np.log(fan_of("garch", prices).quantiles / prices[-1])
    np.testing.assert_allclose(logs, -logs[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(logs[:, 4], 0, atol=1e-12)


def test_garch_is_wider_after_wild_days_than_after_calm_ones():
    returns = garch_returns(4, 499, GarchParameters(0.01, 0.1, 0.87, 8.0, 0.0))
    calm, wild = np.append(returns, np.zeros(10)), np.append(returns, [4.0, -4.0] * 5)
    fans = [fan_of("garch", 900 * np.exp(np.cumsum(r) / 100), 5) for r in (calm, wild)]
    assert width_95(fans[1])[0] > 1.5 * width_95(fans[0])[0]
