"""The scorecard's picture, read back as a figure (its words, points and bars) and as a PNG."""

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.plots import CUT, SHADES, scorecard_figure, scorecard_plot
from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, scorecard
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import REALIZED_SCHEMA, SAMPLE_SOURCE, empty
from forex_assets_tests.accuracy.test_scorecard import TODAY, realized
from forex_assets_tests.core.plot_readers import banner_share, picture, words

DAYS = {"7d": 7, "15d": 15, "30d": 30, "90d": 90}


@cache
def outcomes(n: int = 80, horizons: tuple[str, ...] = HORIZONS, model: str = "generated") -> pl.DataFrame:
    """Weekly forecasts of each horizon, `n` of each, as they turned out."""
    tables = [realized(n, days=DAYS[h], seed=k, horizon=h, model=model) for k, h in enumerate(horizons)]
    return pl.concat(tables)


def figure(rows: pl.DataFrame, card: pl.DataFrame | None = None) -> Any:
    return scorecard_figure(scorecard(rows, TODAY) if card is None else card, rows, "Ledger", False)


def row_of(rows: pl.DataFrame, horizon: str) -> dict[str, Any]:
    """The card's row over everything."""
    card = scorecard(rows, TODAY)
    return card.filter((pl.col("scope") == "all") & (pl.col("horizon") == horizon)).row(0, named=True)


