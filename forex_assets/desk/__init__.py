"""Desk: answers people ask of the stored fans.

In: `forecasts/latest`, prices, drivers, ledger. Out: odds, touches, averages, exposure, scenarios, watch levels, and
their record. Nothing here makes a forecast, and no model library is loaded.
"""
