"""The features' plot, read back as picture and figure."""

import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE, empty
from forex_assets.features.copper import FEATURE_NAMES, FEATURES_SCHEMA, copper_features
from forex_assets.features.plots import features_figure, features_plot
from forex_assets_tests.core.plot_readers import assert_is_small_png, banner_share, coppers, pesos, picture, words


def features(source: str = "yahoo") -> pl.DataFrame:
    return copper_features(coppers(source), pesos(source))


def test_the_plot_is_a_small_png_with_a_banner_only_for_generated_data() -> None:
    real, generated = features_plot(features()), features_plot(features(SAMPLE_SOURCE))
    assert_is_small_png(real)
    assert_is_small_png(generated)
    assert banner_share(real) == 0
    assert banner_share(generated) > 0.6
    assert SAMPLE_SOURCE in words(features_figure(features(SAMPLE_SOURCE)))


def test_each_of_the_ten_features_has_a_panel() -> None:
    assert len(FEATURE_NAMES) == 10
    assert all(name in words(features_figure(features())) for name in FEATURE_NAMES)


def test_an_empty_table_gives_a_plot_that_says_no_data() -> None:
    assert "no data" in words(features_figure(empty(FEATURES_SCHEMA)))
    picture(features_plot(empty(FEATURES_SCHEMA)))
