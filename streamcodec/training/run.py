# SPDX-License-Identifier: Apache-2.0
"""A training run: collect, fit, refit the tables, find starting contexts, write the weights.

    files -> chains coded by the model so far -> rows -> 16 stacks -> tables -> 16 stacks -> tables
          -> starting contexts -> weights.safetensors, card.md

Each piece has its own seed, derived from the run's, so that order and interruption change nothing
(training/store.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
import safetensors
import safetensors.numpy

from streamcodec import model as models
from streamcodec.entropy import tables
from streamcodec.errors import ModelError
from streamcodec.model import Model
from streamcodec.networks.prior import StackId, stack_ids
from streamcodec.training import card, collect, data, prior
from streamcodec.training.config import TrainConfig, TrainingConfigError
from streamcodec.training.filters import Equations
from streamcodec.training.store import Arrays, Store

STACKS = tuple(stack_ids())
_FEWEST_ROWS = 64  # a stack with fewer is not fitted
_COLLECT_SHARE = 0.4  # of the minutes given
_CONTEXT_FILES = 20  # clips, and as many pictures, for the starting contexts
_TRIAL_STEPS = 10
_WARM = 10  # the rate is lower by this factor when stacks start from fitted ones
# About the ratio of bytes for one decibel: enough to decide whether training helped.
_BYTES_PER_DB = 1.15


class Progress(Protocol):
    """Called after each piece of work, with `done` and `total` in the same unit."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    weights: Path
    digest: str
    before: card.Figures
    after: card.Figures
    skipped_steps: int
    seconds: float

    @property
    def helped(self) -> bool:
        """True when held-out files take fewer bytes than before, at equal quality."""
        lost_db = self.before.held_out_psnr_y_db - self.after.held_out_psnr_y_db
        return bool(self.after.held_out_bytes * _BYTES_PER_DB**lost_db < self.before.held_out_bytes)


def start_arrays(start: str, hidden: int) -> Arrays:
    """Arrays that training starts from. Raises ModelError."""
    if start == "untrained":
        return models.untrained(hidden)
    shipped = resources.files("streamcodec.weights") / "s.safetensors"
    try:
        raw = shipped.read_bytes() if start == "shipped" else Path(start).read_bytes()
        return dict(safetensors.numpy.load(raw))
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise ModelError(f"weights {start} to start from cannot be read: {error}") from None


