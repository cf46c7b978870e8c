"""Pages in a real browser."""

import base64
import os
import pathlib

from selenium import webdriver


def load(
    browser: webdriver.Chrome, path: pathlib.Path, width: int, scheme: str = "light",
    media: str = "screen",
) -> None:  # fmt: skip
    """Shows a file, and leaves a screenshot in the folder that KATA_SCREENSHOTS names."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(path.as_uri())
    if folder := os.environ.get("KATA_SCREENSHOTS"):
        size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        shot = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        )
        name = f"{path.parent.name}-{path.suffix[1:]}-{width}-{scheme}-{media}.png"
        pathlib.Path(folder, name).write_bytes(base64.b64decode(shot["data"]))
