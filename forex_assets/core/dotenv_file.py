"""Reads `.env`, secrets as they were typed.

python-dotenv takes ` #` for a comment and drops a value with an odd quote. In a password both are letters.
"""

import io
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

_LINE: Final = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=(?P<value>.*)", re.DOTALL)
_QUOTED: Final = re.compile(r"""("(\\.|[^"\\])*"|'(\\.|[^'\\])*')\s*(#.*)?""")


def typed_values(file: Path, secrets: Collection[str]) -> dict[str, str | None]:
    """Values by name as typed: `${NAME}` is not expanded.

    Args:
        file: UTF-8, with or without a byte order mark.
        secrets: names whose unquoted value is all of the line but blanks at its ends; others may have a comment.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    typed, others = dict[str, str | None](), list[str]()
    for line in file.read_text(encoding="utf-8-sig").split("\n"):
        match = _LINE.fullmatch(line)
        value = match["value"].strip() if match else ""
        is_comment = value.startswith("#") and match is not None and match["value"][0].isspace()
        if match and match["name"] in secrets and not _QUOTED.fullmatch(value) and not is_comment:
            typed[match["name"]] = value
        else:
            others.append(line)
    return {**dotenv_values(stream=io.StringIO("\n".join(others)), interpolate=False), **typed}
