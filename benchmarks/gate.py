"""Measures the validation rules: `make bench-gate`, or `python benchmarks/gate.py --help`.

Generated markets only. Three tables: how often a search over 27 candidates that are equal in truth ends in a
deployment, by which rule; how often candidates that are truly better are approved; and how often each test of "no
better" rejects two forecasts that are equally good. About two minutes on one core. `--out` puts the tables between the
markers of an existing file, else they are printed.
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forex_assets.accuracy.compare import block_of
from forex_assets.accuracy.superiority import spa_p_value
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.store.folder import Folder
from forex_assets.optimizer.block_permutation import p_values
from gate_simulation import ALONE, PUBLISHED_ORIGINS, gate, share_rejected
from pages import put
from simulated_markets import NARROW, WIDE

OVERLAPS = (1, 3, 13, 22)
ORIGINS = (60, 126, 252)
GAINS = (0.05, 0.10)
LEVEL = 0.05
RESAMPLES = 500


def by_exchange(champion: np.ndarray, challenger: np.ndarray, overlap: float) -> float:
    """The test that the gate uses."""
    return float(p_values((champion - challenger)[:, None], overlap)[0])


def by_spa(champion: np.ndarray, challenger: np.ndarray, overlap: float) -> float:
    """Hansen's."""
    p = spa_p_value(champion, challenger, block_of(overlap), RESAMPLES)
    return 1.0 if p is None else p


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---:"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def share(value: float, n: int) -> str:
    """Per cent ± binomial standard error."""
    return f"{100 * value:.1f} ± {100 * math.sqrt(max(value * (1 - value), 1 / n) / n):.1f}"


def size_table(count: int, spa_count: int, seed: int) -> str:
    """Rejections at 5 % of forecasts with the same expected CRPS."""
    rows = []
    for overlap in OVERLAPS:
        for n in ORIGINS:
            exchange = share_rejected(by_exchange, n, overlap, LEVEL, count=count, seed=seed)
            spa = share_rejected(by_spa, n, overlap, LEVEL, count=spa_count, seed=seed)
            unlike = "–"
            if overlap <= 3:
                widths = (WIDE, NARROW)
                rejections = share_rejected(by_exchange, n, overlap, LEVEL, count=count, seed=seed, widths=widths)
                unlike = share(rejections, count)
            rows.append([overlap, n, share(exchange, count), share(spa, spa_count), unlike])
    caption = (
        f"Rejections at 5 % of two forecasts with the same expected CRPS, % ± standard error; {count:,} generated "
        f"markets (SPA: {spa_count:,}, {RESAMPLES} resamples). Unlike: the champion's fans are {WIDE:g} times the "
        f"right width, the challenger's {NARROW:g} times.\n\n"
    )
    return caption + markdown(["overlap", "origins", "label exchange", "SPA", "label exchange, unlike fans"], rows)


def gate_table(policy: Policy, n: int, seed: int) -> str:
    """Searches over candidates that are equal in truth."""
    outcomes = [gate(horizon, 0.0, policy, n=n, seed=seed) for horizon in HORIZONS]
    rows = [
        [
            outcome.horizon,
            share(outcome.proposed, n),
            share(outcome.calibrated, n),
            share(outcome.untested, n),
            share(outcome.literal, n),
            share(outcome.published, n),
            f"{100 * outcome.estimated:.1f}",
            share(outcome.improved, n),
            f"{100 * outcome.delivered:+.1f}",
        ]
        for outcome in outcomes
    ]
    caption = (
        f"27 candidates equal in truth and their incumbent, {n:,} searches a horizon, weekly origins, objective "
        f"{policy.search.objective}, % ± standard error. Searched: a candidate is sent to validation, on "
        f"{policy.search.origins} origins at level {policy.search.significance:g}. Calibrated: it is then approved, on "
        f"{policy.validation.origins} later ones at level {policy.validation.significance:g}. Untested: approved at "
        f"level {ALONE:g} where the search sends the lowest loss whatever its lead; published rule: likewise, by that "
        f"rule. As published: best RMSE of 27 on {PUBLISHED_ORIGINS} origins, judged on the same; the gain in RMSE "
        "that it shows there (median), how often that passes the first criterion, and what is left of it on other "
        "origins.\n\n"
    )
    head = ["horizon", "searched", "calibrated", "untested", "published rule", "as published", "gain shown, %"]
    return caption + markdown([*head, "first criterion met", "gain delivered, %"], rows)


def power_table(policy: Policy, n: int, seed: int) -> str:
    """Searches over candidates that are all truly better."""
    rows = []
    for horizon in HORIZONS:
        row: list[object] = [horizon]
        for gain in GAINS:
            outcome = gate(horizon, gain, policy, n=n, seed=seed)
            row += [share(outcome.calibrated, n), share(outcome.untested, n), share(outcome.literal, n)]
        rows.append(row)
    caption = (
        f"Approved where every candidate is truly better, in RMSE and CRPS alike, % ± standard error; {n:,} searches a "
        "cell, as above.\n\n"
    )
    rules = ("calibrated", "untested", "published rule")
    head = ["horizon", *(f"{rule}, {gain:.0%} better" for gain in GAINS for rule in rules)]
    return caption + markdown(head, rows)


def main() -> None:
    """Prints the tables, or puts them into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=2000, help="a horizon, of candidates that are equal")
    parser.add_argument("--power", type=int, default=500, help="a horizon and gain, of candidates that are better")
    parser.add_argument("--tests", type=int, default=2000, help="markets for the size of the label exchange")
    parser.add_argument("--spa", type=int, default=300, help="markets for the size of SPA")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", type=Path, default=Path("configs/policy.yaml"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    policy, began = read_policy(Folder(given.policy.parent), given.policy.name), time.process_time()
    parts = [
        gate_table(policy, given.searches, given.seed),
        power_table(policy, given.power, given.seed),
        size_table(given.tests, given.spa, given.seed),
    ]
    parts.append(f"{time.process_time() - began:.0f} s of one core.\n")
    if given.out:
        put("\n".join(parts), given.out, "benchmarks/gate.py")
    else:
        print("\n".join(parts))


if __name__ == "__main__":
    main()
