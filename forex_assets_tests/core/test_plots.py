"""Shared parts of plots, read back as pictures (Pillow)."""

import base64
import re

from forex_assets.core.plots import markdown_image, no_data_figure, png_of, price_text
from forex_assets_tests.core.plot_readers import banner_share, words


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


def test_prices_show_one_decimal_from_a_hundred_on() -> None:
    assert [price_text(value) for value in (4.0, 99.9994, 100.0, 1234.56)] == ["4.000", "99.999", "100.0", "1,234.6"]
