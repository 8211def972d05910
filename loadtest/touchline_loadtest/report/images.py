"""The charts as PNG files, drawn by the page itself in a headless Chromium, so that they look as on the page.

A browser is run as a command, once for all images, and prints them: nothing but the browser has to be installed.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from touchline_protocol.errors import OperatorError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_S = 120.0
PAGE_TIME_MS = 60_000
"""The virtual time that the page gets. It passes at once while the page waits, and stops while it works."""
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--run-all-compositor-stages-before-draw",
    "--blink-settings=preferredColorScheme=1",
    f"--virtual-time-budget={PAGE_TIME_MS}",
)
IMAGES = re.compile(rb'<script type="application/json">(\{.*?\})</script>', re.DOTALL)
DATA_URL = "data:image/png;base64,"


class NoImages(OperatorError):
    """There is no browser that can draw the images, or it failed."""


def find_browser(given: Path | None = None) -> str:
    """The browser that draws the images: ``given``, or the first that is installed.

    Raises:
        NoImages: it does not exist, or none is installed.
    """
    if given is not None:
        if shutil.which(given) is None:
            raise NoImages(f"{given} is not a program that can be run: --browser takes the path of Chromium or Chrome")
        return str(given)
    for name in BROWSERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise NoImages(
        "images need Chromium or Chrome, and neither is installed: on Debian, apt install chromium; "
        "or name one with --browser PATH. The page itself needs neither."
    )


def write_images(page: str, folder: Path, browser: str) -> list[Path]:
    """Write an image of each chart of ``page`` into ``folder``; returns their paths.

    Raises:
        NoImages: the browser failed, or the folder cannot be written.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in _draw(page, browser).items():
            path = folder / f"{name}.png"
            path.write_bytes(base64.b64decode(image.removeprefix(DATA_URL)))
            paths.append(path)
    except OSError as error:
        raise NoImages(f"cannot write images to {folder}: {error.strerror or error}") from error
    return paths


def _draw(page: str, browser: str) -> dict[str, str]:
    """Each chart's id, and its image as a data URL."""
    # As root, as in containers, Chromium cannot run with its sandbox. The page is ours, and its policy is strict.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with tempfile.TemporaryDirectory(prefix="touchline-report-") as scratch:
        file = Path(scratch) / "report.html"
        file.write_text(page, "utf-8")
        command = [browser, *flags, f"--user-data-dir={scratch}/profile", "--dump-dom", f"{file.as_uri()}#png"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - the user's browser
        except subprocess.TimeoutExpired:
            raise NoImages(f"{browser} did not draw the images in {TIMEOUT_S:g} s") from None
    found = IMAGES.search(done.stdout)
    if found is None:
        raise NoImages(f"{browser} drew no images (exit code {done.returncode}): {_reason(done.stderr)}")
    return msgspec.json.decode(found[1], type=dict[str, str])


def _reason(errors: bytes) -> str:
    """The last line that a browser wrote. Without a desktop it always complains about D-Bus too."""
    lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip() and "dbus" not in line]
    return lines[-1] if lines else "it gave no reason"
