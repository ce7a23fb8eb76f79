"""What is recorded of a forecast, a search, a validation and a deployment, for people who compare runs. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Kind = Literal["forecast", "search", "validation", "deployment"]
Status = Literal["FINISHED", "FAILED"]

SETTINGS: Final = ("context_length", "num_samples", "temperature", "representation", "is_calibrated")


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
        artifacts: text files by name.
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
    artifacts: dict[str, str] = Field(default_factory=dict)
    children: tuple["RunRecord", ...] = ()

    @property
    def experiment(self) -> str:
        """`usdclp/forecast/7d`; of the generated market `usdclp-sample/forecast/7d`."""
        return f"usdclp{'-sample' if self.is_sample else ''}/{self.kind}/{self.horizon}"


def forecast_details(table: pl.DataFrame) -> dict[str, Any]:
    """Params, metrics and artifacts of a fan.

    Args:
        table: `FORECAST_SCHEMA`, one horizon.
    """
    last = table.sort("step").row(-1, named=True)
    params = {name: str(last[name]) for name in ("model", "engine", "representation", "source", "target_date")}
    metrics = {
        "median_at_target": last["q50"],
        "width_95_at_target": last["q975"] - last["q025"],
        "walk_width_95_at_target": last["walk_q975"] - last["walk_q025"],
        "engine_seconds": last["engine_seconds"],
        "calibration_errors": float(last["calibration_errors"]),
        "steps": float(last["step"]),
    }
    tags = {name: str(last[name]) for name in ("as_of", "config_fingerprint", "data_fingerprint")}
    return {"params": params, "metrics": finite(metrics), "tags": tags, "artifacts": {"fan.csv": table.write_csv()}}


def search_details(table: pl.DataFrame, base: RunRecord) -> dict[str, Any]:
    """The same of a search; each candidate is a run within it.

    Args:
        table: `CANDIDATES_SCHEMA`.
        base: the search's own record, for ids and times.
    """
    chosen = table.filter(pl.col("is_chosen")).row(0, named=True)
    children = tuple(
        base.model_copy(
            update={
                "id": f"{base.id}/{row['candidate']}",
                "params": {name: str(row[name]) for name in SETTINGS},
                "metrics": finite({name: row[name] for name in ("loss", "loss_se", "gain", "seconds", "n")}),
                "tags": {
                    "candidate": row["candidate"],
                    "is_incumbent": str(row["is_incumbent"]),
                    "is_chosen": str(row["is_chosen"]),
                },
            }
        )
        for row in table.iter_rows(named=True)
    )
    return {
        "params": {name: str(chosen[name]) for name in SETTINGS},
        "metrics": finite({name: chosen[name] for name in ("loss", "gain", "gain_low", "gain_high", "n")}),
        "tags": {"search_id": str(chosen["search_id"]), "chosen": str(chosen["candidate"])},
        "artifacts": {"candidates.csv": table.write_csv()},
        "children": children,
    }


def validation_details(table: pl.DataFrame) -> dict[str, Any]:
    """The same of a validation; a metric a criterion.

    Args:
        table: `VALIDATION_SCHEMA`.
    """
    first = table.row(0, named=True)
    metrics = {row["criterion"]: row["value"] for row in table.iter_rows(named=True)}
    names = ("validation_id", "search_id", "champion", "challenger", "verdict")
    return {
        "params": {row["criterion"]: str(row["calibrated"]) for row in table.iter_rows(named=True)},
        "metrics": finite({**metrics, "false_pass": first["false_pass"], "n": first["n"]}),
        "tags": {name: str(first[name]) for name in names},
        "artifacts": {"criteria.csv": table.write_csv(), "challenger.json": pretty(first["challenger_config"])},
    }


def finite(values: Mapping[str, float | int | None]) -> dict[str, float]:
    """Figures that a tracker takes: none that is missing, infinite or no number."""
    known = {name: float(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in known.items() if value - value == 0}


def pretty(text: str) -> str:
    """JSON for people."""
    return json.dumps(json.loads(text), indent=2) + "\n"


def older(moment: datetime, days: int, now: datetime) -> bool:
    """Whether a run ended more than so many days ago."""
    return (now - moment).days >= days
