"""Tables and readers that tests of plots share."""

import io
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA

RED = (185, 28, 28)
"""The banner's colour, #b91c1c."""

COUNT = 900
DAYS = [date(2023, 1, 2) + timedelta(days=k) for k in range(COUNT)]
KNOWN = [datetime.combine(day, time(22), UTC) for day in DAYS]


def prices(value: str, schema: dict[str, Any], level: float, source: str) -> pl.DataFrame:
    """Random walk with a bad tick on row 50, the last provisional."""
    closes = level * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 0.006, COUNT)))
    closes[50] = level / 100
    data = {
        "session": DAYS,
        value: closes,
        "source": [source] * COUNT,
        "is_provisional": [False] * (COUNT - 1) + [True],
        "is_suspect": [False] * COUNT,
        "available_at": KNOWN,
        "fetched_at": KNOWN,
        "is_quarantined": [k == 50 for k in range(COUNT)],
        "monthly_level_usd_lb": [None] * COUNT,
    }
    return pl.DataFrame({name: data[name] for name in schema}, schema=schema)


def pesos(source: str = "yahoo") -> pl.DataFrame:
    return prices("clp_per_usd", USDCLP_SCHEMA, 850.0, source)


def coppers(source: str = "yahoo") -> pl.DataFrame:
    return prices("close_usd_lb", COPPER_SCHEMA, 4.0, source)


def picture(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return image.convert("RGB")


def banner_share(png: bytes) -> float:
    """Share of the top rows that is the banner's red."""
    top = np.asarray(picture(png), dtype=int)[2:20]
    return float((np.abs(top - np.array(RED)).max(axis=2) < 12).mean())


def words(figure: Any) -> str:
    """Every text of a figure, legends and axes included."""
    from matplotlib.text import Text

    return " | ".join(text.get_text() for text in figure.findobj(Text))


def assert_is_small_png(png: bytes) -> None:
    """A PNG of sensible size with something on a white ground."""
    image = picture(png)
    assert image.width >= 700
    assert len(png) < 60_000
    assert min(image.getpixel((1, image.height - 2))) >= 254  # type: ignore[arg-type, type-var]
    assert len(image.getcolors(image.width * image.height)) > 10  # type: ignore[arg-type]
