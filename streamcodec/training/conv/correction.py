# SPDX-License-Identifier: Apache-2.0
"""Trains the decoder network on coded frames: `python -m streamcodec.training.conv.correction`.

A run is a folder. `state.pt` holds everything a step depends on and is replaced in one step, so
that a run that was killed goes on as if it had not been; `log.jsonl` has a line every hundred
steps and one for each judgement on frames held out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from streamcodec.networks.conv import inputs as seen
from streamcodec.networks.conv.shape import MAP_CHANNELS, Shape
from streamcodec.training.coded import shards
from streamcodec.training.conv.batches import Batch, Material
from streamcodec.training.conv.device_material import DeviceMaterial
from streamcodec.training.conv.judge import Verdict, planes_of, verdict
from streamcodec.training.conv.soap import Soap
from streamcodec.training.conv.trainable import Trainable

_PLANE_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
_LEAST_ERROR = 0.1  # squared grey levels: finer frames do not count for more
_AVERAGE = 0.998
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. `decay_from` to `steps` the rate falls to nothing, in a straight line."""

    key: bool
    steps: int = 100_000
    decay_from: int = 60_000
    exact_from: int = 80_000
    rate: float = 2e-3
    warm_up: int = 300
    crops: int = 16
    crop_blocks: int = 8
    body: int = 64
    blocks: int = 3
    renderer: int = 32
    seed: int = 1
    judge_every: int = 2000
    judge_frames: int = 72
    threads: int = 1

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warm_up)
        left = (self.steps - step) / max(1, self.steps - self.decay_from)
        return self.rate * warm * min(1.0, max(0.01, left))


def _made(shape: Shape) -> Trainable:
    network = Trainable(shape)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # as the processor's convolutions want them
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def corrected(network: Trainable, batch: Batch, exact: bool) -> torch.Tensor:
    """The network's correction of a batch, in steps."""
    fine = seen.at_quarter(batch.decoded, batch.predicted, batch.quality)
    maps = seen.maps(batch.counts, batch.modes, batch.splits)
    return torch.as_tensor(network(fine, maps, batch.quality, exact))


def loss_of(correction: torch.Tensor, batch: Batch) -> torch.Tensor:
    """How much of the frames' squared error is left, each plane by its weight in PSNR 6:1:1.

    Zero for no correction. A frame counts by what its PSNR gains, whatever its quality.
    """
    total = torch.zeros(len(batch.quality), device=correction.device)
    mask = batch.acts().to(torch.float32)[:, None]
    for number, (source, decoded, change) in enumerate(
        zip(batch.source, batch.decoded, planes_of(correction, batch.quality), strict=True)
    ):
        side = 8 if number else 16
        m = mask.repeat_interleave(side, 2).repeat_interleave(side, 3)
        miss = (source - decoded).to(torch.float32)
        saved = (miss - change) ** 2 - miss**2
        share = (saved * m).mean((1, 2, 3)) / batch.errors[:, number].clamp(min=_LEAST_ERROR)
        total = total + _PLANE_WEIGHTS[number] * share
    return total


