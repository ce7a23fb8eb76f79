"""Names shared by several files: tables, metadata keys, tags, jobs.

`core.dagster.keys` makes asset keys of the table names.
"""

from typing import Final

COPPER: Final = "market/copper_hgf_usd_lb"
USDCLP: Final = "market/usdclp"
OBSERVADO: Final = "market/observado"
COPPER_LME: Final = "market/copper_lme"
QUOTES: Final = "market/quotes"
ORIGIN: Final = "market/origin"
REVISIONS: Final = "market/revisions"
PRICE_HISTORY: Final = "market/history"
"""Prefix of the stored price histories."""

PRICE_ANSWERS: Final = "market/answers"
"""Prefix of the records of what each source answered."""

FEATURES: Final = "features/copper"
INFERENCE_CONFIG: Final = "config/inference"
LATEST: Final = "forecasts/latest"
LEDGER: Final = "forecasts/ledger"
LEDGER_VERIFIED: Final = "forecasts/ledger_verified"
"""Folder of what the nightly check has verified, one file a horizon."""

OBSERVADO_FORECAST: Final = "forecasts/observado"
OBSERVADO_LEDGER: Final = "forecasts/observado_ledger"
REALIZED: Final = "accuracy/realized"
BACKTEST: Final = "accuracy/backtest"
SCORECARD: Final = "accuracy/scorecard"
OBSERVADO_REALIZED: Final = "accuracy/observado_realized"
OBSERVADO_BACKTEST: Final = "accuracy/observado_backtest"
OBSERVADO_SCORECARD: Final = "accuracy/observado_scorecard"
COPPER_EFFECT: Final = "accuracy/copper_effect"
DRIFT_REPORT: Final = "monitoring/drift_report"
DEGRADATION_REPORT: Final = "monitoring/degradation_report"
TRIGGER_DECISION: Final = "monitoring/trigger_decision"
SEARCH_REQUEST: Final = "optimizer/search_request"
CANDIDATE_CONFIG: Final = "optimizer/candidate_config"
SHADOW_FORECAST: Final = "optimizer/shadow_forecast"
VALIDATION_REPORT: Final = "optimizer/validation_report"
DEPLOYMENT: Final = "optimizer/deployment"
DEPLOYMENT_WATCH: Final = "optimizer/deployment_watch"
REPLAY: Final = "replay/loop"
REPLAY_CHANGES: Final = "replay/changes"
REPLAY_EVENINGS: Final = "replay/evenings"
DRIVERS: Final = "market/drivers"
LEVELS: Final = "desk/levels"
SCENARIOS: Final = "desk/scenarios"
RELIABILITY: Final = "desk/reliability"
DAILY_REPORT: Final = "report/daily"

OPTIMIZATION_LOCATION: Final = "optimization"
"""Name of the code location that searches and deploys."""

YAHOO_POOL: Final = "yahoo"
"""Pool of the assets that ask Yahoo."""

DEPLOY_POOL: Final = "deploy"
"""Pool of the assets that may change settings."""

SEARCH_POOL: Final = "search"
"""Pool of the assets that compute for long."""

POOLS: Final = (YAHOO_POOL, DEPLOY_POOL, SEARCH_POOL)

CROSSINGS: Final = "crossings"
"""Metadata key of watch levels: those whose chance has just arrived."""

SOURCES_TRIED: Final = "sources_tried"
"""Metadata key of prices: sources asked, and their answers."""

NEWEST_OBSERVADO: Final = "newest_observado"
"""Metadata key of the origin: latest known observado, its date."""

STORED: Final = "stored"
"""Name of the stored history among the sources tried."""

CHAMPION: Final = "champion"
"""Metadata key: fingerprint of the current or previous settings."""

CHALLENGER: Final = "challenger"
"""Metadata key: fingerprint of the new settings."""

VERDICT: Final = "verdict"
"""Metadata key of a validation: `approved`, `rejected` or `inconclusive`."""

SEARCH_ID: Final = "search_id"
"""Metadata key: id of the challenger's search."""

