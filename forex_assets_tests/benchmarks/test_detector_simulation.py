"""What goes wrong in a generated market is what its name says, and what is counted is what the rules themselves say."""

import math
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy import stats

from detector_simulation import (
    APART,
    DETECTORS_SCHEMA,
    FORTNIGHT,
    measure,
    table_of,
    weekdays,
)
from drift_batch import (
    critical_distance,
    is_calibrated_drift,
    is_literal_drift,
    windowed,
)
from feed_faults import FEED_SCHEMA, dated_late, feed_table, prices_of
from forex_assets.core.compute.processes import Processes
from forex_assets.core.fan import Array
from forex_assets.core.policy import DegradationPolicy, DriftPolicy, Policy
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.monitoring.drift import drift_report
from forex_assets.monitoring.realized_sums import SUMS, rank_of
from forex_assets.monitoring.series import COPPER_RETURN, FORECAST_ERROR, PESO_RETURN
from forex_assets.monitoring.statistic_series import EWMA, WARM_UP, statistic_series
from forex_assets.monitoring.statistics import ewma_log_variance_ratio
from market_faults import (
    DOUBLED,
    FAULTS,
    NOTHING,
    PESO_SD,
    STEPS,
    Fault,
    Market,
    ewma_variances,
    inject,
    next_errors,
    normal_crps,
    simulated_market,
    week_sums,
)

POLICY = Policy()
SHORT = Policy(drift=DriftPolicy(history_sessions=260), degradation=DegradationPolicy())
BY_NAME = {fault.name: fault for fault in FAULTS}
LAST = 10


@cache
def market() -> Market:
    return simulated_market(2, 400, seed=3)


def spoiled(name: str) -> Market:
    return inject(market(), BY_NAME[name], LAST)


def changed(before: Array, after: Array) -> list[int]:
    """Sessions, counted from the fault's first, in which any market's value is another."""
    return [int(t) - before.shape[1] + LAST for t in np.flatnonzero((before != after).any(axis=0))]


def test_copper_and_peso_are_correlated_clustered_and_of_their_volatilities() -> None:
    sample_market = simulated_market(200, 500, seed=1)
    peso, copper = sample_market.peso.ravel(), sample_market.copper.ravel()
    assert np.corrcoef(peso, copper)[0, 1] == pytest.approx(-0.32, abs=0.03)
    assert abs(np.corrcoef(peso, sample_market.spare.ravel())[0, 1]) < 0.02
    assert peso.std() == pytest.approx(0.0065, rel=0.08)
    squares = sample_market.peso**2
    assert np.corrcoef(squares[:, 1:].ravel(), squares[:, :-1].ravel())[0, 1] > 0.05


def test_the_same_seed_gives_the_same_market_and_another_another() -> None:
    one, same, other = (simulated_market(1, 50, seed=seed) for seed in (4, 4, 5))
    assert (one.copper == same.copper).all()
    assert (one.peso != other.peso).all()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_no_fault_touches_a_session_before_it(fault: Fault) -> None:
    before, after = market(), inject(market(), fault, LAST)
    for name in ("peso", "copper", "bias"):
        assert (getattr(before, name)[:, :-LAST] == getattr(after, name)[:, :-LAST]).all()


@pytest.mark.parametrize(("name", "factor"), [("volatility x1.5", 1.5), ("volatility x2", 2), ("volatility x3", 3)])
def test_volatility_is_multiplied_in_every_session_of_the_fault(name: str, factor: float) -> None:
    ratio = spoiled(name).peso[:, -LAST:] / market().peso[:, -LAST:]
    assert ratio == pytest.approx(np.full((2, LAST), factor))
    assert (spoiled(name).copper == market().copper).all()


def test_a_jump_moves_the_level_once_and_it_stays() -> None:
    off = np.exp(np.cumsum(spoiled("level jump").peso - market().peso, axis=1))
    assert changed(market().peso, spoiled("level jump").peso) == [0]
    assert off[:, -LAST:] == pytest.approx(np.full((2, LAST), math.exp(6 * PESO_SD)))


def test_biased_forecasts_are_off_by_more_every_session_and_prices_are_what_they_were() -> None:
    after = spoiled("bias drift")
    assert (after.peso == market().peso).all()
    variances = ewma_variances(after.peso)
    shift = next_errors(market(), variances) - next_errors(after, variances)
    assert shift[0, -LAST:] == pytest.approx([0.2 * k for k in range(1, LAST + 1)])


def test_a_stale_feed_repeats_the_last_price() -> None:
    prices = prices_of(spoiled("stale feed").peso[0], USDCLP)[USDCLP.value].to_numpy()
    assert set(prices[-LAST:]) == {prices[-LAST - 1]}


