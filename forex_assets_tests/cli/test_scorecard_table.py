"""The scorecard as people read it: what stands in its cells, in 80 columns, on a terminal and in a pipe."""

import io
import re
from functools import cache

import polars as pl
import pytest
from rich.console import Console

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, scorecard
from forex_assets.cli.common import say
from forex_assets.cli.render_scorecard import scorecard as draw
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import SAMPLE_SOURCE, empty
from forex_assets_tests.accuracy.test_scorecard import TODAY, realized

DAYS = {"7d": 7, "15d": 15, "30d": 30, "90d": 90}


@cache
def card(record: str = "ledger", model: str = "ewma", engine: str = "ewma", n: int = 60) -> pl.DataFrame:
    """Of every horizon `n` weekly forecasts."""
    fixed = {"record": record, "model": model, "engine": engine}
    tables = [realized(n, days=days, seed=k, horizon=h, **fixed) for k, (h, days) in enumerate(DAYS.items())]
    return scorecard(pl.concat(tables), TODAY)


def drawn(card: pl.DataFrame, *, is_sample: bool = False, is_terminal: bool = False) -> str:
    out = io.StringIO()
    say(draw(card, is_sample), Console(file=out, width=80, force_terminal=is_terminal))
    return out.getvalue()


def lines_of(text: str) -> list[list[str]]:
    """The words of every line that has any."""
    return [line.split() for line in text.splitlines() if line.strip()]


def widest() -> pl.DataFrame:
    """Daily forecasts of five years by the model with the longest name, and every cell as wide as it gets."""
    wide = {
        "n": pl.lit(1304, pl.Int64), "n_effective": pl.lit(1304.0), "rmse": pl.lit(123.4),
        "coverage_80": pl.lit(1.0), "coverage_95": pl.lit(1.0),
    }  # fmt: skip
    for name in ("rmse_skill", "crps_skill"):
        wide |= {name: pl.lit(-0.094), f"{name}_low": pl.lit(-15.0), f"{name}_high": pl.lit(0.099)}
    return card("backtest", "amazon/chronos-bolt-small", "chronos-bolt").with_columns(**wide)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_eighty_columns_hold_the_widest_card_with_nothing_cut_off(is_terminal: bool) -> None:
    text = drawn(widest(), is_sample=True, is_terminal=is_terminal)
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.count("1304/1304") == 12
    assert text.count("-9 [-1,500, 10]") == 24
    assert text.count("100/100") == 12


def test_cells_are_the_cards_figures() -> None:
    row = card().filter((pl.col("horizon") == "15d") & (pl.col("scope") == "all")).row(0, named=True)
    lines = lines_of(drawn(card().filter(pl.col("horizon") == "15d")))
    cells = next(cells for cells in lines if cells[0] == "all")
    assert cells[1] == f"60/{row['n_effective']:.0f}"
    assert float(cells[2]) == pytest.approx(row["rmse"], abs=0.05)
    skills = [float(cell.strip("[],")) for cell in cells[3:9]]
    ends = [100 * row[name + end] for name in ("rmse_skill", "crps_skill") for end in ("", "_low", "_high")]
    assert skills == pytest.approx(ends, abs=0.5)
    assert cells[9] == f"{100 * row['coverage_80']:.0f}/{100 * row['coverage_95']:.0f}"


def test_the_age_of_the_starting_price_and_its_worth_stand_beside_the_scores() -> None:
    """Half of the dates start from a price of their own evening, the others from one two sessions old."""
    rows = realized(60, days=7, seed=1, horizon="7d").with_columns(
        origin_age_sessions=pl.int_range(60) % 2 * 2, is_origin_assumed=pl.int_range(60) % 4 == 0,
        stored_crps=pl.col("crps") / 0.8,
    )  # fmt: skip
    text = " ".join(drawn(scorecard(rows, TODAY)).split())
    assert "improved CRPS by, %: 7d 20.0 [20.0, 20.0]." in text
    assert "For 25 % of dates its publication rule" in text
    cells = next(cells for cells in lines_of(drawn(scorecard(rows, TODAY))) if cells[0] == "all")
    assert cells[-1] == "1.0"


