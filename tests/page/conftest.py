"""One experiment as its page, and a browser that opens it from disk."""

import json
import shutil
import tempfile

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Browser:
    """Headless Chromium through Selenium, with the few verbs that the tests need."""

    def __init__(self, driver):
        self.driver = driver

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path, fragment=""):
        self.driver.get_log("browser")
        self.driver.get("about:blank")
        self.driver.get(path.resolve().as_uri() + fragment)
        self.wait("return document.body.dataset.ready === 'true'")

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def wait(self, script, *values):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30, 0.05).until(lambda driver: self.run(script, *values))

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def change(self, name, value, event="change"):
        self.run(
            "const it = document.getElementById(arguments[0]); it.value = arguments[1];"
            "it.dispatchEvent(new Event(arguments[2]));",
            *(name, value, event),
        )

    def numbers(self):
        return self.run(
            "return Object.fromEntries([...document.querySelectorAll('#numbers dd')]"
            ".map((cell) => [cell.dataset.name, cell.textContent]))"
        )

    def select_policy(self, name):
        """Policies are drawn again, which takes a moment."""
        self.run("window.before = views['wer-chart']")
        self.change("policy", name)
        self.wait("return views['wer-chart'] && views['wer-chart'] !== window.before")
        threshold = "return document.getElementById('threshold').textContent"
        first = f"current().policies[{json.dumps(name)}]"
        self.wait(f"return {first}.points.some((p) => p.cells[2] === (() => {{{threshold}}})())")


@pytest.fixture(scope="session")
def browser():
    pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver here (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        started = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(started)
        finally:
            started.quit()
