"""The model that comes with the package, on the generated market: forecasts, ledger, scores, and what is said of it."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import RunFailed, materialize_forecasts
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    REALIZED_SCHEMA,
    empty,
)
from forex_assets.core.session import open_session
from forex_assets.core.settings import PROJECT
from forex_assets.features.copper import FEATURES_SCHEMA
from forex_assets.forecasts.chronos.finder import EMBEDDED_FOLDER, find_model
from forex_assets.forecasts.chronos.loading import load_counts
from forex_assets.forecasts.engine import EngineError
from forex_assets_tests.accuracy.test_backtest_run import with_prices
from forex_assets_tests.places import root_of

SHIPPED = PROJECT / "forex_assets/models/embedded"
LABEL = f"embedded@{hashlib.sha256((SHIPPED / 'SHA256SUMS').read_bytes()).hexdigest()[:8]}-fan2"
"""Other weights under the same name are another model."""

Change = Callable[..., None]
STEPS = {"7d": 4, "15d": 9, "30d": 18, "90d": 60}
"""Fewer than a fan of that horizon has on any date."""


@pytest.fixture
def embedded(workspace: Path, environment: Change) -> Path:
    """The embedded model, and prices up to 13 June 2025 without copper; the folder of the tables."""
    environment(FOREX_MODEL="embedded")
    warehouse = with_prices().tables
    warehouse.write("features/copper", empty(FEATURES_SCHEMA))
    return root_of(warehouse)


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})


def forecast(*horizons: str) -> None:
    """Forecasts out, into the ledger, and the record scored, at the environment's clock."""
    materialize_forecasts(open_session(), list(horizons))


def configure(workspace: Path, horizon: str, **settings: object) -> None:
    file = workspace / f"configs/chronos_{horizon}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def test_all_horizons_are_forecast_kept_and_scored_with_one_load_of_the_model(
    embedded: Path, environment: Change
) -> None:
    environment(FOREX_AS_OF="2025-05-30")
    forecast(*HORIZONS)
    fans = {h: pl.read_parquet(embedded / f"forecasts/latest/{h}.parquet") for h in HORIZONS}
    configs = {h: open_session().configs.read(h) for h in HORIZONS}
    for horizon, fan in fans.items():
        assert dict(fan.schema) == FORECAST_SCHEMA
        assert fan.select("engine", "model", "representation").unique().rows() == [("chronos-t5", LABEL, "returns")]
        assert fan.height >= STEPS[horizon]
        assert configs[horizon].num_samples == 200
        overrides = {"model": "embedded", "representation": "returns"}  # all else, samples included, is the config's
        assert set(fan["config_fingerprint"]) == {configs[horizon].model_copy(update=overrides).fingerprint}
        assert fan.select(pl.concat_list(QUANTILE_COLUMNS).list.diff().list.min().min()).item() > 0
        width = (fan["q975"][-1] - fan["q025"][-1]) / fan["origin_clp_per_usd"][0]
        walk = (fan["walk_q975"][-1] - fan["walk_q025"][-1]) / fan["origin_clp_per_usd"][0]
        assert 0.5 < width / walk < 2
    loads = load_counts().items()
    assert [count for (location, *_), count in loads if location == str(EMBEDDED_FOLDER)] == [1]
    environment(FOREX_AS_OF="2025-06-06")
    forecast("7d")
    entries = [pl.read_parquet(path) for path in sorted((embedded / "forecasts/ledger/7d").glob("*.parquet"))]
    assert [(entry["as_of"][0], entry["model"][0]) for entry in entries] == [
        (date(2025, 5, 30), LABEL),
        (date(2025, 6, 6), LABEL),
    ]
    assert entries[0].select(QUANTILE_COLUMNS).equals(fans["7d"].select(QUANTILE_COLUMNS))
    realized = pl.read_parquet(embedded / "accuracy/realized/7d.parquet")
    assert dict(realized.schema) == REALIZED_SCHEMA
    assert set(realized["model"]) == {LABEL}
    assert realized["as_of"].unique().to_list() == [date(2025, 5, 30)]
    assert realized["pit"].is_between(0, 1).all()
    assert "7d: 2 entries, intact" in cli("ledger", "verify").output
    output = cli("forecast", "--stored", "--horizon", "7d").stdout
    assert "chronos-t5: embedded" in output
    assert "Model: embedded (embedded: comes with the package)" in output


