"""The replay's page says what its intervals say."""

from datetime import date

import polars as pl
import pytest

from forex_assets.replay.tables import CHANGES_SCHEMA, EVENINGS_SCHEMA, LOOP_SCHEMA
from replay_page import markdown

EVENING = {"strategy": "never tune", "horizon": "7d", "as_of": date(2020, 1, 3), "crps": 4.0}


def page(**changes: object) -> str:
    never = {"strategy": "never tune", "horizon": "7d", "n": 400, "crps": 4.0}
    tuned = never | {"strategy": "calibrated rules", "searches": 200, "deployments": 2} | changes
    fixed = never | {"strategy": "fixed: context 90, temperature 1", "crps_gain": 0.01}
    loop = pl.DataFrame([dict.fromkeys(LOOP_SCHEMA) | row for row in (never, tuned, fixed)], schema=LOOP_SCHEMA)
    evenings = pl.DataFrame([dict.fromkeys(EVENINGS_SCHEMA) | EVENING], schema=EVENINGS_SCHEMA)
    return markdown(loop, pl.DataFrame(schema=CHANGES_SCHEMA), evenings, "prices", "asked", (60.0, 60.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crps_gain": 0.02, "crps_gain_low": 0.01, "crps_gain_high": 0.03}, "calibrated rules pays"),
        ({"crps_gain": -0.02, "crps_gain_low": -0.03, "crps_gain_high": -0.01}, "calibrated rules costs accuracy"),
        ({"crps_gain": 0.02, "crps_gain_low": -0.01, "crps_gain_high": 0.05}, "calibrated rules shows no effect"),
        ({"crps_gain": 0.5}, "shows nothing on so few outcomes"),
        ({"deployments": 0}, "calibrated rules changed nothing"),
    ],
)
def test_a_way_pays_only_where_its_interval_says_so(changes: dict[str, object], words: str) -> None:
    assert words in page(**changes)


def test_never_tuning_is_the_reference_and_fixed_settings_stand_apart() -> None:
    text = page(crps_gain=0.02, crps_gain_low=0.01, crps_gain_high=0.03)
    assert "| 7d | never tune | 400 | 4.000 | – | – |" in text
    assert "| 7d | context 90, temperature 1 | 4.000 | +1.00 | – |" in text
