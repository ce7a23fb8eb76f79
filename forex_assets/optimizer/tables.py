"""Columns of search and validation tables."""

from typing import Final, Literal

import polars as pl

from forex_assets.core.schemas import UTC, Schema

Verdict = Literal["approved", "rejected", "inconclusive"]
"""Verdicts. Inconclusive keeps the incumbent: the sample cannot decide."""

CANDIDATES_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "search_id": pl.String,
    "searched_at": UTC,  # the platform's clock
    "first_origin": pl.Date,  # of the dates that candidates were compared on; null where there were none
    "last_origin": pl.Date,
    "rank": pl.Int64,  # 1 is the lowest loss; null where the search dropped it before the last origin
    "candidate": pl.String,  # fingerprint of its settings
    "config": pl.String,  # its settings as JSON, as they would go live
    "context_length": pl.Int64,
    "num_samples": pl.Int64,  # null where the model does not sample
    "temperature": pl.Float64,  # likewise
    "representation": pl.String,
    "is_calibrated": pl.Boolean,
    "loss": pl.Float64,  # mean of the objective over the origins; CLP per USD
    "loss_se": pl.Float64,  # standard error of that mean, overlap counted in
    "gain": pl.Float64,  # 1 - loss / the incumbent's on the same origins; above 0 is better
    "gain_low": pl.Float64,  # 95 % interval, paired; null where too few independent origins
    "gain_high": pl.Float64,
    "n": pl.Int64,  # origins that it was judged on
    "n_effective": pl.Float64,  # independent ones among them
    "same_as": pl.String,  # settings of the space that come to the same, `context_length 540`; mostly empty
    "is_incumbent": pl.Boolean,
    "is_chosen": pl.Boolean,  # the challenger; the incumbent itself where nothing is better by more than chance
    "words": pl.String,
}
"""Columns of `optimizer/candidate_config`, one row a candidate.

Best first; the incumbent is always among them.
"""

Criterion = Literal["improvement", "stability", "time", "coverage", "bias"]
CRITERIA: Final[tuple[Criterion, ...]] = ("improvement", "stability", "time", "coverage", "bias")

VALIDATION_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "validation_id": pl.String,
    "search_id": pl.String,
    "validated_at": UTC,  # the platform's clock
    "champion": pl.String,  # fingerprint of the current settings, or `ewma` for a horizon's first config
    "challenger": pl.String,
    "challenger_config": pl.String,  # JSON
    "criterion": pl.String,  # CRITERIA
    "value": pl.Float64,
    "limit": pl.Float64,
    "low": pl.Float64,  # 95 % interval of the value; null where it has none
    "high": pl.Float64,
    "literal": pl.Boolean,  # the published rule's verdict; null: not enough origins
    "calibrated": pl.String,  # `passed`, `failed`, `inconclusive`
    "verdict": pl.String,  # of the whole report, under decide_by; the same in every row
    "n": pl.Int64,  # validation origins
    "false_pass": pl.Float64,  # P(a challenger no better would have been approved) by the rule that decides; every row
    "words": pl.String,
}
"""`optimizer/validation_report`: one row a criterion, in the order of `CRITERIA`."""

SEARCH_REQUEST_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "requested_at": UTC,  # the session's clock
    "reason": pl.String,  # names of the rules that fired, `age, manual`; or that it was started by hand
    "decision": pl.String,  # id of the decision's event; empty if started by hand
    "superseded": pl.String,  # ids of earlier decisions that waited meanwhile, `12-0a1b2c3d, …`; mostly empty
    "words": pl.String,  # words of decision and manual requests; empty if started by hand
    "attempt": pl.Int64,  # number of the launch for the decision, from 1
    "run_id": pl.String,
}
"""One row: the newest search of a horizon."""
