"""Deploys approved settings, watches them, and rolls them back.

In: `optimizer/validation_report`, `configs/chronos_<h>.json`, stored prices, the forecast ledger.
Out: the same config files with their backups and git commits, `optimizer/deployment`, `optimizer/deployment_watch`, and
deployment records as JSON files.
Not here: the search and its verdict (`optimizer`), the forecasts by the new settings (`forecasts`), alerts about
deployments (`operations`).
"""
