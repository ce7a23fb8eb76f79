"""Trains the embedded model, a small Chronos-T5, on generated returns.

Design (each point is measured in `docs/accuracy.md`):
- Fixed scale. Chronos divides by the context's mean absolute value. One calibration value in front of the context,
  C = M·(L+1) - Σ|x|, makes that mean exactly M, so that tokens stand in fixed units of EWMA volatility.
- Returns over the EWMA(.97) volatility at the origin, not levels.
- Smooth token tables, see `embedded_network`; folded into plain T5 tables on saving.
- An average of the weights over the last steps (exponential), which is what is saved.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from embedded_network import BINS, MAX_CONTEXT, SCALE, SPECIAL, STEPS, TOKENS, network_of
from forex_assets.core.fan import Array
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.volatility import DECAY, SEED_RETURNS
from forex_assets.forecasts.baselines import LOOKBACK
from generated_returns import garch, generated_returns

if TYPE_CHECKING:
    import torch

WEIGHTS: Final = "model.safetensors"
SUMS: Final = "SHA256SUMS"

BATCH: Final = 64
BATCH_TOKENS: Final = 16_384
"""Limit of tokens in a batch."""
CONTEXTS: Final = (64, 90, 128, 180, 256, 365, 540, 730)
CONTEXT_SHARES: Final = (0.28, 0.24, 0.20, 0.12, 0.10, 0.03, 0.015, 0.015)
"""Shares of context lengths; short ones carry most information on volatility."""
HISTORY: Final = max(MAX_CONTEXT, LOOKBACK)


@dataclass(frozen=True)
class Recipe:
    """Parameters of a training run.

    They fix the weights on one machine and number of threads.

    Attributes:
        seed: seed of data, weights and batch order.
        steps: optimizer steps.
        peak_rate: learning rate after the warm-up, then a cosine to 0.
        warm_up: steps of linear warm-up.
        average: decay of the weights' exponential average.
        free_decay: weight decay of the tables' free part, which keeps them smooth.
    """

    seed: int = 0
    steps: int = 4000
    peak_rate: float = 2e-3
    warm_up: int = 200
    average: float = 0.998
    free_decay: float = 0.1


@dataclass(frozen=True)
class Floor:
    """Nats per return on generated GARCH, teacher-forced.

    Attributes:
        model: loss of the model.
        oracle: loss of the true conditional density.
        ewma: loss of a normal with EWMA(.97) variance.
    """

    model: float
    oracle: float
    ewma: float


def train(recipe: Recipe, folder: Path, report: Callable[[int, float], None] = lambda step, loss: None) -> Floor:
    """Trains one model and saves it to `folder`.

    The stock `BaseChronosPipeline.from_pretrained` loads it.

    Args:
        recipe: parameters of the run.
        folder: created if missing; gets weights, SHA256SUMS, `config.json`, `generation_config.json`, `recipe.json`.
        report: called every 100 steps with the step and the loss, nats per token.

    Returns:
        Loss of the averaged model and of two reference densities.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads round in an order of their own
    try:
        network = _trained(recipe, report)
    finally:
        torch.set_num_threads(threads)
    floor = _floor(network, np.random.default_rng([recipe.seed, 1]))
    _save(network, folder, recipe, floor)
    return floor


def _trained(recipe: Recipe, report: Callable[[int, float], None]) -> Any:
    """Trains the network; returns it with averaged weights."""
    import torch

    torch.manual_seed(recipe.seed)
    network = network_of()
    optimizer = torch.optim.AdamW(network.groups(recipe.free_decay), lr=recipe.peak_rate, betas=(0.9, 0.98))
    averaged = [p.detach().clone() for p in network.parameters()]
    batches, loss_sum = _batches(np.random.default_rng(recipe.seed)), 0.0
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, recipe)
        loss = network.loss(*next(batches))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, p in zip(averaged, network.parameters(), strict=True):
                mean.lerp_(p, 1 - decay)
        loss_sum += float(loss.detach())
        if (step + 1) % 100 == 0:
            report(step + 1, loss_sum / 100)
            loss_sum = 0.0
    with torch.no_grad():
        for mean, p in zip(averaged, network.parameters(), strict=True):
            p.copy_(mean)
    return network.eval()


