"""How good the forecasts were: scores, comparison with the walks, realized outcomes."""
