"""Renders the daily report as one self-contained HTML page."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO, santiago_time
from forex_assets.core.horizon import HORIZONS, days_of
from forex_assets.features.copper import COPPER_FEATURES
from forex_assets.report.charts import COPPER_LEGEND, FAN_LEGEND, copper_chart, fan_chart, library
from forex_assets.report.tables import ReportTables
from forex_assets.report.words import Language, Say, number, speaker

TEMPLATE: Final = "daily_report.html.j2"
EMBEDDED: Final = "embedded"
SAME_WIDTH: Final = 0.05
"""Largest log ratio of two bands that count as one."""

STALE_SESSIONS: Final = 2
"""Age in trading days above which a table is stale."""

NAMES: Final = {"age": "age_rule", "drift": "drift_rule", "coverage": "coverage_rule"}
"""Text keys of rules and criteria whose name is another text's key."""


def render_report(tables: ReportTables, language: Language) -> str:
    """Renders the page.

    The loop's own texts are English and appear in English reports only.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    say, figure = speaker(language), partial(number, language=language)
    pages = Environment(
        loader=PackageLoader("forex_assets.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shared = shared_charts(tables.fans)
    fans = [_fan(tables, horizon, shared.get(horizon), say, figure) for horizon in HORIZONS if horizon in tables.fans]
    copper = _copper(tables, say, figure)
    for part in (*fans, copper):  # plotly's markup; every other text is escaped
        part["chart"] = Markup(part["chart"])
    return pages.get_template(TEMPLATE).render(
        language=language,
        say=say,
        library=Markup(library()),
        as_of=santiago_time(tables.as_of),
        is_sample=tables.is_sample,
        fans=fans,
        fan_legend=FAN_LEGEND,
        copper_legend=COPPER_LEGEND,
        scorecard=_scorecard(tables.scorecard, say, figure),
        copper=copper,
        drift=_drift(tables.drift, say, figure),
        triggers=[_trigger(horizon, table, say, figure) for horizon, table in tables.decisions.items()],
        loop_parts=[_loop(tables, horizon, say, figure, language) for horizon in HORIZONS],
        freshness=_freshness(tables, say),
    )


def shared_charts(fans: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Horizons whose bands a longer horizon's chart shows as well.

    Four charts of one fan would only make a reader look for differences.

    Returns:
        Longer horizon by shorter, where the 95 % bands of every common session differ by at most 5 %.
    """
    shared = dict[str, str]()
    for place, horizon in enumerate(HORIZONS):
        for longer in reversed(HORIZONS[place + 1 :]):
            if horizon in fans and longer in fans and longer not in shared and _is_one_fan(fans[horizon], fans[longer]):
                shared[horizon] = longer
                break
    return shared


def _is_one_fan(fan: pl.DataFrame, longer: pl.DataFrame) -> bool:
    """Whether two fans of one evening have the same 95 % bands."""
    columns = ("as_of", "session", "origin_clp_per_usd", "model", "q025", "q975")
    joined = fan.select(columns).join(longer.select(columns), on=("as_of", "session", "origin_clp_per_usd", "model"))
    width = pl.col("q975") - pl.col("q025")
    other = pl.col("q975_right") - pl.col("q025_right")
    is_close = joined.select(((width / other).log().abs() <= SAME_WIDTH).all()).item()
    return joined.height == fan.height and bool(is_close)


