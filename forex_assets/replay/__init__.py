"""Replay of the whole loop over past years.

Several policies side by side: every decision date in turn, by the rules of monitoring, optimizer and deployment
themselves, on what was known then. Fans of all settings are made once and stored (`trials`, `trial_store`); replaying a
policy is table work after that.
"""
