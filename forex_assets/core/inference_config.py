"""Inference settings of one horizon: what the optimizer tunes and the forecaster reads."""

import hashlib
import json
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Representation = Literal["anchored", "levels", "returns"]

NULL: Final = "null, for a model that does not sample"
"""Hint of the two settings that may be null, for messages."""


def _printable(text: str) -> str:
    """Text as it is; what a terminal would act on, or read the other way round, is no model's name."""
    if not text.isprintable():
        raise ValueError("it should hold printable characters only")
    return text


class InferenceConfig(BaseModel):
    """One `configs/chronos_<h>.json`.

    Attributes:
        schema_version: of this format.
        horizon: name, such as `7d`; must be the file's own.
        model: hub id or local folder of a Chronos model.
        context_length: sessions of history that the model sees.
        num_samples: paths to draw; null for models that do not sample (Bolt, Chronos-2).
        temperature: of the sampling; null likewise.
        representation: what the model is fed. `anchored`: log price less the origin's, over the EWMA(.97) volatility
            (T5's bins are .73 % of a raw price wide, a whole day's move); `returns`: log returns over that volatility;
            `levels`: CLP per USD.
        is_calibrated: whether the conformal layer follows.
        uses_copper: whether a model that reads covariates (Chronos-2) is given the copper features. Off by default:
            `accuracy/copper_effect` says whether they help, and on the real history they do not.
        seed: of the sampling.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1] = 1
    horizon: Literal["7d", "15d", "30d", "90d"]
    model: Annotated[str, Field(min_length=1), AfterValidator(_printable)]
    context_length: Annotated[int, Field(ge=16, le=8192)]
    num_samples: Annotated[int, Field(ge=20, le=10_000)] | None = Field(None, description=NULL)
    temperature: Annotated[float, Field(gt=0, le=5)] | None = Field(None, description=NULL)
    representation: Representation = "anchored"
    is_calibrated: bool = True
    uses_copper: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the settings as canonical JSON; the file's layout does not matter."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
