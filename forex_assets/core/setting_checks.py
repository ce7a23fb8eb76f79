"""Checks of settings that could not work, before anything is written."""

import importlib.util
from pathlib import Path
from typing import Final

NAME_BYTES: Final = 255
"""Longest file name on common file systems, in bytes."""


def folder_fault(path: Path) -> str:
    """Why a folder cannot be used; empty where it can."""
    # The folder becomes part of the addresses of sqlite databases, where these characters mean something else.
    if bad := [character for character in str(path) if character in "?#%" or not character.isprintable()]:
        return f"the path holds {bad[0]!r}, which the address of a database cannot; choose another folder"
    if any(len(part.encode(errors="replace")) > NAME_BYTES for part in path.parts):
        return f"a folder's name is longer than {NAME_BYTES} bytes; choose a shorter one"
    if path.exists() and not path.is_dir():
        return "there is a file of that name; name a folder"
    return ""


def url_fault(text: str) -> str:
    """Why a service's address cannot be used; empty where it can."""
    if text.startswith(("http://", "https://")) and text.isprintable() and " " not in text:
        return ""
    return "it should begin with http:// or https:// and hold no blank"


def postgres_fault(text: str) -> str:
    """Why a Postgres address cannot be used; empty where it can."""
    # SQLAlchemy 2.1 takes psycopg 3 where no driver is named, and dagster-postgres fails with it.
    if not text.startswith("postgresql+psycopg2://"):
        return "it should be such as postgresql+psycopg2://user:password@host:5432/database, the driver's name included"
    if importlib.util.find_spec("dagster_postgres") is None:
        return "Postgres needs extra packages; install them with pip install 'forex-assets[postgres]'"
    return ""


def model_fault(text: str) -> str:
    """Why a model's name cannot be used; empty where it can."""
    is_short = all(len(part.encode(errors="replace")) <= NAME_BYTES for part in text.split("/"))
    if text.strip() and text.isprintable() and is_short:
        return ""
    return "it should be auto, embedded, ewma, a hub id or a folder, in printable characters"
