"""Help names the groups of commands in the desk's order; the version is the package's."""

from importlib.metadata import version

from typer.testing import CliRunner

from forex_assets.cli import app


def test_help_groups_commands_desk_first() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output
    places = [text.index(f"─ {title} ─") for title in ("Desk", "Loop", "Operations")]
    assert places == sorted(places)
    desk, loop = text[places[0] : places[1]], text[places[1] : places[2]]
    assert all(f"│ {name} " in desk for name in ("forecast", "scorecard", "report", "dashboard"))
    assert all(f"│ {name} " in loop for name in ("run", "validate", "rollback", "explain"))


def test_version_is_the_packages() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"forex-assets {version('forex-assets')}\n")
