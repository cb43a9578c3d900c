# SPDX-License-Identifier: Apache-2.0
"""A small training of size M from a folder: it resumes after a kill, and its weights stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from services.media.scene import Scene
from streamcodec import Codec
from streamcodec.training import coding, networks_run
from streamcodec.training.coded import shards
from streamcodec.training.config import TrainConfig, TrainingConfigError
from streamcodec.training.conv import correction
from streamcodec.training.plot import plot


class _Killed(BaseException):
    pass


class _Clock:
    """Advances a second at each call."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        picture = Scene(128, 96, seed=seed).frame(9 * seed).to_bgr()
        cv2.imwrite(str(folder / f"{seed}.png"), picture)
    return folder


@pytest.fixture
def config(pictures: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        data=(str(pictures),),
        output=str(tmp_path / "run"),
        size="M",
        start="untrained",
        minutes=0.5,
        seed=4,
    )


def test_a_killed_training_goes_on_and_ends_with_weights_that_stream(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = correction.Run.one_step
    done: list[tuple[bool, int]] = []

    def counted(own: correction.Run, rate_scale: float = 1.0) -> float:
        done.append((own.plan.key, own.step))
        if len(done) == 6:
            raise _Killed
        return step(own, rate_scale)

    monkeypatch.setattr(networks_run, "_SAVED_EVERY_S", 3.0)
    monkeypatch.setattr(networks_run, "_CROPS", 1)
    monkeypatch.setattr(networks_run, "_WIDTHS", (8, 1, 8))
    monkeypatch.setattr(networks_run, "_LOGGED_EVERY", 2)
    monkeypatch.setattr(correction.Run, "one_step", counted)
    with pytest.raises(_Killed):
        networks_run.run(config, clock=_Clock())
    coded = [entry for shard in shards(Path(config.output) / "material") for entry in shard.entries]
    assert {entry.key for entry in coded} == {True, False}

    def not_again(*_: object, **__: object) -> None:
        raise AssertionError("the material is there already")

    monkeypatch.setattr(coding, "code", not_again)
    outcome = networks_run.run(config, clock=_Clock())
    (kind, killed_at), (same_kind, went_on_at) = done[5], done[6]
    assert same_kind == kind
    assert 0 < went_on_at <= killed_at, "goes on from what was saved last"
    assert any(not key for key, _ in done)
    assert outcome.weights.stat().st_size < 3_500_000
    sender = Codec.load("M", device="cpu", weights=outcome.weights)
    assert sender.model_hash.hex() == outcome.digest
    frame = Scene(64, 64).frame(0)
    packet = sender.encode(frame, quality=30).packet
    assert packet is not None
    assert sender.decode(packet).frame.width == 64
    assert "decoder networks" in (Path(config.output) / "card.md").read_text(encoding="utf-8")
    assert plot(Path(config.output)).stat().st_size > 1000


def test_it_wants_to_know_how_long(config: TrainConfig) -> None:
    with pytest.raises(TrainingConfigError, match="--minutes"):
        networks_run.run(replace(config, minutes=0.0))
