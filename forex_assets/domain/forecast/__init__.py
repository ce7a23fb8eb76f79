"""From a price history to a fan: configuration, representation, engines, calibration, ledger."""
