"""Draws the report's charts as static SVG.

Colours come from the page's style, by class. A chart carries its values; the page's script shows them at the pointer.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Final

from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.report.formats import Language, month_text, number, price, short_day

TOP, RIGHT, BOTTOM, LEFT = 38, 10, 24, 46
BANDS: Final = ((0.025, 0.975, "b95"), (0.10, 0.90, "b80"), (0.25, 0.75, "b50"))
"""Quantile levels of each band, and its class."""
LABEL_WIDTH: Final = 42
"""Room for a date, in units of its text."""
STEPS: Final = (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500)
"""Distances between grid lines."""


@dataclass(frozen=True)
class Size:
    """Width and height of a chart, in units of its text."""

    width: int
    height: int


WIDE: Final = Size(720, 240)
NARROW: Final = Size(340, 260)
"""Drawn apart, so that text stays legible on a phone."""


@dataclass(frozen=True, eq=False)
class FanPicture:
    """Content of a fan chart.

    Attributes:
        history: past sessions with closes, oldest first.
        origin: session and price that the fan starts from.
        fan: later sessions with prices at `QUANTILE_LEVELS`.
        targets: sessions to mark, with a label.
        events: sessions of policy meetings.
    """

    history: Sequence[tuple[date, float]]
    origin: tuple[date, float]
    fan: Sequence[tuple[date, Sequence[float]]]
    targets: Sequence[tuple[date, str]]
    events: Sequence[date]


class _Frame:
    """Maps days and values to places, and draws axes."""

    def __init__(self, size: Size, days: Sequence[date], values: Sequence[float], language: Language) -> None:
        self.size, self.language = size, language
        self.first, self.last = min(days), max(days)
        low, high = min(values), max(values)
        lines = max(2, size.height // 60)
        self.step = next((s for s in STEPS if 2 <= high // s - -(-low // s) + 1 <= lines + 1), STEPS[-1])
        margin = max(high - low, self.step) * 0.04
        self.low, self.high = low - margin, high + margin

    def x(self, day: date) -> float:
        span = max(1, (self.last - self.first).days)
        return LEFT + (self.size.width - LEFT - RIGHT) * (day - self.first).days / span

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.size.height - BOTTOM - (self.size.height - TOP - BOTTOM) * share

    def line(self, points: Sequence[tuple[date, float]]) -> str:
        return " ".join(f"{self.x(day):.1f},{self.y(value):.1f}" for day, value in points)

    def grid(self, digits: int) -> str:
        """Grid lines with their values, and the months below."""
        parts, right, floor = list[str](), self.size.width - RIGHT, self.size.height - BOTTOM
        k = int(-(-self.low // self.step))
        while k * self.step <= self.high:
            place, text = self.y(k * self.step), number(k * self.step, digits, self.language)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{text}</text>')
            k += 1
        months = [d for d in _firsts(self.first, self.last) if LEFT + 14 < self.x(d) < right - 14]
        every = max(1, -(-len(months) * 52 // (self.size.width - LEFT - RIGHT)))
        for month in months[::every]:
            parts.append(
                f'<line class="grid" x1="{self.x(month):.1f}" x2="{self.x(month):.1f}" y1="{floor}" y2="{floor + 4}"/>'
            )
            label = month_text(month, self.language)
            parts.append(
                f'<text class="tick" x="{self.x(month):.1f}" y="{floor + 17}" text-anchor="middle">{label}</text>'
            )
        return "".join(parts)


def _firsts(first: date, last: date) -> list[date]:
    """First days of the months between two days."""
    months = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    return [month for month in months if first <= month <= last]


def fan_svg(picture: FanPicture, size: Size, language: Language, title: str) -> str:
    """Draws history, bands, median, target dates and policy meetings.

    Args:
        title: read aloud in place of the picture.
    """
    start = picture.origin
    days = [day for day, _ in (*picture.history, start, *picture.fan)]
    values = [value for _, value in (*picture.history, start)] + [v for _, row in picture.fan for v in row]
    frame = _Frame(size, days, values, language)
    parts = [frame.grid(0)]

    def edge(level: float) -> list[tuple[date, float]]:
        place = QUANTILE_LEVELS.index(level)
        return [start, *((day, row[place]) for day, row in picture.fan)]

    for low, high, name in BANDS:
        parts.append(f'<polygon class="{name}" points="{frame.line(edge(low))} {frame.line(edge(high)[::-1])}"/>')
    floor = size.height - BOTTOM
    for day in picture.events:
        x = frame.x(day)
        parts.append(f'<path class="event" d="M{x:.1f} {floor - 8} l4 8 h-8 z"/>')
    taken = dict[int, float]()
    for day, label in picture.targets:
        x = frame.x(day)
        row = next((row for row in range(3) if taken.get(row, -99.0) + LABEL_WIDTH < x), 0)
        taken[row], y = x, TOP - 4 - 12 * row
        parts.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 3}" y2="{floor}"/>')
        anchor = "end" if x > size.width - 40 else "middle"
        parts.append(f'<text class="label" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(label)}</text>')
    parts.append(f'<polyline class="median" points="{frame.line(edge(0.5))}"/>')
    parts.append(f'<polyline class="history" points="{frame.line([*picture.history, start])}"/>')
    parts.append(f'<circle class="start" cx="{frame.x(start[0]):.1f}" cy="{frame.y(start[1]):.1f}" r="3"/>')
    places = [QUANTILE_LEVELS.index(level) for level in (0.025, 0.10, 0.50, 0.90, 0.975)]
    rows: list[tuple[date, str]] = [(day, price(value, language)) for day, value in (*picture.history, start)]
    for day, quantiles in picture.fan:
        low95, low80, median, high80, high95 = (price(quantiles[place], language) for place in places)
        rows.append((day, f"{median} · 80 %: {low80} – {high80} · 95 %: {low95} – {high95}"))
    return _svg(frame, parts, rows, lambda day: short_day(day, language), title)


def line_svg(points: Sequence[tuple[date, float]], size: Size, language: Language, title: str, digits: int) -> str:
    """Draws one series as a line.

    Args:
        points: oldest first, at least one.
        title: read aloud in place of the picture.
        digits: decimals of the axis.
    """
    frame = _Frame(size, [day for day, _ in points], [value for _, value in points], language)
    parts = [frame.grid(digits), f'<polyline class="copper" points="{frame.line(points)}"/>']
    rows = [(day, number(value, digits, language)) for day, value in points]
    return _svg(frame, parts, rows, lambda day: short_day(day, language), title)


def _svg(
    frame: _Frame, parts: list[str], rows: Sequence[tuple[date, str]], name: Callable[[date], str], title: str
) -> str:
    """Wraps the parts; values for the pointer lie in an attribute."""
    size = frame.size
    values = json.dumps([[round(frame.x(day), 1), f"{name(day)}: {words}"] for day, words in rows], ensure_ascii=False)
    pointer = f'<line class="pointer" x1="0" x2="0" y1="{TOP}" y2="{size.height - BOTTOM}"/>'
    return (
        f'<svg viewBox="0 0 {size.width} {size.height}" role="img" aria-label="{escape(title)}" '
        f'data-values="{escape(values)}"><title>{escape(title)}</title>{"".join(parts)}{pointer}</svg>'
    )
