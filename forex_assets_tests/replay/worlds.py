"""A small generated market with settings that are clearly wrong at the start, and a grid that holds better ones."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from forex_assets.core.session import open_session
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources
from forex_assets_tests.optimizer.contests import set_live

FIRST, LAST = date(2021, 7, 1), date(2023, 6, 30)
"""Two years of evenings."""

POLICY: dict[str, Any] = {
    "false_alarms_per_year": 6.0,
    "age_days": 84,
    "drift": {"history_sessions": 300},
    "search": {"origins": 20, "temperature": [0.8, 1.0, 1.25]},
    "validation": {"origins": 40, "fewest": 20},
    "deployment": {
        "allow_sample": True,
        "commit_to_git": False,
        "probation": "automatic",
        "probation_outcomes": 10,
    },
}  # fmt: skip


def write_policy(configs: Path, **changes: Any) -> None:
    (configs / "policy.yaml").write_text(yaml.safe_dump({**POLICY, **changes}))


def fill(workspace: Path, horizons: Sequence[str], start: float = 1.6) -> None:
    """Prices from 2020 on, the policy, and settings whose bands are wrong by the factor `start`."""
    write_policy(workspace / "configs")
    for horizon in horizons:
        set_live(workspace, horizon, temperature=start)
    session = open_session()
    prices = ingest_usdclp(PriceSources(session, 1.0)).prices
    some = prices.filter(pl.col("session").is_between(date(2020, 1, 1), date(2023, 10, 31)))
    session.tables_for("market/usdclp", some).write("market/usdclp", some)
