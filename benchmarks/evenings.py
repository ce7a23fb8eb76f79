"""Replays evenings on a server of past market data.

Which price a fan starts from, how old it is, what it is worth.

`python benchmarks/evenings.py --server http://127.0.0.1:PORT --closes CLOSES.csv`.

The server speaks the wire formats of Yahoo, the Banco Central and mindicador.cl, and takes `POST /_control` with
`{"now": "2023-06-30T18:30", "faults": {"yahoo": "500"}}`. CLOSES.csv: date, close, the market's close on its true date.
Neither comes with the project: the owners of real data grant no redistribution.

Each evening is issued at 18:00, 19:00 and 20:30 in Santiago, with Yahoo answering and failing, with an account at the
Banco Central and with mindicador.cl alone. Every combination has a warehouse of its own and lives through the evenings
in order. Fans are the EWMA benchmark's, scored against the true close; the reference is its fan from the last finished
bar of Yahoo's that was known at 19:00.
"""

import argparse
import json
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

import pages
from forex_assets.accuracy.compare import overlap_between, skill
from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.core.scores import crps
from forex_assets.core.session import Session
from forex_assets.core.settings import load_settings
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.market.ingestion import ingest_observado, ingest_usdclp
from forex_assets.market.origin import Origin
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew, usable
from forex_assets.market.quotes import archive_of, origin_at