def tokens_of(values: Array) -> NDArray[np.int64]:
    """Tokens of returns in volatilities, as of the stock tokenizer."""
    width = 2 * SCALE / (BINS - 1)
    index = np.clip(np.floor((values + SCALE) / width + 0.5), 0, BINS - 1)
    return np.asarray(index, dtype=np.int64) + SPECIAL + 1


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to nothing."""
    if step < recipe.warm_up:
        return recipe.peak_rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.peak_rate * 0.5 * (1 + math.cos(math.pi * done))


def _origin_sd(past: Array) -> Array:
    """EWMA(.97) sd at the end of each row, shape (rows,)."""
    squares = past[:, -(LOOKBACK - 1) :] ** 2
    variance = squares[:, :SEED_RETURNS].mean(axis=1)
    for t in range(SEED_RETURNS, squares.shape[1]):
        variance = DECAY * variance + (1 - DECAY) * squares[:, t]
    return np.asarray(np.sqrt(variance))


def _windows(returns: Array) -> Array:
    """Returns in volatilities at the origin, without flat series."""
    sd = _origin_sd(returns[:, :HISTORY])
    is_alive = sd > 1e-3
    return np.asarray(returns[is_alive] / sd[is_alive, None])


def _batches(rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
    """Yields batches of context and target tokens without end."""
    import torch

    while True:
        windows = _windows(generated_returns(2048, HISTORY + STEPS, rng))
        first = 0
        while True:
            length = int(rng.choice(CONTEXTS, p=CONTEXT_SHARES))
            size = min(BATCH, BATCH_TOKENS // (length + STEPS))
            rows = windows[first : first + size]
            if len(rows) < size:
                break
            first += size
            context = torch.from_numpy(_context_tokens(rows[:, HISTORY - length : HISTORY]))
            yield context, torch.from_numpy(tokens_of(rows[:, HISTORY:]))


def _context_tokens(context: Array) -> NDArray[np.int64]:
    """Context tokens: calibration value, returns, end."""
    front = np.full((len(context), 1), TOKENS - 1)
    return np.concatenate([front, tokens_of(context), np.ones_like(front)], axis=1)


def _floor(network: Any, rng: np.random.Generator, count: int = 512, length: int = 256) -> Floor:
    """Nats per return of model, truth and EWMA, on equal bins."""
    import torch
    from scipy.stats import norm, t

    known = garch(count, HISTORY + STEPS, rng)
    sd = _origin_sd(known.returns[:, :HISTORY])[:, None]
    future, truth = known.returns[:, HISTORY:], np.sqrt(known.variances[:, HISTORY:])
    token = tokens_of(future / sd)
    width = 2 * SCALE / (BINS - 1)
    low = (token - SPECIAL - 1 - 0.5) * width - SCALE
    low, high = np.where(token == SPECIAL + 1, -np.inf, low), np.where(token == TOKENS - 1, np.inf, low + width)

    def nats(cdf: Callable[[Array], Array], scale: Array) -> float:
        return float(-np.log(np.maximum(cdf(high * sd / scale) - cdf(low * sd / scale), 1e-12)).mean())

    unit = math.sqrt((known.freedom - 2) / known.freedom)
    variance, ewma = sd[:, 0] ** 2, np.empty_like(future)
    for step in range(STEPS):
        ewma[:, step] = np.sqrt(variance)
        variance = DECAY * variance + (1 - DECAY) * future[:, step] ** 2
    context = torch.from_numpy(_context_tokens(known.returns[:, HISTORY - length : HISTORY] / sd))
    with torch.no_grad():
        model = float(network.loss(context, torch.from_numpy(token)))
    return Floor(model, nats(lambda x: t.cdf(x, known.freedom), truth * unit), nats(norm.cdf, ewma))


def _save(network: Any, folder: Path, recipe: Recipe, floor: Floor) -> None:
    """Folds the tables into a plain T5 and writes it.

    Weights first: without its config a folder is no model.
    """
    from safetensors.torch import save
    from transformers import GenerationConfig

    read, write = (table.detach() for table in network.tables())
    state = {name: value for name, value in network.t5.state_dict().items() if not name.endswith("embed_tokens.weight")}
    state |= {"shared.weight": read.contiguous(), "lm_head.weight": write.contiguous()}
    folder.mkdir(parents=True, exist_ok=True)
    weights = save(state, metadata={"format": "pt"})
    write_bytes_atomically(folder / WEIGHTS, weights)
    generation = GenerationConfig(pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
    # transformers 5 writes that the tables are tied, whatever they are; version 4 would believe it.
    config_values = json.loads(network.t5.config.to_json_string()) | {"tie_word_embeddings": False}
    config = json.dumps(config_values, indent=2, sort_keys=True).encode() + b"\n"
    summary = {"recipe": asdict(recipe), "floor_nats": asdict(floor)}
    sums = {WEIGHTS: weights, "config.json": config}
    for name, content in (
        (SUMS, "".join(f"{hashlib.sha256(held).hexdigest()}  {of}\n" for of, held in sums.items()).encode()),
        ("generation_config.json", generation.to_json_string().encode()),
        ("recipe.json", json.dumps(summary, indent=2).encode() + b"\n"),
        ("config.json", config),
    ):
        write_bytes_atomically(folder / name, content)
