"""Prices of the peso and copper.

In: price sources (`sources/`) or the generated market. Out: the tables `market/usdclp`, `market/copper_hgf_usd_lb` and
`market/revisions`, stored histories by source, and checks of them. Not here: features and forecasts.
"""
