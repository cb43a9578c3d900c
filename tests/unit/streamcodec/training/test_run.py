# SPDX-License-Identifier: Apache-2.0
"""A small training: it improves on the start, and an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from services.media.scene import Scene
from streamcodec import Codec
from streamcodec.errors import ModelError
from streamcodec.training import data
from streamcodec.training.config import TrainConfig, TrainingConfigError, read_config
from streamcodec.training.data import DataError
from streamcodec.training.plot import plot
from streamcodec.training.run import run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        picture = Scene(160, 96, seed=seed).frame(9 * seed).to_bgr()
        cv2.imwrite(str(folder / f"{seed}.png"), picture)
    return folder


def small(pictures: Path, output: Path) -> TrainConfig:
    return TrainConfig(
        data=(str(pictures),),
        output=str(output),
        start="untrained",
        passes=2,
        frames=3,
        steps=40,
        batch=128,
        hidden=32,
        seed=4,
    )


class _Killed(BaseException):
    pass


def test_a_short_training_beats_the_untrained_start_on_a_held_out_picture(
    pictures: Path, tmp_path: Path
) -> None:
    outcome = run(small(pictures, tmp_path))
    # Fewer bytes, and a loss of quality that costs less than 1% of bytes.
    assert outcome.after.held_out_bytes < 0.97 * outcome.before.held_out_bytes
    assert outcome.helped
    assert outcome.after.held_out_psnr_y_db > outcome.before.held_out_psnr_y_db - 0.1
    codec = Codec.load(weights=outcome.weights)
    assert codec.model_hash.hex() == outcome.digest
    packet = codec.encode(Scene(64, 64).frame(0), quality=30).packet
    assert packet is not None
    codec.decode(packet)
    assert outcome.digest in (tmp_path / "card.md").read_text(encoding="utf-8")
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["event"] for line in lines} == {"begin", "stack", "end"}
    assert plot(tmp_path).stat().st_size > 1000


def test_a_run_killed_at_any_stage_ends_with_the_same_weights(
    pictures: Path, tmp_path: Path
) -> None:
    config = replace(small(pictures, tmp_path / "whole"), passes=1, frames=2, steps=5)
    whole = run(config).weights.read_bytes()
    again = replace(config, output=str(tmp_path / "killed"))
    for fatal in (("collecting", 2), ("fitting", 3), ("fitting", 20)):

        def kill(stage: str, done: int, total: int, fatal: tuple[str, int] = fatal) -> None:
            if (stage, done) == fatal:
                raise _Killed

        with pytest.raises(_Killed):
            run(again, progress=kill)
    assert run(again).weights.read_bytes() == whole


def test_a_half_written_piece_is_made_again(pictures: Path, tmp_path: Path) -> None:
    config = replace(small(pictures, tmp_path), passes=1, frames=2, steps=3)
    whole = run(config).weights.read_bytes()
    pieces = sorted(tmp_path.glob("round0.*.safetensors"))
    pieces[0].write_bytes(pieces[0].read_bytes()[:50])
    pieces[-1].write_bytes(b"")
    assert run(config).weights.read_bytes() == whole


def test_minutes_end_a_run_in_time(pictures: Path, tmp_path: Path) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.5
        return now[0]

    config = replace(
        small(pictures, tmp_path), passes=1000, frames=1, steps=99999, minutes=0.05, batch=32
    )
    run(config, clock=clock)
    chains = list(tmp_path.glob("round0.chains.*.safetensors"))
    assert len(chains) < 20


def test_other_settings_need_another_folder(pictures: Path, tmp_path: Path) -> None:
    config = replace(small(pictures, tmp_path), passes=1, frames=2, steps=2)

    def kill(stage: str, done: int, total: int) -> None:
        raise _Killed

    with pytest.raises(_Killed):
        run(config, progress=kill)
    with pytest.raises(TrainingConfigError, match="choose another output folder"):
        run(replace(config, seed=5))


def test_weights_to_start_from_that_are_absent_are_reported(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        run(replace(small(pictures, tmp_path), start=str(tmp_path / "none")))


@pytest.mark.parametrize("name", ["kodim07.png", "talking_selfie.png"])
def test_evaluation_data_is_refused_as_training_data(tmp_path: Path, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), Scene(64, 64).frame(0).to_bgr())
    with pytest.raises(DataError, match="evaluation data"):
        data.find([str(tmp_path)])


def test_unreadable_files_are_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "broken.mp4").write_bytes(b"not a clip")
    (tmp_path / "notes.txt").write_text("ignored")
    with pytest.raises(DataError, match=r"broken.mp4 cannot be read .* and 1 more"):
        data.find([str(pictures), str(tmp_path)])


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        data.find([str(tmp_path / "none")])
    with pytest.raises(DataError, match="nothing to train on"):
        data.find([str(tmp_path)])
    with pytest.raises(DataError, match="--data DIR"):
        data.find([])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step = 3", "unknown key step; did you mean steps"),
        ("steps = 0", "steps is 0, expected 1 to"),
        ('steps = "many"', "steps is 'many', expected a int"),
        ("data = 3", "expected a list of folders"),
        ("steps = ", "is not TOML"),
    ],
)
def test_a_wrong_configuration_says_what_to_change(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "train.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TrainingConfigError, match=message):
        read_config(path)


def test_a_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('data = ["a", "b"]\nminutes = 10\nseed = 3\n', encoding="utf-8")
    config = read_config(path)
    assert (config.data, config.minutes, config.seed) == (("a", "b"), 10.0, 3)
