"""Prints the report with a browser that is installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from forex_assets.core.store.atomic import write_bytes_atomically

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome")
LIMIT_S: Final = 120.0


class NoBrowser(Exception):
    """No browser could print the page; the message names the remedy."""


def print_page(page: Path, pdf: Path) -> None:
    """Prints a page as PDF, in its own paper size.

    Raises:
        NoBrowser: none is installed, or it failed.
        OSError: the PDF cannot be written.
    """
    browser = next((program for name in BROWSERS if (program := shutil.which(name))), None)
    if browser is None:
        raise NoBrowser("cannot print: no Chromium, Chrome or Edge on the PATH; install one, or print the page by hand")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "page.pdf"
        flags = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        # A page of our own, which asks for nothing: root needs the flag, as in a container.
        flags += ["--no-sandbox", f"--user-data-dir={folder}/profile", f"--print-to-pdf={draft}"]
        try:
            done = subprocess.run(
                [browser, *flags, page.resolve().as_uri()], capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoBrowser(f"{browser} did not print the page within {LIMIT_S:.0f} s; print it by hand") from None
        if not draft.exists():
            words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise NoBrowser(f"{browser} did not print the page: {words}")
        write_bytes_atomically(pdf, draft.read_bytes())