def test_the_number_of_samples_is_the_configs(embedded: Path, workspace: Path) -> None:
    """From 200 on, the fewest that are drawn."""
    fans = []
    for samples in (200, 300):
        configure(workspace, "7d", num_samples=samples)
        forecast("7d")
        fans.append(pl.read_parquet(embedded / "forecasts/latest/7d.parquet"))
    assert fans[0].select(MODEL_QUANTILE_COLUMNS).rows() != fans[1].select(MODEL_QUANTILE_COLUMNS).rows()
    assert fans[0]["config_fingerprint"][0] != fans[1]["config_fingerprint"][0]
    assert len(list((embedded / "forecasts/ledger/7d").glob("*.parquet"))) == 2


def test_raw_levels_are_refused_by_name_before_and_in_the_forecast(embedded: Path, workspace: Path) -> None:
    """Where a config names the model itself it is taken at its word; only a stand-in's settings are adapted."""
    configure(workspace, "7d", model="embedded", representation="levels")
    (record, *others) = json.loads(cli("doctor", "--json").stdout)["models"]
    assert record["used"] is None
    assert [other["error"] for other in others] == [None, None, None]
    with pytest.raises(RunFailed) as caught:
        forecast("7d")
    for message in (record["error"], str(caught.value)):
        assert re.search(r"representation is levels.*embedded|embedded.*levels", message)
        assert "returns" in message


def test_the_doctor_says_which_model_and_why(embedded: Path, environment: Change, workspace: Path) -> None:
    report = json.loads(cli("doctor", "--json").stdout)
    assert {(m["configured"], m["used"], m["why"]) for m in report["models"]} == {
        ("amazon/chronos-t5-small", str(EMBEDDED_FOLDER), "embedded: comes with the package")
    }
    assert report["can_forecast"]
    environment(FOREX_MODEL="auto", HF_HUB_OFFLINE="1", HF_HOME=str(workspace / "no hub's cache"))
    output = " ".join(cli("doctor").stdout.split())
    assert f"{', '.join(HORIZONS)}: {EMBEDDED_FOLDER} (amazon/chronos-t5-small: not on this machine" in output
    assert "so the embedded model, whose bands up to 30 days are about those of recent volatility alone" in output


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(EMBEDDED_FOLDER, folder / "model"))


def find(setting: str, folder: Path) -> str:
    """The location found for a setting."""
    model = find_model(setting, "org/model", is_offline=True, cache=folder.parent / "cache", embedded=folder)
    return str(model.location)


def test_what_is_shipped_is_what_its_sums_say_and_stays_small(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert find("embedded", folder) == find("auto", folder) == str(folder)
    listed = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert {"model.safetensors", "config.json"} <= set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "model.safetensors").stat().st_size <= 4 * 2**20


@pytest.mark.parametrize("setting", ["embedded", "auto"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_shipped_file_with_one_bit_turned_is_refused_by_name(setting: str, name: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(EngineError, match=f"{re.escape(str(folder / name))} does not have the sha256"):
        find(setting, folder)


@pytest.mark.parametrize("setting", ["embedded", "auto"])
def test_weights_that_were_cut_off_or_are_gone_are_refused_by_name(setting: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4096])
    with pytest.raises(EngineError, match=r"embedded model is damaged: .*model\.safetensors does not have the sha256"):
        find(setting, folder)
    weights.unlink()
    with pytest.raises(EngineError, match=r"embedded model is damaged: .*model\.safetensors is missing"):
        find(setting, folder)
