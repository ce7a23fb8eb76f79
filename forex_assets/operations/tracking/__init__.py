"""Tracking: forecasts, searches, validations and deployments as MLflow runs.

In: Dagster's records, deployment records, the ledger, config backups. Out: MLflow runs, artifacts and model aliases. A
forecast or search never waits for MLflow and knows nothing of it.
"""
