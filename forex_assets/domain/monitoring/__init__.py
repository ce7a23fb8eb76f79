"""Watching: whether inputs drifted, forecasts got worse or settings grew old, at a stated rate of false alarms."""
