"""A replay gives what the platform gives when it is run evening by evening, with its own functions."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from forex_assets.replay.loop import Step
from forex_assets.replay.replay_run import Stretch, run_replay
from forex_assets.replay.strategies import AGE, CALIBRATED, PUBLISHED
from forex_assets_tests.optimizer.contests import width_setup
from forex_assets_tests.replay.evenings import Lived, Platform, equal_times
from forex_assets_tests.replay.worlds import FIRST, LAST, fill, write_policy

STRETCH = Stretch(FIRST, LAST, "20w")
RULES = ("age", "degradation", "drift", "manual")


@pytest.mark.parametrize(
    ("strategy", "decide_by", "rules", "horizons", "fewest"),
    [
        (PUBLISHED, "literal", RULES, ("7d",), 0),
        (CALIBRATED, "calibrated", RULES, ("7d", "30d"), 1),
        (AGE, "calibrated", ("age",), ("30d",), 0),
    ],
)
def test_decisions_and_fans_of_two_years_are_those_of_the_platform(
    strategy: str,
    decide_by: str,
    rules: tuple[str, ...],
    horizons: tuple[str, ...],
    fewest: int,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forex_assets.optimizer.validation_run.seconds_by_turns", equal_times)
    monkeypatch.setattr("forex_assets.optimizer.validation_run.publish", lambda *args: None)
    fill(workspace, horizons)
    write_policy(workspace / "configs", decide_by=decide_by)
    setup = width_setup()
    results = run_replay(setup.session, setup.engines, STRETCH, horizons=horizons, seconds=lambda config: 1.0)
    shutil.rmtree(workspace / "warehouse/sample/replay")
    lived = Platform(setup.engines, horizons, rules, monkeypatch).live(STRETCH.days())
    steps = [step for step in results.steps if step.strategy == strategy]
    assert [told(one, rules) for one in lived] == [told_by_replay(step, rules) for step in steps]
    for one, step in zip(lived, steps, strict=True):
        assert step.evening.fan is not None
        np.testing.assert_allclose(step.evening.fan.quantiles, one.quantiles, rtol=1e-9)
    assert any(one.reasons for one in lived)
    assert sum(len(one.changes) for one in lived) >= fewest


def told(one: Lived, rules: tuple[str, ...]) -> tuple[object, ...]:
    """An evening as both tell it; reasons that may not start a search are left out."""
    reasons = tuple(reason for reason in one.reasons if reason in rules)
    return one.day, one.horizon, one.settings, reasons, one.verdict, one.changes


def told_by_replay(step: Step, rules: tuple[str, ...]) -> tuple[object, ...]:
    decision, validation, evening = step.decision, step.validation, step.evening
    assert decision is not None
    reasons = tuple(reason for reason in decision.reasons if reason in rules)
    assert reasons == step.reasons
    changes = tuple(change.config.fingerprint for change in step.changes if change.record.state == "deployed")
    verdict = "" if validation is None else validation.verdict
    return evening.day, step.horizon, evening.config.fingerprint, reasons, verdict, changes
