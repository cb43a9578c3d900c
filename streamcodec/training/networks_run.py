# SPDX-License-Identifier: Apache-2.0
"""A training of size M from a folder of pictures and clips, in one run.

    files -> frames coded by the model so far (material/) -> network for keyframes (key/)
          -> network for inter frames (inter/) -> weights.safetensors, card.md

The minutes given are divided: a quarter at most for coding, the rest for the networks; the last
three tenths of each network's time train rounded weights at a falling rate. After a kill, the same
command resumes: a group of files is coded again unless it was finished, a network continues from
its last save (conv/run.py).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from streamcodec import model as models
from streamcodec import weights as files_of_weights
from streamcodec.errors import ModelError
from streamcodec.frame import Frame
from streamcodec.model import Model
from streamcodec.networks.conv.shape import Shape
from streamcodec.networks.conv.weights import KINDS, NetworkWeights
from streamcodec.training import card, coding, data
from streamcodec.training.coded import Writer, shards
from streamcodec.training.config import TrainConfig, TrainingConfigError
from streamcodec.training.conv import correction
from streamcodec.training.conv.export import weights_of
from streamcodec.training.conv.frozen import frozen
from streamcodec.training.conv.trainable import Trainable
from streamcodec.training.run import Outcome, Progress
from streamcodec.training.store import Arrays, Store

_CODING_SHARE = 0.25  # of the minutes, at most
_KEY_SHARE = 0.45  # of the remaining time, for the network for keyframes
_ROUNDED_SHARE = 0.3  # last part of a network's time
_FILES_A_GROUP = 8
_CROPS = 8
_MOST_BLOCKS = 8  # side of a crop
_FRESH_RATE, _FURTHER_RATE = 2e-3, 5e-4
_SAVED_EVERY_S = 15.0
_LOGGED_EVERY = 50
_NEVER = 10**9  # steps
_WIDTHS = (64, 3, 32)  # body, blocks and renderer of untrained networks
_PANNED_PX = 384
_PANNED_FRAMES = 8  # a picture gets half as many


def run(
    config: TrainConfig,
    *,
    progress: Progress = lambda stage, done, total: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train, or resume an interrupted run in the same output folder.

    Raises DataError, TrainingConfigError or ModelError.
    """
    if config.minutes <= 0:
        raise TrainingConfigError("size M needs a time to train for: give --minutes")
    began = clock()
    files = data.find(config.data)
    arrays = _start(config.start)
    store = Store(Path(config.output))
    settings = f"{config.fingerprint()}.{models.digest(arrays).hex()}"
    if store.decision("run", lambda: settings) != settings:
        raise TrainingConfigError(
            f"{config.output} holds a run with other settings: choose another output folder"
        )
    model = Model.from_arrays(arrays)
    networks = files_of_weights.load_networks(model, "cpu") if model.has_networks else None
    before = card.judge(model, files.held_out, config, networks)
    store.log("begin", files=len(files.train), held_out=len(files.held_out), **before.as_dict())
    whole_s = 60 * config.minutes
    material = store.folder / "material"
    coded_s = _Coding(config, model, files.train, material, clock, progress).code(
        _CODING_SHARE * whole_s, store
    )
    left_s = max(whole_s - coded_s, whole_s / 4)
    shares_s = (_KEY_SHARE * left_s, (1 - _KEY_SHARE) * left_s)
    for number, kind in enumerate(KINDS):
        learning = _Learning(config, store.folder / kind, material, kind, clock)
        trained = learning.learn(
            model.decoder_networks[number],
            shares_s[number],
            partial(_told, progress, sum(shares_s[:number]), left_s),
        )
        if trained is not None:
            arrays |= trained.to_arrays(kind)
    return _finished(config, store, files, arrays, before, clock() - began)


def _told(progress: Progress, before_s: float, whole_s: float, done_s: float) -> None:
    progress("fitting", round(before_s + done_s), round(whole_s))


def _finished(  # noqa: PLR0917  # one private caller
    config: TrainConfig,
    store: Store,
    files: data.Files,
    arrays: Arrays,
    before: card.Figures,
    seconds: float,
) -> Outcome:
    model = Model.from_arrays(arrays)
    after = card.judge(model, files.held_out, config, files_of_weights.load_networks(model, "cpu"))
    whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    weights = store.write("weights.safetensors", safetensors.numpy.save(whole))
    digest = models.digest(arrays).hex()
    outcome = Outcome(weights, digest, before, after, 0, seconds)
    text = card.write(
        config, files, digest, before, after, 0, seconds, "the two decoder networks of size M"
    )
    store.write("card.md", text.encode())
    store.log("end", model=digest, **after.as_dict())
    return outcome