VALIDATION_ID: Final = "validation_id"
"""Metadata key: id of the validation report behind a deployment."""

IS_BY_HAND: Final = "is_by_hand"
"""Metadata key of a validation: made outside the loop, so never deployed."""

DEPLOYMENT_ID: Final = "deployment_id"
"""Metadata key: id of the deployment record."""

WATCH_UNTIL: Final = "watch_until"
"""Metadata key: end of the watch, ISO instant, real time, UTC."""

UNFIT: Final = "unfit"
"""Metadata key of a failed forecast: unusable prices; the watch ignores it."""

STATE: Final = "state"
"""Metadata key of a deployment or watch: its outcome.

Deployment: `deployed`, `unchanged`, `refused`, `failed`. Watch: `watching`, `passed`, `rolled back`, `rollback
refused`, `rollback proposed`, `replaced`, `proven`, `worse, kept`.
"""

KIND: Final = "kind"
"""Metadata key: `deploy` or `rollback`."""

FAILURES: Final = "failures"
"""Metadata key of a watch: number of failed forecasts and trials."""

VALIDATION_TAG: Final = "forex/validation"
"""Run tag of a deployment: id of its validation record."""

DEPLOYMENT_TAG: Final = "forex/deployment"
"""Run tag of a watch: the deployment's id."""

LEDGER_HEAD: Final = "chain_head"
"""Metadata key of a ledger: last hash, kept apart from the chain."""

FIRES: Final = "fires"
"""Metadata key of a decision: whether it asks for a search."""

REASONS: Final = "reasons"
"""Metadata key of a decision: rules that fired, such as `age, manual`."""

WORDS: Final = "words"
"""Metadata key: summary in words."""

CLOCK: Final = "clock"
"""Metadata key: the session's clock; may differ from the event's time."""

MARKET: Final = "market"
"""Metadata key: `live` or `sample`."""

REQUESTS: Final = "requests"
"""Metadata key of a decision: ids of the manual requests answered."""

DECISION_TAG: Final = "forex/decision"
"""Run tag of a search: the decision's id."""

REASON_TAG: Final = "forex/reason"
"""Run tag: rules that fired."""

HORIZON_TAG: Final = "forex/horizon"
"""Run tag: the horizon."""

ATTEMPT_TAG: Final = "forex/attempt"
"""Run tag: launch number for one decision, from 1."""

SUPERSEDED_TAG: Final = "forex/superseded"
"""Run tag of a search: earlier decisions that it also answers."""

TOGETHER_TAG: Final = "forex/together"
"""Run tag of a search: horizons that the same command searches."""

EVENT_TAG: Final = ".dagster/forex_event"
"""Run tag of a recording run: id of its event.

Absent from a run that records all that MLflow lacks.
"""

EVENT_PLACE_TAG: Final = ".dagster/forex_event_place"
"""Run tag: place of the recorded event in its stream."""

WAITS_TAG: Final = ".dagster/forex_waits"
"""Run tag: the recording run left events unrecorded."""

LEDGER_ROOT: Final = "warehouse"
"""Metadata key of a ledger: folder of the chain's warehouse."""

WAREHOUSE_ID: Final = "warehouse_id"
"""Metadata key of a ledger: id of the chain's warehouse."""

OWNERS: Final = ["team:treasury"]

MARKET_JOB: Final = "market_refresh"
ORIGIN_JOB: Final = "origin_refresh"
FORECAST_JOB: Final = "forecast_all_horizons"
BACKTEST_JOB: Final = "backtest_all_horizons"
DRIFT_JOB: Final = "report_drift"
DECISION_JOB: Final = "decide_all_horizons"
OPTIMIZE_JOB: Final = "optimize"
DEPLOY_JOB: Final = "deploy"
WATCH_JOB: Final = "watch_deployment"
REPORT_JOB: Final = "report_daily"
BACKUP_JOB: Final = "back_up"
ALERT_JOB: Final = "deliver_alerts"
REPORT_MAIL_JOB: Final = "mail_report"
TRACKING_JOB: Final = "track_runs"
SANTIAGO: Final = "America/Santiago"