def drawn_skills(axes: Any) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Of each benchmark the points, by the horizon that they stand at, with the ends of their bars."""
    skills = {}
    for container in axes.containers:
        x, y = container.lines[0].get_data()
        bars = [segment[:, 1] for segment in container.lines[2][0].get_segments()]
        skills[container.get_label()] = {
            HORIZONS[round(at)]: (low, value, high) for at, value, (low, high) in zip(x, y, bars, strict=True)
        }
    return skills


def year_points(axes: Any) -> dict[str, dict[int, float]]:
    """Of each horizon what is drawn at each year."""
    lines = [line for line in axes.lines if line.get_label() in HORIZONS]
    return {
        line.get_label(): {round(float(x)): float(y) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}
        for line in lines
    }


def labels_out_of_view(axes: Any) -> list[Any]:
    """Labels of ticks beyond an axis's ends, which are made and not drawn."""
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        labels += [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
    return labels


def tick_words(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


def test_skills_are_drawn_with_the_cards_own_intervals_and_sizes() -> None:
    rows = outcomes()
    axes = figure(rows).axes[0]
    skills = drawn_skills(axes)
    for label, name in (("RMSE against no change", "rmse_skill"), ("CRPS against the EWMA walk", "crps_skill")):
        assert set(skills[label]) == set(HORIZONS)
        for horizon, drawn in skills[label].items():
            row = row_of(rows, horizon)
            assert drawn == pytest.approx([100 * row[name + end] for end in ("_low", "", "_high")])
    for horizon, tick_label in zip(HORIZONS, tick_words(axes), strict=True):
        worth = row_of(rows, horizon)["n_effective"]
        assert tick_label == f"{horizon}: generated\nn = 80 ({worth:.0f} independent)"


def test_each_year_stands_at_its_place_also_where_a_shorter_record_comes_first() -> None:
    """A horizon with one year before one with several: years sort by themselves, not by who came first."""
    rows = pl.concat([outcomes(10, ("7d",)), outcomes(120, ("15d",))])
    axes = figure(rows).axes[1]
    drawn = year_points(axes)
    expected: dict[int, list[bool]] = {}
    for row in outcomes(120, ("15d",)).iter_rows(named=True):
        hit = row["q025"] <= row["realized_clp_per_usd"] <= row["q975"]
        expected.setdefault(row["target_date"].year, []).append(hit)
    assert list(drawn["15d"]) == sorted(expected)
    assert drawn["15d"] == pytest.approx({year: 100 * sum(hits) / len(hits) for year, hits in expected.items()})
    assert list(drawn["7d"]) == [2025]
    assert tick_words(axes) == [str(year) for year in sorted(expected)]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    few = {(line.get_color(), round(float(x))) for line in hollow for x in line.get_xdata()}
    years = {year for year, hits in expected.items() if len(hits) < 30}
    assert few == {(SHADES["15d"], year) for year in years} | {(SHADES["7d"], 2025)}


def test_one_year_is_one_tick_and_points_that_agree_do_not_hide_each_other() -> None:
    axes = figure(outcomes(10)).axes[1]
    assert tick_words(axes) == ["2025"]
    places = {float(line.get_xdata()[0]) for line in axes.lines if line.get_label() in HORIZONS}
    assert len(places) == len(HORIZONS)


def test_bars_count_the_tenths_of_the_fan_and_leave_out_what_the_card_leaves_out() -> None:
    rows = outcomes()
    first = rows.filter(pl.col("horizon") == "7d")
    shadow = first.with_columns(is_shadow=pl.lit(True), pit=pl.lit(0.05))
    on_the_way = first.with_columns(is_target=pl.lit(False), pit=pl.lit(0.05), step=pl.lit(1, pl.Int64))
    for table in (rows, pl.concat([rows, shadow, on_the_way])):
        panels = figure(table).axes[2:]
        for axes, horizon in zip(panels, HORIZONS, strict=True):
            expected = [0] * 10
            for value in rows.filter(pl.col("horizon") == horizon)["pit"]:
                expected[min(int(value * 10), 9)] += 1
            assert [bar.get_height() for bar in axes.patches] == expected
            assert axes.lines[0].get_ydata()[0] == pytest.approx(len(rows) / 4 / 10)  # where all tenths are alike
            assert f"PIT {horizon}" in axes.get_title(loc="left")


def test_a_missing_horizon_is_said_to_be_missing() -> None:
    drawn = figure(outcomes(40, ("7d", "15d", "90d")))
    assert tick_words(drawn.axes[0])[2] == "30d\nnone"
    panel = drawn.axes[2 + HORIZONS.index("30d")]
    assert [text.get_text() for text in panel.texts] == ["none"]
    assert not panel.patches


def test_a_single_forecast_is_counted_beside_the_others_and_has_no_skill() -> None:
    axes = figure(pl.concat([outcomes(1, ("7d",)), outcomes(20, ("15d",))])).axes[0]
    assert tick_words(axes)[0].startswith("7d: generated\nn = 1")
    assert all(len(points) == 1 for points in drawn_skills(axes).values())


@pytest.mark.parametrize(("n", "message"), [(0, "no data"), (1, "forecasts come true: 4, too few for a skill")])
def test_with_too_little_to_draw_the_picture_says_so(n: int, message: str) -> None:
    rows = outcomes(n) if n else empty(REALIZED_SCHEMA)
    assert message in words(figure(rows))
    assert message in words(figure(rows, empty(SCORECARD_SCHEMA))) or n
    picture(scorecard_plot(scorecard(rows, TODAY), rows, "Ledger", False))


def test_an_interval_out_of_all_proportion_does_not_flatten_the_others() -> None:
    rows = outcomes(30)
    card = scorecard(rows, TODAY).with_columns(
        crps_skill_low=pl.when(pl.col("horizon") == "7d").then(-25.0).otherwise("crps_skill_low")
    )
    axes = figure(rows, card).axes[0]
    low, high = axes.get_ylim()
    assert -1.3 * CUT < low < -CUT
    assert high < 2 * CUT
    assert "cut at 30 %" in axes.get_title(loc="left")
    assert "cut" not in figure(outcomes()).axes[0].get_title(loc="left")


def test_a_point_out_of_all_proportion_is_still_in_the_picture() -> None:
    rows = outcomes(30)
    worst = {name: pl.lit(value) for name, value in (("crps_skill", -0.9), ("crps_skill_low", -1.2))}
    card = scorecard(rows, TODAY).with_columns(**worst, crps_skill_high=pl.lit(-0.8))
    assert figure(rows, card).axes[0].get_ylim()[0] < -90


def test_of_two_engines_the_one_that_issued_last_is_drawn_and_named() -> None:
    """Not both: their points would lie on one another and be read as one engine's."""
    new = realized(20, horizon="7d", model="new", engine="chronos-t5")
    rows = pl.concat([outcomes(50, ("7d",)).filter(pl.col("as_of") < date(2025, 6, 1)), new])
    drawn = figure(rows)
    assert tick_words(drawn.axes[0])[0].startswith("7d: new\nn = 20")
    assert all(len(points) == 1 for points in drawn_skills(drawn.axes[0]).values())
    assert sum(bar.get_height() for bar in drawn.axes[2].patches) == 20
    only_one = pl.concat([rows.filter(pl.col("model") == "generated"), new.tail(1)])
    assert tick_words(figure(only_one).axes[0])[0].startswith("7d: generated")  # one forecast has no skill to show


@pytest.mark.parametrize("n", [2, 60])
def test_no_words_run_into_one_another_or_out_of_the_picture(n: int) -> None:
    """With the longest model's name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    drawn = figure(outcomes(n, model="amazon/chronos-bolt-small"))
    FigureCanvasAgg(drawn).draw()
    unseen = {id(label) for axes in drawn.axes for label in labels_out_of_view(axes)}
    texts = [text for text in drawn.findobj(Text) if text.get_text().strip() and text.get_visible()]
    texts = [text for text in texts if id(text) not in unseen]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    assert len(boxes) > 30
    for place, (caption, box) in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= drawn.bbox.width, caption
        assert 0 <= box.y0 < box.y1 <= drawn.bbox.height, caption
        assert not [other for other, its in boxes[place + 1 :] if box.overlaps(its)], caption


def test_the_png_is_small_keeps_the_horizons_colours_apart_and_wears_the_banner_where_it_must() -> None:
    rows = outcomes()
    card = scorecard(rows, TODAY)
    png = scorecard_plot(card, rows, "Ledger", False)
    assert len(png) < 60_000
    assert banner_share(png) == 0
    pixels = np.asarray(picture(png), dtype=int)
    for shade in SHADES.values():
        wanted = np.array([int(shade[k : k + 2], 16) for k in (1, 3, 5)])
        assert (np.abs(pixels - wanted).max(axis=2) <= 6).sum() > 1000, shade
    assert banner_share(scorecard_plot(card, rows, "Ledger", True)) > 0.6
    assert SAMPLE_SOURCE in words(scorecard_figure(card, rows, "Ledger", True))