def test_a_change_of_unit_is_dollars_a_tonne_from_the_first_session_on() -> None:
    before, after = (np.exp(np.cumsum(world.copper[0])) for world in (market(), spoiled("unit change")))
    assert after[-LAST:] / before[-LAST:] == pytest.approx(np.full(LAST, 2204.62262))


def test_a_decoupled_copper_has_shocks_of_its_own_and_the_same_volatility() -> None:
    sample_market = simulated_market(4000, LAST + 1, seed=2)
    after = inject(sample_market, BY_NAME["decoupled copper"], LAST)
    peso, copper = after.peso[:, 1:].ravel(), after.copper[:, 1:].ravel()
    assert abs(np.corrcoef(peso, copper)[0, 1]) < 0.03
    assert copper.std() == pytest.approx(sample_market.copper[:, 1:].std(), rel=0.05)


def test_another_providers_copper_is_of_the_session_before() -> None:
    after = spoiled("provider swap").copper
    assert (after[:, -LAST:] == market().copper[:, -LAST - 1 : -1]).all()
    assert dated_late(np.array([1.0, 2, 3, 4, 5]), 2).tolist() == [1, 2, 3, 3, 4]


def test_a_fault_must_leave_a_session_before_it() -> None:
    with pytest.raises(ValueError, match="400 sessions needs a market longer"):
        inject(market(), NOTHING, 400)


def test_the_walks_sums_are_those_of_a_plain_loop() -> None:
    sample_market = inject(simulated_market(1, 60, seed=9), BY_NAME["bias drift"], LAST)
    returns, bias = sample_market.peso[0].tolist(), sample_market.bias[0].tolist()
    variance, known = PESO_SD**2, []
    for value in returns:
        variance = 0.97 * variance + 0.03 * value**2
        known.append(variance)
    sums = week_sums(sample_market, ewma_variances(sample_market.peso))[0]
    for t in (STEPS, 30, 55, 59):
        moved = sum(returns[t - STEPS + 1 : t + 1])
        sd = math.sqrt(STEPS * known[t - STEPS])
        expected = {"days": 1, "walk_square": moved**2, "square": (moved - bias[t] * sd) ** 2,
                    "score_square": (moved / sd - bias[t]) ** 2}  # fmt: skip
        for name, value in expected.items():
            assert sums[SUMS.index(name), t - STEPS] == pytest.approx(value), (name, t)


def test_crps_of_a_normal_is_its_integral() -> None:
    grid = np.linspace(-12, 12, 48_001)
    for error, sd in ((0.0, 1.0), (1.3, 0.5), (-2.0, 1.5)):
        square = (stats.norm.cdf(grid / sd) - (grid >= error)) ** 2
        assert float(normal_crps(np.array(error), np.array(sd))) == pytest.approx(np.trapezoid(square, grid), abs=1e-3)


@pytest.mark.parametrize(("n", "m"), [(30, 90), (12, 40), (25, 60)])
def test_the_critical_distance_is_where_scipys_p_crosses(n: int, m: int) -> None:
    bins = {"psi_bins": 2}
    least = critical_distance(DriftPolicy(recent_sessions=n, reference_sessions=m, **bins))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    seen = set()
    for shift in np.linspace(0, 1.2, 200):
        result = stats.ks_2samp(rng.normal(shift, 1, n), rng.normal(0, 1, m), method="exact")
        assert (result.statistic > least - 1e-9) == (result.pvalue < 0.05)
        seen.add(bool(result.pvalue < 0.05))
    assert seen == {True, False}


def series_of(sample_market: Market, days: list[date]) -> dict[str, pl.DataFrame]:
    """As `drift_series` gives them."""
    errors = next_errors(sample_market, ewma_variances(sample_market.peso))[0]
    errors[0] = 0.0
    values = {COPPER_RETURN: sample_market.copper[0], PESO_RETURN: sample_market.peso[0], FORECAST_ERROR: errors}
    return {name: pl.DataFrame({"session": days, "value": column}) for name, column in values.items()}


