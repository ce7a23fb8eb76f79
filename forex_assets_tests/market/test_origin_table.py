"""The table of the origin, and the checks on its age and on disagreement."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from forex_assets.core.schemas import STARTING_LEVEL_SCHEMA
from forex_assets.market.origin import Origin
from forex_assets.market.origin_table import origin_agrees, origin_is_recent, origin_table, start_words

ISSUED = datetime(2024, 7, 5, 23, tzinfo=UTC)
ORIGIN = Origin(
    level=940.04, kind="dólar observado", source="central_bank", session=date(2024, 7, 5), dated=date(2024, 7, 8),
    observed_at=datetime(2024, 7, 5, 22, tzinfo=UTC), age_hours=1.0, age_sessions=0, disagreement_pct=None,
    tolerance_pct=1.2, is_assumed=False,
)  # fmt: skip


def test_the_row_reads_as_the_origin_it_was_made_of() -> None:
    table = origin_table(ORIGIN, ISSUED)
    assert dict(table.schema) == STARTING_LEVEL_SCHEMA
    assert start_words(table.row(0, named=True)) == "940.0 (dólar observado of 2024-07-08, 1 h old)"
    old = origin_table(replace(ORIGIN, age_hours=60.0, is_assumed=True), ISSUED).row(0, named=True)
    assert start_words(old) == "940.0 (dólar observado of 2024-07-08, 2 days old, availability assumed)"


def test_a_fan_of_an_older_version_has_no_words() -> None:
    assert start_words({**origin_table(ORIGIN, ISSUED).row(0, named=True), "origin_kind": None}) == ""


@pytest.mark.parametrize(("age", "passes"), [(0, True), (1, True), (2, False), (9, False)])
def test_an_origin_warns_from_two_sessions_on(age: int, passes: bool) -> None:
    finding = origin_is_recent(origin_table(replace(ORIGIN, age_sessions=age), ISSUED))
    assert (finding.passed, finding.severity) == (passes, "warn")
    assert f"{age} sessions old" in finding.message
    assert ("forex-assets doctor" in finding.message) is not passes


@pytest.mark.parametrize(("apart", "passes"), [(None, True), (0.0, True), (1.2, True), (1.21, False)])
def test_an_origin_far_from_another_price_of_its_session_warns(apart: float | None, passes: bool) -> None:
    finding = origin_agrees(origin_table(replace(ORIGIN, disagreement_pct=apart), ISSUED))
    assert (finding.passed, finding.severity) == (passes, "warn")


def test_no_origin_is_no_pass() -> None:
    table = origin_table(None, ISSUED)
    assert dict(table.schema) == STARTING_LEVEL_SCHEMA
    assert not origin_is_recent(table).passed
    assert not origin_agrees(table).passed
