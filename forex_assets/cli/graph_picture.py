"""Picture of the asset graph, boxes by group."""

from collections.abc import Collection, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = ("#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc", "#d9d2e9", "#fce5cd", "#d0e0e3", "#ead1dc")
NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))
"""Leaves out author and date, so that equal graphs give equal files."""

WIDTH, HEIGHT, LANE, ROW = 3.1, 0.52, 0.45, 1.1
SWEEPS: Final = 12

Edge = tuple[str, str]


def layers_of(parents: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Layer of each node, one below its lowest parent.

    Args:
        parents: by name; parents that are no nodes are ignored.

    Raises:
        ValueError: the graph has a cycle; its nodes are named.
    """
    depth: dict[str, int] = {}
    while len(depth) < len(parents):
        layer = {
            name
            for name, above in parents.items()
            if name not in depth and all(node in depth for node in above if node in parents)
        }
        if not layer:
            raise ValueError(f"a cycle of {', '.join(sorted(set(parents) - set(depth)))}")
        depth |= {
            name: 1 + max((depth[node] for node in parents[name] if node in depth), default=-1)
            for name in sorted(layer)
        }
    return depth


def routes_of(parents: Mapping[str, Collection[str]], depth: Mapping[str, int]) -> dict[Edge, list[str]]:
    """Route of each arrow, with a place in every layer between."""
    routes = {}
    for name in sorted(parents):
        for above in sorted(set(parents[name]) & set(parents)):
            between = [f"{above}->{name}@{layer}" for layer in range(depth[above] + 1, depth[name])]
            routes[above, name] = [above, *between, name]
    return routes


def rows_of(depth: Mapping[str, int], routes: Mapping[Edge, list[str]]) -> list[list[str]]:
    """Layers with their places, ordered by barycentres (Sugiyama, 1981)."""
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    near: dict[str, list[list[str]]] = {}
    for name in sorted(depth):
        rows[depth[name]].append(name)
    for (above, _), route in sorted(routes.items()):
        for number, place in enumerate(route):
            if place not in depth:
                rows[depth[above] + number].append(place)
            near.setdefault(place, [[], []])
            near[place][0] += route[number - 1 : number] if number else []
            near[place][1] += route[number + 1 : number + 2]
    for sweep in range(SWEEPS):
        side = sweep % 2
        for row in rows if not side else reversed(rows):
            spot = {place: index / max(1, len(layer) - 1) for layer in rows for index, place in enumerate(layer)}
            row.sort(
                key=lambda place: _mean([spot[neighbour] for neighbour in near.get(place, [[], []])[side]], spot[place])
            )
    return rows


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def graph_figure(parents: Mapping[str, Collection[str]], groups: Mapping[str, str]) -> "Figure":
    """The figure: every box has the gid `asset:NAME`, every arrow `edge:FROM->TO`.

    Args:
        parents: by asset.
        groups: by asset; a colour each.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
    from matplotlib.path import Path

    depth = layers_of(parents)
    routes = routes_of(parents, depth)
    rows = rows_of(depth, routes)
    middle: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        widths = [WIDTH + 0.3 if place in depth else LANE for place in row]
        left = -sum(widths) / 2
        for place, width in zip(row, widths, strict=True):
            middle[place] = (left + width / 2, -number * ROW)
            left += width
    right = max(abs(x) for x, _ in middle.values()) + WIDTH / 2 + 0.2
    figure = Figure(figsize=(right * 1.1, (len(rows) * ROW + 0.5) * 0.75))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    for (above, name), route in routes.items():
        lanes, codes = [(middle[above][0], middle[above][1] - HEIGHT / 2)], [Path.MOVETO]
        for place in route[1:]:
            (x0, y0), (x, y) = lanes[-1], middle[place]
            bend, top = (y0 + y + HEIGHT / 2) / 2, y + HEIGHT / 2
            lanes += [(x0, bend), (x, bend), (x, top)]
            codes += [Path.CURVE4] * 3
            if place != name:  # straight down its lane
                lanes.append((x, y - HEIGHT / 2))
                codes.append(Path.LINETO)
        arrow = FancyArrowPatch(
            path=Path(lanes, codes), arrowstyle="-|>", mutation_scale=9, gid=f"edge:{above}->{name}"
        )
        arrow.set(color="#777777", linewidth=0.8, capstyle="butt")
        axes.add_patch(arrow)
    colours = dict(zip(sorted(set(groups.values())), cycle(COLOURS), strict=False))
    for name in depth:
        x, y = middle[name]
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        style: dict[str, Any] = {"facecolor": colours[groups[name]], "edgecolor": "#555555", "linewidth": 0.8}
        box = FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle="round,pad=0.02", gid=f"asset:{name}", zorder=3, **style)
        axes.add_patch(box)
        axes.text(x, y, name, ha="center", va="center", fontsize=8, zorder=4)
    axes.set_xlim(-right, right)
    axes.set_ylim(-(len(rows) - 1) * ROW - ROW, HEIGHT)
    handles = [Patch(facecolor=colour, edgecolor="#555555", label=group) for group, colour in colours.items()]
    axes.legend(handles=handles, loc="lower right", frameon=False, fontsize=9)
    return figure


def svg_of(figure: "Figure") -> str:
    """A figure as SVG: the same figure, the same text."""
    import io

    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "forex-assets"}):
        figure.savefig(buffer, format="svg", metadata=NO_METADATA, facecolor="white")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
