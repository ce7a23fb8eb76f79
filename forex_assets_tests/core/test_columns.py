"""Every column of every table asset is described."""

import dagster as dg
import pytest

from forex_assets.core.columns import COLUMNS
from forex_assets.locations import forecasting, optimization

WITHOUT_TABLE = {"report/daily", "config/inference"}
"""Assets with a page or settings file instead of a table."""


def assets() -> list[dg.AssetSpec]:
    definitions = (forecasting.defs, optimization.defs)
    return [spec for defs in definitions for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)
            for spec in asset.specs]  # fmt: skip


TABLES = [spec for spec in assets() if spec.key.to_user_string() not in WITHOUT_TABLE]


@pytest.mark.parametrize("spec", TABLES, ids=[spec.key.to_user_string() for spec in TABLES])
def test_each_column_of_an_asset_is_shown_with_description_and_unit(spec: dg.AssetSpec) -> None:
    schema = spec.metadata["dagster/column_schema"]
    descriptions = {column.name: column.description or "" for column in schema.columns}
    assert descriptions
    assert [name for name, text in descriptions.items() if "Unit: " not in text or "Source: " not in text] == []


def test_all_assets_with_tables_are_among_them() -> None:
    assert len(TABLES) >= 18


def test_units_of_prices_and_shares_are_those_of_the_field() -> None:
    for name, unit in {
        "q50": "CLP per USD",
        "close_usd_lb": "USD/lb",
        "mape": "%",
        "coverage_95": "share, 0 to 1",
    }.items():
        assert COLUMNS[name].unit == unit


def test_no_description_is_empty_or_says_the_same_as_another() -> None:
    texts = [column.description for column in COLUMNS.values()]
    assert all(len(text) > 10 or text == "Conclusion." for text in texts)
    assert len(set(texts)) == len(texts)
