"""Unit and description of the columns of a replay's tables."""

from typing import Final

from forex_assets.core.units import COUNT, DAY, PESO, RATIO, TEXT

REPLAY_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "strategy": (
        TEXT,
        "Way of choosing settings; `fixed: …` holds settings, `oracle` knows each year's best.",
    ),
    "first_evening": (DAY, "First evening of the replay."),
    "last_evening": (DAY, "Last evening of the replay."),
    "crps_gain": (RATIO, "1 - CRPS / CRPS of never tuning; above 0 is better."),
    "crps_gain_low": (RATIO, "Lower end of its 95 % interval, overlap included; null with too few outcomes."),
    "crps_gain_high": (RATIO, "Upper end of its 95 % interval, overlap included; null with too few outcomes."),
    "rmse_gain": (RATIO, "1 - RMSE / RMSE of never tuning; above 0 is better."),
    "rmse_gain_low": (RATIO, "Lower end of the RMSE gain's 95 % interval; null with too few outcomes."),
    "rmse_gain_high": (RATIO, "Upper end of the RMSE gain's 95 % interval; null with too few outcomes."),
    "searches": (COUNT, "Searches that decisions started; null for settings held throughout."),
    "alarms_per_year": ("per year", "Searches started by drift or degradation."),
    "false_alarms_per_year": ("per year", "Of these alarms, those after which no settings changed."),
    "approved": (COUNT, "Validations that approved a challenger."),
    "deployments": (COUNT, "Deployments of approved challengers."),
    "rollbacks": (COUNT, "Rollbacks by watch or review of outcomes."),
    "worse_days": ("days", "Calendar days on settings that scored worse than the first ones over their time."),
    "search_cpu_seconds": ("seconds", "CPU time of the fans that searches and validations looked at, each fan once."),
    "changed_on": (DAY, "Evening of the change; its fan was still made with the settings before."),
    "kept_until": (DAY, "Evening of the next change, or the last evening."),
    "change": (TEXT, "Deployment or rollback; empty without a change."),
    "settings_before": (TEXT, "Settings that were replaced, in words."),
    "settings_after": (TEXT, "Settings that replaced them, in words."),
    "regret_clp": (PESO, "Mean CRPS after the change less that of the settings before on the same evenings."),
    "change_gain": (RATIO, "1 - CRPS after the change / CRPS of the settings before, on the same evenings."),
    "change_gain_low": (RATIO, "Lower end of the change's 95 % interval; null with too few outcomes."),
    "change_gain_high": (RATIO, "Upper end of the change's 95 % interval; null with too few outcomes."),
    "changed_to": (TEXT, "Fingerprint of the settings after the evening's last change; empty without one."),
    "reasons": (TEXT, "Rules that started a search; empty without one."),
}
"""Columns of `replay/loop`, `replay/changes` and `replay/evenings` by name: unit, then description."""
