# SPDX-License-Identifier: Apache-2.0
"""`encode`, `decode` and `info` as a person uses them, with good and with bad input."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.media.scene import Scene
from streamcodec.container import RECORD_BYTES, ScvReader, ScvWriter
from streamcodec.frame import Frame
from tests.fakes import FakeCodec
from tests.integration.cli import Command, load_fake
from tests.unit.services.media.files.test_reader import gradient, write_video

PRINTED = {
    "frames",
    "keyframes",
    "bytes",
    "frame_bytes",
    "bpp",
    "kbps",
    "psnr_db",
    "fps",
    "seconds",
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), gradient())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.avi", frames=6)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of frames with some content, so that budgets bite."""
    folder = tmp_path / "frames"
    folder.mkdir()
    scene = Scene(96, 64)
    for index in range(12):
        cv2.imwrite(str(folder / f"{index:03}.png"), scene.frame(index).to_bgr())
    return folder


def test_encode_prints_what_it_promises(command: Command, clip: Path) -> None:
    found = command("encode", clip, "out.scv", "--quality", 40, "--json").json
    assert found.keys() >= PRINTED
    assert (found["frames"], found["keyframes"], found["fps"]) == (6, 1, 25.0)
    assert found["bytes"] == sum(found["frame_bytes"])
    assert found["seconds"] == pytest.approx(0.24)
    assert found["bpp"] == pytest.approx(found["bytes"] * 8 / (64 * 48 * 6), abs=1e-4)
    assert found["kbps"] == pytest.approx(found["bytes"] * 8 / 240, rel=1e-3)
    assert 20 < found["psnr_db"] < 99


def test_info_tells_the_same_of_the_file(command: Command, clip: Path) -> None:
    made = command("encode", clip, "out.scv", "--quality", 40, "--json").json
    told = command("info", "out.scv", "--json").json
    assert told.keys() >= PRINTED | {"model_hash", "bitstream_version", "container_version"}
    same = PRINTED - {"psnr_db"}  # the original is not in the file
    assert {name: told[name] for name in same} == {name: made[name] for name in same}
    assert told["psnr_db"] is None
    assert (told["width"], told["height"], told["complete"]) == (64, 48, True)
    assert "frames" in command("info", "out.scv").out


def test_a_picture_goes_in_and_comes_out(command: Command, picture: Path, tmp_path: Path) -> None:
    assert command("encode", picture, "out.scv", "--quality", 63).code == 0
    assert command("decode", "out.scv", "back.png").code == 0
    back = cv2.imread(str(tmp_path / "back.png"))
    assert back is not None
    assert np.abs(back.astype(int) - gradient()).mean() < 6


def test_without_a_target_the_quality_is_middling(command: Command, picture: Path) -> None:
    plain = command("encode", picture, "a.scv", "--json").json
    chosen = command("encode", picture, "b.scv", "--quality", 32, "--json").json
    assert plain["frame_bytes"] == chosen["frame_bytes"]


def test_no_frame_exceeds_its_bytes(command: Command, pictures: Path) -> None:
    found = command("encode", pictures, "out.scv", "--frame-bytes", 2500, "--json").json
    assert found["frames"] + found["skipped"] == 12
    assert max(found["frame_bytes"]) <= 2500


def test_a_bit_rate_is_kept(command: Command, pictures: Path) -> None:
    found = command("encode", pictures, "out.scv", "--kbps", 900, "--json").json
    assert found["kbps"] <= 1.02 * 900


def test_only_so_many_frames(command: Command, clip: Path) -> None:
    assert command("encode", clip, "out.scv", "--frames", 2, "--json").json["frames"] == 2


@pytest.mark.parametrize("target", ["back.mp4", "back.y4m", "back/"])
def test_a_video_is_decoded_into_what_the_name_asks_for(
    command: Command, clip: Path, tmp_path: Path, target: str
) -> None:
    command("encode", clip, "out.scv")
    found = command("decode", "out.scv", target, "--json")
    assert found.code == 0, found.err
    assert found.json["frames"] == 6
    if target.endswith("/"):
        assert len(list((tmp_path / target).iterdir())) == 6
    else:
        assert (tmp_path / target).stat().st_size > 1000


