"""Optimizer: search for better inference settings and their validation.

In: prices, features, scored past forecasts, current settings, policy. Out: candidate tables, validation reports, shadow
forecasts of a challenger on trial. Deciding when to search is `monitoring`, putting settings in place `deployment`.
"""
