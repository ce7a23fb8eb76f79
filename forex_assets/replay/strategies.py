"""Ways of choosing settings that a replay compares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from forex_assets.core.policy import Policy
from forex_assets.monitoring.trigger import RULES

NEVER: Final = "never tune"
PUBLISHED: Final = "published rules"
CALIBRATED: Final = "calibrated rules"
AGE: Final = "age only"


class ReplayError(Exception):
    """A replay cannot answer what was asked; the message names the remedy."""


@dataclass(frozen=True)
class Strategy:
    """One way of choosing settings.

    Attributes:
        name: for tables.
        policy: rules and limits.
        rules: rules of the decision that start a search; none: settings never change.
    """

    name: str
    policy: Policy
    rules: tuple[str, ...] = RULES


def strategies_of(policy: Policy, others: Iterable[tuple[str, Policy]] = ()) -> list[Strategy]:
    """The compared strategies, never tuning first.

    Args:
        policy: of the platform; `decide_by` is set as each strategy needs it.
        others: further policies by name.

    Raises:
        ReplayError: a policy needs what no replay has, or two have one name.
    """
    calibrated = policy.model_copy(update={"decide_by": "calibrated"})
    strategies = [
        Strategy(NEVER, calibrated, ()),
        Strategy(PUBLISHED, policy.model_copy(update={"decide_by": "literal"})),
        Strategy(CALIBRATED, calibrated),
        Strategy(AGE, calibrated, ("age",)),
        *(Strategy(name, rules) for name, rules in others),
    ]
    for strategy in strategies:
        _refuse(strategy)
    _refuse_repeated([strategy.name for strategy in strategies])
    return strategies


def _refuse(strategy: Strategy) -> None:
    policy = strategy.policy
    if policy.search.max_seconds is not None:
        raise ReplayError(
            f"{strategy.name}: search.max_seconds {policy.search.max_seconds:g} depends on this machine's speed, so a "
            "replay cannot follow it; set it to null"
        )
    if policy.validation.shadow_days:
        raise ReplayError(
            f"{strategy.name}: validation.shadow_days is {policy.validation.shadow_days}, and a replay runs no shadow "
            "trials; set it to 0"
        )


def _refuse_repeated(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ReplayError(f"two policies are called {', '.join(repeated)}; rename a file")
