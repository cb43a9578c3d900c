# SPDX-License-Identifier: Apache-2.0
"""A training run in its folder; after a kill it resumes without a difference.

`state.pt` holds everything a step depends on and is replaced atomically; `log.jsonl` has a line
every two hundred steps and one for each evaluation on held-out frames. Subclasses define steps and
evaluations (`correction.py`, `encoding.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from streamcodec.training.conv.soap import Soap

P = TypeVar("P", bound="Plan")
_AVERAGE = 0.998
_SAVED_EVERY_S = 90
_LOGGED_EVERY = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of every run. From `decay_from` to `steps` the rate falls linearly to zero."""

    key: bool
    steps: int = 100_000
    decay_from: int = 60_000
    rate: float = 2e-3
    warm_up: int = 300
    crops: int = 16
    crop_blocks: int = 8
    seed: int = 1
    judge_every: int = 2000
    judge_frames: int = 72
    threads: int = 1

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warm_up)
        left = (self.steps - step) / max(1, self.steps - self.decay_from)
        return self.rate * warm * min(1.0, max(0.01, left))


def channels_last(network: nn.Module) -> None:
    """Lay kernels out for the processor's convolutions."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class Run(ABC):
    """Network, its running average, optimiser, step, and the limits of its training data."""

    verbose = True  # print the log, too

    def __init__(
        self, folder: Path, plan: Plan, network: nn.Module, *, device: torch.device
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.plan, self.device, self.network = folder, plan, device, network
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self.optimiser = Soap(network.parameters())
        self.step = 0
        self.spent_s = 0.0
        self.limits: Sequence[int] = ()
        state = folder / "state.pt"
        if state.is_file():
            kept = torch.load(state, weights_only=False, map_location=device)
            network.load_state_dict(kept["network"])
            self.average = kept["average"]
            self.optimiser.state, self.optimiser.steps = kept["optimiser"], kept["step"]
            self.step, self.spent_s, self.limits = kept["step"], kept["spent_s"], kept["limits"]

    @abstractmethod
    def one_step(self, rate_scale: float = 1.0) -> float:
        """Draw a batch, update the weights by `moved`; returns the loss."""

    @abstractmethod
    def judged(self) -> dict[str, object]:
        """Evaluation of the averaged weights on held-out frames, for the log."""

    @abstractmethod
    def learned(self, losses: Sequence[float]) -> dict[str, object]:
        """Summary of the losses of the last steps, for the log."""

    def moved(self, loss: torch.Tensor, rate_scale: float) -> float:
        """Update the weights by a loss's gradient, and their average; returns the loss."""
        torch.autograd.backward(loss)
        self.optimiser.step(self.plan.rate_at(self.step) * rate_scale)
        self.step += 1
        share = min(_AVERAGE, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - share)
        return float(loss.detach())

    def save(self) -> None:
        """Replace the state atomically."""
        fresh = self.folder / "state.pt.part"
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state,
                "step": self.step,
                "spent_s": self.spent_s,
                "limits": list(self.limits),
                "plan": asdict(self.plan),
            },
            fresh,
        )
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(self.folder / "state.pt")

    def log(self, **values: object) -> None:
        """Add a line to log.jsonl, and print it if `verbose`."""
        line = json.dumps(values)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self.verbose:
            print(line, flush=True)

    def go(self, minutes: float) -> None:
        """Train until the plan's last step, at most for so many minutes."""
        plan = self.plan
        begun = time.monotonic()
        before_s = self.spent_s
        losses: list[float] = []
        saved = time.monotonic()
        while self.step < plan.steps and time.monotonic() - begun < 60 * minutes:
            losses.append(self.one_step())
            self.spent_s = before_s + time.monotonic() - begun
            if self.step % _LOGGED_EVERY == 0:
                self.log(
                    event="steps",
                    step=self.step,
                    hours=round(self.spent_s / 3600, 4),
                    **self.learned(losses),
                    rate=plan.rate_at(self.step),
                )
                losses.clear()
            if self.step % plan.judge_every == 0:
                self.log(event="held_out", step=self.step, **self.judged())
            if time.monotonic() - saved > _SAVED_EVERY_S:
                self.save()
                saved = time.monotonic()
        self.save()


def parser(what: str, plan: type[Plan]) -> argparse.ArgumentParser:
    """Command line of a kind of run: folders, frame type, minutes, and the plan's fields."""
    made = argparse.ArgumentParser(description=what)
    made.add_argument("run", type=Path)
    made.add_argument("data", type=Path)
    made.add_argument("--kind", choices=("key", "inter"), required=True)
    made.add_argument("--minutes", type=float, default=1e9)
    made.add_argument("--from-run", type=Path, help="a run, or a checkpoint, to start from")
    made.add_argument("--refresh", action="store_true", help="use frames added since the run began")
    for field in fields(plan)[1:]:
        kind = type(field.default)
        made.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default)
    return made


def planned(options: Mapping[str, Any], plan: type[P]) -> P:
    """The plan of a parsed command line."""
    return plan(options["kind"] == "key", **{f.name: options[f.name] for f in fields(plan)[1:]})
