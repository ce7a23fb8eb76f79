"""Forecasts of the dólar observado, the fixing that contracts settle on.

In: fans of the peso and published fixings. Out: fans of the fixing, their own ledger.
"""