def _fan(tables: ReportTables, horizon: str, shared: str | None, say: Say, figure: Any) -> dict[str, Any]:
    """A horizon's chart, bands in words, and model."""
    fan, prices = tables.fans[horizon], tables.usdclp
    last, first = fan.row(-1, named=True), fan.row(0, named=True)
    names = {"low80": "q10", "high80": "q90", "low95": "q025", "high95": "q975", "median": "q50"}
    names |= {"walk_low": "walk_q025", "walk_high": "walk_q975"}
    values = {name: figure(last[column], 1) for name, column in names.items()}
    bands = say("bands_corrected", errors=last["calibration_errors"]) if last["is_calibrated"] else say("bands_own")
    history = prices.filter(~pl.col("is_quarantined")) if prices is not None else fan.head(0)
    made_by = [say("made_by", model=last["model"], engine=last["engine"], bands=bands)]
    made_by += [say("embedded_bands")] if last["model"].startswith(EMBEDDED) else []
    made_by += [say("shared_chart", days=days_of(shared))] if shared else []
    is_drawn = prices is not None and shared is None
    return {
        "title": say("forecast_of", days=days_of(horizon), target=last["target_date"]),
        "chart": fan_chart(history, fan, say, f"fan-{horizon}") if is_drawn else "",
        "words": f"{_start(first, say, figure)} {say('band_words', **values)}",
        "made_by": " ".join(made_by),
    }


def _start(first: dict[str, Any], say: Say, figure: Any) -> str:
    """Level that a fan starts from, its source and age at issue."""
    last = figure(first["origin_clp_per_usd"], 1)
    if first["origin_kind"] is None:
        return say("starts_on", last=last, origin=first["origin_session"])
    key = "starts_from_assumed" if first["is_origin_assumed"] else "starts_from"
    kind, hours = say(f"origin_{first['origin_kind']}"), figure(first["origin_age_hours"], 0)
    return say(key, last=last, kind=kind, dated=first["origin_dated"], hours=hours)


def _scorecard(card: pl.DataFrame | None, say: Say, figure: Any) -> dict[str, Any]:
    """Accuracy over all forecasts, by horizon and record."""
    head = ("horizon", "record", "independent", "rmse", "rmse_skill", "crps_skill", "coverage")
    section: dict[str, Any] = {"head": [say(name) for name in head], "rows": []}
    if card is None:
        return section
    order = {horizon: place for place, horizon in enumerate(HORIZONS)}
    rows = card.filter((pl.col("scope") == "all") & (pl.col("n") > 0)).to_dicts()
    for row in sorted(rows, key=lambda row: (order[row["horizon"]], row["record"])):
        section["rows"].append(
            [
                row["horizon"],
                f"{say('record_' + row['record'])} ({row['model']})",
                f"{row['n']} ({figure(row['n_effective'], 0)})",
                f"{figure(row['rmse'], 1)} ({figure(row['walk_rmse'], 1)})",
                _skill(row, "rmse_skill", figure),
                _skill(row, "crps_skill", figure),
                f"{figure(_percent(row['coverage_80']), 0)} / {figure(_percent(row['coverage_95']), 0)} % "
                f"[{figure(_percent(row['coverage_95_low']), 0)}, {figure(_percent(row['coverage_95_high']), 0)}]",
            ]
        )
    return section


def _skill(row: dict[str, Any], name: str, figure: Any) -> str:
    """A skill in per cent with its interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = "" if low is None else f" [{figure(_percent(low), 1)}, {figure(_percent(high), 1)}]"
    return f"{figure(_percent(row[name]), 1)}{interval}"


def _copper(tables: ReportTables, say: Say, figure: Any) -> dict[str, Any]:
    """Copper chart and the last values of the ten features."""
    features, prices = tables.features, tables.copper
    section: dict[str, Any] = {"head": [say(name) for name in ("feature", "value", "unit")], "rows": [], "chart": ""}
    if features is None or features.is_empty():
        return section
    last = features.row(-1, named=True)
    section["rows"] = [[say("session"), str(last["session"]), ""]]
    section["rows"] += [[say(f.name), figure(last[f.name], 3), f.unit] for f in COPPER_FEATURES]
    if prices is not None:
        section["chart"] = copper_chart(prices, features, say, "copper")
    return section


def _drift(table: pl.DataFrame | None, say: Say, figure: Any) -> dict[str, Any]:
    """Drift statistics with a percentile, the most unusual first."""
    head = [say(name) for name in ("series", "statistic", "value", "percentile", "severity")]
    rows = []
    if table is not None:
        ranked = table.filter(pl.col("percentile").is_not_null()).sort("score", descending=True, nulls_last=True)
        for row in ranked.iter_rows(named=True):
            rank, severity = figure(_percent(row["percentile"]), 0), say(row["severity"]) if row["severity"] else "–"
            name = str(row["series"]).replace("_", " ")
            rows.append([name, str(row["statistic"]).replace("_", " "), figure(row["value"], 3), rank, severity])
    return {"head": head, "rows": rows}


def _trigger(horizon: str, table: pl.DataFrame, say: Say, figure: Any) -> dict[str, Any]:
    """A horizon's trigger decision, one row a rule."""
    rows = [
        [
            say(NAMES.get(row["rule"], row["rule"])),
            figure(row["value"], 2),
            figure(row["limit"], 2),
            _yes(row["literal"], say),
            _yes(row["calibrated"], say),
            _yes(row["counts"], say),
        ]
        for row in table.iter_rows(named=True)
    ]
    head = [say(name) for name in ("rule", "value", "limit", "published", "calibrated", "counts")]
    return {"horizon": horizon, "head": head, "rows": rows}


