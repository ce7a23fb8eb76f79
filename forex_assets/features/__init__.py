"""Ten copper features for models that read covariates.

In: `market/copper_hgf_usd_lb` and `market/usdclp`. Out: the table `features/copper`, one row a copper session. Not
here: whether copper helps forecasts (`accuracy/copper_effect`).
"""
