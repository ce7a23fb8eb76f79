"""Prices: what a source must give, how histories merge, what is a bad tick, what stands in when all is dark."""
