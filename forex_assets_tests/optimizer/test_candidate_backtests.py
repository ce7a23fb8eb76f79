"""A trial is the last step of the backtest that the same settings would have had, whatever it shared its call with."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from forex_assets.accuracy.backtest import backtest
from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, QUANTILE_COLUMNS
from forex_assets.forecasts.calibration import MIN_ERRORS, calibrated_history, calibrated_targets
from forex_assets.forecasts.engine import GridRequest, Origin
from forex_assets.forecasts.realized import as_issued, join_realized
from forex_assets.optimizer.candidate_backtests import Configs, TrialInputs, run_trials
from forex_assets_tests.accuracy.test_backtest import (
    CALENDAR,
    NEAR,
    SESSIONS,
    EveryInput,
    features_of,
    no_clock,
    prices_of,
    wandering,
    with_bad_ticks,
)

NOW = datetime(2024, 3, 1, tzinfo=UTC)
WIDTHS = (0.8, 1.0, 1.2)


class Settings(EveryInput):
    """Engine: every input counts, and every setting: the temperature widens, the context shifts."""

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        fans = super().forecast(origins, config)
        factor, shift = config.temperature or 1.0, 1 + config.context_length / 1e6
        return [Fan(fan.mean * shift, _wider(fan.quantiles, factor) * shift) for fan in fans]


def _wider(quantiles: np.ndarray, factor: float) -> np.ndarray:
    median = quantiles[:, 4:5]
    return np.asarray(median * (quantiles / median) ** factor)


class Together(Settings):
    """The same as a grid engine: keeps what it was asked together."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: list[list[list[GridRequest]]] = []

    def forecast_grid(self, origins: Sequence[Origin], asks: Sequence[Sequence[GridRequest]]) -> list[list[Fan]]:
        self.grids.append([list(wanted) for wanted in asks])
        return [
            [self.forecast([Origin(o.prices, ask.steps, o.covariates)], ask.config)[0] for ask in wanted]
            for o, wanted in zip(origins, asks, strict=True)
        ]


def config(horizon: str, temperature: float = 1.0, context: int = 180, *, copper: bool = False) -> InferenceConfig:
    return InferenceConfig(
        horizon=horizon,  # type: ignore[arg-type]
        model="m",
        context_length=context,
        num_samples=100,
        temperature=temperature,
        uses_copper=copper,
    )


CONFIGS: Configs = {
    "7d": [config("7d", width) for width in WIDTHS],
    "15d": [config("15d", copper=True), config("15d", 1.2, 90, copper=True)],
}
ORIGINS = {"7d": NEAR, "15d": NEAR[::2]}
PRICES = prices_of(with_bad_ticks())
FEATURES = features_of(PRICES)


def trials(
    configs: Configs = CONFIGS,
    origins: dict[str, list[date]] = ORIGINS,
    *,
    prices: pl.DataFrame = PRICES,
    block: int = 4,
    done: pl.DataFrame | None = None,
    engine: EveryInput | None = None,
) -> pl.DataFrame:
    inputs = TrialInputs(engine or Settings(), configs, prices, FEATURES, CALENDAR, no_clock)
    results = run_trials(inputs, origins, done=done, block=block)
    return pl.concat([pl.DataFrame(schema=FORECAST_SCHEMA), *(table for _, table in results)])


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("horizon", "as_of", "config_fingerprint")


def test_a_trial_is_the_last_step_of_the_plain_backtest() -> None:
    expected = []
    for horizon, tried in CONFIGS.items():
        for candidate in tried:
            plain = pl.concat(
                backtest(Settings(), candidate, PRICES, FEATURES, ORIGINS[horizon], CALENDAR, clock=no_clock)
            )
            expected.append(plain.filter(pl.col("session") == pl.col("target_date")))
    assert_frame_equal(in_order(trials()), in_order(pl.concat(expected)), check_exact=True)


@pytest.mark.parametrize("block", [1, 5, 100])
def test_neither_the_block_nor_who_shares_it_changes_a_number(block: int) -> None:
    alone = pl.concat(
        [
            trials({horizon: [candidate]}, {horizon: ORIGINS[horizon]}, block=block)
            for horizon, tried in CONFIGS.items()
            for candidate in tried
        ]
    )
    assert_frame_equal(in_order(trials(block=3)), in_order(alone), check_exact=True)


