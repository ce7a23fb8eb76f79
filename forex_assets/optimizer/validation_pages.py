"""Validation report as JSON and self-contained HTML.

`optimizer/validation_reports/<horizon>/<validation id>.json` and `.html`, written once a validation and kept.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.optimizer.criterion import Judged
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION
from forex_assets.optimizer.validation import Validation
from forex_assets.optimizer.validation_plots import differences_plot, fans_plots

ROOT: Final = "optimizer/validation_reports"
TEMPLATE: Final = "validation_report.html.j2"


@dataclass(frozen=True)
class Pages:
    """Places of a report's files.

    Attributes:
        json: for programs.
        html: for people.
    """

    json: str
    html: str


def write_pages(
    warehouse: Warehouse,
    validation: Validation,
    *,
    history: pl.DataFrame,
    fans: Mapping[str, pl.DataFrame],
    is_sample: bool,
) -> Pages:
    """Write both files of a report, each whole or not at all.

    Args:
        warehouse: under which they lie.
        validation: the report.
        history: `USDCLP_SCHEMA`, oldest first, for the fans' plots.
        fans: `FORECAST_SCHEMA` by title; empty where there are none to show.
        is_sample: whether the market is the generated one.

    Raises:
        WarehouseError: the disk or a permission does not allow it.
    """
    store, stem = warehouse.records, page_key(validation.subject.horizon, validation.subject.validation_id)
    document = json.dumps(report_document(validation, is_sample=is_sample), indent=2, allow_nan=False) + "\n"
    page = render_page(validation, history=history, fans=fans, is_sample=is_sample)
    store.put(f"{stem}.json", document.encode())
    store.put(f"{stem}.html", page.encode())
    return Pages(store.place(f"{stem}.json"), store.place(f"{stem}.html"))


def page_key(horizon: str, validation_id: str) -> str:
    """Key of a validation's files in the store, without its suffix."""
    return f"{ROOT}/{horizon}/{validation_id}"


def report_document(validation: Validation, *, is_sample: bool) -> dict[str, Any]:
    """Report as plain values, losses at each origin included."""
    subject = {**asdict(validation.subject), "validated_at": validation.subject.validated_at.isoformat()}
    subject["challenger_config"] = json.loads(validation.subject.challenger_config)
    return {
        **subject,
        "market": SAMPLE_SOURCE if is_sample else "live",
        "verdict": validation.verdict,
        "decided_by": validation.decided_by,
        "verdict_literal": validation.literal,
        "verdict_calibrated": validation.calibrated,
        "n": validation.n,
        "overlap": None if validation.evidence is None else validation.evidence.overlap,
        "criteria": [asdict(judged) for judged in validation.criteria],
        "false_pass": None if validation.chance is None else asdict(validation.chance),
        "detectable_gain": validation.detectable,
        "notes": list(validation.notes),
        "words": validation.words,
        "origins": _origins(validation),
        "seconds": [] if validation.evidence is None else _pairs(validation.evidence.seconds),
    }


def render_page(
    validation: Validation, *, history: pl.DataFrame, fans: Mapping[str, pl.DataFrame], is_sample: bool
) -> str:
    """The report as one HTML page; args as `write_pages`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pictures = dict[str, bytes]()
    if validation.evidence is not None and validation.n:
        title = f"{validation.subject.horizon}: challenger against champion"
        pictures["Paired differences over the validation's origins"] = differences_plot(
            validation.evidence, title, is_sample
        )
    pictures |= fans_plots(history, dict(fans)) if fans else {}
    environment = Environment(
        loader=PackageLoader("forex_assets.optimizer", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(
        validation=validation,
        subject=validation.subject,
        config=json.dumps(json.loads(validation.subject.challenger_config), indent=2),
        rows=[_row(judged) for judged in validation.criteria],
        sample=SAMPLE_SOURCE if is_sample else "",
        pictures={title: base64.b64encode(png).decode("ascii") for title, png in pictures.items()},
    )


def _row(judged: Judged) -> list[str]:
    """A criterion as cells."""
    interval = (
        "–"
        if judged.low is None or judged.high is None
        else f"{_figure(judged, judged.low)} to {_figure(judged, judged.high)}"
    )
    literal = "–" if judged.literal is None else "passed" if judged.literal else "failed"
    return [
        judged.criterion,
        _figure(judged, judged.value),
        _figure(judged, judged.limit),
        interval,
        literal,
        judged.calibrated,
        judged.words,
    ]


def _figure(judged: Judged, value: float | None) -> str:
    """A share in per cent, the bias in CLP."""
    if value is None:
        return "–"
    return f"{value:.2f} CLP" if judged.criterion == "bias" else f"{100 * value:.1f} %"


def _origins(validation: Validation) -> list[dict[str, Any]]:
    """Both at each origin."""
    evidence = validation.evidence
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
