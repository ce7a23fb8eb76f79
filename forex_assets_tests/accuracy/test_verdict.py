"""The words, and whether what is called detectable is detected."""

import math

import numpy as np
import pytest

from forex_assets.accuracy.compare import Skill, skill
from forex_assets.accuracy.verdict import detectable, verdict

NONE = "no effect established; "


@pytest.mark.parametrize(
    ("effect", "moved", "overlap", "words"),
    [
        (Skill(0.031, 0.012, 0.05, 300, 300.0), 9, 1.0, "helps by 3.1 % [1.2, 5.0]"),
        (Skill(-0.031, -0.05, -0.012, 300, 300.0), 9, 1.0, "hurts by 3.1 % [1.2, 5.0]"),
        # Half width 4.9 points, a standard error of 2.5: 7 %. An effect's own noise, 31.36 / 315.68 = .0993: 5.1.
        (Skill(0.01, -0.039, 0.059, 300, 300.0), 9, 1.0, NONE + "the data could have shown one of 7.0 % or more"),
        (Skill(0.0, -0.001, 0.001, 300, 300.0), 9, 1.0, NONE + "the data could have shown one of 5.1 % or more"),
        (Skill(0.0, -0.001, 0.001, 300, 300.0), 9, 20.0,
         NONE + "15 independent forecasts could have shown none of any size"),
        (Skill(0.0, 0.0, 0.0, 300, 300.0), 0, 1.0, NONE + "copper was never switched on"),
        (Skill(None, None, None, 1, 1.0), 1, 1.0, "too little to judge, n = 1"),
    ],
)  # fmt: skip
def test_the_verdict_in_words(effect: Skill, moved: int, overlap: float, words: str) -> None:
    assert verdict(effect, moved, overlap) == words


def test_a_shift_that_earns_the_detectable_skill_is_found_four_times_in_five() -> None:
    size = detectable(Skill(0.0, 0.0, 0.0, 320, 320.0), 1.0)
    assert size is not None
    rng = np.random.default_rng(2)
    assert 0.68 < np.mean([is_found(rng, size) for _ in range(150)]) < 0.92
    assert np.mean([is_found(rng, size / 4) for _ in range(60)]) < 0.4


def is_found(rng: np.random.Generator, size: float) -> bool:
    """Whether 320 errors, cut by the part that copper explains, are seen to be smaller."""
    gain = 1 - (1 - size) ** 2
    explained, rest = math.sqrt(gain) * rng.standard_normal(320), math.sqrt(1 - gain) * rng.standard_normal(320)
    low = skill(rest**2, (rest + explained) ** 2, overlap=1.0, root=True, repetitions=200).low
    return low is not None and low > 0


def test_no_interval_detects_nothing() -> None:
    assert detectable(Skill(None, None, None, 1, 1.0), 1.0) is None
