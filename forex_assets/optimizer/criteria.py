"""The five validation criteria, published and calibrated.

The published rule compares a figure with its limit. The calibrated one asks in addition whether the figure could be
chance: what is beyond a limit by no more than chance is `inconclusive`, and only what is clearly beyond it is `failed`.
The first criterion has a file of its own, `improvement`; what follows from all five is `validation`'s affair.
"""

import math

import numpy as np

from forex_assets.accuracy.compare import FEWEST, coverage_interval, effective_size
from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy, ValidationPolicy
from forex_assets.optimizer.criterion import Calibrated, Judged, at_most, change, percent
from forex_assets.optimizer.improvement import improvement
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION, TAIL, Evidence, gain, student
from forex_assets.optimizer.tables import CRITERIA


def judge(evidence: Evidence, policy: Policy, *, is_first: bool = False) -> tuple[Judged, ...]:
    """All five criteria, in the order of `tables.CRITERIA`.

    Args:
        evidence: both forecasts on the same origins.
        policy: limits, and which loss the search went by.
        is_first: nothing is live yet, and the champion is the EWMA walk: no engine that one could be slower than.
    """
    rules = policy.validation
    if evidence.n < max(2, rules.fewest):
        words = f"{evidence.n} origins, fewer than the {rules.fewest} without which nothing is said"
        return tuple(Judged(name, None, None, None, None, None, "inconclusive", words) for name in CRITERIA)
    return (
        improvement(evidence, policy),
        stability(evidence, rules),
        inference_time(evidence.seconds, rules, is_first=is_first),
        coverage(evidence, rules),
        bias(evidence, rules),
    )


def stability(evidence: Evidence, rules: ValidationPolicy) -> Judged:
    """Judges the standard deviation of errors: at most 10 % higher.

    Calibrated: failed if the interval lies above the limit.
    """
    centred = evidence.errors - evidence.errors.mean(axis=1, keepdims=True)
    skill = gain(centred[CHALLENGER] ** 2, centred[CHAMPION] ** 2, evidence.overlap, root=True)
    if skill.value is None:
        words = "errors of one of the two never vary: no ratio of standard deviations"
        return Judged("stability", None, rules.sd_increase, None, None, None, "inconclusive", words)
    value, low, high = (None if x is None else -x for x in (skill.value, skill.high, skill.low))
    sds = [float(np.std(errors)) for errors in evidence.errors]
    words = (
        f"standard deviation of errors {sds[CHALLENGER]:.2f} against {sds[CHAMPION]:.2f} CLP, "
        f"{change(value, low, high)}; allowed {percent(rules.sd_increase)} more"
    )
    literal = value is not None and value <= rules.sd_increase
    verdict = at_most(literal, low, rules.sd_increase)
    return Judged("stability", value, rules.sd_increase, low, high, literal, verdict, words)


def inference_time(seconds: Array, rules: ValidationPolicy, *, is_first: bool = False) -> Judged:
    """Judges inference time: median ratio at most 1.5.

    Calibrated: failed if the interval lies above the limit.

    The interval is that of order statistics, which no single slow call can move.

    Args:
        seconds: shape (2, pairs): champion, challenger.
        rules: the limit.
        is_first: the champion is the walk, which is a formula: the ratio is told, and held against nothing.
    """
    limit = rules.time_increase
    if not seconds.shape[1]:
        return Judged("time", None, limit, None, None, None, "inconclusive", "nothing was timed")
    ratios = seconds[CHALLENGER] / seconds[CHAMPION]
    value, (low, high) = float(np.median(ratios)) - 1, median_interval(ratios - 1)
    medians = np.median(seconds, axis=1)
    figures = (
        f"{1000 * medians[CHALLENGER]:.3g} against {1000 * medians[CHAMPION]:.3g} ms a fan, "
        f"median of {ratios.size} by turns"
    )
    if is_first:
        words = f"{figures}; the walk is a formula, so a first config is held against no time"
        return Judged("time", value, None, low, high, True, "passed", words)
    words = f"{figures}: {change(value, low, high)}; allowed {percent(limit)} more"
    literal = value <= limit
    return Judged("time", value, limit, low, high, literal, at_most(literal, low, limit), words)


def median_interval(values: Array) -> tuple[float | None, float | None]:
    """95 % interval of the median by order statistics.

    None twice for fewer than six values.

    The j-th smallest to the j-th largest, j the last for which P(Bin(n, 1/2) < j) ≤ 2.5 %: any law's median is outside
    with at most twice that.
    """
    place = median_place(len(values))
    if not place:
        return None, None
    ordered = np.sort(values)
    return float(ordered[place - 1]), float(ordered[-place])


def median_place(n: int) -> int:
    """The j of `median_interval`; 0 where there is none."""
    below, place = 0.0, 0
    for k in range(n):
        below += math.comb(n, k) / 2**n
        if below > TAIL:
            break
        place = k + 1
    return place


def coverage(evidence: Evidence, rules: ValidationPolicy) -> Judged:
    """Judges coverage of the 95 % band: at least 90 %.

    Calibrated: failed if the interval lies below the limit.

    Clopper-Pearson on the effective size of the hits.
    """
    hits = evidence.hits[CHALLENGER].astype(np.float64)
    share, n_effective = float(hits.mean()), effective_size(hits, evidence.overlap)
    low, high = coverage_interval(share, n_effective)
    literal = share >= rules.coverage
    verdict: Calibrated = "passed" if literal else "failed" if high < rules.coverage else "inconclusive"
    words = (
        f"95 % band held {100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {evidence.n} prices, some "
        f"{n_effective:.0f} of them independent (champion {100 * evidence.hits[CHAMPION].mean():.1f} %); "
        f"wanted {percent(rules.coverage)}"
    )
    return Judged("coverage", share, rules.coverage, low, high, literal, verdict, words)


def bias(evidence: Evidence, rules: ValidationPolicy) -> Judged:
    """Judges the mean error: below 5 CLP.

    Calibrated: below two standard errors where that is more.

    A perfect forecast's errors have the mean that the market's drift has, which is 5 CLP and more by chance alone. The
    standard error is that of the effective size, Student's t on it stands for the two.
    """
    errors = evidence.errors[CHALLENGER]
    value, reach = float(errors.mean()), bias_reach(errors, evidence.overlap)
    literal = abs(value) < rules.bias_clp
    figure = f"mean error {value:+.2f} CLP"
    if reach is None:
        verdict: Calibrated = "passed" if literal else "inconclusive"
        words = f"{figure}, of too few independent errors for an interval; published limit {rules.bias_clp:g} CLP"
        return Judged("bias", value, rules.bias_clp, None, None, literal, verdict, words)
    limit = max(rules.bias_clp, reach)
    words = (
        f"{figure} [{value - reach:+.2f}, {value + reach:+.2f}] (champion {evidence.errors[CHAMPION].mean():+.2f}); "
        f"limit {limit:.2f}: the published {rules.bias_clp:g} CLP, or two standard errors where that is more"
    )
    verdict = "passed" if abs(value) < limit else "failed"
    return Judged("bias", value, limit, value - reach, value + reach, literal, verdict, words)


def bias_reach(errors: Array, overlap: float) -> float | None:
    """Half the 95 % interval of the mean error, CLP.

    None for fewer than four independent errors.
    """
    n_effective = effective_size(errors, overlap)
    if n_effective < FEWEST:
        return None
    return student(n_effective) * float(np.std(errors)) / math.sqrt(n_effective)
