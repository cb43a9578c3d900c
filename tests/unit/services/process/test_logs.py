# SPDX-License-Identifier: Apache-2.0
"""Lines of the log hold what was meant, one to an event, whatever a peer writes into a field."""

from __future__ import annotations

import json
import logging
import shlex
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.process import logs
from services.process.limiter import OF_A_NAME
from services.settings.config import LogSettings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=st.text(max_size=40))
def test_a_field_stays_one_field_on_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words as a shell reads them: what a peer writes makes no line and no field of ours."""
    logs.configure(LogSettings())
    logs.get("sender").warning("lost", viewer=text, frames=7)
    line = capsys.readouterr().err
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    words = shlex.split(line[9:])
    assert words[:3] == ["sender:", "warning:", "lost"]
    assert len(words) == 5
    assert words[4] == "frames=7"


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_breaks_a_thread_is_told_in_the_form_of_the_log(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format=form))

    def broken() -> None:
        raise ZeroDivisionError("by nothing")

    with logs.telling_of_threads():
        thread = threading.Thread(target=broken, name="encode")
        thread.start()
        thread.join()
    lines = capsys.readouterr().err.splitlines()
    if form == "json":
        (line,) = lines
        found = json.loads(line)
        assert (found["part"], found["event"], found["level"]) == (
            "encode",
            "thread_failed",
            "error",
        )
        assert found["error"] == "ZeroDivisionError: by nothing"
        assert "in broken" in found["traceback"]
    else:
        expected = 'encode: error: thread failed error="ZeroDivisionError: by nothing"'
        assert lines[0].endswith(expected)
        assert "Traceback" in lines[1]


def test_errors_of_the_web_server_are_lines_too_and_never_a_flood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(LogSettings(format="json"))
    server = logging.getLogger("aiohttp.server")
    for number in range(OF_A_NAME.burst + 30):
        server.error("Error handling request", exc_info=ValueError(number))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == OF_A_NAME.burst
    assert {line["part"] for line in lines} == {"aiohttp.server"}
    assert "ValueError: 0" in lines[0]["traceback"]


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_traceback_shows_the_password_of_an_address(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format=form))
    try:
        open("rtsp://alice:hunter2@camera/door")  # noqa: SIM115  (it fails)
    except OSError as error:
        logs.crashed("crashed", error)
    said = capsys.readouterr().err
    assert "camera/door" in said
    assert "hunter2" not in said