@pytest.mark.parametrize("name", ["nothing", "volatility x3", "level jump", "provider swap"])
def test_what_is_measured_is_what_the_reports_say_on_those_days(name: str) -> None:
    """The short way to the rules' arguments against the whole way, a report a day."""
    first = SHORT.drift.history_sessions + WARM_UP + STEPS
    table = measure(SHORT, worlds=1, seed=8, looks=3, faults=(BY_NAME[name],))
    whole = simulated_market(1, first + 2 * APART + FORTNIGHT, seed=8)
    literal, calibrated, firing = [], [], []
    for k in range(3):
        end = first + APART * k + FORTNIGHT
        sample_market = inject(whole.rows(lambda a, end=end: a[:, :end]), BY_NAME[name], FORTNIGHT)  # type: ignore[misc]
        days = [date.fromordinal(int(day)) for day in weekdays(end)]
        series = series_of(sample_market, days)
        reports = {n: drift_report(series, SHORT, days[n - FORTNIGHT - 1]) for n in (5, 10)}
        first_day = days[-FORTNIGHT]
        calibrated.append([
            bool(report.fires_calibrated) and bool(
                (report.table.filter("is_significant")["score_session"] >= first_day).any()
            )
            for report in reports.values()
        ])  # fmt: skip
        firing.append(any(report.fires_calibrated for report in reports.values()))
        looks = [bool(drift_report(series, SHORT, day).fires_literal) for day in days[-FORTNIGHT:]]
        literal.append([any(looks[:5]), any(looks)])
    rows = {row["rule"]: row for row in table.filter(detector="drift").iter_rows(named=True)}
    assert rows["literal"]["found_7_days"] == pytest.approx(np.mean([pair[0] for pair in literal]))
    assert rows["literal"]["found_14_days"] == pytest.approx(np.mean([pair[1] for pair in literal]))
    # A row names one look only, its highest; another one since the fault may lie above the limit as well.
    at_least, at_most = np.mean([any(pair) for pair in calibrated]), np.mean(firing)
    assert at_least - 1e-9 <= rows["calibrated"]["found_14_days"] <= at_most + 1e-9


def test_statistics_of_a_tail_are_the_last_ones_of_the_whole_series() -> None:
    sample_market = simulated_market(1, 300, seed=6)
    days = [date.fromordinal(int(day)) for day in weekdays(300)]
    frames = series_of(sample_market, days)
    values = {name: frame["value"].to_numpy() for name, frame in frames.items()}
    columns = windowed(values, POLICY.drift, 10) | {
        (name, EWMA): ewma_log_variance_ratio(array)[-10:] for name, array in values.items()
    }
    whole = {track.name: track.effects[-10:] for track in statistic_series(frames, POLICY.drift, days[-1])}
    assert set(columns) == set(whole)
    for name, column in columns.items():
        assert column == pytest.approx(whole[name]), name


def test_the_published_drift_rule_fires_look_by_look_as_its_report_does() -> None:
    sample_market = simulated_market(1, 260, seed=12)
    days = [date.fromordinal(int(day)) for day in weekdays(260)]
    frames = series_of(sample_market, days)
    columns = windowed({name: frame["value"].to_numpy() for name, frame in frames.items()}, POLICY.drift, 60)
    fires = is_literal_drift(columns, POLICY.drift)
    assert fires.tolist() == [drift_report(frames, POLICY, day).fires_literal for day in days[-60:]]


def test_an_alarm_over_looks_before_the_fault_is_not_found_by_it() -> None:
    needed = SHORT.drift.history_sessions + SHORT.drift.looks
    values = np.random.default_rng(0).normal(size=needed)
    values[-7] = 60.0
    columns = {(PESO_RETURN, "log_variance_ratio"): values}
    assert is_calibrated_drift(columns, SHORT, 7)
    assert not is_calibrated_drift(columns, SHORT, 6)


@pytest.mark.parametrize("fault", [NOTHING, DOUBLED], ids=lambda fault: fault.name)
def test_degradation_is_counted_as_a_plain_loop_over_days_counts_it(fault: Fault) -> None:
    table = measure(SHORT, worlds=2, seed=5, looks=6, faults=(fault,)).filter(detector="degradation")
    first = SHORT.drift.history_sessions + WARM_UP + STEPS
    whole = simulated_market(2, first + 5 * APART + FORTNIGHT, seed=5)
    literal = []
    for w in range(2):
        for k in range(6):
            end = first + APART * k + FORTNIGHT
            sample_market = inject(whole.rows(lambda a, w=w, end=end: a[w : w + 1, :end]), fault, FORTNIGHT)  # type: ignore[misc]
            sums = week_sums(sample_market, ewma_variances(sample_market.peso))[0]
            squares, days = sums[SUMS.index("square")], weekdays(end)[STEPS:]
            fires = []
            for day in days[-FORTNIGHT:]:
                recent = squares[(days > day - 14) & (days <= day)].mean()
                baseline = squares[(days > day - 74) & (days <= day - 14)].mean()
                fires.append(math.sqrt(recent / baseline) >= 1.15)
            literal.append((any(fires[:5]), any(fires)))
    row = table.filter(rule="literal").row(0, named=True)
    assert (row["found_7_days"], row["found_14_days"]) == pytest.approx(tuple(np.mean(literal, axis=0)))


