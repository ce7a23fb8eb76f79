"""Pages that are made from the code are those of this code: `make docs` after a change of commands or assets."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.cli.graph_picture import layers_of, routes_of, rows_of
from forex_assets.cli.reference import COMMANDS, GRAPH, commands_page, graph
from forex_assets.core.settings import PROJECT


def test_the_page_of_commands_is_the_command_lines() -> None:
    assert COMMANDS.read_text(encoding="utf-8") == commands_page(), "make docs"


def test_every_command_that_a_page_names_exists() -> None:
    known = {tuple(heading.split()) for heading in re.findall(r"^## forex-assets (.+)$", commands_page(), re.MULTILINE)}
    groups = {name[0] for name in known if len(name) == 2}
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    named = {
        (page.name, first, second)
        for page in pages
        for first, second in re.findall(r"forex-assets ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8"))
    }
    assert len(named) > len(known)
    for page, first, second in sorted(named):
        assert (first,) in known or first in groups, f"{page}: forex-assets {first}"
        assert first not in groups or not second or (first, second) in known, f"{page}: forex-assets {first} {second}"


def test_the_picture_shows_every_asset_and_every_arrow_of_the_definitions() -> None:
    ids = {element.get("id", "") for element in ElementTree.parse(GRAPH).iter()}
    parents, _ = graph()
    assert {gid.removeprefix("asset:") for gid in ids if gid.startswith("asset:")} == set(parents), "make docs"
    arrows = {f"{above}->{name}" for name, every in parents.items() for above in every}
    assert {gid.removeprefix("edge:") for gid in ids if gid.startswith("edge:")} == arrows, "make docs"


GRAPHS = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*(st.sets(st.integers(0, max(0, k - 1)).filter(lambda j, k=k: j < k)) for k in range(n)))
)


@given(GRAPHS)
def test_an_arrow_goes_down_and_has_a_place_in_every_layer_between(above: tuple[set[int], ...]) -> None:
    parents = {str(name): {str(node) for node in every} for name, every in enumerate(above)}
    depth = layers_of(parents)
    routes = routes_of(parents, depth)
    rows = rows_of(depth, routes)
    assert sorted(place for row in rows for place in row) == sorted(
        set(depth) | {place for route in routes.values() for place in route}
    )
    for route in routes.values():
        layers = [next(number for number, row in enumerate(rows) if place in row) for place in route]
        assert layers == list(range(layers[0], layers[0] + len(route)))
        assert len(route) >= 2


def test_a_circle_is_said() -> None:
    with pytest.raises(ValueError, match="a cycle of a, b"):
        layers_of({"a": ["b"], "b": ["a"], "c": []})


def measured_rows(horizon: str) -> list[str]:
    """Cells of the calibrated embedded model's row for market closes, as `docs/accuracy.md` has them."""
    page = (PROJECT / "docs/accuracy.md").read_text(encoding="utf-8")
    block = page.split("<!-- measured: closes by ")[1].split(f"### {horizon}\n")[1].split("###")[0]
    row = next(line for line in block.splitlines() if line.startswith("| embedded, calibrated |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def plain(text: str) -> list[float]:
    """Numbers of a cell, whatever its minus sign and leading zeros."""
    return [float(number) for number in re.findall(r"[-+]?\d*\.?\d+", text.replace("−", "-"))]


def test_the_readmes_accuracy_table_is_that_of_the_measured_page() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    titles = ("prices inside the 80 %", "prices inside the 95 %", "worst year", "CRPS against")
    rows = [next(line for line in readme.splitlines() if line.startswith(f"| {title}")) for title in titles]
    for place, horizon in enumerate(("7d", "15d", "30d", "90d"), 2):
        row = measured_rows(horizon)
        coverage_80, coverage_95, worst, crps = (plain(line.split("|")[place]) for line in rows)
        assert coverage_80 == plain(row[5])
        assert coverage_95 == plain(row[6])[:1]
        assert worst == plain(row[7])[:1]
        assert crps == plain(row[4])
