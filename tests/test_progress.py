"""Progress of long runs: all batches pass, and a log gets a line a minute."""

import logging

import espnet_ee.progress
from espnet_ee.progress import LOG_EVERY_SEC, with_progress

BATCHES = [["a", "b"], ["c"], ["d", "e", "f"]]


class Terminal:
    """A stderr that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_batches_pass_unchanged():
    assert list(with_progress(BATCHES, 6, "utterances")) == BATCHES


def test_a_log_gets_a_line_for_each_minute(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    minutes = (0.0, 0.5, 1.0, 1.0, 3.0, 3.0)
    clock = iter([LOG_EVERY_SEC * minute for minute in minutes])
    monkeypatch.setattr(espnet_ee.progress.time, "monotonic", lambda: next(clock))
    list(with_progress(BATCHES, 6, "utterances"))
    assert [r.getMessage() for r in caplog.records] == ["3 of 6 utterances", "6 of 6 utterances"]


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(espnet_ee.progress.sys, "stderr", terminal)
    assert list(with_progress(BATCHES, 6, "utterances")) == BATCHES
    assert "6/6" in terminal.text
