# SPDX-License-Identifier: Apache-2.0
"""Every event that a page shows is a line of the log, once, in both forms."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from services.measure.events import EventLog, StreamEvent
from services.process import logs
from services.process.chronicle import LEVELS, Chronicle, chronicle
from services.process.limiter import OF_A_NAME
from services.settings.config import LogSettings

SERVICES = Path(__file__).resolve().parents[4] / "services"
Line = tuple[int, str, dict[str, object]]


def keeping() -> tuple[Chronicle, list[Line]]:
    lines: list[Line] = []
    return Chronicle(lambda level, name, fields: lines.append((level, name, fields))), lines


def test_each_event_is_one_line_however_often_it_is_seen() -> None:
    story, lines = keeping()
    events = EventLog()
    events.add(1, "connected", "alice")
    story.tell(events.snapshot(), stream="door", now_us=1)
    events.add(1, "connected", "alice")  # the same again in the same microsecond is another one
    for _ in range(3):
        story.tell(events.snapshot(), stream="door", now_us=2)
    line = (logging.INFO, "connected", {"stream": "door", "text": "alice"})
    assert lines == [line, line]


def test_an_event_that_comes_late_under_an_earlier_time_is_told() -> None:
    story, lines = keeping()
    late, early = StreamEvent(5, "lost", "bob"), StreamEvent(9, "bye")
    story.tell([early], stream="", now_us=9)
    story.tell([late, early], stream="", now_us=10)
    assert [name for _, name, _ in lines] == ["bye", "lost"]


def test_a_flood_of_one_name_leaves_the_others_their_lines() -> None:
    story, lines = keeping()
    events = EventLog()
    for n in range(200):
        events.add(n, "bad_message", f"number {n}")
    events.add(300, "lost", "bob: silent")
    story.tell(events.snapshot(), stream="", now_us=300)
    names = [name for _, name, _ in lines]
    assert names == ["bad_message"] * OF_A_NAME.burst + ["lost"]
    story.tell(events.snapshot(), stream="", now_us=300 + OF_A_NAME.refill_us)
    assert lines[-1][2] == {"text": "number 199", "left_out": 200 - OF_A_NAME.burst - 1}


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_needs_a_person_has_its_level_and_fields_in_both_forms(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format=form))
    story = chronicle("receiver")
    refused = StreamEvent(1, "refused", "the sender offers stream 'yard', this one wants another")
    story.tell([refused], stream="door", now_us=1)
    (line,) = capsys.readouterr().err.splitlines()
    if form == "json":
        found = json.loads(line)
        assert found.pop("time")
        assert found == {
            "level": "warning",
            "part": "receiver",
            "event": "refused",
            "stream": "door",
            "text": refused.text,
        }
    else:
        assert line[9:] == f'receiver: warning: refused stream=door text="{refused.text}"'


def test_levels_are_of_events_that_exist() -> None:
    """Every name with a level is added by some room."""
    code = "".join(path.read_text(encoding="utf-8") for path in SERVICES.rglob("*.py"))
    added = set(re.findall(r'\.(?:add(?:_seldom)?|_sampled|_tell)\([^"]*?"([a-z_]+)"', code))
    added |= {"keys_unreadable"}  # chosen by a condition
    assert set(LEVELS) <= added, set(LEVELS) - added
