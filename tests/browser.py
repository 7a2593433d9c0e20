"""A real Chromium, headless, that may reach nothing but this machine, and what it complained of.

Tests that ask for one are skipped where there is none, unless AGENT_LOOPS_BROWSER=required.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
_IS_REQUIRED = os.environ.get("AGENT_LOOPS_BROWSER") == "required"


def _found(*names: str) -> str:
    place = next(filter(None, map(shutil.which, names)), "")
    if not place and _IS_REQUIRED:
        pytest.fail(f"AGENT_LOOPS_BROWSER=required, and there is no {names[0]}")
    if not place:
        pytest.skip(f"no {names[0]}")
    return place


@contextmanager
def opened(profile: Path) -> Iterator[Chrome]:
    """A browser with a profile of its own."""
    chromium, driver = _found("chromium", "chromium-browser"), _found("chromedriver")
    if not _IS_REQUIRED:
        pytest.importorskip("selenium")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def size(browser: Chrome, width: int, height: int) -> None:
    """Makes the page's own area so large, on a phone's or a desktop's screen."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def complaints(browser: Chrome) -> list[dict[str, Any]]:
    """What stands in the console since this was last asked."""
    entries = json.loads(json.dumps(browser.get_log("browser")))  # type: ignore[no-untyped-call]
    return [entry for entry in entries if entry["level"] in ("SEVERE", "WARNING")]
