"""Policy of records, mail and report.

Part of `policy`, which holds the loop's own.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class PolicyPart(BaseModel):
    """Settings without unknown fields, conversions or later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class OperationsPolicy(PolicyPart):
    """Retention of records and limits of mail.

    Attributes:
        tracking_days: days that MLflow runs are kept; runs of champions are kept for ever.
        run_days: days that Dagster keeps succeeded runs and their logs; decisions, searches and deployments stay.
        backup_days: days that archives are kept; of 7 days, 4 weeks and 12 months the newest one each.
        digest_minutes: minutes over which events of one kind share a mail.
        mails_per_hour: limit; further events are counted in the next mail.
    """

    tracking_days: Annotated[int, Field(ge=7, le=3650)] = 365
    run_days: Annotated[int, Field(ge=7, le=3650)] = 90
    backup_days: Annotated[int, Field(ge=1, le=3650)] = 400
    digest_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    mails_per_hour: Annotated[int, Field(ge=1, le=100)] = 6


class ReportPolicy(PolicyPart):
    """Mail of the daily report.

    Attributes:
        mail_at: time in Santiago of the mail on weekdays, such as `08:00`; empty: no mail.
    """

    mail_at: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")] = ""
