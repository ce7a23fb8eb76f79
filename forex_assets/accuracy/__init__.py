"""Accuracy: how good forecasts are, with intervals.

In: the ledger, prices and features through the session. Out: `accuracy/realized`, `accuracy/backtest`,
`accuracy/scorecard` and `accuracy/copper_effect`. `backtest` forecasts from past test dates without look-ahead,
`scorecard` scores, `compare` gives skill with intervals for overlapping errors, `peers` holds benchmark engines.

Not here: joining forecasts to prices (`forecasts.realized`, since calibration needs it), and any decision to search or
deploy (`monitoring`, `optimizer`).
"""
