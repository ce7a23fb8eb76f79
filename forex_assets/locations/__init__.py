"""Code locations: lists of assets, checks, jobs, schedules and sensors.

In: definitions of all rooms. Out: `forecasting.defs` and `optimization.defs`, which Dagster loads. Not here: any rule.
The optimization location reads tables of the forecasting location; the loop closes through the configs, never by an
edge.
"""
