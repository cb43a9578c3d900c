# SPDX-License-Identifier: Apache-2.0
"""`send`, `recv`, `link`, `simulate`, `config` and `doctor` as commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from services.demo.supervisor import free_port
from services.protocol.planner import Rules
from services.sender.daemon import Sender, SenderConfig
from services.wire.endpoint import Endpoint
from tests.fakes import FakeCodec, FakeSource
from tests.integration.cli import Command

pytestmark = pytest.mark.live


def make_sender(url: str) -> Sender:
    config = SenderConfig(Endpoint(url, bind=True), rules=Rules(quality=40, adaptive=False))
    return Sender(config, codec=FakeCodec.load("S"), source=FakeSource())


def test_recv_counts_what_a_sender_sends_and_records_it(command: Command, tmp_path: Path) -> None:
    sender = make_sender("tcp://127.0.0.1:0")
    try:
        sender.start()
        outcome = command(
            *("recv", "--connect", sender.url, "--seconds", 1.5, "--view", "none"),
            *("--record", "tape.scv", "--stats", "stats.jsonl", "--json"),
        )
    finally:
        sender.stop()
    assert outcome.code == 0, outcome.err
    assert outcome.json["framesDisplayed"] > 3
    assert outcome.json["role"] == "receiver"
    lines = (tmp_path / "stats.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["framesDisplayed"] == outcome.json["framesDisplayed"]
    assert command("info", "tape.scv", "--json").json["frames"] > 3


def test_send_serves_a_receiver_until_its_time_is_over(command: Command) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    outcome = command("send", "--source", "scene:64x48@30", "--bind", url, "--seconds", 1, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["role"] == "sender"
    assert outcome.json["framesCaptured"] > 3


def test_send_ends_with_its_source(command: Command, tmp_path: Path) -> None:
    from tests.unit.services.media.files.test_reader import write_video  # noqa: PLC0415

    clip = write_video(tmp_path / "clip.avi", frames=5)
    url = f"tcp://127.0.0.1:{free_port()}"
    assert command("send", "--source", clip, "--bind", url, "--json").json["framesCaptured"] <= 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_well(command: Command, number: signal.Signals) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    timer = threading.Timer(2.0, os.kill, (os.getpid(), number))
    timer.start()
    outcome = command("send", "--source", "scene:64x48@30", "--bind", url, "--json")
    timer.join()
    assert outcome.code == 0, outcome.err
    assert outcome.json["framesCaptured"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("send", "--source", "none.mp4"), 5, "none.mp4: no such file"),
        (("send", "--source", "scene:9000x9000"), 5, "9000x9000"),
        (("send", "--bind", "tcp://127.0.0.1:1x"), 3, "not an address"),
        (("send", "--bind", "tcp://0.0.0.0:5555"), 3, "without keys"),
        (("send", "--bind", "tcp://127.0.0.1:1", "--connect", "tcp://127.0.0.1:2"), 3, "keep one"),
        (("send", "--kbps", 0), 3, "sender.kbps is 0.0"),
        (("recv", "--view", "out.xyz"), 1, "out.xyz"),
        (("recv", "--patience", 0.3, "--view", "none"), 6, "no sender at"),
        (("link", "--profile", "none"), 3, "none"),
        (("link", "--listen", "nowhere"), 3, "nowhere"),
        (("simulate", "--profile", "absent.toml"), 3, "absent.toml"),
        (("simulate", "--source", "camera:0"), 3, "a simulation takes"),
        (("config", "check", "absent.toml"), 3, "absent.toml"),
    ],
)
def test_bad_input_gets_one_sentence_and_its_code(
    command: Command, arguments: tuple[object, ...], code: int, message: str
) -> None:
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.sentence


def test_an_address_in_use_is_named(command: Command) -> None:
    sender = make_sender("tcp://127.0.0.1:0")
    try:
        sender.start()
        outcome = command("send", "--source", "scene:64x48@30", "--bind", sender.url)
    finally:
        sender.stop()
    assert outcome.code == 3
    assert "in use" in outcome.sentence
    assert sender.url in outcome.sentence


def test_a_receiver_with_other_weights_is_told_so(command: Command) -> None:
    sender = make_sender("tcp://127.0.0.1:0")
    try:
        sender.start()
        outcome = command("recv", "--connect", sender.url, "--size", "M", "--view", "none")
    finally:
        sender.stop()
    assert outcome.code == 3
    assert "refused" in outcome.sentence


def test_link_carries_until_its_time_is_over(command: Command) -> None:
    outcome = command(
        *("link", "--listen", f"127.0.0.1:{free_port()}", "--connect", "127.0.0.1:9"),
        *("--profile", "dsl", "--seconds", 0.3, "--json"),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.json["connections"] == 0


def test_simulate_prints_the_row_of_the_link_benchmark(command: Command, tmp_path: Path) -> None:
    outcome = command("simulate", "--profile", "dsl", "--seconds", 4, "--plot", "p.png", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json.keys() >= {
        *("name", "capacity_mbps", "longest_gap_ms", "utilisation", "frame_delay_ms"),
        *("signal_delay_ms", "freezes", "skipped", "psnr_db", "ssim_db"),
    }
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert "delay" in command("simulate", "--profile", "dsl", "--seconds", 4).out


def test_simulate_codes_a_clip_when_given_one(command: Command) -> None:
    outcome = command(
        *("simulate", "--profile", "dsl", "--seconds", 3, "--json"),
        *("--source", "scene:64x48@30", "--frames", 10),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.json["ssim_db"] is not None


def test_config_shows_values_and_where_they_come_from(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streamcodec.toml").write_text("[sender]\nkbps = 300\n")
    monkeypatch.setenv("STREAMCODEC_CODEC__SIZE", "M")
    shown = command("config", "show", "--json").json
    assert shown["settings"]["sender.kbps"] == {"value": 300.0, "origin": "streamcodec.toml"}
    assert shown["settings"]["codec.size"]["origin"] == "environment STREAMCODEC_CODEC__SIZE"
    assert shown["settings"]["sender.seed"]["origin"] == "default"
    assert "sender.kbps" in command("config", "show").out


def test_the_example_file_is_valid_as_it_is_and_with_its_marks_removed(
    command: Command, tmp_path: Path
) -> None:
    text = command("config", "example").out
    (tmp_path / "a.toml").write_text(text)
    assert command("config", "check", "a.toml").code == 0
    assert "# kbps" in text
    assert 'source = "scene:640x360@30"' in text


def test_doctor_tells_what_there_is(command: Command) -> None:
    outcome = command("doctor", "--no-speed", "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found.keys() >= {"versions", "devices", "exact", "cameras", "display", "speed"}
    assert found["devices"][0]["name"] == "cpu"
    assert "exactness" in command("doctor", "--no-speed").out


def test_version_and_the_help_of_every_command_need_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.main import get_command\n"
        "from services.cli import main\n"
        "from services.commands.program import app\n"
        "for words in [[], *([name] for name in get_command(app).commands)]:\n"
        "    sys.argv = ['streamcodec', *words, '--help']\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'av', 'zmq', 'numpy', 'aiohttp'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


def test_json_goes_to_a_pipe_that_closes_without_a_traceback(tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m services.cli config example | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("# Settings of streamcodec")
    assert time.monotonic() - started < 60
