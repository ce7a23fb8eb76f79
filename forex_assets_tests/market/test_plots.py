"""Price plots, read back as pictures and as figures."""

import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE, USDCLP_SCHEMA, empty
from forex_assets.market.plots import prices_figure, prices_plot
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets_tests.core.plot_readers import COUNT, assert_is_small_png, banner_share, coppers, pesos, words


def test_price_plots_are_small_pngs_with_a_banner_only_for_generated_data() -> None:
    for source, is_sample in (("yahoo", False), (SAMPLE_SOURCE, True)):
        for png in (
            prices_plot(pesos(source), USDCLP, "USD/CLP", False),
            prices_plot(coppers(source), COPPER, "Copper", False),
        ):
            assert_is_small_png(png)
            assert banner_share(png) > 0.6 if is_sample else banner_share(png) == 0


def test_the_banner_names_the_generated_market() -> None:
    assert SAMPLE_SOURCE in words(prices_figure(pesos(SAMPLE_SOURCE), USDCLP, "t", False))
    assert SAMPLE_SOURCE in words(prices_figure(pesos(), USDCLP, "t", True))
    assert SAMPLE_SOURCE not in words(prices_figure(pesos(), USDCLP, "t", False))


def test_one_generated_row_among_others_is_enough_for_the_banner() -> None:
    mixed = pl.concat([pesos().head(COUNT - 1), pesos(SAMPLE_SOURCE).tail(1)])
    assert SAMPLE_SOURCE in words(prices_figure(mixed, USDCLP, "t", False))


def test_empty_tables_give_a_plot_that_says_no_data() -> None:
    no_close = coppers().with_columns(close_usd_lb=pl.lit(None, pl.Float64))
    assert "no data" in words(prices_figure(empty(USDCLP_SCHEMA), USDCLP, "USD/CLP", False))
    assert "no data" in words(prices_figure(no_close, COPPER, "Copper", False))
    assert banner_share(prices_plot(empty(USDCLP_SCHEMA), USDCLP, "USD/CLP", True)) > 0.6


def test_axes_carry_the_unit_and_the_legend_counts_bad_ticks() -> None:
    copper = words(prices_figure(coppers(), COPPER, "Copper", False))
    assert "USD/lb" in copper
    assert "bad tick, left out (1)" in copper
    assert "899 sessions" in copper


def test_a_bad_tick_does_not_set_the_scale() -> None:
    low, high = prices_figure(coppers(), COPPER, "Copper", False).axes[0].get_ylim()
    assert 2.0 < low < high < 8.0
