"""Reads the desk's settings files, which people write."""

from forex_assets.core.session import Session
from forex_assets.core.validated_file import read_validated, yaml_fields
from forex_assets.desk import events, levels
from forex_assets.desk.outlook import DeskError


class DeskConfigError(DeskError):
    """A settings file cannot be used; the message names field and value."""


def read_levels(session: Session) -> levels.WatchLevels:
    """Reads `configs/levels.yaml`; no file means no level."""
    files = session.config_files
    if files.state(levels.FILE) is None:
        return levels.WatchLevels()
    return read_validated(
        files, levels.FILE, levels.WatchLevels, yaml_fields, DeskConfigError, "fields such as `levels: []`"
    )


def read_events(session: Session) -> events.Events:
    """Reads `configs/events.yaml`; no file means no date."""
    files = session.config_files
    if files.state(events.FILE) is None:
        return events.Events()
    return read_validated(
        files, events.FILE, events.Events, yaml_fields, DeskConfigError, "fields such as `policy_meetings: []`"
    )
