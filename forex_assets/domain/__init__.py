"""Rules of forecasting, pure: polars, numpy, scipy and pydantic only. No Dagster, no I/O, no clock, no environment."""
