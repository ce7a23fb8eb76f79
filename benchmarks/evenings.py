"""Issues fans on past evenings against a server of the sources, and tells what they started from.

`python benchmarks/evenings.py --server URL --closes CLOSES.csv --out docs/accuracy.md`

The server speaks the formats of Yahoo, the Banco Central and mindicador.cl, and has a clock and faults that a POST to
`/_control` sets: `{"now": "2024-07-05T18:30", "faults": {"yahoo": "404"}}`. CLOSES.csv: date, close, the market's close
on its true date. Neither comes with the project.

Each evening at each time the prices are fetched as `forex-assets ingest` does, into a warehouse that grows from evening
to evening; the origin is picked; the EWMA benchmark's fan from it is scored against the true close five sessions later,
beside the same fan from the last finished bar.
"""

import argparse
import json
import os
import tempfile
import urllib.request
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import pages
from forex_assets.core import names
from forex_assets.core.holidays import market_calendar
from forex_assets.core.scores import crps
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.baselines import random_walk
from forex_assets.market.ingestion import ingest_observado, ingest_usdclp
from forex_assets.market.price_sources import sources_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable
from forex_assets.market.quotes import archive_of, origin_at, series_sd

TIMES = ("18:00", "19:00", "20:15")
AHEAD = 5
"""Sessions to the scored close."""
SITUATIONS = {
    # whether Yahoo answers, and whether there is an account at the Banco Central
    "all sources": (True, True),
    "Yahoo failing": (False, True),
    "no account": (True, False),
    "no account, Yahoo failing": (False, False),
}
HEAD = "| sources | time | started from | age, h | sessions | disputed | CRPS | gain over Yahoo's finished bars |"


def set_server(server: str, moment: str, *, has_yahoo: bool) -> None:
    """Sets the server's clock and faults."""
    body = json.dumps({"now": moment, "faults": {"yahoo": "ok" if has_yahoo else "404"}}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{server}/_control", body, method="POST")) as answer:
        answer.read()


def issue(session: Session) -> tuple[Any, pl.DataFrame]:
    """Fetches prices as a run does; returns the origin and the known prices."""
    sources = sources_of(session)
    prices = ingest_usdclp(sources).prices
    ingest_observado(sources)
    session.live_tables.write(names.QUOTES, archive_of(session))
    return origin_at(session, prices), prices


def fan_loss(level: float, sd: float, steps: int, truth: float) -> float:
    """CRPS of the EWMA fan from a level, CLP per USD."""
    return float(crps(np.array([truth]), random_walk(level, sd, steps).quantiles[-1:])[0])


def evening_rows(server: str, days: Sequence[date], closes: dict[date, float]) -> list[dict[str, Any]]:
    """One row a situation, day and time."""
    calendar, rows = market_calendar(USDCLP.calendar), []
    reference = dict[date, float]()
    for situation, (has_yahoo, has_account) in SITUATIONS.items():
        os.environ["BCCH_PASSWORD"] = "password" if has_account else ""
        with tempfile.TemporaryDirectory() as folder:
            for day in days:
                target = day
                for _ in range(AHEAD):
                    target = calendar.next(target)
                for time in TIMES:
                    set_server(server, f"{day}T{time}", has_yahoo=has_yahoo)
                    session = open_session(warehouse=folder, market="live", as_of=f"{day}T{time}")
                    origin, prices = issue(session)
                    finished = usable(prices).filter(~pl.col("is_provisional"))
                    last, level = finished["session"][-1], float(finished[USDCLP.value][-1])
                    sd, truth = series_sd(prices), closes[target]
                    steps = len(calendar.between(origin.session, target))
                    # The first situation sees Yahoo: its finished bars are every situation's reference.
                    reference.setdefault(day, fan_loss(level, sd, len(calendar.between(last, target)), truth))
                    rows.append(
                        {
                            "situation": situation,
                            "time": time,
                            "kind": origin.kind,
                            "hours": origin.age_hours,
                            "sessions": origin.age_sessions,
                            "is_disputed": origin.is_disputed,
                            "crps": fan_loss(origin.level, sd, steps, truth),
                            "stored_crps": reference[day],
                        }
                    )
    return rows


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """The evenings by situation, time and kind of origin."""
    lines = [HEAD, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    groups = pl.DataFrame(list(rows)).group_by("situation", "time", maintain_order=True)
    for (situation, time), part in groups:
        counts = part["kind"].value_counts(sort=True)
        kinds = ", ".join(f"{kind} {count}" for kind, count in counts.iter_rows())
        loss, stored = (float(part[name].to_numpy().mean()) for name in ("crps", "stored_crps"))
        hours, sessions = (float(part[name].to_numpy().mean()) for name in ("hours", "sessions"))
        lines.append(
            f"| {situation} | {time} | {kinds} | {hours:.1f} | {sessions:.2f} | {int(part['is_disputed'].sum())} | "
            f"{loss:.2f} | {100 * (1 - loss / stored):+.1f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints the table; with `--out` puts it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, metavar="URL")
    parser.add_argument("--closes", type=Path, required=True, metavar="CSV")
    parser.add_argument("--year", type=int, default=2023)
    parser.add_argument("--evenings", type=int, default=60)
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the table into this page's part `evenings`")
    options = parser.parse_args()
    if options.out:
        pages.part_of(options.out, "evenings")  # a refusal must not come after the work
    for name, path in (("YAHOO", ""), ("BCCH", ""), ("MINDICADOR", "/mindicador")):
        os.environ[f"FOREX_{name}_URL"] = options.server + path
    os.environ["BCCH_USER"] = "user"
    closes = dict(pl.read_csv(options.closes, try_parse_dates=True).select("date", "close").drop_nulls().iter_rows())
    calendar = market_calendar(USDCLP.calendar)
    sessions = calendar.between(date(options.year - 1, 12, 31), date(options.year, 12, 15))
    places = np.linspace(0, len(sessions) - 1, options.evenings).astype(int)
    days = [sessions[place] for place in places]
    text = f"{len(days)} evenings of {options.year}, {AHEAD} sessions ahead, CRPS in CLP per USD:\n\n" + table_of(
        evening_rows(options.server, days, closes)
    )
    print(text)
    if options.out:
        pages.put(text, options.out, "benchmarks/evenings.py", "evenings")


if __name__ == "__main__":
    main()
