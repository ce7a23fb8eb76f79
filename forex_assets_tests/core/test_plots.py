"""Shared parts of plots, read back as pictures (Pillow)."""

import base64
import re

import numpy as np

from forex_assets.core.plots import COPPER_BROWN, markdown_image, no_data_figure, png_of, price_text
from forex_assets_tests.core.plot_readers import banner_share, picture, words


def test_the_markdown_embeds_the_picture() -> None:
    png = png_of(no_data_figure("title", False))
    text = markdown_image(png, "the [ten]\nfeatures")
    match = re.fullmatch(r"!\[the \(ten\) features\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
    assert match
    assert base64.b64decode(match[1]) == png


def test_the_banner_marks_generated_data_only() -> None:
    assert banner_share(png_of(no_data_figure("title", True))) > 0.6
    assert banner_share(png_of(no_data_figure("title", False))) == 0
    assert "SAMPLE DATA" in words(no_data_figure("title", True))


def test_a_small_mark_keeps_its_colour_beside_a_banner_of_a_near_one() -> None:
    figure = no_data_figure("title", True)
    figure.axes[0].plot([0.5], [0.2], "o", color=COPPER_BROWN, markersize=4)
    pixels = np.asarray(picture(png_of(figure)), dtype=int)
    is_copper = (np.abs(pixels - np.array((180, 83, 9))).max(axis=2) < 16).sum()
    assert is_copper >= 4


def test_prices_show_one_decimal_from_a_hundred_on() -> None:
    assert [price_text(value) for value in (4.0, 99.9994, 100.0, 1234.56)] == ["4.000", "99.999", "100.0", "1,234.6"]