class Run:
    """A training run in its folder."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        data: Path,
        *,
        refresh: bool = False,
        device: torch.device = _CPU,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.plan, self.device = folder, plan, device
        torch.manual_seed(plan.seed)
        shape = Shape(not plan.key, plan.body, plan.blocks, plan.renderer)
        self.network = _made(shape).to(device)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimiser = Soap(self.network.parameters())
        self.step = 0
        self.spent_s = 0.0
        limits: list[int] = []
        state = folder / "state.pt"
        if state.is_file():
            kept = torch.load(state, weights_only=False, map_location=device)
            self.network.load_state_dict(kept["network"])
            self.average = kept["average"]
            self.optimiser.state, self.optimiser.steps = kept["optimiser"], kept["step"]
            self.step, self.spent_s, limits = kept["step"], kept["spent_s"], kept["limits"]
        found = shards(data)
        self.material = Material(found, key=plan.key, limits=[] if refresh else limits)
        # Where there is a device with memory of its own, frames lie in it; it sees all there are.
        self._draw = (
            self.material.batch
            if device.type == "cpu"
            else DeviceMaterial(
                found, key=plan.key, least_blocks=plan.crop_blocks, device=device
            ).batch
        )

    def start_from(self, other: Path) -> None:
        """Take over weights of another run where names and shapes agree."""
        if other.suffix == ".safetensors":
            halves = safetensors.torch.load_file(other)
            kept = {name: values.float() for name, values in halves.items()}
        else:
            kept = torch.load(other / "state.pt", weights_only=False)["average"]
        own = self.network.state_dict()
        inputs = self.network.shape.inputs
        for name, value in kept.items():
            if own[name].shape == value.shape:
                own[name].copy_(value)
            elif name == "layers.enter.weight":  # the prediction's channels are new
                own[name].zero_()
                known = value.shape[1] - MAP_CHANNELS
                own[name][:, :known] = value[:, :known]
                own[name][:, 4 * inputs :] = value[:, known:]
            elif name == "layers.first.weight":
                own[name].zero_()
                known = value.shape[1] - (own[name].shape[1] - inputs)
                own[name][:, :known] = value[:, :known]
                own[name][:, inputs:] = value[:, known:]
        self.average = {k: v.detach().clone() for k, v in own.items()}

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
                "limits": list(self.material.limits),
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
        print(line, flush=True)

    def one_step(self, rate_scale: float = 1.0) -> float:
        """Draw a batch, move the weights; returns the loss."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        batch = self._draw(rng, plan.crops, plan.crop_blocks)
        exact = self.step >= plan.exact_from
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            correction = corrected(self.network, batch, exact)
        loss = loss_of(correction, batch).mean()
        torch.autograd.backward(loss)
        self.optimiser.step(plan.rate_at(self.step) * rate_scale)
        self.step += 1
        share = min(_AVERAGE, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - share)
        return float(loss.detach())

    def judge(self) -> list[Verdict]:
        """The averaged weights on frames held out."""
        plan = self.plan
        judged = _made(self.network.shape)
        judged.load_state_dict({k: v.cpu() for k, v in self.average.items()})
        held = self.material.held
        # Every so-many-th would be of one quality.
        order = np.random.default_rng(0).permutation(len(held))
        chosen = [held[n] for n in np.sort(order[: plan.judge_frames])]
        found = []
        with torch.no_grad():
            for shard, entry in chosen:
                batch = self.material.whole(shard, entry)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    correction = corrected(judged, batch, self.step >= plan.exact_from)
                found.append(verdict(batch, correction))
        return found

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
            if self.step % 200 == 0:
                self.log(
                    event="steps",
                    step=self.step,
                    hours=round(self.spent_s / 3600, 4),
                    gain_db=round(-10 * math.log10(1 + min(0.0, float(np.mean(losses)))), 4),
                    rate=plan.rate_at(self.step),
                )
                losses.clear()
            if self.step % plan.judge_every == 0:
                self.log(event="held_out", step=self.step, **summary(self.judge()))
            if time.monotonic() - saved > 90:
                self.save()
                saved = time.monotonic()
        self.save()


def summary(found: list[Verdict]) -> dict[str, object]:
    """Means over all frames, and of what is gated by quarter of the quality range."""

    def mean(values: list[float]) -> float | None:
        return round(float(np.mean(values)), 4) if values else None

    return {
        "frames": len(found),
        "ungated_db": mean([v.ungated_db for v in found]),
        "gated_db": mean([v.gated_db for v in found]),
        "gated_luma_db": mean([v.gated_luma_db for v in found]),
        "with_moved_db": mean([v.still_db for v in found]),
        "by_quality": [mean([v.gated_db for v in found if v.quality // 16 == k]) for k in range(4)],
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="train the decoder network")
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=("key", "inter"), required=True)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--from-run", type=Path, help="a run, or the checkpoint of one")
    parser.add_argument("--refresh", action="store_true", help="see frames that came since")
    for field in fields(Plan)[1:]:
        kind = type(field.default)
        parser.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default)
    options = vars(parser.parse_args())
    plan = Plan(options["kind"] == "key", **{f.name: options[f.name] for f in fields(Plan)[1:]})
    torch.set_num_threads(plan.threads)
    run = Run(options["run"], plan, options["data"], refresh=options["refresh"])
    if options["from_run"] and run.step == 0:
        run.start_from(options["from_run"])
    parameters = sum(p.numel() for p in run.network.parameters())
    run.log(
        event="begin",
        step=run.step,
        parameters=parameters,
        kmac_per_px=round(run.network.shape.multiplies_per_px() / 1000, 2),
        frames=len(run.material.train),
        held_out=len(run.material.held),
    )
    run.go(options["minutes"])


if __name__ == "__main__":
    main()
