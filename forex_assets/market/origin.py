"""Starting level of a fan: the newest price that can be trusted.

A fan's width and context come from one source's finished bars; only its starting level comes from here. The order, for
the newest session with any price known at the time of issue:

1. the session's last price of the afternoon, if within 3 × .55 σ of the dólar observado that averages that session;
2. that observado, which is dated the next banking day and published on the evening of the session;
3. the finished bar, once there is one; until then the open of the unfinished bar;
4. the last price alone, which nothing confirms.

A price 8 % or more from the session before counts only if another kind of price confirms it.

.55 σ is the standard deviation between a session's average and its close; σ is that of one session's log return.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite, log
from typing import Final, Literal

import polars as pl

from forex_assets.core.calendar import LONDON, SANTIAGO, SessionCalendar
from forex_assets.market.prices import USDCLP

Kind = Literal["last price", "dólar observado", "open of the unfinished bar", "finished bar"]
LAST_PRICE: Final[Kind] = "last price"
OBSERVADO: Final[Kind] = "dólar observado"
OPEN: Final[Kind] = "open of the unfinished bar"
BAR: Final[Kind] = "finished bar"

PUBLISHED_AT: Final = time(18, 0)
"""Publication of the observado on its session's evening, Santiago.

Assumed where nobody noted when it was first seen.
"""
AFTERNOON: Final = time(12, 0)
"""Earliest last price that stands for its session's end, Santiago."""
CLOSE: Final = time(17, 0)
"""Time of a finished bar's price on its session, Santiago."""
AGREEMENT_SD: Final = 3 * 0.55
"""Largest distance of last price and observado, in σ of a session."""
JUMP: Final = log(1.08)
"""Largest log move that a single price may show."""
AVERAGE_SOURCES: Final = frozenset({"central_bank", "mindicador"})
"""Sources whose values are the observado, an average and no close."""
LOOK_BACK: Final = timedelta(days=40)
"""Oldest price that a fan starts from; checks block long before."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One price as it was seen.

    Attributes:
        kind: how the price came about.
        session: market day that it is about.
        dated: date that its source gives it; the observado's is the banking day after its session.
        level: CLP per USD.
        observed_at: its own time, UTC: moment of a last price, publication of an observado, close of a bar.
        known_from: instant from which a forecast may use it, UTC.
        source: name of the price source.
        is_assumed: `known_from` follows a rule; nobody noted when it was seen.
    """

    kind: Kind
    session: date
    dated: date
    level: float
    observed_at: datetime
    known_from: datetime
    source: str
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Starting level of a fan, and its age.

    Attributes:
        level: CLP per USD.
        kind: how the price came about.
        source: name of the price source.
        session: market day that the price is about; the fan's first step is the session after it.
        dated: date that the source gives it.
        observed_at: its own time, UTC.
        age_hours: hours from `observed_at` to the issue.
        age_sessions: sessions after `session` through the day of issue, in Santiago.
        disagreement_pct: largest difference to another price of the newest session, per cent; None without another.
        tolerance_pct: difference that counts as disagreement, per cent.
        is_assumed: its availability follows a rule; nobody noted when it was seen.
    """

    level: float
    kind: Kind
    source: str
    session: date
    dated: date
    observed_at: datetime
    age_hours: float
    age_sessions: int
    disagreement_pct: float | None
    tolerance_pct: float
    is_assumed: bool

    @property
    def is_disputed(self) -> bool:
        """Tells whether another price of the session is too far off."""
        return self.disagreement_pct is not None and self.disagreement_pct > self.tolerance_pct

    @property
    def words(self) -> str:
        """The origin for people, see `origin_words`."""
        return origin_words(self.level, self.kind, self.dated, self.age_hours, is_assumed=self.is_assumed)


def origin_words(level: float, kind: str, dated: date, age_hours: float, *, is_assumed: bool) -> str:
    """Returns `947.3 (dólar observado of 2024-07-03, 1 h old)`."""
    hours = round(age_hours)
    age = f"{hours} h old" if hours < 48 else f"{hours // 24} days old"
    return f"{level:.1f} ({kind} of {dated}, {age}{', availability assumed' if is_assumed else ''})"


class QuoteBook:
    """Quotes by session: a pick looks at a few sessions only."""

    def __init__(self, quotes: Iterable[Quote]) -> None:
        by_session = defaultdict[date, list[Quote]](list)
        low, high = USDCLP.plausible
        for quote in quotes:
            if isfinite(quote.level) and low <= quote.level <= high:
                by_session[quote.session].append(quote)
        self._by_session = dict(by_session)

    def newest(self, issued_at: datetime, before: date | None = None) -> list[Quote]:
        """Returns the newest session's quotes that were known at an instant.

        Args:
            before: sessions from this one on are passed over; None for none.
        """
        day = issued_at.astimezone(SANTIAGO).date()
        for session in (day - timedelta(days=back) for back in range(LOOK_BACK.days)):
            quotes = self._by_session.get(session, ()) if before is None or session < before else ()
            known = [q for q in quotes if q.known_from <= issued_at and q.observed_at <= issued_at]
            if known:
                return known
        return []


def pick_origin(book: QuoteBook, sigma: float, issued_at: datetime, calendar: SessionCalendar) -> Origin | None:
    """Picks the starting level known at an instant, see the module.

    Args:
        book: every quote; later ones are not looked at.
        sigma: standard deviation of one session's log return, of the series that the fan's width comes from.
        issued_at: aware.
        calendar: sessions of the peso.

    Returns:
        None if nothing was known in the 40 days before.
    """
    known = book.newest(issued_at)
    if not known:
        return None
    older = book.newest(issued_at, before=known[0].session)
    chosen = _chosen(_without_jumps(known, older, AGREEMENT_SD * sigma), AGREEMENT_SD * sigma)
    # One value a kind: an earlier last price of the session differs because the market moved.
    others = [log(chosen.level / quote.level) for quote in _latest_of_each_kind(known) if quote is not chosen]
    return Origin(
        level=chosen.level,
        kind=chosen.kind,
        source=chosen.source,
        session=chosen.session,
        dated=chosen.dated,
        observed_at=chosen.observed_at,
        age_hours=(issued_at - chosen.observed_at).total_seconds() / 3600,
        age_sessions=calendar.age(chosen.session, issued_at.astimezone(SANTIAGO).date()),
        disagreement_pct=100 * max(map(abs, others)) if others else None,
        tolerance_pct=100 * AGREEMENT_SD * sigma,
        is_assumed=chosen.is_assumed,
    )


def _without_jumps(known: Sequence[Quote], older: Sequence[Quote], tolerance: float) -> Sequence[Quote]:
    """Leaves out a price that jumps and that no other price confirms.

    Args:
        known: of the newest session.
        older: of the session before it that has any; used if every newer price is left out.
        tolerance: largest log difference of two prices that confirm each other.
    """
    if not older:
        return known
    before, latest = _chosen(older, tolerance).level, _latest_of_each_kind(known)

    def is_credible(quote: Quote) -> bool:
        if abs(log(quote.level / before)) <= JUMP:
            return True
        others = (other for other in latest if other.kind != quote.kind)
        return any(abs(log(quote.level / other.level)) <= tolerance for other in others)

    return [quote for quote in latest if is_credible(quote)] or older


def _latest_of_each_kind(known: Sequence[Quote]) -> list[Quote]:
    """Returns the latest quote of each kind, the first known of equals."""
    ordered = sorted(sorted(known, key=lambda q: q.known_from, reverse=True), key=lambda q: q.observed_at)
    return list({quote.kind: quote for quote in ordered}.values())


def _chosen(known: Sequence[Quote], tolerance: float) -> Quote:
    """Applies the order to quotes of one session.

    Args:
        tolerance: largest log difference of last price and observado.
    """
    by_kind = {quote.kind: quote for quote in _latest_of_each_kind(known)}
    last, average = by_kind.get(LAST_PRICE), by_kind.get(OBSERVADO)
    if average is None:
        return next(by_kind[kind] for kind in (BAR, OPEN, LAST_PRICE) if kind in by_kind)
    if last is not None and _is_afternoon(last) and abs(log(last.level / average.level)) <= tolerance:
        return last
    return average


def _is_afternoon(quote: Quote) -> bool:
    moment = quote.observed_at.astimezone(SANTIAGO)
    return moment.date() > quote.session or moment.time() >= AFTERNOON


def price_quotes(prices: pl.DataFrame, calendar: SessionCalendar) -> list[Quote]:
    """Makes quotes of a price table or of one stored history.

    Rows known to be bad are left out. A provisional price from midnight in London is the open of a bar, any other a
    last price. Values of the Banco Central are observados.

    Args:
        prices: `prices_schema` or `history_schema` of the peso. `available_at` says when a row was known.
        calendar: sessions of the peso.
    """
    fit = pl.lit(True)
    for name in ("is_suspect", "is_quarantined"):
        if name in prices.columns:
            fit = fit & ~pl.col(name)
    rows = prices.filter(fit & pl.col(USDCLP.value).is_not_null())
    columns = ["session", USDCLP.value, "source", "is_provisional", "available_at"]
    return [_price_quote(calendar, *row) for row in rows.select(columns).iter_rows()]


def _price_quote(
    calendar: SessionCalendar, session: date, level: float, source: str, is_provisional: bool, available_at: datetime
) -> Quote:
    known, dated = available_at.astimezone(UTC), session
    if source in AVERAGE_SOURCES:
        kind, observed, dated = OBSERVADO, min(known, _at(session, PUBLISHED_AT)), _next(session, calendar)
    elif not is_provisional:
        kind, observed = BAR, min(known, _at(session, CLOSE))
    else:
        kind, observed = OPEN if known.astimezone(LONDON).time() == time() else LAST_PRICE, known
    return Quote(kind, session, dated, level, observed, known, source, is_assumed=kind == OBSERVADO)


def observado_quotes(
    values: Iterable[tuple[date, float]],
    calendar: SessionCalendar,
    *,
    source: str = "central_bank",
    published_at: time = PUBLISHED_AT,
) -> list[Quote]:
    """Makes quotes of dated observados whose first sight nobody noted.

    Each averages the session before its date and counts as known from the evening of that session.

    Args:
        values: (date of the observado, CLP per USD).
        calendar: sessions of the peso.
        source: name for the quotes.
        published_at: time of day in Santiago.
    """
    return [
        Quote(OBSERVADO, session, day, value, known, known, source, is_assumed=True)
        for day, value in values
        for session in [calendar.previous(day)]
        for known in [_at(session, published_at)]
    ]


def _at(day: date, moment: time) -> datetime:
    """Returns a time of a day in Santiago, in UTC."""
    return datetime.combine(day, moment, SANTIAGO).astimezone(UTC)


def _next(day: date, calendar: SessionCalendar) -> date:
    """Returns the first session after a day."""
    later = (day + timedelta(days=k) for k in range(1, LOOK_BACK.days))
    return next(candidate for candidate in later if calendar.is_session(candidate))
