"""Settings validated at a clock set by hand are not deployed."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from forex_assets.core.session import open_session
from forex_assets.deployment.deploy import deploy_validated
from forex_assets.forecasts.engines import engines_of
from forex_assets.optimizer.tables import VALIDATION_SCHEMA
from forex_assets_tests.optimizer.contests import set_live


@pytest.mark.parametrize(("as_of", "state"), [("2023-12-29", "refused"), ("", "deployed")])
def test_settings_best_at_a_past_clock_are_not_deployed_today(
    workspace: Path, environment: Callable[..., None], as_of: str, state: str
) -> None:
    environment(FOREX_MARKET="live", FOREX_AS_OF=as_of)
    set_live(workspace, model="ewma")
    session = open_session()
    current = session.configs.read("7d")
    new = current.model_copy(update={"context_length": 90})
    row = {
        "horizon": "7d",
        "validation_id": "report1",
        "search_id": "search1",
        "validated_at": session.now,
        "champion": current.fingerprint,
        "challenger": new.fingerprint,
        "challenger_config": json.dumps(new.model_dump()),
        "criterion": "improvement",
        "verdict": "approved",
        "words": "better",
    }
    record = deploy_validated(
        session, engines_of(session.settings), "7d", pl.DataFrame([row], schema=VALIDATION_SCHEMA)
    )
    assert record.state == state
    assert state == "deployed" or "FOREX_AS_OF=2023-12-29" in record.reason
