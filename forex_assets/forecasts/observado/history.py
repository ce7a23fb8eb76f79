"""Published fixings, and fixing fans of past test dates."""

from collections.abc import Iterator
from datetime import datetime, time
from typing import Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.core.fan import Fan
from forex_assets.core.schemas import FORECAST_SCHEMA, MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, SAMPLE_SOURCE, empty
from forex_assets.forecasts.calibration import Calibration, calibrated
from forex_assets.forecasts.observado.fixing import SOURCE, fixing_fan, last_fixing, trading_day
from forex_assets.forecasts.realized import as_issued
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable

PUBLISHED_AT: Final = time(18, 0)
"""Publication on the trading day, Santiago: the Banco Central's rule."""


def published(observado: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Fixings known at an instant, under one source name.

    Publishers give equal values, so that a fan made from one is scored on another.

    Args:
        observado: `OBSERVADO_SCHEMA`.
        now: aware.
    """
    is_sample = pl.col("source") == SAMPLE_SOURCE
    rows = observado.filter(pl.col("available_at") <= now)
    return rows.with_columns(source=pl.when(is_sample).then("source").otherwise(pl.lit(SOURCE)))


def published_by_rule(observado: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """Fixings with the bank's time of publication.

    A past test date knows what was public then, whichever source the value was downloaded from later.
    """
    days = observado["session"].to_list()
    known = [datetime.combine(trading_day(day, calendar), PUBLISHED_AT, SANTIAGO) for day in days]
    rule = pl.Series("rule", known, dtype=pl.Datetime("us", "America/Santiago")).dt.convert_time_zone("UTC")
    return observado.with_columns(available_at=pl.min_horizontal("available_at", rule))


def fixing_backtest(fans: pl.DataFrame, fixings: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """Fixing fans of past test dates, not calibrated.

    Args:
        fans: `FORECAST_SCHEMA`, whole fans of the peso.
        fixings: `OBSERVADO_SCHEMA` under one source name, with the instants at which each was public.
        calendar: the peso's sessions.

    Returns:
        Columns of `FORECAST_SCHEMA` with those that `as_issued` adds.
    """
    known = usable(fixings, USDCLP).sort("available_at", "session")
    return as_issued(pl.concat([empty(FORECAST_SCHEMA), *_fans(fans, known, calendar)]))


def _fans(fans: pl.DataFrame, fixings: pl.DataFrame, calendar: SessionCalendar) -> Iterator[pl.DataFrame]:
    issued = as_issued(fans).select("as_of", "issued_at").unique()
    instants = dict(issued.iter_rows())
    for (as_of,), fan in fans.partition_by("as_of", as_dict=True, maintain_order=True).items():
        last = last_fixing(fixings.filter(pl.col("available_at") <= instants[as_of]).tail(10))
        if last is not None:
            yield fixing_fan(fan, last, calendar)


def calibrated_rows(fan: pl.DataFrame, calibration: Calibration) -> pl.DataFrame:
    """A fixing fan with bands corrected by past errors.

    Args:
        fan: `FORECAST_SCHEMA` of one forecast, by step.
        calibration: of as many steps.
    """
    corrected = calibrated(Fan(fan["mean"].to_numpy(), fan.select(MODEL_QUANTILE_COLUMNS).to_numpy()), calibration)
    return fan.with_columns(
        pl.Series("mean", corrected.mean),
        *(pl.Series(name, corrected.quantiles[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)),
        pl.Series("calibration_errors", calibration.errors, dtype=pl.Int64),
        pl.Series("is_calibrated", calibration.errors > 0),
    )