def run(
    config: TrainConfig,
    *,
    progress: Progress = lambda stage, done, total: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train, or resume an interrupted run in the same output folder.

    Raises DataError, TrainingConfigError or ModelError.
    """
    began = clock()
    files = data.find(config.data)
    arrays = start_arrays(config.start, config.hidden)
    hidden = int(arrays[f"{STACKS[0].name}.w1"].shape[1])
    store = Store(Path(config.output))
    settings = f"{config.fingerprint()}.{models.digest(arrays).hex()}"
    if store.decision("run", lambda: settings) != settings:
        raise TrainingConfigError(
            f"{config.output} holds a run with other settings: choose another output folder"
        )
    before = card.judge(Model.from_arrays(arrays), files.held_out, config)
    store.log("begin", files=len(files.train), held_out=len(files.held_out), **before.as_dict())
    share_s = 60 * config.minutes / config.rounds
    for number in range(config.rounds):
        work = _Round(config, store, number, arrays, hidden, progress, clock, share_s)
        arrays = work.train(files)
    after = card.judge(Model.from_arrays(arrays), files.held_out, config)
    whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    weights = store.write("weights.safetensors", safetensors.numpy.save(whole))
    digest = models.digest(arrays).hex()
    skipped = sum(
        int(store.piece(name, dict)["skipped"][0])
        for number in range(config.rounds)
        for fitting in range(2)
        for stack in STACKS
        if store.has(name := _fit_name(number, fitting, stack))
    )
    outcome = Outcome(weights, digest, before, after, skipped, clock() - began)
    text = card.write(config, files, digest, before, after, skipped, outcome.seconds)
    store.write("card.md", text.encode())
    store.log("end", model=digest, skipped_steps=skipped, **after.as_dict())
    return outcome


def _fit_name(number: int, fitting: int, stack: StackId) -> str:
    return f"round{number}.fit{fitting}.{stack.name}"


@dataclass(slots=True)
class _Round:
    config: TrainConfig
    store: Store
    number: int
    arrays: Arrays
    hidden: int
    progress: Progress
    clock: Callable[[], float]
    share_s: float  # time for this round, 0 without a limit

    def train(self, files: data.Files) -> Arrays:
        began = self.clock()
        model = Model.from_arrays(self.arrays)
        rows, equations = self._collect(model, files, began)
        gathered = self._gathered(rows)
        new = dict(self.arrays)
        new |= self._contexts(model, files)
        new["filter"] = equations.solve()
        cumulative = model.cumulative
        steps = self._steps(gathered, cumulative, began)
        for fitting in range(2):
            count = max(steps // 4, 1) if fitting else steps
            met = np.zeros((tables.TABLES, tables.MAGNITUDES))
            present = [stack for stack in STACKS if stack in gathered]
            start = dict(new)
            fit = partial(self._fit, start, cumulative, count, fitting)
            with ThreadPoolExecutor(self.config.jobs) as pool:
                results = pool.map(fit, present, [gathered[stack] for stack in present])
                for done, stack in enumerate(STACKS):
                    if stack in gathered:
                        fitted = next(results)
                        met += fitted.pop("met").astype(np.float64)
                        fitted.pop("skipped")
                        new |= fitted
                    self.progress("fitting", fitting * len(STACKS) + done + 1, 2 * len(STACKS))
            cumulative = prior.refit(met, cumulative)
            new["tables"] = cumulative
        return new

    def _rng(self, *place: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, self.number, *place])

    def _collect(
        self, model: Model, files: data.Files, began: float
    ) -> tuple[list[collect.Rows], Equations]:
        total = self.config.passes * len(files.train)
        limit = began + _COLLECT_SHARE * self.share_s
        # The first pass is not cut short: each file is used at least once.
        limited = self.share_s > 0
        stop = f"round{self.number}.chains"
        rows: list[collect.Rows] = []
        equations = Equations()

        def make(number: int) -> Arrays:
            name = f"{stop}.{number}"
            return self.store.piece(name, partial(self._chain, model, files, number))

        with ThreadPoolExecutor(self.config.jobs) as pool:
            for first in range(0, total, self.config.jobs):
                if (
                    limited
                    and first >= min(len(files.train), 8)
                    and not self.store.has(f"{stop}.{first}")
                    and self.clock() > limit
                ):
                    total = first
                if first >= int(str(self._enough(stop, total, first == total))):
                    break
                for arrays in pool.map(make, range(first, min(first + self.config.jobs, total))):
                    squares, products = arrays.pop("filter.squares"), arrays.pop("filter.products")
                    equations.add(squares.astype(np.float64), products.astype(np.float64))
                    rows += _unpacked(arrays)
                self.progress("collecting", min(first + self.config.jobs, total), total)
        self._enough(stop, total, True)
        return rows, equations

    def _enough(self, name: str, total: int, decided: bool) -> int:
        """How many chains this round has; decided by time once, then kept."""
        if decided or (self.store.folder / f"{name}.json").is_file():
            return int(str(self.store.decision(name, lambda: total)))
        return total

    def _chain(self, model: Model, files: data.Files, number: int) -> Arrays:
        rng = self._rng(0, number)
        path = files.train[int(_order(self._rng(1), len(files.train), number))]
        frames = data.chain(path, frames=self.config.frames, crop_px=self.config.crop_px, rng=rng)
        quality = int(np.clip(rng.normal(27, 11), 2, 62))
        equations = Equations()
        steps = collect.chain(model, frames, quality, rng, equations)
        rows = [r for step, _ in steps for r in step]
        return _packed(rows) | {
            "filter.squares": equations.squares,
            "filter.products": equations.products,
        }

    def _contexts(self, model: Model, files: data.Files) -> Arrays:
        def make() -> Arrays:
            rng = self._rng(2)
            clips = [path for path in files.train if path.suffix.lower() in data.CLIPS]
            pictures = [path for path in files.train if path.suffix.lower() in data.PICTURES]
            # Inter frames come from clips; from pictures only where there are no clips.
            frames = 2 if clips else self.config.frames
            chosen = [(path, self.config.frames) for path in _spread(clips, _CONTEXT_FILES)]
            chosen += [(path, frames) for path in _spread(pictures, _CONTEXT_FILES)]
            chains = [
                data.chain(path, frames=count, crop_px=self.config.crop_px, rng=rng)
                for path, count in chosen
            ]
            key, inter = collect.starting_contexts(model, chains, rng)
            return {"contexts.key": key, "contexts.inter": inter}

        if self.config.frames < 2:
            return {}
        return self.store.piece(f"round{self.number}.contexts", make)

    def _gathered(self, rows: list[collect.Rows]) -> dict[StackId, prior.StackData]:
        mixed = [rows[i] for i in self._rng(3).permutation(len(rows))]
        result = {}
        for stack in STACKS:
            count = sum(len(r.inputs) for r in mixed if r.stack == stack)
            if count >= _FEWEST_ROWS:
                result[stack] = prior.gather(mixed, stack)
        return result

    def _steps(
        self,
        gathered: dict[StackId, prior.StackData],
        cumulative: np.ndarray[tuple[int, ...], np.dtype[np.uint16]],
        began: float,
    ) -> int:
        """Steps of each stack: as configured, or as many as the remaining time allows."""
        if not self.share_s or not gathered:
            return self.config.steps

        def decide() -> int:
            at = self.clock()
            for each in gathered.values():
                prior.fit(
                    each,
                    tables.costs_q8(cumulative),
                    steps=_TRIAL_STEPS,
                    batch=self.config.batch,
                    hidden=self.hidden,
                )
            per_step = (self.clock() - at) / _TRIAL_STEPS
            left = max(began + 0.95 * self.share_s - self.clock(), 0.0)
            return int(np.clip(left / (1.25 * per_step), 20, 200_000))

        return int(str(self.store.decision(f"round{self.number}.steps", decide)))

    def _fit(  # noqa: PLR0917  (all of what a fit depends on)
        self,
        start: Arrays,
        cumulative: np.ndarray[tuple[int, ...], np.dtype[np.uint16]],
        steps: int,
        fitting: int,
        stack: StackId,
        rows: prior.StackData,
    ) -> Arrays:
        fresh = self.config.start == "untrained" and not fitting and not self.number

        def make() -> Arrays:
            fitted, before, after = prior.fit(
                rows,
                tables.costs_q8(cumulative),
                steps=steps,
                batch=self.config.batch,
                rate=self.config.rate if fresh else self.config.rate / _WARM,
                hidden=self.hidden,
                start=None if fresh else start,
                seed=self.config.seed + 1000 * self.number + STACKS.index(stack),
            )
            self.store.log(
                "stack",
                round=self.number,
                fitting=fitting,
                stack=stack.name,
                rows=len(rows.inputs),
                steps=steps,
                bits_before=round(before, 3),
                bits_after=round(after, 3),
                skipped_steps=fitted.skipped_steps,
            )
            return fitted.arrays(stack.name) | {
                "met": prior.histogram(fitted, rows),
                "skipped": np.array([fitted.skipped_steps], np.int64),
            }

        return self.store.piece(_fit_name(self.number, fitting, stack), make)


def _order(rng: np.random.Generator, files: int, number: int) -> int:
    """Index of the file of chain `number`: shuffled again in every pass."""
    for _ in range(number // files):
        rng.permutation(files)
    return int(rng.permutation(files)[number % files])


def _packed(rows: list[collect.Rows]) -> Arrays:
    arrays: Arrays = {}
    for n, r in enumerate(rows):
        name = f"{n:05d}.{r.stack.frame_type}.{r.stack.group}.{r.stack.phase}"
        arrays |= {
            f"{name}.inputs": r.inputs,
            f"{name}.targets": r.targets,
            f"{name}.quality": r.quality,
            f"{name}.weight": r.weight,
        }
    return arrays


def _unpacked(arrays: Arrays) -> list[collect.Rows]:
    return [
        collect.Rows(
            StackId(*(int(part) for part in name.split(".")[1:])),
            arrays[f"{name}.inputs"].astype(np.uint8),
            arrays[f"{name}.targets"].astype(np.uint8),
            arrays[f"{name}.quality"].astype(np.uint8),
            arrays[f"{name}.weight"].astype(np.float32),
        )
        for name in sorted({key.rsplit(".", 1)[0] for key in arrays})
    ]


def _spread(files: Sequence[Path], count: int) -> Sequence[Path]:
    """About `count` of the files, evenly spaced."""
    return files[:: max(len(files) // count, 1)]