def test_a_block_is_one_call_and_horizons_that_read_the_same_share_an_origin() -> None:
    engine = Together()
    same = {"7d": [config("7d")], "15d": [config("15d"), config("15d", 1.2)]}
    trials(same, {"7d": NEAR[:6], "15d": NEAR[:6]}, engine=engine, block=4)
    assert [len(asked) for asked in engine.grids] == [4, 2]
    assert {len(wanted) for asked in engine.grids for wanted in asked} == {3}
    assert {ask.config.horizon for ask in engine.grids[0][0]} == {"7d", "15d"}


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_what_was_run_is_not_run_again_and_the_whole_is_the_same(data: st.DataObject) -> None:
    whole = trials()
    kept = data.draw(st.lists(st.booleans(), min_size=whole.height, max_size=whole.height))
    done = whole.filter(pl.Series(kept))
    engine = Settings()
    rest = trials(done=done, engine=engine, block=data.draw(st.integers(1, 20)))
    assert rest.height == whole.height - done.height == sum(len(call) for call in engine.calls)
    assert_frame_equal(in_order(pl.concat([done, rest])), in_order(whole), check_exact=True)


def test_prices_that_a_source_revised_make_the_origins_after_them_run_again() -> None:
    done, values = trials(), with_bad_ticks()
    values[275] *= 1.01
    again = trials(prices=prices_of(values), done=done)
    assert set(again["as_of"]) == {day for day in NEAR if day >= SESSIONS[275]}


def test_what_comes_after_an_origin_changes_nothing_at_it() -> None:
    cut = NEAR[9]
    short = PRICES.filter(pl.col("session") <= cut)
    before = {horizon: [day for day in days if day <= cut] for horizon, days in ORIGINS.items()}
    whole = trials().filter(pl.col("as_of") <= cut)
    assert_frame_equal(in_order(trials(origins=before, prices=short)), in_order(whole), check_exact=True)


def test_no_block_is_begun_after_the_deadline_and_all_settings_have_the_same_origins() -> None:
    ticks = iter(np.arange(1000.0))
    inputs = TrialInputs(Settings(), CONFIGS, PRICES, FEATURES, CALENDAR, lambda: next(ticks))
    rows = pl.concat([table for _, table in run_trials(inputs, ORIGINS, deadline=5.0, block=4)])
    # Looked at before each block, and twice round each call: 0, 3 and, too late, 6.
    assert sorted(set(rows["as_of"])) == NEAR[:8]
    assert set(rows.filter(pl.col("horizon") == "7d").group_by("config_fingerprint").len()["len"]) == {8}


def test_an_origin_without_a_year_before_it_or_with_stale_prices_is_passed_over() -> None:
    early, stale = SESSIONS[100], SESSIONS[-1]
    short = PRICES.filter(pl.col("session") <= SESSIONS[300])
    assert trials({"7d": [config("7d")]}, {"7d": [early, stale]}, prices=short).is_empty()


def targets(steps: int | None = None) -> pl.DataFrame:
    """Joined target rows of 60 daily origins; None for all, else those that lie so many sessions ahead."""
    prices = prices_of(wandering(len(SESSIONS), 5)).with_columns(source=pl.lit("yahoo"))  # one source tells the truth
    days = SESSIONS[250:-12]
    rows = trials({"7d": [config("7d", 0.8)]}, {"7d": days}, prices=prices)
    joined = join_realized(as_issued(rows), prices, NOW)
    return joined if steps is None else joined.filter(pl.col("step") == steps)


def test_where_all_targets_are_as_far_the_bands_are_those_of_the_plain_calibration() -> None:
    joined = targets(5)
    assert joined.height > MIN_ERRORS + 5
    bands = calibrated_targets(joined)
    assert_frame_equal(bands, calibrated_history(joined), rel_tol=1e-12, abs_tol=0.0)
    assert bands["is_calibrated"].sum() > 5
    assert not np.allclose(bands[QUANTILE_COLUMNS[0]].to_numpy(), joined[QUANTILE_COLUMNS[0]].to_numpy())


def test_bands_at_an_origin_rest_on_errors_known_before_it() -> None:
    joined = targets(5)
    early = joined.head(40)
    assert joined.height > 45
    columns = ["as_of", *QUANTILE_COLUMNS, "calibration_errors"]
    seen, known = calibrated_targets(joined).head(40), calibrated_targets(early)
    assert_frame_equal(seen.select(columns), known.select(columns), rel_tol=1e-12, abs_tol=0.0)


def test_targets_a_session_nearer_or_farther_count_together() -> None:
    joined = targets()
    assert joined["step"].n_unique() > 1
    counts = [
        sum(known < issued for known in joined["realized_available_at"]) for issued in joined["issued_at"]
    ]  # fmt: skip
    expected = [count if count >= MIN_ERRORS else 0 for count in counts]
    assert calibrated_targets(joined)["calibration_errors"].to_list() == expected
    assert max(expected) > MIN_ERRORS
