# SPDX-License-Identifier: Apache-2.0
"""A run learns, resumes after a kill with the same result, and ends with weights to ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamcodec.networks.conv.weights import NetworkWeights
from streamcodec.training.coded import shards
from streamcodec.training.conv.batches import FLIPPED, Material
from streamcodec.training.conv.correction import Plan, Run, loss_of
from streamcodec.training.conv.device_material import DeviceMaterial
from streamcodec.training.conv.export import weights_of
from streamcodec.training.conv.judge import planes_of
from tests.unit.streamcodec.training.conv import made

SMALL = {"body": 8, "blocks": 1, "renderer": 8, "crops": 2, "crop_blocks": 3, "judge_frames": 2}


def plan(**changes: object) -> Plan:
    return Plan(key=True, **({"steps": 8, "warm_up": 2, **SMALL} | changes))  # type: ignore[arg-type]  # values come from one mapping


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coded")
    made.shard(folder)
    return folder


def test_a_run_that_is_stopped_goes_on_to_the_same_weights(tmp_path: Path, data: Path) -> None:
    at_once = Run(tmp_path / "a", plan(), data)
    for _ in range(6):
        at_once.one_step()
    first = Run(tmp_path / "b", plan(), data)
    for _ in range(3):
        first.one_step()
    first.save()
    first.one_step()  # lost
    second = Run(tmp_path / "b", plan(), data)
    assert second.step == 3
    for _ in range(3):
        second.one_step()
    for name, value in at_once.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
        assert torch.equal(at_once.average[name], second.average[name]), name


def test_frames_that_come_later_do_not_change_a_run_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "coded"
    made.shard(folder, frames=3)
    first = Run(tmp_path / "run", plan(), folder)
    first.save()
    made.shard(folder, frames=3)
    again = Run(tmp_path / "run", plan(), folder)
    assert len(again.material.train) == len(first.material.train)
    fresh = Run(tmp_path / "run", plan(), folder, refresh=True)
    assert len(fresh.material.train) == 2 * len(first.material.train)


def test_frames_held_out_are_not_trained_on(data: Path) -> None:
    material = Material(shards(data), key=True)
    assert {entry.held_out for _, entry in material.train} == {False}
    assert {entry.held_out for _, entry in material.held} == {True}


def test_training_lowers_the_loss_and_ships(tmp_path: Path, data: Path) -> None:
    run = Run(
        tmp_path, plan(steps=30, decay_from=20, exact_from=15, judge_every=30, rate=2e-2), data
    )
    run.go(minutes=5)
    last = run.judge()
    assert np.mean([v.gated_db for v in last]) > 0.05
    assert all(v.gated_db >= 0 for v in last)
    log = (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    assert '"held_out"' in log
    arrays = weights_of(run.network).to_arrays("key")
    assert NetworkWeights.from_arrays(arrays, "key") is not None


def test_a_perfect_correction_leaves_nothing_of_the_loss(data: Path) -> None:
    material = Material(shards(data), key=True)
    batch = material.whole(*material.held[0])
    none = torch.zeros((1, 24, 20, 24))
    assert loss_of(none, batch).item() == pytest.approx(0)
    unit = planes_of(torch.ones_like(none), batch.quality)
    parts = []
    for number, (s, d, u) in enumerate(zip(batch.source, batch.decoded, unit, strict=True)):
        missing = (s - d).float() / u
        parts.append(torch.nn.functional.pixel_unshuffle(missing, 2 if number else 4))
    assert loss_of(torch.cat(parts, 1), batch).item() == pytest.approx(
        -float(batch.acts().float().mean()), abs=0.15
    )


def test_a_flipped_blocks_quarters_change_places() -> None:
    split = 1 + 0 + 3 * 1 + 9 * 2 + 27 * 0  # kinds 0 1 / 2 0
    across = 1 + 1 + 3 * 0 + 9 * 0 + 27 * 2
    down = 1 + 2 + 3 * 0 + 9 * 0 + 27 * 1
    assert FLIPPED[1, split] == across
    assert FLIPPED[2, split] == down
    assert FLIPPED[3, FLIPPED[3, split]] == split
    assert (FLIPPED[:, 0] == 0).all()


@pytest.mark.parametrize("key", [True, False])
def test_a_device_gathers_crops_that_are_parts_of_its_frames(data: Path, key: bool) -> None:
    found = shards(data)
    material = DeviceMaterial(found, key=key, least_blocks=5, device=torch.device("cpu"))
    batch = material.batch(np.random.default_rng(3), 8, 5)
    frames = [s.frame(e) for s in found for e in s.entries if e.key == key and not e.held_out]
    assert len(material) == len(frames)
    assert (batch.predicted is None) == key
    for n in range(8):
        matches = 0
        for frame in frames:
            for column in range(frame.entry.columns - 4):
                for turn in range(4):
                    y, x = (-1 if turn & 2 else 1), (-1 if turn & 1 else 1)
                    luma = frame.decoded[0][:, 16 * column : 16 * column + 80][::y, ::x]
                    if not np.array_equal(luma, batch.decoded[0][n, 0].numpy()):
                        continue
                    matches += 1
                    v = frame.source[2][:, 8 * column : 8 * column + 40][::y, ::x]
                    assert np.array_equal(v, batch.source[2][n, 0].numpy())
                    counts = frame.counts[:, column : column + 5][::y, ::x]
                    assert np.array_equal(counts, batch.counts[n].numpy())
                    splits = FLIPPED[turn][frame.splits[:, column : column + 5][::y, ::x]]
                    assert np.array_equal(splits, batch.splits[n].numpy())
                    if frame.predicted is not None:
                        assert batch.predicted is not None
                        u = frame.predicted[1][:, 8 * column : 8 * column + 40][::y, ::x]
                        assert np.array_equal(u, batch.predicted[1][n, 0].numpy())
        assert matches == 1