def test_y4m_on_standard_output_is_nothing_else(command: Command, clip: Path) -> None:
    command("encode", clip, "out.scv")
    out = command("decode", "out.scv", "-").out
    assert out.startswith("YUV4MPEG2 ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("encode", "none.png", "out.scv"), 5, "none.png: no such file"),
        (("encode", "picture.png", "out.mp4"), 3, "ends with .scv"),
        (("encode", "picture.png", "out.scv", "--kbps", 100), 3, "no bit rate"),
        (("encode", "picture.png", "out.scv", "--frame-bytes", 20), 3, "does not fit into 20"),
        (("encode", "picture.png", "absent/out.scv"), 1, "absent/out.scv: No such file"),
        (("encode", "picture.png", "out.scv", "--size", "XL"), 3, "one of S, M"),
        (("encode", "picture.png", "out.scv", "--config", "no.toml"), 3, "no.toml"),
        (("decode", "none.scv", "out.png"), 5, "none.scv: no such file"),
        (("decode", "picture.png", "out.png"), 5, "not an .scv file"),
        (("info", "picture.png"), 5, "not an .scv file"),
    ],
)
def test_bad_input_gets_one_sentence_and_its_code(
    command: Command, picture: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("encode", "a.png", "b.scv", "--quality", 64),
        ("encode", "a.png", "b.scv", "--quality", "fine"),
        ("encode", "a.png", "b.scv", "--quality", 3, "--kbps", 100),
        ("encode", "a.png"),
        ("decode", "a.scv", "-", "--json"),
        ("recv", "--view", "-", "--json"),
        ("encode", "a.png", "b.scv", "--qality", 3),
        ("no-such-command",),
    ],
)
def test_wrong_usage_ends_with_code_2(command: Command, arguments: tuple[object, ...]) -> None:
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_a_file_cut_anywhere_decodes_its_whole_frames_or_says_why(
    command: Command, clip: Path, tmp_path: Path
) -> None:
    command("encode", clip, "out.scv")
    whole = (tmp_path / "out.scv").read_bytes()
    for cut in (*range(0, 80, 7), len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.scv").write_bytes(whole[:cut])
        outcome = command("decode", "cut.scv", "back/", "--json")
        if outcome.code:
            assert outcome.code == 5
            assert "cut.scv" in outcome.sentence
        else:
            assert 1 <= outcome.json["frames"] <= 6


def test_a_damaged_frame_is_named_and_those_before_it_are_kept(
    command: Command, clip: Path, tmp_path: Path
) -> None:
    command("encode", clip, "out.scv")
    data = bytearray((tmp_path / "out.scv").read_bytes())
    with ScvReader(tmp_path / "out.scv") as reader:
        place = list(reader.places())[3]
    data[place.offset + RECORD_BYTES + place.packet_bytes - 1] ^= 0xFF
    (tmp_path / "bad.scv").write_bytes(data)
    outcome = command("decode", "bad.scv", "back/")
    assert outcome.code == 5
    assert "frame 3 is damaged" in outcome.sentence
    assert len(list((tmp_path / "back").iterdir())) == 3


def test_other_weights_are_named(
    command: Command, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("encode", picture, "out.scv")
    monkeypatch.setattr("services.commands.files.load_codec", lambda *_, **__: FakeCodec())
    outcome = command("decode", "out.scv", "back.png")
    assert outcome.code == 3
    assert "model" in outcome.sentence


def test_a_full_disk_keeps_what_was_written(
    command: Command, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ScvWriter.write

    def fill_up(self: ScvWriter, packet: bytes, *, timestamp_us: int) -> None:
        if self.frames == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, packet, timestamp_us=timestamp_us)

    monkeypatch.setattr(ScvWriter, "write", fill_up)
    outcome = command("encode", clip, "out.scv")
    assert outcome.code == 1
    assert "the disk is full; what was written before is kept" in outcome.sentence
    assert command("info", "out.scv", "--json").json["frames"] == 3


def test_a_size_change_starts_a_new_chain(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for index, side in enumerate((32, 32, 48)):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((side, side, 3), 90, np.uint8))
    assert command("encode", folder, "out.scv", "--json").json["keyframes"] == 2


def test_the_fake_speaks_for_the_real_codec() -> None:
    """What these tests rely on: a budget that cannot be met gives no packet."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    from services.settings.config import CodecSettings  # noqa: PLC0415

    encoded = load_fake(CodecSettings()).encode(Frame.grey(noise), budget_bytes=20)
    assert encoded.packet is None


def test_a_reader_that_leaves_after_a_line_is_no_failure(tmp_path: Path) -> None:
    """As with `| head -1`, also for what typer prints itself."""
    code = "import sys; sys.argv[0] = 'streamcodec'; from services.start import main; main()"
    for words in (["--help"], ["config", "example"]):
        ours, theirs = os.pipe()
        os.close(ours)  # gone before the first line
        with os.fdopen(theirs, "wb") as out:
            done = subprocess.run(
                [sys.executable, "-c", code, *words],
                stdout=out,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        assert (done.returncode, done.stderr) == (0, b"")


def test_no_bit_rate_is_out_of_the_world(command: Command, tmp_path: Path) -> None:
    for kbps in ("inf", "1e300", "nan", "0"):
        outcome = command("encode", tmp_path / "a.png", tmp_path / "a.scv", "--kbps", kbps)
        assert outcome.code == 2
        assert "--kbps" in outcome.err
