"""Every name that more than one file shares: tables, metadata, tags, jobs. Dagster's keys: `core.dagster.keys`."""

from typing import Final

COPPER: Final = "market/copper_hgf_usd_lb"
USDCLP: Final = "market/usdclp"
REVISIONS: Final = "market/revisions"
FEATURES: Final = "features/copper"
INFERENCE_CONFIG: Final = "config/inference"
LATEST: Final = "forecasts/latest"
LEDGER: Final = "forecasts/ledger"
REALIZED: Final = "accuracy/realized"
BACKTEST: Final = "accuracy/backtest"
SCORECARD: Final = "accuracy/scorecard"
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
DAILY_REPORT: Final = "report/daily"

CHAMPION: Final = "champion"
"""Metadata of search, validation and deployment: fingerprint of the settings that are live, or were before."""

CHALLENGER: Final = "challenger"
"""The same: fingerprint of the settings that were found, or went live."""

VERDICT: Final = "verdict"
"""Metadata of `optimizer/validation_report`: `approved`, `rejected`, `inconclusive`; read by the sensor."""

SEARCH_ID: Final = "search_id"
"""Metadata of search and validation: which search the challenger is from."""

VALIDATION_ID: Final = "validation_id"
"""Metadata of validation and deployment: which report a deployment rests on."""

IS_BY_HAND: Final = "is_by_hand"
"""Metadata of `optimizer/validation_report`: made outside the loop's own job, so that nothing is deployed for it."""

DEPLOYMENT_ID: Final = "deployment_id"
"""Metadata of deployment and watch: name of the deployment's record."""

WATCH_UNTIL: Final = "watch_until"
"""Metadata of deployment and watch: ISO instant (real time, UTC) up to which the new settings are watched."""

UNFIT: Final = "unfit"
"""Metadata of a forecast's failure: the prices were to blame, whatever the settings. The watch does not count it."""

STATE: Final = "state"
"""Metadata of deployment (`deployed`, `unchanged`, `refused`, `failed`) and watch (`watching`, `passed`, `rolled back`,
`rollback refused`, `rollback proposed`, `replaced`, `proven`, `worse, kept`)."""

KIND: Final = "kind"
"""Metadata of deployment: `deploy` or `rollback`."""

FAILURES: Final = "failures"
"""Metadata of watch: failed forecasts and trials of the new settings so far; people are told of each."""

VALIDATION_TAG: Final = "forex/validation"
"""Run tag of a deployment: the record of `optimizer/validation_report` that it rests on."""

DEPLOYMENT_TAG: Final = "forex/deployment"
"""Run tag of a watch: the deployment's id."""

LEDGER_HEAD: Final = "chain_head"
"""Metadata of `forecasts/ledger`: the last hash of the chain, noted where the chain itself cannot be cut."""

FIRES: Final = "fires"
"""Metadata of `monitoring/trigger_decision`: whether a search is to be made. The sensor that launches it reads this."""

REASONS: Final = "reasons"
"""The same: names of the rules that fired, such as `age, manual`."""

WORDS: Final = "words"
"""Metadata of every table of the optimization location: what it says, as a person reads it."""

CLOCK: Final = "clock"
"""Metadata of decision and search: the platform's clock, which can be set by hand; not when Dagster wrote the event."""

MARKET: Final = "market"
"""Metadata of decision and search: `live` or `sample`; what was decided on the one says nothing about the other."""

REQUESTS: Final = "requests"
"""Metadata of `monitoring/trigger_decision`: ids of the manual requests that it answers; each is answered once."""

DECISION_TAG: Final = "forex/decision"
"""Run tag: which decision a search answers."""

REASON_TAG: Final = "forex/reason"
"""Run tag: names of the rules that fired."""

HORIZON_TAG: Final = "forex/horizon"
"""Run tag: of which horizon."""

ATTEMPT_TAG: Final = "forex/attempt"
"""Run tag: which launch for that decision, from 1."""

SUPERSEDED_TAG: Final = "forex/superseded"
"""Run tag: earlier decisions of that horizon which waited meanwhile, and which this search answers too."""

LEDGER_ROOT: Final = "warehouse"
"""Metadata beside it: the warehouse that the chain lies in."""

OWNERS: Final = ["team:treasury"]

MARKET_JOB: Final = "market_refresh"
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
TRACKING_JOB: Final = "track_runs"
SANTIAGO: Final = "America/Santiago"
