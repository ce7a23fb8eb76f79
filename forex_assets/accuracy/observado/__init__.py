"""Accuracy of the fixing's forecasts.

In: fans of the dólar observado and published fixings. Out: scored rows, backtest and scorecard of that series.
"""
