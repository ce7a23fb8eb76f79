"""Operations: alerts to people, MLflow tracking and backups.

In: Dagster's records, deployment records, tables and settings. Out: messages, MLflow runs, archives. The rules that
decide about forecasts or settings are in the rooms to the left; nothing here changes a forecast or a setting.
"""