def test_a_scorecard_without_known_starting_prices_says_nothing_of_them() -> None:
    text = drawn(card())
    assert "improved CRPS" not in text
    assert next(cells for cells in lines_of(text) if cells[0] == "all")[-1] == "-"


def test_horizons_stand_from_short_to_long_each_named_once() -> None:
    lines = lines_of(drawn(card().sort("horizon", descending=True)))
    named = [cells[0] for cells in lines if cells[0] in HORIZONS]
    assert named == list(HORIZONS)


def test_a_pipe_gets_plain_text_and_a_terminal_colours() -> None:
    assert "\x1b" not in drawn(card(), is_sample=True)
    assert "\x1b[" in drawn(card(), is_sample=True, is_terminal=True)


def test_generated_prices_are_named_above_everything() -> None:
    assert SAMPLE_SOURCE in drawn(card(), is_sample=True).split("Scorecard")[0]
    assert SAMPLE_SOURCE not in drawn(card())
    assert SAMPLE_SOURCE in drawn(empty(SCORECARD_SCHEMA), is_sample=True)


def test_records_stand_in_their_order_and_say_how_they_came_about() -> None:
    text = drawn(pl.concat([card("backtest"), card("replay"), card("ledger")]))
    places = [text.index(f"Scorecard, {record}: {how}") for record, how in (
        ("ledger", "issued at the time"),
        ("replay", "issued at a clock set back"),
        ("backtest", "made afterwards from what was available then"),
    )]  # fmt: skip
    assert places == sorted(places)


def test_every_engine_and_model_has_a_table_of_its_own_always_in_the_same_order() -> None:
    models = [("chronos-t5", "b"), ("chronos-t5", "a"), ("ewma", "ewma")]
    text = drawn(pl.concat([card(engine=engine, model=model) for engine, model in models]))
    titles = [line.split(";")[1].strip() for line in text.splitlines() if line.startswith("Scorecard")]
    assert titles == ["a (chronos-t5)", "b (chronos-t5)", "ewma"]


def test_a_models_name_is_no_markup() -> None:
    assert "[red]x (ewma)" in drawn(card(model="[red]x"))


def test_where_nothing_has_come_true_the_next_step_is_said() -> None:
    pending = scorecard(realized(1, days=7), TODAY).with_columns(n=pl.lit(0, pl.Int64))
    for nothing in (empty(SCORECARD_SCHEMA), pending):
        assert drawn(nothing).strip() == "Nothing has come true yet: `forex-assets backtest` scores past dates."


def test_too_few_forecasts_for_an_interval_show_no_skill() -> None:
    cells = next(cells for cells in lines_of(drawn(card(n=1))) if cells[0] == "all")
    assert cells[1].startswith("1/")
    assert "[" not in " ".join(cells)


def test_no_figure_is_a_negative_zero() -> None:
    zeros = {f"crps_skill{end}": pl.lit(-0.0002) for end in ("", "_low", "_high")}
    text = drawn(card().with_columns(**zeros))
    assert "0.0 [0.0, 0.0]" in text
    assert "-0.0" not in text


def test_the_legend_explains_the_columns() -> None:
    legend = " ".join(drawn(card()).split("\n \n")[-1].split())
    for words in (
        "how many independent ones",
        "better than no change",
        "better than the EWMA benchmark",
        "80 % and in the",
    ):
        assert words in legend


def test_a_median_at_the_last_price_is_said_once_in_place_of_a_column_of_zeros() -> None:
    zeros = {f"rmse_skill{end}": pl.lit(0.0) for end in ("", "_low", "_high")}
    text = drawn(card().with_columns(**zeros))
    assert text.count("Point forecast: no change") == 1
    assert "skill of RMSE" not in text
    assert "0.0 [0.0, 0.0]" not in text
    assert "skill of CRPS" in text
    assert "Point forecast" not in drawn(widest())
