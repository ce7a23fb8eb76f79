"""Dagster support: keys, session resource, IO manager, metadata, conditions, records.

In: names, sessions and frames of `core`. Out: what `assets.py`, `checks.py` and `sensors.py` of each room build on. Not
here: assets, jobs or schedules.
"""
