"""Inference settings of one horizon, written by the optimizer."""

import hashlib
import json
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Representation = Literal["anchored", "levels", "returns"]

NULL: Final = "null, for a model that does not sample"
"""Hint for the two settings that may be null."""


def _printable(text: str) -> str:
    """Refuses control characters and text direction marks in names."""
    if not text.isprintable():
        raise ValueError("it should hold printable characters only")
    return text


class InferenceConfig(BaseModel):
    """Settings of one `configs/chronos_<horizon>.json`.

    Attributes:
        schema_version: version of this format.
        horizon: must match the file name.
        model: hub id or local folder of a Chronos model.
        context_length: past sessions that the model reads.
        num_samples: sampled paths; null for models that do not sample (Bolt, Chronos-2). At least 200 in mirror pairs
            (embedded) or 400 (T5) are drawn whatever it says: fewer would only add noise to the bands.
        temperature: sampling temperature; null for models that do not sample.
        representation: model input. `anchored`: log price less the origin's, divided by the EWMA(.97) volatility (T5's
            bins are .73 % of a raw price wide, a whole day's move); `returns`: log returns divided by that volatility;
            `levels`: CLP per USD.
        is_calibrated: whether bands are corrected by past errors.
        uses_copper: whether a model with covariates (Chronos-2) reads the copper features. Off by default:
            `accuracy/copper_effect` shows no gain on the real history.
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
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
