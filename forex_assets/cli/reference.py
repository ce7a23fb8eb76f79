"""Pages made from the code by `make docs`."""

from collections.abc import Iterator
from typing import Any

import typer

from forex_assets.cli.common import app
from forex_assets.core.settings import PROJECT

COMMANDS, GRAPH = PROJECT / "docs/commands.md", PROJECT / "docs/graph.svg"
HEAD = """# Commands

Made from the command line's own help by `make docs`. Exit code 0: done; 1: failed; 2: bad usage.
"""


def commands_page() -> str:
    """Every command: what it does, arguments, options, examples."""
    root = typer.main.get_command(app)
    return (
        "\n".join([HEAD, *(line for name, command in _commands(root) for line in _section(name, command))]).rstrip()
        + "\n"
    )


def _commands(command: Any, name: str = "forex-assets") -> Iterator[tuple[str, Any]]:
    """Commands that do something, with their whole names, in alphabetical order."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for subcommand in sorted(command.commands):
        yield from _commands(command.commands[subcommand], f"{name} {subcommand}")


def _section(name: str, command: Any) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if not parameter.hidden and parameter.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    usage = " ".join([name, *map(_takes, arguments), *(["[OPTIONS]"] if len(parameters) > len(arguments) else [])])
    yield f"## {name}\n"
    yield f"`{usage}`\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"
    if parameters:
        yield "| | |\n| --- | --- |"
        yield from map(_row, parameters)
        yield ""
    _, _, examples = (command.epilog or "").partition("Examples:")
    if examples:
        yield "Examples: " + ", ".join(f"`{example.strip()}`" for example in examples.split("·")) + "\n"


def _takes(parameter: Any) -> str:
    """Placeholder for the value of an argument or option."""
    if parameter.metavar:
        return str(parameter.metavar)
    return "N" if parameter.type_descriptor.annotation in (int, float) else "TEXT"


def _row(parameter: Any) -> str:
    """Table row of one argument or option."""
    names = [] if parameter.param_type_name == "argument" else [", ".join(parameter.opts + parameter.secondary_opts)]
    takes = [] if getattr(parameter, "is_flag", False) else [_takes(parameter)]
    sentences = [parameter.help or ""]
    if parameter.required and names:
        sentences.append("Must be given.")
    if parameter.default not in (None, False, "") and not callable(parameter.default):
        sentences.append(f"Default: {parameter.default}.")
    code, text = (words.replace("|", "\\|") for words in (" ".join(names + takes), " ".join(sentences)))
    return f"| `{code}` | {text} |"


def graph() -> tuple[dict[str, set[str]], dict[str, str]]:
    """Parents and group of every asset, from the definitions."""
    from forex_assets.locations import forecasting, optimization

    parents, groups = dict[str, set[str]](), dict[str, str]()
    for location in (forecasting, optimization):
        for node in location.defs.resolve_asset_graph().asset_nodes:
            name = node.key.to_user_string()
            parents.setdefault(name, set()).update(parent.to_user_string() for parent in node.parent_keys)
            if node.is_materializable or name not in groups:
                groups[name] = node.group_name
    return parents, groups


def graph_picture() -> str:
    """SVG of the asset graph."""
    from forex_assets.cli.graph_picture import graph_figure, svg_of

    return svg_of(graph_figure(*graph()))


def main() -> None:
    """Writes the pages."""
    for path, text in ((COMMANDS, commands_page()), (GRAPH, graph_picture())):
        path.write_text(text, encoding="utf-8")
        typer.echo(path.relative_to(PROJECT))


if __name__ == "__main__":
    main()
