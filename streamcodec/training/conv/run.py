# SPDX-License-Identifier: Apache-2.0
"""A training run in its folder: goes on after a kill as if there had been none.

`state.pt` holds everything a step depends on and is replaced in one step; `log.jsonl` has a line
every two hundred steps and one for each judgement on frames held out. What a step and a judgement
are, and what the log says of them, a kind of run says (`correction.py`, `encoding.py`).
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
    """What every run does. From `decay_from` to `steps` the rate falls straight to nothing."""

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
    """Lay kernels out as the processor's convolutions want them."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class Run(ABC):
    """Network, its running average, optimiser, step, and how much material it began with."""

    says = True  # on the screen, too, what it logs

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
        """Draw a batch, move the weights by `moved`; returns the loss."""

    @abstractmethod
    def judged(self) -> dict[str, object]:
        """What the averaged weights do on frames held out, as the log says it."""

    @abstractmethod
    def learned(self, losses: Sequence[float]) -> dict[str, object]:
        """What the log says of the losses of the last steps."""

    def moved(self, loss: torch.Tensor, rate_scale: float) -> float:
        """Move the weights and their average along a loss's gradient; returns the loss."""
        torch.autograd.backward(loss)
        self.optimiser.step(self.plan.rate_at(self.step) * rate_scale)
        self.step += 1
        share = min(_AVERAGE, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - share)
        return float(loss.detach())

    def save(self) -> None:
        """Replace the state in one step."""
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
        """A line of log.jsonl, and of the screen."""
        line = json.dumps(values)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self.says:
            print(line, flush=True)

    def go(self, minutes: float) -> None:
        """Train until the plan's last step, or for so many minutes."""
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
    """Command line of a kind of run: where, of what, how long, and the plan's fields."""
    made = argparse.ArgumentParser(description=what)
    made.add_argument("run", type=Path)
    made.add_argument("data", type=Path)
    made.add_argument("--kind", choices=("key", "inter"), required=True)
    made.add_argument("--minutes", type=float, default=1e9)
    made.add_argument("--from-run", type=Path, help="a run, or the checkpoint of one")
    made.add_argument("--refresh", action="store_true", help="see frames that came since")
    for field in fields(plan)[1:]:
        kind = type(field.default)
        made.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default)
    return made


def planned(options: Mapping[str, Any], plan: type[P]) -> P:
    """The plan that a command line says."""
    return plan(options["kind"] == "key", **{f.name: options[f.name] for f in fields(plan)[1:]})
