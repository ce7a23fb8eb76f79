"""The result of one check of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["block", "warn"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: the statement that should hold.
        passed: whether it holds; False without data.
        severity: `block` if a failure makes forecasts wrong, else `warn`.
        message: for people, with figures.
        values: the figures, JSON-able.
    """

    name: str
    passed: bool
    severity: Severity
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
