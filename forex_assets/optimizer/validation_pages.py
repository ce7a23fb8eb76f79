"""Validation report as JSON and self-contained HTML.

`optimizer/validation_reports/<horizon>/<validation id>.json` and `.html`, written once a validation and kept.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.optimizer.criterion import Judged
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION
from forex_assets.optimizer.validation import Validation
from forex_assets.optimizer.validation_plots import differences_plot, fans_plots

ROOT: Final = "optimizer/validation_reports"
TEMPLATE: Final = "validation_report.html.j2"


@dataclass(frozen=True)
class Pages:
    """Files of a report.

    Attributes:
        json: for programs.
        html: for people.
    """

    json: Path
    html: Path


def write_pages(
    warehouse: Warehouse,
    found: Validation,
    *,
    history: pl.DataFrame,
    fans: Mapping[str, pl.DataFrame],
    is_sample: bool,
) -> Pages:
    """Write both files of a report, each whole or not at all.

    Args:
        warehouse: under which they lie.
        found: the report.
        history: `USDCLP_SCHEMA`, oldest first, for the fans' plots.
        fans: `FORECAST_SCHEMA` by title; empty where there are none to show.
        is_sample: whether the market is the generated one.

    Raises:
        WarehouseError: the disk or a permission does not allow it.
    """
    folder = warehouse.root / ROOT / found.subject.horizon
    pages = Pages(*(folder / f"{found.subject.validation_id}.{kind}" for kind in ("json", "html")))
    document = json.dumps(report_document(found, is_sample=is_sample), indent=2, allow_nan=False) + "\n"
    page = render_page(found, history=history, fans=fans, is_sample=is_sample)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in ((pages.json, document), (pages.html, page)):
            write_bytes_atomically(path, text.encode(), through_link=False)
    except OSError as error:
        raise WarehouseError(f"cannot write {folder}: {error.strerror}; see to space and permissions") from error
    return pages


def report_document(found: Validation, *, is_sample: bool) -> dict[str, Any]:
    """Report as plain values, losses at each origin included."""
    subject = {**asdict(found.subject), "validated_at": found.subject.validated_at.isoformat()}
    subject["challenger_config"] = json.loads(found.subject.challenger_config)
    return {
        **subject,
        "market": SAMPLE_SOURCE if is_sample else "live",
        "verdict": found.verdict,
        "decided_by": found.decided_by,
        "verdict_literal": found.literal,
        "verdict_calibrated": found.calibrated,
        "n": found.n,
        "overlap": None if found.evidence is None else found.evidence.overlap,
        "criteria": [asdict(each) for each in found.criteria],
        "false_pass": None if found.chance is None else asdict(found.chance),
        "detectable_gain": found.detectable,
        "search_spa_p": found.superiority,
        "notes": list(found.notes),
        "words": found.words,
        "origins": _origins(found),
        "seconds": [] if found.evidence is None else _pairs(found.evidence.seconds),
    }


def render_page(found: Validation, *, history: pl.DataFrame, fans: Mapping[str, pl.DataFrame], is_sample: bool) -> str:
    """The report as one HTML page; args as `write_pages`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pictures = dict[str, bytes]()
    if found.evidence is not None and found.n:
        title = f"{found.subject.horizon}: challenger against champion"
        pictures["Paired differences over the validation's origins"] = differences_plot(
            found.evidence, title, is_sample
        )
    pictures |= fans_plots(history, dict(fans)) if fans else {}
    environment = Environment(
        loader=PackageLoader("forex_assets.optimizer", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(
        found=found,
        subject=found.subject,
        config=json.dumps(json.loads(found.subject.challenger_config), indent=2),
        rows=[_row(each) for each in found.criteria],
        sample=SAMPLE_SOURCE if is_sample else "",
        pictures={title: base64.b64encode(png).decode("ascii") for title, png in pictures.items()},
    )


def _row(each: Judged) -> list[str]:
    """A criterion as cells."""
    interval = (
        "–" if each.low is None or each.high is None else f"{_figure(each, each.low)} to {_figure(each, each.high)}"
    )
    literal = "–" if each.literal is None else "passed" if each.literal else "failed"
    return [
        each.criterion,
        _figure(each, each.value),
        _figure(each, each.limit),
        interval,
        literal,
        each.calibrated,
        each.words,
    ]


def _figure(each: Judged, value: float | None) -> str:
    """A share in per cent, the bias in CLP."""
    if value is None:
        return "–"
    return f"{value:.2f} CLP" if each.criterion == "bias" else f"{100 * value:.1f} %"


def _origins(found: Validation) -> list[dict[str, Any]]:
    """Both at each origin."""
    evidence = found.evidence
    if evidence is None:
        return []
    return [
        {
            "as_of": day.isoformat(),
            "realized_clp_per_usd": float(evidence.realized[i]),
            **{
                f"{name}_{what}": _plain(values[side, i])
                for side, name in ((CHAMPION, "champion"), (CHALLENGER, "challenger"))
                for what, values in (("error", evidence.errors), ("crps", evidence.crps), ("hit_95", evidence.hits))
            },
        }
        for i, day in enumerate(evidence.as_of.to_list())
    ]


def _pairs(seconds: Any) -> list[dict[str, float]]:
    return [{"champion": float(a), "challenger": float(b)} for a, b in zip(*seconds, strict=True)]


def _plain(value: Any) -> float | bool:
    return bool(value) if isinstance(value, np.bool_) else float(value)
