"""Addresses of stores, as the settings name them."""

import importlib.util
from typing import Final

MEMORY: Final = "memory://"
SCHEMES: Final = ("s3://", "gs://", "az://")
"""Beginnings of the addresses of object stores."""


def is_remote(address: str) -> bool:
    """Tells whether an address names no folder."""
    return address.startswith((*SCHEMES, MEMORY))


def address_fault(address: str) -> str:
    """Why an address cannot name a store; empty where it can."""
    if "://" not in address:
        return ""
    if not is_remote(address):
        return f"it should be a folder, or begin with {', '.join(SCHEMES)}"
    bucket, _, prefix = address.partition("://")[2].partition("/")
    if address.startswith(MEMORY):
        return "" if bucket else f"name a memory, such as {MEMORY}test"
    if not bucket or not address.isprintable() or any(character in address for character in " @?#"):
        return "it should be such as s3://bucket/folder, without credentials, ?, # and blanks"
    if prefix and any(part in ("", ".", "..") for part in prefix.strip("/").split("/")):
        return "its folder holds an empty part, . or .."
    if importlib.util.find_spec("obstore") is None:
        return "object stores need an extra package; install it with pip install 'forex-assets[s3]'"
    return ""