def _start(start: str) -> Arrays:
    """Arrays to start from; "untrained" is size S, without networks. Raises ModelError."""
    name = "s.safetensors" if start == "untrained" else "m.safetensors"
    shipped = resources.files("streamcodec.weights") / name
    try:
        raw = (
            shipped.read_bytes() if start in ("untrained", "shipped") else Path(start).read_bytes()
        )
        return dict(safetensors.numpy.load(raw))
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise ModelError(f"weights {start} to start from cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class _Coding:
    """Codes files in groups; a group's shard appears whole or not at all."""

    config: TrainConfig
    model: Model
    paths: tuple[Path, ...]
    folder: Path
    clock: Callable[[], float]
    progress: Progress

    def code(self, limit_s: float, store: Store) -> float:
        """Code as many groups as there is time for, at least one; returns the seconds it took.

        The number of groups is decided once, so that a resumed run has the same training data.
        """
        self.folder.mkdir(exist_ok=True)
        order = np.random.default_rng(self.config.seed).permutation(len(self.paths))
        groups = [order[k : k + _FILES_A_GROUP] for k in range(0, len(order), _FILES_A_GROUP)]
        began = self.clock()
        done = 0
        if (store.folder / "groups.json").is_file():
            groups = groups[: int(str(store.decision("groups", lambda: 0)))]
        for number, group in enumerate(groups):
            if number and self.clock() - began > limit_s:
                break
            if not (self.folder / f"{number:05d}.jsonl").is_file():
                self._group(number, [self.paths[k] for k in group])
            done = number + 1
            self.progress("collecting", done, len(groups))
        store.decision("groups", lambda: done)
        spent = store.decision("coding", lambda: round(self.clock() - began, 1))
        return float(str(spent))

    def _group(self, number: int, paths: list[Path]) -> None:
        name = f"{number:05d}"
        fresh = self.folder / "part"
        for old in fresh.glob("*"):
            old.unlink()
        writer = Writer(fresh, name)
        for k, path in enumerate(paths):
            rng = np.random.default_rng([self.config.seed, number, k])
            for frames, quality in _chains(path, rng):
                for coded in coding.code(
                    self.model,
                    frames,
                    quality,
                    path,
                    keys_only=len(frames) == 1,
                    held_out=False,
                ):
                    writer.add(coded)
        writer.close()
        for suffix in (".bin", ".jsonl"):  # the index last: it makes the shard complete
            (fresh / f"{name}{suffix}").replace(self.folder / f"{name}{suffix}")


def _chains(path: Path, rng: np.random.Generator) -> Iterator[tuple[list[Frame], int]]:
    """Chains of a file with their qualities: of a picture, some keyframes and a pan."""
    if path.suffix.lower() in data.CLIPS:
        yield from coding.clip_chains(path, rng, held_out=False)
        return
    for frame, quality in coding.picture_frames(path, rng, held_out=False):
        yield [frame], quality
    frames = data.chain(path, frames=_PANNED_FRAMES, crop_px=_PANNED_PX, rng=rng)
    yield frames, int(rng.integers(5, 46))


@dataclass(frozen=True, slots=True)
class _Learning:
    """One network's run in its folder."""

    config: TrainConfig
    folder: Path
    material: Path
    kind: str
    clock: Callable[[], float]

    def learn(
        self, start: NetworkWeights | None, share_s: float, told: Callable[[float], None]
    ) -> NetworkWeights | None:
        """Train until so many seconds were spent, over all runs; None without training data."""
        sides = [
            min(entry.rows, entry.columns)
            for shard in shards(self.material)
            for entry in shard.entries
            if entry.key == (self.kind == "key")
        ]
        if not sides:
            return None
        key = self.kind == "key"
        shape = Shape(not key, *_WIDTHS) if start is None else start.shape
        plan = correction.Plan(
            key,
            steps=_NEVER,
            decay_from=_NEVER,
            exact_from=_NEVER,
            rate=_FRESH_RATE if start is None else _FURTHER_RATE,
            crops=_CROPS,
            crop_blocks=min(_MOST_BLOCKS, int(np.median(sides))),
            seed=self.config.seed,
            body=shape.body,
            blocks=shape.blocks,
            renderer=shape.renderer,
        )
        own = correction.Run(self.folder, plan, self.material)
        own.verbose = False
        if start is not None and own.step == 0:
            own.network.load_state_dict(frozen(start).state_dict())
            own.average = copy.deepcopy(own.network.state_dict())
        self._steps(own, plan, share_s, told)
        own.save()
        shipped = Trainable(own.network.shape)
        shipped.load_state_dict(own.average)
        return weights_of(shipped)

    def _steps(
        self,
        own: correction.Run,
        plan: correction.Plan,
        share_s: float,
        told: Callable[[float], None],
    ) -> None:
        before_s, began = own.spent_s, self.clock()
        saved = began
        losses: list[float] = []
        while own.spent_s < share_s:
            left = 1 - own.spent_s / share_s
            own.plan = replace(plan, exact_from=0) if left < _ROUNDED_SHARE else plan
            losses.append(own.one_step(rate_scale=min(1.0, left / _ROUNDED_SHARE)))
            own.spent_s = before_s + self.clock() - began
            if own.step % _LOGGED_EVERY == 0:
                hours = round(own.spent_s / 3600, 4)
                own.log(event="steps", step=own.step, hours=hours, **own.learned(losses))
                losses.clear()
            if self.clock() - saved > _SAVED_EVERY_S:
                own.save()
                saved = self.clock()
                told(own.spent_s)
