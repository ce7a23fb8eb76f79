"""Text from people, as it is kept."""

from typing import Annotated

from pydantic import BeforeValidator


def printable(text: object) -> object:
    """Returns text without control characters, on one line.

    Escape sequences in a reason could change a terminal, a mail or a commit.
    """
    if not isinstance(text, str):
        return text
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


PrintableLine = Annotated[str, BeforeValidator(printable)]
"""Text without control characters, on one line."""
