"""Foundations that every room uses.

Here: names, schemas and column descriptions, calendars and horizons, settings, policy and the session of a run, scores,
plots. `store` keeps tables and records, `dagster` connects them to Dagster. In: environment, `configs/`. Out: values
without opinions on markets or models. Not here: any source of prices, model or rule of the loop.
"""
