"""Monitoring: when to search for better settings.

In: prices, scored forecasts and manual requests through the session. Out: `monitoring/drift_report`,
`monitoring/degradation_report` and `monitoring/trigger_decision`. Each rule exists twice: as published, and calibrated
on its own past to a budget of false alarms (`ranked_history` for drift, `ratio_calibration` for degradation).

Not here: the search itself (`optimizer`), and how well the rules work, which `benchmarks/detectors.py` measures.
"""
