"""Run records of forecasts, searches, validations and deployments."""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Kind = Literal["forecast", "search", "validation", "deployment"]
Status = Literal["FINISHED", "FAILED"]

SETTINGS: Final = ("context_length", "num_samples", "temperature")
"""Settings that a search varies."""

_PICTURE: Final = re.compile(r"!\[[^\]]*\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


class RunRecord(BaseModel):
    """One run as a tracker keeps it.

    Attributes:
        id: names what happened for ever: sent twice, it is kept once.
        kind: what was done.
        horizon: such as `7d`.
        is_sample: whether on the generated market; kept apart from real runs.
        status: how it ended.
        started_at: real time.
        ended_at: real time.
        params: settings.
        metrics: figures that are finite.
        tags: fingerprints, Dagster's run, versions.
        artifacts: files by name, text or bytes.
        children: runs within it, such as a search's candidates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Kind
    horizon: str
    is_sample: bool = False
    status: Status = "FINISHED"
    started_at: AwareDatetime
    ended_at: AwareDatetime
    params: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    artifacts: dict[str, str | bytes] = Field(default_factory=dict)
    children: tuple["RunRecord", ...] = ()

    @property
    def experiment(self) -> str:
        """`usdclp/forecast/7d`; of the generated market `usdclp-sample/forecast/7d`."""
        return f"usdclp{'-sample' if self.is_sample else ''}/{self.kind}/{self.horizon}"


def forecast_details(table: pl.DataFrame) -> dict[str, Any]:
    """Params, metrics and artifacts of a fan.

    Args:
        table: `FORECAST_SCHEMA` or `LEDGER_SCHEMA`, one fan.
    """
    last = table.sort("step").row(-1, named=True)
    params = {name: str(last[name]) for name in ("model", "engine", "representation", "source", "target_date")}
    metrics = {
        "median_at_target": last["q50"],
        "width_95_at_target": last["q975"] - last["q025"],
        "walk_width_95_at_target": last["walk_q975"] - last["walk_q025"],
        "calibration_errors": float(last["calibration_errors"]),
        "steps": float(last["step"]),
    }
    tags = {name: str(last[name]) for name in ("as_of", "config_fingerprint", "data_fingerprint")}
    return {"params": params, "metrics": finite(metrics), "tags": tags, "artifacts": {"fan.csv": table.write_csv()}}


def search_details(rows: Sequence[Mapping[str, Any]], chosen: str, base: RunRecord) -> dict[str, Any]:
    """Details of a search; each candidate is a nested run.

    Args:
        rows: one a candidate: its fingerprint `candidate`, settings and figures.
        chosen: fingerprint of the one that was chosen.
        base: the search's own record, for ids and times.
    """
    children = tuple(
        base.model_copy(
            update={
                "id": f"{base.id}/{row['candidate']}",
                "params": _settings(row),
                "metrics": finite(row),
                "tags": {"candidate": str(row["candidate"]), "is_chosen": str(row["candidate"] == chosen)},
            }
        )
        for row in rows
    )
    best = next((row for row in rows if row["candidate"] == chosen), {})
    return {
        "params": _settings(best),
        "metrics": finite(best),
        "artifacts": {"candidates.csv": pl.DataFrame(rows, infer_schema_length=None).write_csv()},
        "children": children,
    }


def _settings(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(row[name]) for name in SETTINGS if name in row}


def validation_details(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Details of a validation; a metric a criterion.

    Args:
        rows: one a criterion: `criterion`, `value`, `calibrated` and more.
    """
    return {
        "params": {row["criterion"]: str(row["calibrated"]) for row in rows},
        "metrics": finite({row["criterion"]: row["value"] for row in rows}),
        "artifacts": {"criteria.csv": pl.DataFrame(rows, infer_schema_length=None).write_csv()},
    }


def pictures_of(metadata: Mapping[str, Any]) -> dict[str, bytes]:
    """Pictures that metadata carries as markdown, by file name."""
    matches = {name: _PICTURE.fullmatch(value) for name, value in metadata.items() if isinstance(value, str)}
    return {f"{name}.png": base64.b64decode(match[1]) for name, match in matches.items() if match}


def finite(values: Mapping[str, object]) -> dict[str, float]:
    """Finite figures only, as MLflow takes them."""
    known = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in SETTINGS
    }
    return {name: value for name, value in known.items() if value - value == 0}


def older(moment: datetime, days: int, now: datetime) -> bool:
    """Whether a run ended more than so many days ago."""
    return (now - moment).days >= days
