"""Unit, source and description of every table column, by name.

The same name means the same thing in every table. Tables carry this as field metadata of their parquet files, and
Dagster shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forex_assets.core.deployment_columns import DEPLOYMENT_COLUMNS
from forex_assets.core.desk_columns import DESK_COLUMNS, DRIVER_COLUMNS
from forex_assets.core.origin_columns import ORIGIN_COLUMNS, ORIGIN_SCORE_COLUMNS, QUOTE_COLUMNS
from forex_assets.core.replay_columns import REPLAY_COLUMNS
from forex_assets.core.schemas import QUANTILE_COLUMNS, QUANTILE_LEVELS
from forex_assets.core.units import COUNT, DAY, FLAG, INSTANT, LOG, PESO, POUND, RATIO, SHARE, TEXT


@dataclass(frozen=True)
class Column:
    """One column, for people and other programs.

    Attributes:
        unit: unit or kind of value.
        source: what the values are made from.
        description: what a value says, and when it is null.
    """

    unit: str
    source: str
    description: str

    @property
    def metadata(self) -> dict[str, str]:
        """The fields by name, as file metadata."""
        return {"unit": self.unit, "source": self.source, "description": self.description}


def _columns(source: str, columns: Mapping[str, tuple[str, str]]) -> dict[str, Column]:
    return {name: Column(unit, source, description) for name, (unit, description) in columns.items()}


def _quantiles(prefix: str, what: str) -> dict[str, tuple[str, str]]:
    return {
        f"{prefix}{name}": (PESO, f"{100 * level:g} % quantile of {what}.")
        for name, level in zip(QUANTILE_COLUMNS, QUANTILE_LEVELS, strict=True)
    }


def _skill(name: str, what: str) -> dict[str, tuple[str, str]]:
    return {
        name: (RATIO, f"{what}; above 0 is better."),
        f"{name}_low": (RATIO, f"Lower end of the 95 % confidence interval of {name}; null without enough data."),
        f"{name}_high": (RATIO, f"Upper end of the 95 % confidence interval of {name}; null without enough data."),
    }


_MARKET: Final = _columns(
    "price source",
    {
        "session": (DAY, "Market day that the row is about."),
        "clp_per_usd": (PESO, "Closing price of the US dollar."),
        "close_usd_lb": (POUND, "Closing price of COMEX copper, front month; null in rows of FRED."),
        "london_usd_lb": (POUND, "London price of copper, by the day that its publisher gives it."),
        "monthly_level_usd_lb": (POUND, "FRED's monthly average, carried forward; null unless FRED was needed."),
        **QUOTE_COLUMNS,
        "source": (TEXT, "Name of the price source; the generated market names itself."),
        "is_provisional": (FLAG, "The price is not final: the bar of its session is not finished."),
        "is_suspect": (FLAG, "The source contradicts itself on this row; the row is kept and not used."),
        "is_quarantined": (FLAG, "Bad tick or suspect row; kept and not used."),
        "available_at": (INSTANT, "First instant at which the row could be known."),
        "fetched_at": (INSTANT, "When the row was fetched."),
        "superseded_at": (INSTANT, "When a later version replaced the row; null while current."),
        "series": (TEXT, "Name of the series."),
        "old_value": ("as the series", "Price before the revision."),
        "new_value": ("as the series", "Price after the revision."),
        "revised_at": (INSTANT, "When the revision was noticed."),
    },
)

_FEATURES: Final = _columns(
    "copper and peso closes",
    {
        **{
            f"copper_ret_{n}d": (
                LOG,
                f"Log return of copper over {n} session{'s'[: n > 1]}: ln(P_t / P_t-{n}); over a gap of k, by √k.",
            )
            for n in (1, 5, 20)
        },
        **{
            f"copper_vol_{n}d": ("annualised", f"Sample deviation (ddof 1) of the last {n} daily log returns, × √252.")
            for n in (20, 60)
        },
        **{
            f"copper_sma_{n}": (POUND, f"Mean close of the last {n} sessions; a level, so use P/SMA-1 in models.")
            for n in (20, 50)
        },
        "copper_trend_signal": ("-1, 0 or 1", "Sign of the 20-session average less the 50-session average."),
        "copper_rsi_14": ("0 to 100", "Wilder's relative strength index; 50 if no price moved."),
        "copper_usdclp_corr_90d": (
            "-1 to 1",
            "Correlation of copper's and the peso's daily log returns over 90 sessions that both markets traded.",
        ),
        "copper_sma_crossover": ("-1, 0 or 1", "1 golden cross, -1 death cross, else 0; null before the 51st close."),
    },
)

_FORECASTS: Final = _columns(
    "forecast engine",
    {
        "as_of": (DAY, "Day of the forecast, in Santiago."),
        "horizon": (TEXT, "Forecast horizon: 7d, 15d, 30d or 90d."),
        "target_date": (DAY, "Last day of the forecast."),
        "step": ("sessions", "Sessions after the last known one, from 1."),
        "mean": (PESO, "Mean of the published forecast."),
        **_quantiles("", "the published forecast"),
        **_quantiles("model_", "the model's own forecast, before calibration"),
        **_quantiles("walk_", "the random walk with EWMA(.97) volatility"),
        "origin_session": (DAY, "Last known session."),
        "origin_clp_per_usd": (PESO, "Price of the last known session, from which the fan starts."),
        "is_origin_provisional": (FLAG, "The last known price was not final."),
        **ORIGIN_COLUMNS,
        "model": (TEXT, "Model name, with a digest of its weights and the version of the fan rule."),
        "engine": (TEXT, "Kind of engine: chronos-t5, chronos-bolt, chronos-2 or ewma."),
        "representation": (TEXT, "How prices are fed to the model."),
        "is_calibrated": (FLAG, "Published quantiles are corrected by past errors."),
        "calibration_errors": (COUNT, "Past errors at this step behind the correction; 0 without one."),
        "ewma_sd": (LOG, "Standard deviation of a session's log return at the origin, EWMA(.97)."),
        "constant_sd": (LOG, "Standard deviation of a session's log return, equal weights."),
        "config_fingerprint": (TEXT, "Fingerprint of the settings."),
        "data_fingerprint": (TEXT, "Fingerprint of the input data."),
        "engine_seconds": ("seconds", "Time that the engine took."),
        "issued_at": (INSTANT, "When the forecast was issued."),
        "sequence": (COUNT, "Place in the horizon's chain, from 1."),
        "version": (COUNT, "Version of one horizon, day and settings, from 1; other inputs make another."),
        "is_shadow": (FLAG, "Forecast of a challenger, not acted on."),
        "is_replay": (FLAG, "Issued at a clock set by hand; not part of the track record."),
        "code_version": (TEXT, "Version of the code that issued the forecast."),
        "previous_hash": (TEXT, "Hash of the entry before; empty for the first."),
        "entry_hash": (TEXT, "Hash of the entry; empty in a backtest."),
        "schema_version": (COUNT, "Version of the entry's columns; its hash covers those."),
    },
)

_ACCURACY: Final = _columns(
    "forecasts and realized prices",
    {
        "record": (TEXT, "ledger: issued at the time; replay: issued at a past clock; backtest: made afterwards."),
        "is_target": (FLAG, "The step is the horizon's last: its session is the target date."),
        "realized_clp_per_usd": (PESO, "Price that came true."),
        "realized_available_at": (INSTANT, "When the realized price could be known."),
        "error": (PESO, "Realized price less the median."),
        "pit": (SHARE, "Probability integral transform of the published forecast."),
        "model_pit": (SHARE, "Probability integral transform of the model's own forecast."),
        "scope": (TEXT, "Period: last 60 days, last year, all, or a calendar year."),
        "n": (COUNT, "Forecasts or origins in the row."),
        "overlap": ("origins", "Origins that one forecast spans, at least 1."),
        "n_effective": (COUNT, "Effective sample size: independent errors among n."),
        "rmse": (PESO, "Root mean squared error of the median."),
        "mae": (PESO, "Mean absolute error of the median."),
        "mape": ("%", "Mean absolute error in per cent of the realized price."),
        "bias": (PESO, "Mean of realized less median; above 0 if forecasts are too low."),
        "crps": (PESO, "Continuous ranked probability score of the published forecast."),
        "model_crps": (PESO, "CRPS of the model's own forecast, before calibration."),
        "walk_crps": (PESO, "CRPS of the random walk with EWMA(.97) volatility."),
        "constant_crps": (PESO, "CRPS of the random walk with constant volatility."),
        **ORIGIN_SCORE_COLUMNS,
        **{
            f"pinball_{name}": (PESO, f"Pinball loss of the published {100 * level:g} % quantile.")
            for name, level in zip(QUANTILE_COLUMNS, QUANTILE_LEVELS, strict=True)
        },
        **{f"interval_score_{level}": (PESO, f"Interval score of the {level} % band.") for level in (80, 95)},
        **{f"coverage_{level}": (SHARE, f"Share of prices inside the {level} % band.") for level in (80, 95)},
        "coverage_95_low": (SHARE, "Lower end of its 95 % confidence interval (Clopper-Pearson)."),
        "coverage_95_high": (SHARE, "Upper end of its 95 % confidence interval (Clopper-Pearson)."),
        "coverage_n_effective": (COUNT, "Independent hits and misses of the 95 % band among n."),
        **{f"sharpness_{level}": (PESO, f"Mean width of the {level} % band.") for level in (80, 95)},
        "walk_rmse": (PESO, "RMSE of the no-change benchmark (random walk)."),
        "model_coverage_95": (SHARE, "Share of prices inside the model's own 95 % band."),
        **_skill("rmse_skill", "1 - RMSE / RMSE of the benchmark"),
        **_skill("crps_skill", "1 - CRPS / CRPS of the benchmark"),
        **_skill("constant_crps_skill", "1 - CRPS / CRPS of the random walk with constant volatility"),
        "comparison": (TEXT, "How copper is used: covariates, ridge or gated."),
        "moved": (COUNT, "Origins whose forecast copper changed."),
        "rmse_spa_p": ("p-value", "Superior predictive ability test of copper on RMSE; null in a year's row."),
        "crps_spa_p": ("p-value", "Superior predictive ability test of copper on CRPS; null in a year's row."),
        "detectable": (RATIO, "Smallest RMSE skill detectable with 80 % power at the 5 % level."),
        "is_established": (FLAG, "The 95 % interval lies above 0."),
        "verdict": (TEXT, "Conclusion."),
    },
)

_MONITORING: Final = _columns(
    "realized forecasts and market series",
    {
        "statistic": (TEXT, "Name of the drift statistic."),
        "value": ("as the rule", "Value of the statistic, rule or criterion; null without one."),
        "p_value": ("p-value", "p-value of the statistic's own test, ignoring autocorrelation; null without one."),
        "literal_fires": (FLAG, "Result of the published rule; null for statistics without one."),
        "percentile": (SHARE, "Share of past values below today's; null if not judged."),
        "score": ("joint score", "Largest recent score; null if not judged."),
        "score_session": (DAY, "Session of that score."),
        "effect": ("effect size", "Effect size at that session."),
        "is_significant": (FLAG, "The score is above the joint limit; null if not judged."),
        "severity": (TEXT, "NONE, LOW, MEDIUM or HIGH, by effect size; null if not judged."),
        "history": (COUNT, "Past evaluations with a value."),
        "history_needed": (COUNT, "Past evaluations needed to judge."),
        "words": (TEXT, "The row in words."),
        "today": (DAY, "Day of the evaluation; windows end with it."),
        "measure": (TEXT, "Name of the accuracy measure."),
        "rule": (TEXT, "Name of the rule; none if only reported."),
        "recent": ("as the measure", "Measure in the recent window; null without errors."),
        "baseline": ("as the measure", "Measure in the baseline window; null without errors."),
        "ratio": (RATIO, "Recent over baseline, above 1 is worse; null for bias and coverage."),
        "limit": ("as the value", "Limit of the rule; null without a rule or enough evidence."),
        "fires": (FLAG, "The rule fires; null without a rule or enough evidence."),
        "n_recent": ("days", "Days with errors in the recent window."),
        "n_baseline": ("days", "Days with errors in the baseline window."),
        "errors_recent": (COUNT, "Errors in the recent window."),
        "errors_baseline": (COUNT, "Errors in the baseline window."),
        "n_history": (COUNT, "Past evaluations behind the calibrated limit."),
        "leads": ("sessions", "Sessions ahead that are scored, such as 5 or 1-10."),
        "decided_at": (INSTANT, "When the decision was made, by the platform's clock."),
        "literal_value": ("as the rule", "Value of the published rule; null without one."),
        "literal_limit": ("as the rule", "Limit of the published rule; null without one."),
        "literal": (FLAG, "Verdict of the published rule; null without enough evidence."),
        "calibrated": ("as the rule", "Verdict of the calibrated rule; null without enough evidence."),
        "counts": (FLAG, "The rule is a reason of the decision."),
        "requested_at": (INSTANT, "When the search was requested, by the platform's clock."),
        "reason": (TEXT, "Rules that fired, or a person's reason."),
        "decision": (TEXT, "Id of the decision's event; empty if started by hand."),
        "superseded": (TEXT, "Ids of earlier decisions answered together; mostly empty."),
        "attempt": (COUNT, "Launch number for that decision, from 1."),
        "run_id": (TEXT, "Id of the Dagster run."),
    },
)

_OPTIMIZER: Final = _columns(
    "past test dates",
    {
        "search_id": (TEXT, "Id of the search."),
        "searched_at": (INSTANT, "When the search was made, by the platform's clock."),
        "first_origin": (DAY, "First past test date; null without any."),
        "last_origin": (DAY, "Last past test date; null without any."),
        "rank": (COUNT, "1 is the lowest loss; null if dropped before the last test date."),
        "candidate": (TEXT, "Fingerprint of the candidate's settings."),
        "config": (TEXT, "The candidate's settings as JSON."),
        "context_length": ("sessions", "Past prices that the model reads."),
        "num_samples": (COUNT, "Sampled paths; null if the model does not sample."),
        "temperature": (RATIO, "Sampling temperature; null if the model does not sample."),
        "loss": (PESO, "Mean objective over the test dates."),
        "loss_se": (PESO, "Standard error of the loss, overlap included."),
        "gain": (RATIO, "1 - loss / loss of the current settings; above 0 is better."),
        "gain_low": (RATIO, "Lower end of its paired 95 % interval; null with too few independent dates."),
        "gain_high": (RATIO, "Upper end of its paired 95 % interval; null with too few independent dates."),
        "same_as": (TEXT, "Equivalent settings of the space; mostly empty."),
        "is_incumbent": (FLAG, "The row has the current settings."),
        "is_chosen": (FLAG, "The row has the chosen settings."),
        "validation_id": (TEXT, "Id of the validation report; null for changes by hand and rollbacks."),
        "validated_at": (INSTANT, "When the challenger was validated, by the platform's clock."),
        "champion": (TEXT, "Fingerprint of the current settings; ewma for a first config."),
        "challenger": (TEXT, "Fingerprint of the challenger's settings."),
        "challenger_config": (TEXT, "The challenger's settings as JSON."),
        "criterion": (TEXT, "Name of the criterion."),
        "low": ("as the value", "Lower end of the value's 95 % interval; null without one."),
        "high": ("as the value", "Upper end of the value's 95 % interval; null without one."),
        "false_pass": ("probability", "Chance that a challenger no better would have been approved."),
    },
)

_DEPLOYMENT: Final = _columns("deployment records", DEPLOYMENT_COLUMNS)
_REPLAY: Final = _columns("replayed evenings", REPLAY_COLUMNS)
_DRIVERS: Final = _columns("Yahoo and Banco Central", DRIVER_COLUMNS)
_DESK: Final = _columns("stored fans and realized prices", DESK_COLUMNS)

COLUMNS: Final = {
    **_MARKET,
    **_DRIVERS,
    **_DESK,
    **_FEATURES,
    **_FORECASTS,
    **_ACCURACY,
    **_MONITORING,
    **_OPTIMIZER,
    **_DEPLOYMENT,
    **_REPLAY,
}
"""Every column by name."""