def test_the_calibrated_degradation_is_what_its_ranking_says_day_by_day() -> None:
    end = POLICY.drift.history_sessions + WARM_UP + STEPS + FORTNIGHT
    days, verdicts = weekdays(end)[STEPS:], set()
    for seed, fault in ((2, NOTHING), (3, BY_NAME["bias drift"])):
        sample_market = inject(simulated_market(1, end, seed=seed), fault, FORTNIGHT)
        sums = week_sums(sample_market, ewma_variances(sample_market.peso))[0]
        ranked = [rank_of(days, sums, date.fromordinal(int(day)), POLICY) for day in days[-FORTNIGHT:]]
        fires = [bool((ranking.ratios > ranking.limits).any()) for ranking in ranked]
        table = measure(POLICY, worlds=1, seed=seed, looks=1, faults=(fault,))
        row = table.filter(detector="degradation", rule="calibrated").row(0, named=True)
        assert (row["found_7_days"], row["found_14_days"]) == (any(fires[:5]), any(fires))
        verdicts.add(any(fires))
    assert verdicts == {True, False}


def test_limits_of_the_degradation_rest_on_nothing_after_the_fault_began() -> None:
    sample_market = simulated_market(1, 800, seed=1)
    days = weekdays(800)[STEPS:]
    calm, wild = (
        week_sums(world, ewma_variances(world.peso))[0]
        for world in (sample_market, inject(sample_market, BY_NAME["volatility x3"], 10))
    )
    today = date.fromordinal(int(days[-1]))
    limits = rank_of(days, calm, today, POLICY).limits
    assert np.isfinite(limits).all()
    assert limits == pytest.approx(rank_of(days, wild, today, POLICY).limits)


def test_shares_errors_and_alarms_a_year_are_worked_out_between_markets() -> None:
    hits = {("nothing", "drift", "literal"): [[(True, True), (False, True)], [(False, False), (False, True)]]}
    row = table_of(hits).row(0, named=True)
    assert (row["n"], row["found_7_days"], row["found_14_days"]) == (4, 0.25, 0.75)
    assert row["se_7_days"] == pytest.approx(0.25)  # shares .5 and 0: sd .354 over root 2
    assert row["per_year"] == pytest.approx(0.75 * 365 / 14)


def test_the_same_seed_gives_the_same_table_and_progress_ends_at_the_end() -> None:
    progress: list[tuple[int, int]] = []
    one = measure(SHORT, worlds=2, seed=1, looks=2, faults=(NOTHING, DOUBLED), report=lambda *x: progress.append(x))
    assert progress == [(1, 2), (2, 2)]
    assert dict(one.schema) == DETECTORS_SCHEMA
    assert one.equals(measure(SHORT, worlds=2, seed=1, looks=2, faults=(NOTHING, DOUBLED)))


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="0 markets of 20 looks"):
        measure(SHORT, worlds=0)
    with pytest.raises(ValueError, match="0 markets"):
        feed_table(0)


@cache
def feeds() -> pl.DataFrame:
    return feed_table(5, seed=1)


@pytest.mark.parametrize(
    ("fault", "check", "sessions"),
    [
        ("stale: no more prices", "is_current", 3),
        ("stale: no more prices", "is_not_stale", 11),
        ("stale: last price repeated", "prices_keep_moving", 4),
        ("unit: newest price in USD/t", "mark_bad_ticks", 1),
        ("unit: an answer in USD/t", "merge_history", 1),
        ("unit: all prices in USD/t", "copper_is_in_usd_per_pound", 1),
        ("provider swap: all dated late", "copper_and_peso_move_on_the_same_day", 1),
    ],
)
def test_a_broken_feed_is_found_every_time_on_the_session_that_its_check_says(
    fault: str, check: str, sessions: int
) -> None:
    row = feeds().filter(fault=fault, check=check).row(0, named=True)
    assert (row["found"], row["soonest"], row["latest"], row["false_alarms"]) == (1.0, sessions, sessions, 0.0)


def test_a_provider_that_dates_late_is_told_by_its_returns_though_its_prices_hardly_differ() -> None:
    row = feeds().filter(check="sources_agree").row(0, named=True)
    assert (row["found"], row["soonest"]) == (1.0, 1)
    assert dict(feeds().schema) == FEED_SCHEMA


def test_generated_prices_are_the_exponential_of_their_returns_on_weekdays() -> None:
    prices = prices_of(np.array([0.0, 0.1, -0.1, 0.0, 0.0, 0.2]), COPPER)
    assert prices[COPPER.value].to_list() == pytest.approx([4.0, 4 * math.exp(0.1), 4, 4, 4, 4 * math.exp(0.2)])
    assert all(day.weekday() < 5 for day in prices["session"])
    assert prices["session"][5] - prices["session"][4] == timedelta(days=3)


def test_the_figures_are_the_same_in_worker_processes() -> None:
    options = {"worlds": 3, "looks": 2, "faults": (NOTHING, DOUBLED), "seed": 5}
    with Processes(2) as compute:
        apart = measure(SHORT, compute=compute, **options)  # type: ignore[arg-type]
    assert apart.equals(measure(SHORT, **options))  # type: ignore[arg-type]
