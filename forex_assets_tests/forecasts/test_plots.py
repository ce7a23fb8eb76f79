"""The fan's plot, read back as a picture (Pillow) and as a figure (texts and lines)."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from forex_assets.core.plots import BLUE
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    SAMPLE_SOURCE,
    USDCLP_SCHEMA,
    WALK_QUANTILE_COLUMNS,
    empty,
)
from forex_assets.forecasts.plots import fan_figure, fan_plot
from forex_assets_tests.core.plot_readers import DAYS, assert_is_small_png, banner_share, pesos, picture, words


def forecast(source: str = "yahoo", steps: int = 21) -> pl.DataFrame:
    root = np.sqrt(np.arange(1, steps + 1))
    spread = dict(zip(QUANTILE_COLUMNS, (-20, -16, -12, -6, 0, 6, 12, 16, 20), strict=True))
    quantiles = {name: 850 + width * root for name, width in spread.items()}
    for columns, factor in ((MODEL_QUANTILE_COLUMNS, 1.0), (WALK_QUANTILE_COLUMNS, 1.5)):
        quantiles |= {name: 850 + factor * w * root for name, w in zip(columns, spread.values(), strict=True)}
    row = {
        "as_of": DAYS[-1], "horizon": "30d", "target_date": DAYS[-1] + timedelta(days=steps), "mean": 850.0,
        "origin_session": DAYS[-1], "origin_clp_per_usd": 850.0, "is_origin_provisional": True, "model": "a/model",
        "engine": "ewma", "representation": "anchored", "is_calibrated": False, "source": source,
        "config_fingerprint": "c", "data_fingerprint": "d", "engine_seconds": 0.1,
    }  # fmt: skip
    days = [DAYS[-1] + timedelta(days=k) for k in range(1, steps + 1)]
    columns = {"step": list(range(1, steps + 1)), "session": days, **quantiles}
    data = {name: columns.get(name, [row.get(name)] * steps) for name in FORECAST_SCHEMA}
    return pl.DataFrame(data, schema=FORECAST_SCHEMA)


def test_the_plot_is_a_small_png_with_a_banner_only_for_generated_data() -> None:
    real, generated = fan_plot(pesos(), forecast(), "t"), fan_plot(pesos(SAMPLE_SOURCE), forecast(), "t")
    assert_is_small_png(real)
    assert_is_small_png(generated)
    assert banner_share(real) == 0
    assert banner_share(generated) > 0.6
    assert SAMPLE_SOURCE in words(fan_figure(pesos(), forecast(SAMPLE_SOURCE), "t"))
    assert SAMPLE_SOURCE not in words(fan_figure(pesos(), forecast(), "t"))


def test_an_empty_forecast_gives_a_plot_that_says_no_data() -> None:
    assert "no data" in words(fan_figure(empty(USDCLP_SCHEMA), empty(FORECAST_SCHEMA), "USD/CLP"))


def test_a_fan_without_history_is_still_drawn() -> None:
    assert "no data" not in words(fan_figure(empty(USDCLP_SCHEMA), forecast(), "t"))
    picture(fan_plot(empty(USDCLP_SCHEMA), forecast(), "t"))


def test_the_axes_carry_the_unit_and_the_legend_names_what_is_drawn() -> None:
    fan = words(fan_figure(pesos(), forecast(), "USD/CLP, 30d ahead"))
    labels = ("50 %", "80 %", "95 %", "median", "random walk", "provisional")
    assert all(text in fan for text in ("CLP per USD", "USD/CLP, 30d ahead", "a/model", *labels))


def test_the_fan_opens_from_the_last_price_and_ends_on_its_quantiles() -> None:
    rows = forecast()
    axes = fan_figure(pesos(), rows, "t").axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert lines["median"][0] == 850.0
    assert lines["random walk 95 %"][-1] == pytest.approx(rows["walk_q025"][-1])
    bands = {band.get_label(): band.get_paths()[0].get_extents() for band in axes.collections}
    for label, low, high in (("95 %", "q025", "q975"), ("80 %", "q10", "q90"), ("50 %", "q25", "q75")):
        assert bands[label].y0 == pytest.approx(rows[low].min())
        assert bands[label].y1 == pytest.approx(rows[high].max())


def corrected(steps: int = 21, young: int = 0) -> pl.DataFrame:
    """A fan widened by a quarter from 258 past errors, with none for its last `young` steps."""
    is_known = pl.col("step") <= steps - young
    wider = [
        pl.when(is_known).then(850 + (pl.col(name) - 850) * 1.25).otherwise(pl.col(name)).alias(name)
        for name in QUANTILE_COLUMNS
    ]
    errors = pl.when(is_known).then(258).otherwise(0).cast(pl.Int64)
    return forecast(steps=steps).with_columns(*wider, is_calibrated=is_known, calibration_errors=errors)


def blue_lines(rows: pl.DataFrame) -> list[Any]:
    """Thin lines in the model's blue."""
    return [line for line in fan_figure(pesos(), rows, "t").axes[0].lines if line.get_color() == BLUE][1:]


def test_corrected_bands_have_the_models_own_bounds_beside_them_and_say_what_they_rest_on() -> None:
    rows = corrected()
    drawn = [line.get_ydata() for line in blue_lines(rows)]
    assert [list(values[1:]) for values in drawn] == [rows["model_q025"].to_list(), rows["model_q975"].to_list()]
    assert [values[0] for values in drawn] == [850.0, 850.0]
    assert max(drawn[1]) < rows["q975"].max()  # type: ignore[operator]
    text = words(fan_figure(pesos(), rows, "t"))
    assert text.count("model's own 95 %") == 1
    assert "bands corrected by 258 past errors" in text


def test_bands_that_are_the_models_own_say_nothing_of_a_correction() -> None:
    assert blue_lines(forecast()) == []
    text = words(fan_figure(pesos(), forecast(), "t"))
    assert "model's own" not in text
    assert "past errors" not in text


def test_bands_corrected_up_to_some_step_show_the_models_bounds_and_claim_nothing_at_the_target() -> None:
    rows = corrected(young=1)
    assert len(blue_lines(rows)) == 2
    text = words(fan_figure(pesos(), rows, "t"))
    assert "model's own 95 %" in text
    assert "past errors" not in text


@pytest.mark.parametrize("rows", [forecast(), corrected()], ids=["own", "corrected"])
def test_no_word_of_a_fan_runs_out_of_the_picture(rows: pl.DataFrame) -> None:
    """With the longest model's name and a peso above a thousand."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    prices_above = [pl.col(name) + 300 for name in (*QUANTILE_COLUMNS, *MODEL_QUANTILE_COLUMNS)]
    long = rows.with_columns(*prices_above, model=pl.lit("amazon/chronos-bolt-small"))
    figure = fan_figure(pesos(), long, "USD/CLP 30d, issued 2025-06-19")
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= figure.bbox.width, text.get_text()


def test_only_the_provisional_price_is_a_hollow_point() -> None:
    lines = fan_figure(pesos(), forecast(), "t").axes[0].lines
    hollow = [line for line in lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in hollow] == [[pesos()["clp_per_usd"][-1]]]


def test_two_fans_in_one_plot_are_refused() -> None:
    two = pl.concat([forecast(), forecast().with_columns(horizon=pl.lit("7d"))])
    with pytest.raises(ValueError, match="one as_of and one horizon"):
        fan_plot(pesos(), two, "t")
