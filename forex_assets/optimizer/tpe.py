"""Optuna's tree-structured Parzen estimator (Bergstra et al., 2011)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def suggest(
    grid: Mapping[str, Sequence[Any]],
    evaluate: Callable[[Mapping[str, Any]], float],
    *,
    count: int,
    seed: int,
) -> None:
    """Asks for `count` trials, chosen from earlier losses.

    Equal seed and losses give equal trials.

    Args:
        grid: values by setting.
        evaluate: told one value a setting; gives the loss. It may be asked for the same settings twice.
        count: trials.
        seed: of the sampler.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Univariate: the multivariate sampler is an experiment of the library's.
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(3, count // 3))
    study = optuna.create_study(direction="minimize", sampler=sampler)

    def objective(trial: Any) -> float:
        # Places in the list, since the library takes only plain values as choices.
        chosen = {name: values[trial.suggest_int(name, 0, len(values) - 1)] for name, values in grid.items()}
        return evaluate(chosen)

    study.optimize(objective, n_trials=count)
