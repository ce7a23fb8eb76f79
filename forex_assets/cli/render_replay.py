"""Tables of a replay on the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import RenderableType

from forex_assets.cli.tables import Column, Row, banner, estimate, figures, fixed, gains, table
from forex_assets.replay.results import FIXED

WAYS = (
    Column("horizon", "horizon"),
    Column("way", "strategy"),
    Column("n", "n", fixed(0)),
    Column("CRPS", "crps", figures),
    Column("CRPS, %", estimate("crps_gain"), gains),
    Column("RMSE, %", estimate("rmse_gain"), gains),
)
COUNTS = (
    *WAYS[:2],
    Column("searches", "searches", fixed(0)),
    Column("alarms/y", "alarms_per_year", fixed(1)),
    Column("deployed", "deployments", fixed(0)),
    Column("back", "rollbacks", fixed(0)),
    Column("worse days", "worse_days", fixed(0)),
)
CHANGES = (
    Column("horizon", "horizon"),
    Column("way", "strategy"),
    Column("on", lambda row: str(row["changed_on"])),
    Column("change", "change"),
    Column("from", "settings_before"),
    Column("to", "settings_after"),
    Column("n", "n", fixed(0)),
    Column("CRPS, %", estimate("change_gain"), gains),
)


def loop(rows: Sequence[Row], changes: Sequence[Row], *, is_sample: bool) -> Iterable[RenderableType]:
    """Tables of ways, fixed settings, and each change with its worth."""
    if is_sample:
        yield banner()
    held = [row for row in rows if row["strategy"].startswith(FIXED)]
    ways = [row for row in rows if not row["strategy"].startswith(FIXED)]
    caption = "gains against never tuning on the same evenings, 95 % intervals; the oracle's against the first settings"
    yield table(ways, WAYS, title="Would tuning have paid?", caption=caption)
    searching = [row for row in ways if row["searches"] is not None]
    yield table(searching, COUNTS, title="Searches and changes", caption="back: rollbacks; days on worse settings")
    held = [row | {"strategy": row["strategy"].removeprefix(FIXED)} for row in map(dict, held)]
    yield table(held, WAYS[:5], title="Settings held throughout", caption="gains against the first settings")
    if changes:
        yield table(changes, CHANGES, title="Changes of settings", caption="gains against the settings before each")
    else:
        yield "No way of tuning changed any settings."
