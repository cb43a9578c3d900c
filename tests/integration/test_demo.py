# SPDX-License-Identifier: Apache-2.0
"""`streamcodec demo` with real processes, real sockets and the fake codec."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from services.demo.outcome import best_pair
from services.demo.report import WIDTH
from services.demo.supervisor import Supervisor
from services.errors import EXIT_CONFIG, PeerLost, ServiceError
from services.measure.history import Moment, Sample
from services.media.scene import Scene
from services.settings.config import CodecSettings, Settings
from streamcodec.codec import Codec
from streamcodec.errors import ModelError
from tests.integration.cli import Command, load_fake

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

PRINTED = {
    *("framesCaptured", "framesEncoded", "keyFramesEncoded", "framesDropped", "framesReceived"),
    *("framesDecoded", "framesDisplayed", "bytesSent", "kbps", "fps", "psnr_db", "freezeCount"),
    *("latency_ms", "legs_ms", "size", "device", "width", "height"),
}
SCENE = "scene:160x96@30"


def test_a_demo_prints_what_it_promises_and_draws_its_picture(
    command: Command, tmp_path: Path
) -> None:
    outcome = command("demo", "--source", SCENE, "--seconds", 2, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found.keys() >= PRINTED
    assert found["framesDisplayed"] > 5
    assert found["framesReceived"] <= found["framesEncoded"] <= found["framesCaptured"]
    assert found["latency_ms"].keys() >= {"p50", "p95", "p99"}
    assert set(found["legs_ms"]) == {
        *("capture", "encode", "queue", "network", "buffer", "decode", "display")
    }
    assert (found["width"], found["height"], found["size"]) == (160, 96, "S")
    assert "no display" in outcome.err
    picture = cv2.imread(str(tmp_path / "demo.png"))
    assert picture is not None
    assert picture.shape[1] == WIDTH


def test_a_demo_over_a_thin_link_shows_its_capacity(command: Command, tmp_path: Path) -> None:
    outcome = command(
        *("demo", "--source", SCENE, "--seconds", 2, "--link", "dsl", "--plot", "curves.png"),
        *("--view", "tape.scv", "--json"),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.json["link"] == "dsl"
    assert outcome.json["framesDisplayed"] > 5
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert (tmp_path / "tape.scv").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--source", "none.mp4"), 5, "none.mp4: no such file"),
        (("--source", SCENE, "--link", "no-such-link"), 3, "no-such-link"),
        (("--source", SCENE, "--quality", 99), 3, "from 0 to 63"),
    ],
)
def test_what_breaks_in_a_process_is_told_in_its_own_sentence(
    command: Command, arguments: tuple[object, ...], code: int, message: str
) -> None:
    outcome = command("demo", *arguments, "--json")
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.sentence


def load_unfit(settings: CodecSettings) -> Codec:
    """As with `--weights` that are damaged."""
    raise ModelError("weights hold damaged tables")


def supervise(
    on_moment: Callable[[Supervisor, Moment], None],
    *,
    source: str = SCENE,
    load: Callable[[CodecSettings], Codec] = load_fake,
) -> tuple[Supervisor, threading.Event]:
    """A demo without screen and without end; `on_moment` is called five times a second."""
    settings = Settings()
    settings = replace(
        settings,
        sender=replace(settings.sender, source=source),
        receiver=replace(settings.receiver, view="none"),
    )
    stopped = threading.Event()

    def show(moment: Moment, samples: Sequence[Sample]) -> None:
        on_moment(made, moment)

    made = Supervisor(
        settings,
        seconds=None,
        load=load,
        with_link=False,
        say=lambda text: None,
        show=show,
        stopped=stopped,
    )
    return made, stopped


def shown(moment: Moment) -> int:
    return moment.receiver.frames_displayed if moment.receiver is not None else 0


def test_a_stop_brings_everything_home_with_a_frame_from_both_ends() -> None:
    def stop_after_some_pictures(_: Supervisor, moment: Moment) -> None:
        if shown(moment) > 15:
            stopped.set()

    demo, stopped = supervise(stop_after_some_pictures)
    run = demo.run()
    assert best_pair(run) is not None
    assert not any(Path(f"/proc/{pid}").exists() for pid in demo.pids.values())


def test_a_killed_process_ends_the_demo_with_a_sentence() -> None:
    def kill_the_sender(demo: Supervisor, moment: Moment) -> None:
        if shown(moment):
            os.kill(demo.pids["sender"], signal.SIGKILL)

    demo, _ = supervise(kill_the_sender)
    with pytest.raises(PeerLost, match="sender process was killed by signal 9"):
        demo.run()


def test_weights_that_do_not_fit_are_a_wrong_setting() -> None:
    with pytest.raises(ServiceError, match="damaged tables") as caught:
        supervise(lambda demo, moment: None, load=load_unfit)[0].run()
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_source_that_ends_ends_the_demo(tmp_path: Path) -> None:
    scene = Scene(96, 64)
    for index in range(10):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), scene.frame(index).to_bgr())
    run = supervise(lambda demo, moment: None, source=str(tmp_path))[0].run()
    assert run.receiver is not None
    assert run.receiver.frames_displayed <= 10
