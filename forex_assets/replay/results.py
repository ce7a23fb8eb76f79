"""Results: scores against never tuning, and each change's worth."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import Skill, skill
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_COLUMNS, empty
from forex_assets.core.scores import crps, rmse
from forex_assets.forecasts.calibration import calibrated
from forex_assets.monitoring.trigger import COOLED
from forex_assets.replay.known import PastDates
from forex_assets.replay.library import Library
from forex_assets.replay.loop import Step
from forex_assets.replay.strategies import NEVER
from forex_assets.replay.tables import CHANGES_SCHEMA, EVENINGS_SCHEMA, LOOP_SCHEMA

FIXED: Final = "fixed: "
ORACLE: Final = "oracle: each year's best"
DAYS_PER_YEAR: Final = 365.25
SCORES: Final = ("as_of", "target_date", "realized_clp_per_usd", "error", "crps")


def evenings_table(steps: Iterable[Step], library: Library) -> pl.DataFrame:
    """All evenings with a fan (`EVENINGS_SCHEMA`), in the order of the steps."""
    rows = [_evening_row(step) for step in steps if step.evening.fan is not None]
    table = pl.DataFrame(rows, schema={name: EVENINGS_SCHEMA[name] for name in rows[0]}) if rows else None
    if table is None:
        return empty(EVENINGS_SCHEMA)
    scored = with_outcomes(table, library)
    return scored.select(list(EVENINGS_SCHEMA))


def _evening_row(step: Step) -> dict[str, Any]:
    evening, fan = step.evening, step.evening.fan
    last = step.changes[-1].record if step.changes else None
    return {
        "strategy": step.strategy,
        "horizon": step.horizon,
        "as_of": evening.day,
        "target_date": evening.target_date,
        "config_fingerprint": evening.config.fingerprint,
        **dict(zip(QUANTILE_COLUMNS, fan.quantiles[-1].tolist() if fan is not None else (), strict=True)),
        "fires": step.searched is not None,
        "reasons": ", ".join(step.reasons),
        "verdict": step.validation.verdict if step.validation else "",
        "changed_to": last.to_fingerprint if last else "",
        "change": ", ".join(change.record.kind for change in step.changes if change.record.state == "deployed"),
    }


def with_outcomes(rows: pl.DataFrame, library: Library) -> pl.DataFrame:
    """Adds price, error and CRPS; null without a price.

    Args:
        rows: with `target_date` and published quantiles.
    """
    truth = library.market.final.select(target_date="session", realized_clp_per_usd="clp_per_usd")
    joined = rows.join(truth, on="target_date", how="left", maintain_order="left").with_row_index("_row")
    known = joined.filter(pl.col("realized_clp_per_usd").is_not_null())
    prices = known["realized_clp_per_usd"].to_numpy()
    losses = crps(prices, known.select(QUANTILE_COLUMNS).to_numpy())
    scores = known.select("_row", error=pl.col("realized_clp_per_usd") - pl.col("q50")).with_columns(
        pl.Series("crps", losses, dtype=pl.Float64)
    )
    return joined.join(scores, on="_row", how="left", maintain_order="left").drop("_row")


@dataclass(eq=False)
class Results:
    """Tables of a replay.

    Attributes:
        library: fans and outcomes.
        past: dates of weekly backtests.
        steps: of `Replay.run`.
        grid: settings held throughout, by horizon, the first evening's first.
    """

    library: Library
    past: PastDates
    steps: Sequence[Step]
    grid: Mapping[str, Sequence[InferenceConfig]]
    _fixed: dict[tuple[str, str], pl.DataFrame] = field(default_factory=dict)

    @cached_property
    def evenings(self) -> pl.DataFrame:
        """`EVENINGS_SCHEMA`."""
        return evenings_table(self.steps, self.library)

    @cached_property
    def days(self) -> list[date]:
        """Evenings, ascending."""
        return sorted({step.evening.day for step in self.steps})

    def fixed(self, config: InferenceConfig) -> pl.DataFrame:
        """Scores of settings held throughout (`SCORES`), evenings with an outcome.

        Bands are corrected by the weekly past dates of the five years before each evening.
        """
        key = (str(config.horizon), config.fingerprint)
        if key not in self._fixed:
            self._fixed[key] = self._held(config)
        return self._fixed[key]

    def _held(self, config: InferenceConfig) -> pl.DataFrame:
        self.library.need(config, [*self.past.days, *self.days])
        outcomes, rows = self.library.outcomes(config), []
        for day in self.days:
            labelled_fan = self.library.fan(config, day)
            if labelled_fan is None:
                continue
            fan, labels = labelled_fan
            if config.is_calibrated:
                known = self.library.market.at(day)
                fan = calibrated(fan, outcomes.calibration(known, self.past.at(day), len(fan.mean)))
            quantiles = dict(zip(QUANTILE_COLUMNS, fan.quantiles[-1].tolist(), strict=True))
            rows.append({"as_of": day, "target_date": labels["target_date"], **quantiles})
        schema = {name: EVENINGS_SCHEMA[name] for name in ("as_of", "target_date", *QUANTILE_COLUMNS)}
        scored = with_outcomes(pl.DataFrame(rows, schema=schema), self.library)
        return scored.drop_nulls("crps").select(SCORES)

    def oracle(self, horizon: str) -> pl.DataFrame:
        """Scores of each calendar year's best settings, known in advance."""
        series = [self.fixed(config) for config in self.grid[horizon]]
        years = sorted({day.year for day in self.days})
        parts = [series[0].clear()]
        for year in years:
            of_year = [rows.filter(pl.col("as_of").dt.year() == year) for rows in series]
            if of_year[0].height:
                parts.append(min(of_year, key=lambda rows: float(rows["crps"].to_numpy().mean())))
        return pl.concat(parts)

    @cached_property
    def changes(self) -> pl.DataFrame:
        """Each deployment and rollback with its regret (`CHANGES_SCHEMA`)."""
        rows = []
        for (strategy, horizon), steps in self._courses().items():
            changes = [(step, change) for step in steps for change in step.changes if change.record.state == "deployed"]
            for place, (step, change) in enumerate(changes):
                until = changes[place + 1][0].evening.day if place + 1 < len(changes) else self.days[-1]
                rows.append(self._change_row(strategy, horizon, step, change.record.kind, change.config, until))
        return pl.DataFrame(rows, schema=CHANGES_SCHEMA)

    def _change_row(
        self, strategy: str, horizon: str, step: Step, kind: str, config: InferenceConfig, until: date
    ) -> dict[str, Any]:
        before = step.evening.config if kind == "deploy" else self._before_rollback(step)
        new, old = self._paired(self.fixed(config), self.fixed(before), step.evening.day, until)
        gain = _gain(new, old)
        return {
            "strategy": strategy,
            "horizon": horizon,
            "changed_on": step.evening.day,
            "kept_until": until,
            "change": kind,
            "settings_before": settings_words(before),
            "settings_after": settings_words(config),
            "n": new.height,
            "regret_clp": float((new["crps"] - old["crps"]).to_numpy().mean()) if new.height else None,
            "change_gain": gain.value,
            "change_gain_low": gain.low,
            "change_gain_high": gain.high,
            "words": next(c.record.reason for c in step.changes if c.record.kind == kind),
        }

    def _before_rollback(self, step: Step) -> InferenceConfig:
        """Settings that a rollback replaced."""
        deployed = [change.config for change in step.changes if change.record.kind == "deploy"]
        return deployed[-1] if deployed else step.evening.config

    def _paired(
        self, new: pl.DataFrame, old: pl.DataFrame, after: date, until: date
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Both on the same evenings after a change."""
        is_kept = (pl.col("as_of") > after) & (pl.col("as_of") <= until)
        return new.filter(is_kept).join(old.select("as_of"), on="as_of", how="semi"), old.filter(is_kept).join(
            new.select("as_of"), on="as_of", how="semi"
        )

    def _courses(self) -> dict[tuple[str, str], list[Step]]:
        """Steps by strategy and horizon."""
        courses = defaultdict[tuple[str, str], list[Step]](list)
        for step in self.steps:
            courses[step.strategy, step.horizon].append(step)
        return courses

    @cached_property
    def loop(self) -> pl.DataFrame:
        """One row a strategy and horizon (`LOOP_SCHEMA`)."""
        rows = list[dict[str, Any]]()
        courses = self._courses()
        for horizon, grid in self.grid.items():
            evenings = self.evenings.filter(pl.col("horizon") == horizon).drop_nulls("crps")
            never = evenings.filter(pl.col("strategy") == NEVER)
            for strategy, course_horizon in courses:
                if course_horizon != horizon:
                    continue
                scored = evenings.filter(pl.col("strategy") == strategy)
                scores = self._scores(scored.select(SCORES), never.select(SCORES))
                counts = self._counts(courses[strategy, horizon])
                rows.append({"strategy": strategy, "horizon": horizon, **scores, **counts})
            first = self.fixed(grid[0])
            held = [(FIXED + settings_words(config), self.fixed(config)) for config in grid]
            for name, series in [*held, (ORACLE, self.oracle(horizon))]:
                rows.append({"strategy": name, "horizon": horizon, **self._scores(series, first)})
        return pl.DataFrame(rows, schema=LOOP_SCHEMA)

    def _scores(self, rows: pl.DataFrame, reference: pl.DataFrame) -> dict[str, Any]:
        both = rows.join(reference.select("as_of"), on="as_of", how="semi")
        other = reference.join(both.select("as_of"), on="as_of", how="semi")
        span = {"first_evening": self.days[0], "last_evening": self.days[-1], "n": both.height}
        if both.height < 2:
            return span
        gains = {"crps": _gain(both, other), "rmse": _gain(both, other, root=True)}
        return {
            **span,
            "n_effective": gains["crps"].n_effective,
            "crps": float(both["crps"].to_numpy().mean()),
            "rmse": rmse(both["error"].to_numpy()),
            **{f"{name}_gain": gain.value for name, gain in gains.items()},
            **{f"{name}_gain_low": gain.low for name, gain in gains.items()},
            **{f"{name}_gain_high": gain.high for name, gain in gains.items()},
        }

    def _counts(self, steps: Sequence[Step]) -> dict[str, Any]:
        years = max((self.days[-1] - self.days[0]).days, 1) / DAYS_PER_YEAR
        searches = [step for step in steps if step.searched]
        alarms = [step for step in searches if set(step.reasons) & set(COOLED)]
        kinds = [c.record.kind for step in steps for c in step.changes if c.record.state == "deployed"]
        return {
            "searches": len(searches),
            "alarms_per_year": len(alarms) / years,
            "false_alarms_per_year": sum(not step.changes for step in alarms) / years,
            "approved": sum(step.validation is not None and step.validation.verdict == "approved" for step in steps),
            "deployments": kinds.count("deploy"),
            "rollbacks": kinds.count("rollback"),
            "worse_days": self._worse_days(steps),
            "search_cpu_seconds": self._search_seconds(steps),
        }

    def _worse_days(self, steps: Sequence[Step]) -> int:
        """Calendar days on settings that scored worse than the first ones."""
        first, days = steps[0].evening.config, 0
        spell = list[Step]()
        for step in [*steps, None]:
            if spell and (step is None or step.evening.config.fingerprint != spell[-1].evening.config.fingerprint):
                config, ends = spell[0].evening.config, (spell[0].evening.day, spell[-1].evening.day)
                new, old = self._paired(self.fixed(config), self.fixed(first), ends[0] - timedelta(days=1), ends[1])
                if new.height and float((new["crps"] - old["crps"]).to_numpy().mean()) > 0:
                    days += ((step.evening.day if step else ends[1]) - ends[0]).days
                spell = []
            if step is not None:
                spell.append(step)
        return days

    def _search_seconds(self, steps: Sequence[Step]) -> float:
        """CPU seconds of the fans that searches and validations used."""
        needed = defaultdict[str, set[date]](set)
        for step in steps:
            if step.searched is None:
                continue
            split, space = step.searched.split, step.searched.space
            for name in (
                space.incumbent.fingerprint,
                *(contender.config.fingerprint for contender in space.contenders),
            ):
                needed[name] |= set(split.search)
            if step.validation is not None:
                for config in (step.evening.config, step.searched.chosen):
                    needed[config.fingerprint] |= {*split.search, *split.validation}
        horizon = steps[0].horizon
        return sum(self.library.seconds(horizon, [name], days) for name, days in needed.items())


def settings_words(config: InferenceConfig) -> str:
    """Settings that a search may change, for people."""
    parts = [f"context {config.context_length}"]
    if config.temperature is not None:
        parts.append(f"temperature {config.temperature:g}")
    return ", ".join(parts)


def _gain(rows: pl.DataFrame, reference: pl.DataFrame, *, root: bool = False) -> Skill:
    """Skill on the same evenings, with an interval that allows for overlap."""
    if rows.height < 2:
        return Skill(None, None, None, rows.height, float(rows.height))
    name = "error" if root else "crps"
    losses = [table[name].to_numpy() ** (2 if root else 1) for table in (rows, reference)]
    return skill(np.asarray(losses[0]), np.asarray(losses[1]), overlap=overlap_of(rows), root=root)
