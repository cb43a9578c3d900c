# SPDX-License-Identifier: Apache-2.0
"""Runs the command line inside the test process, with the fake codec."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from services import cli
from services.commands import demo, doctor, files, link, stream
from services.settings.config import CodecSettings
from tests.fakes import FakeCodec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON object and nothing else."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line of the error; fails if it is a traceback or several lines."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("streamcodec: ")]
        assert len(lines) == 1, self.err
        return lines[0]


Command = Callable[..., Outcome]


def load_fake(
    settings: CodecSettings, *, size: str | None = None, device: str | None = None
) -> FakeCodec:
    """In place of `services.commands.codecs.load_codec`; can be sent to another process."""
    return FakeCodec.load(size or settings.size)


def make_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """A function that runs `streamcodec ARGUMENTS`."""
    for room in (demo, doctor, files, link, stream):
        monkeypatch.setattr(room, "load_codec", load_fake)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["streamcodec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else int(bool(code)), out, err)

    return run
