"""Inference settings: what is refused, and what makes a fingerprint."""

import hashlib

import pytest
from pydantic import ValidationError

from forex_assets.core.inference_config import InferenceConfig

VALUES = {"horizon": "7d", "model": "amazon/chronos-t5-small", "context_length": 180}


def test_fingerprint_is_the_hash_of_the_canonical_json() -> None:
    text = (
        '{"context_length":180,"horizon":"7d","is_calibrated":true,"model":"amazon/chronos-t5-small","num_samples":null,'
        '"representation":"anchored","schema_version":1,"seed":0,"temperature":null,"uses_copper":false}'
    )
    assert InferenceConfig(**VALUES).fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "change",
    [
        {"horizon": "15d"},
        {"model": "ewma"},
        {"context_length": 181},
        {"num_samples": 100},
        {"temperature": 1.0},
        {"representation": "levels"},
        {"is_calibrated": False},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert InferenceConfig(**{**VALUES, **change}).fingerprint != InferenceConfig(**VALUES).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"horizon": "8d"},
        {"model": ""},
        {"context_length": 15},
        {"context_length": "180"},
        {"context_length": 180.5},
        {"num_samples": 19},
        {"num_samples": True},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"representation": "raw"},
        {"seed": -1},
        {"schema_version": 2},
        {"temprature": 1.0},
    ],
    ids=str,
)
def test_what_is_not_allowed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        InferenceConfig(**{**VALUES, **change})


def test_settings_cannot_be_changed_after_they_are_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        InferenceConfig(**VALUES).seed = 3  # type: ignore[misc]
