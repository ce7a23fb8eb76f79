"""Forecasts: fans for the desk, and the record of all fans.

In: prices and copper features, `configs/chronos_<horizon>.json`, past errors from ledger and backtest. Out:
`config/inference`, `forecasts/latest`, `forecasts/ledger` and their checks. `engine` is the port of all engines,
`chronos/` its models, `baselines` the no-change benchmarks; `realized` joins fans to the prices that came true.

Not here: averages of scores and backtests (`accuracy`), search of settings (`optimizer`).
"""