def _loop(tables: ReportTables, horizon: str, say: Say, figure: Any, language: Language) -> dict[str, Any]:
    """A horizon's last search, verdict and change of settings."""
    candidates, validation = tables.candidates.get(horizon), tables.validations.get(horizon)
    lines = [_searched(candidates, say, figure)]
    head = [say(name) for name in ("criterion", "value", "limit", "interval", "published", "calibrated")]
    rows = []
    if validation is not None and not validation.is_empty():
        first = validation.row(0, named=True)
        lines.append(say("verdict", when=_day(first["validated_at"]), verdict=say(first["verdict"])))
        if first["false_pass"] is not None:
            lines.append(say("false_pass", chance=figure(_percent(first["false_pass"]), 1)))
        rows = [_criterion(row, say, figure) for row in validation.iter_rows(named=True)]
    record = tables.deployments.get(horizon)
    if record is None:
        lines.append(say("never_deployed"))
    else:
        state = say(f"state_{record.state}")
        lines.append(say("deployed", when=_day(record.at), kind=say(record.kind), state=state))
        lines += [f"{record.by}: {record.reason}"] if language == "en" else []
    return {"horizon": horizon, "lines": lines, "head": head, "rows": rows}


def _searched(candidates: pl.DataFrame | None, say: Say, figure: Any) -> str:
    """The last search in a sentence."""
    if candidates is None or candidates.is_empty():
        return say("never_searched")
    first = candidates.row(0, named=True)
    chosen = candidates.filter(pl.col("is_chosen") & ~pl.col("is_incumbent"))
    gain = None if chosen.is_empty() else chosen["gain"][0]
    choice = say("kept") if gain is None or gain <= 0 else say("chosen", gain=figure(_percent(gain), 1))
    return say("searched", when=_day(first["searched_at"]), count=candidates.height, n=first["n"], choice=choice)


def _criterion(row: dict[str, Any], say: Say, figure: Any) -> list[str]:
    interval = "–" if row["low"] is None else f"{figure(row['low'], 3)} … {figure(row['high'], 3)}"
    literal = "–" if row["literal"] is None else say("passed" if row["literal"] else "failed")
    name = say(NAMES.get(row["criterion"], row["criterion"]))
    return [name, figure(row["value"], 3), figure(row["limit"], 3), interval, literal, say(row["calibrated"])]


def _freshness(tables: ReportTables, say: Say) -> dict[str, Any]:
    """Age and source of each table's last row."""
    rows = []
    for name, age in tables.ages.items():
        words = "–" if age is None else f"{age} ({say('stale')})" if age > STALE_SESSIONS else str(age)
        rows.append([name, words, tables.sources.get(name, "–")])
    return {"head": [say(name) for name in ("table", "age", "source")], "rows": rows, "faults": tables.faults}


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _yes(value: bool | None, say: Say) -> str:
    return say("not enough") if value is None else say("yes" if value else "no")


def _day(moment: datetime) -> str:
    """The day in Santiago."""
    return f"{moment.astimezone(SANTIAGO):%Y-%m-%d}"