HOURS = (time(18), time(19), time(20, 30))
HORIZONS = ("7d", "15d", "30d")
HEAD = (
    "| Yahoo | account | issued | starts from | age, sessions | age, hours | 7 d | 15 d | 30 d |\n"
    "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True)
class Evenings:
    """One way of living through the evenings."""

    yahoo: str
    has_account: bool
    hour: time


def control(server: str, **state: object) -> None:
    """Sets the server's clock or faults."""
    request = urllib.request.Request(f"{server}/_control", json.dumps(state).encode(), method="POST")
    urllib.request.urlopen(request, timeout=30).read()


def session_at(server: str, warehouse: Path, way: Evenings, day: date) -> Session:
    """A session of one evening on the server's sources."""
    account = "evening" if way.has_account else None
    settings = load_settings(
        warehouse=warehouse,
        market="live",
        yahoo_url=server,
        bcch_url=server,
        mindicador_url=f"{server}/mindicador",
        bcch_user=account,
        bcch_password=account,
        as_of=None,
    )
    return Session(settings, datetime.combine(day, way.hour, SANTIAGO).astimezone(UTC))


def prices_of(session: Session) -> pl.DataFrame:
    """Brings prices and observados in; returns the peso's table."""
    sources = PriceSources(session, 30.0)
    prices = ingest_usdclp(sources).prices
    ingest_observado(sources)
    session.live_tables.write(names.USDCLP, prices)
    session.live_tables.write(names.QUOTES, archive_of(session))
    return marked_anew(prices, USDCLP)


def quantiles_at(session: Session, prices: pl.DataFrame, start: Origin | None) -> dict[str, tuple[date, list[float]]]:
    """Target date and quantiles of each horizon's fan."""
    quantiles_by_horizon = {}
    for horizon in HORIZONS:
        config = InferenceConfig(horizon=horizon, model="ewma", context_length=500)
        target = target_of(horizon, session.today, last_session(prices, start), calendar_of(USDCLP))
        fan = make_forecast(EwmaEngine(), config, target, prices, clock=lambda: 0.0, start=start)
        quantiles_by_horizon[horizon] = (target.target_date, list(fan.select(QUANTILE_COLUMNS).row(-1)))
    return quantiles_by_horizon


def lived(server: str, folder: Path, way: Evenings, days: list[date], closes: dict[date, float]) -> pl.DataFrame:
    """One row an evening and horizon.

    Starting price and CRPS, and the CRPS from the last finished price.
    """
    rows = []
    control(server, faults={"yahoo": way.yahoo})
    for day in days:
        control(server, now=f"{day}T{way.hour:%H:%M}")
        session = session_at(server, folder, way, day)
        prices = prices_of(session)
        start = origin_at(session, prices)
        if start is None:
            raise SystemExit(f"{day} {way}: no price at all; is the server's data complete?")
        finished = usable(prices).filter(~pl.col("is_provisional"))
        live, plain = quantiles_at(session, prices, start), quantiles_at(session, finished, None)
        for horizon in HORIZONS:
            (target, fan), (_, other) = live[horizon], plain[horizon]
            loss = [float(crps(np.array([closes[target]]), np.array([q]))[0]) for q in (fan, other)]
            rows.append((day, horizon, (target - day).days, start.kind, start.source, start.age_sessions,
                         start.age_hours, *loss))  # fmt: skip
    columns = ["as_of", "horizon", "ahead", "kind", "source", "sessions", "hours", "crps", "stored_crps"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def table_of(rows: dict[Evenings, pl.DataFrame], reference: pl.DataFrame) -> str:
    """One line a way, gains in per cent."""
    lines = [HEAD]
    for way, frame in rows.items():
        one = frame.filter(pl.col("horizon") == HORIZONS[0])
        kinds = one.group_by("kind", "source").len().sort("len", descending=True)
        starts = "; ".join(f"{100 * n / one.height:.0f} % {kind} ({source})" for kind, source, n in kinds.iter_rows())
        cells = [
            "answers" if way.yahoo == "ok" else "fails",
            "Banco Central" if way.has_account else "none",
            f"{way.hour:%H:%M}",
            starts,
            f"{one['sessions'].mean():.1f}",
            f"{one['hours'].mean():.0f}",
            *(_gain(frame, reference, horizon) for horizon in HORIZONS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _gain(frame: pl.DataFrame, reference: pl.DataFrame, horizon: str) -> str:
    losses, others = (table.filter(pl.col("horizon") == horizon).sort("as_of") for table in (frame, reference))
    days = losses["as_of"].to_numpy().astype("datetime64[D]")
    overlap = overlap_between(days, losses["ahead"].to_numpy())
    result = skill(losses["crps"].to_numpy(), others["stored_crps"].to_numpy(), overlap=overlap)
    if result.value is None or result.low is None or result.high is None:
        return "–"
    return f"{100 * result.value:+.0f} [{100 * result.low:.0f}, {100 * result.high:.0f}]"


def report(options: argparse.Namespace) -> str:
    """Lives through all evenings in every way; the table and its words."""
    closes = dict(pl.read_csv(options.closes, try_parse_dates=True).select("date", "close").drop_nulls().iter_rows())
    sessions = [day for day in calendar_of(USDCLP).between(options.first, options.last) if day in closes]
    days = sessions[:: max(1, len(sessions) // options.evenings)][: options.evenings]
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        for place, way in enumerate(Evenings(*settings) for settings in product(("ok", "500"), (True, False), HOURS)):
            rows[way] = lived(options.server, Path(scratch) / str(place), way, days, closes)
            print(f"{way}: {len(days)} evenings", file=sys.stderr)
    control(options.server, faults={"yahoo": "ok"})
    words = (
        f"{len(days)} evenings from {days[0]} to {days[-1]}; CRPS gain over the fan from Yahoo's last finished bar "
        "known at 19:00 of the same evening, % [95 %]."
    )
    return f"{words}\n\n{table_of(rows, rows[Evenings('ok', True, time(19))])}"


def main() -> None:
    """Prints the table; with `--out` puts it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, metavar="URL")
    parser.add_argument("--closes", type=Path, required=True, metavar="CSV")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2023, 1, 1), metavar="DATE")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 11, 28), metavar="DATE")
    parser.add_argument("--evenings", type=int, default=60, help="how many (default 60)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the table into this page's part `evenings`")
    options = parser.parse_args()
    if options.out:
        pages.part_of(options.out, "evenings")  # a refusal must not come after the work
    text = report(options)
    print(text)
    if options.out:
        pages.put(text, options.out, "benchmarks/evenings.py", "evenings")


if __name__ == "__main__":
    main()
