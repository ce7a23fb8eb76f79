"""Numbers, prices, shares and dates in the report's language."""

from datetime import date, datetime
from typing import Final, Literal

from forex_assets.core.calendar import SANTIAGO

Language = Literal["en", "es"]

MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}
MISSING: Final = "–"


def number(value: float | None, digits: int, language: Language, *, is_signed: bool = False) -> str:
    """Formats a number; Spanish has a decimal comma; `–` for None.

    The minus is the typographic one.
    """
    if value is None:
        return MISSING
    rounded = round(value, digits) + 0.0  # no minus before zero
    text = f"{rounded:{'+' if is_signed and rounded else ''},.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def price(value: float | None, language: Language) -> str:
    """Formats a price of the dollar in pesos, one decimal."""
    return number(value, 1, language)


def percent(share: float | None, digits: int, language: Language, *, is_signed: bool = False) -> str:
    """Formats a share from 0 to 1 as a percentage."""
    if share is None:
        return MISSING
    text = number(100 * share, digits, language, is_signed=is_signed)
    return f"{text}\N{NO-BREAK SPACE}%" if language == "es" else f"{text}%"


def chance(share: float, language: Language, *, has_sign: bool = True) -> str:
    """Formats a chance in whole per cent; never as certain."""
    bound, held = ("<", 0.01) if share < 0.01 else (">", 0.99) if share > 0.99 else ("", share)
    return bound + (percent(held, 0, language) if has_sign else number(100 * held, 0, language))


def day_text(day: date, language: Language) -> str:
    """Writes a date in words: `5 de marzo de 2026`."""
    month = MONTHS[language][day.month - 1]
    return f"{day.day} de {month} de {day.year}" if language == "es" else f"{day.day} {month} {day.year}"


def short_day(day: date, language: Language) -> str:
    """Writes a date without its year: `5 mar`, `5 Mar`."""
    return f"{day.day}\N{NO-BREAK SPACE}{MONTHS[language][day.month - 1][:3]}"


def month_text(day: date, language: Language) -> str:
    """Writes a month for an axis: `mar 26`, `Mar 26`."""
    return f"{MONTHS[language][day.month - 1][:3]}\N{NO-BREAK SPACE}{day.year % 100:02d}"


def moment_text(at: datetime, language: Language) -> str:
    """Writes an instant in Santiago: date in words, hour and minute."""
    local = at.astimezone(SANTIAGO)
    return f"{day_text(local.date(), language)}, {local:%H:%M}"
