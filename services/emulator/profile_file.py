# SPDX-License-Identifier: Apache-2.0
"""Reading link profiles: ready ones by name, others from TOML files, every error with its place.

[link]                        # name*, seed
[up]                          # sender to receiver; [down] likewise, by default wide and clean
rate = "2 Mbit/s"             # * or { kind = "steps" | "trace" | "csv" | "poisson" | "random" }
delay_ms = 20.0               # one way
jitter = { ms = 0, kind = "uniform" | "normal", reorder = false }
loss = { kind = "none" | "iid" | "ge", p, r, h, k }
queue = { bytes = 60000, kind = "droptail" | "drophead" | "codel", target_ms, interval_ms }  # *
outages = [{ at_s = 10, for_s = 5, kind = "hold" | "drop" }]
mtu = 1500
"""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from random import Random

from services.emulator.loss import BurstLoss, IndependentLoss, Loss, NoLoss
from services.emulator.profile import (
    Direction,
    Jitter,
    JitterKind,
    Outage,
    OutageKind,
    Profile,
    default_return,
)
from services.emulator.queue import Discipline, QueueLimits
from services.emulator.service import PoissonRate, Rate, StepRate, TraceRate, mean_bps
from services.emulator.toml_section import Section
from services.emulator.trace import read_rates, read_trace
from services.errors import ConfigError

_MAX_BPS = 100_000_000_000
_RANDOM_ROUND_S = 60


def ready_profiles() -> tuple[str, ...]:
    """Names of the profiles that ship with the product."""
    return tuple(sorted(p.name[:-5] for p in _shipped().iterdir() if p.name.endswith(".toml")))


def load_profile(name_or_path: str) -> Profile:
    """A ready profile by its name, or one from a TOML file by its path.

    Traces are looked for beside the file. Raises ConfigError, one sentence with file, line and
    value, before anything starts.
    """
    if name_or_path in ready_profiles():
        with resources.as_file(_shipped()) as folder:
            return read_profile(folder / f"{name_or_path}.toml")
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        known = ", ".join(ready_profiles())
        raise ConfigError(f"link profile {name_or_path!r} is neither a file nor one of: {known}")
    return read_profile(path)


def read_profile(path: Path) -> Profile:
    """See `load_profile`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file, expected a link profile in TOML") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the link profile ({error.strerror})") from None
    return parse_profile(text, path=path)


def parse_profile(text: str, *, path: Path) -> Profile:
    """See `load_profile`; `path` is named in errors, and traces are relative to its folder."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    root = Section(values, path=path, text=text)
    link = root.section("link", required=True)
    name = link.text("name", required=True)
    seed = link.integer("seed", default=1, least=0, most=2**63)
    link.finish()
    up = _direction(root.section("up", required=True), path, seed)
    down = default_return(up.delay_us)
    if root.has("down"):
        down = _direction(root.section("down"), path, seed)
    root.finish()
    return Profile(name=name, up=up, down=down, seed=seed)


def _direction(section: Section, path: Path, seed: int) -> Direction:
    mtu = section.integer("mtu", default=1500, least=68, most=65_535)
    rate = _rate(section, path, seed)
    direction = Direction(
        rate=rate,
        queue=_queue(section, mtu, rate),
        delay_us=section.milliseconds("delay_ms", default=0.0),
        jitter=_jitter(section),
        loss=_loss(section),
        outages=_outages(section),
        mtu_bytes=mtu,
    )
    section.finish()
    return direction


def _rate(section: Section, path: Path, seed: int) -> Rate:
    if not section.is_table("rate"):
        bps = section.bits_per_second("rate", most=_MAX_BPS)
        if bps == 0:
            section.fail("rate", "is 0; the link would never carry anything")
        return StepRate(((0, bps),))
    rate = section.section("rate", required=True)
    kind = rate.choice("kind", ("constant", "steps", "trace", "csv", "poisson", "random"))
    made: Rate
    if kind == "trace":
        made = _trace(rate, path)
    elif kind == "csv":
        made = StepRate(read_rates(path.parent / rate.text("file", required=True)))
    elif kind == "steps":
        made = _steps(rate)
    elif kind == "random":
        made = _random_steps(rate, seed)
    else:
        bps = rate.bits_per_second("bps", most=_MAX_BPS)
        if bps == 0:
            rate.fail("bps", "is 0; the link would never carry anything")
        made = PoissonRate(bps) if kind == "poisson" else StepRate(((0, bps),))
    rate.finish()
    return made


def _trace(rate: Section, path: Path) -> TraceRate:
    file = path.parent / rate.text("file", required=True)
    stamps = read_trace(file)
    offset_ms = rate.integer("offset_ms", default=0, least=0, most=stamps[-1] - 1)
    length_ms = None
    if rate.has("length_ms"):
        length_ms = rate.integer("length_ms", least=1, most=stamps[-1])
        if not any(offset_ms < stamp <= offset_ms + length_ms for stamp in stamps):
            rate.fail("length_ms", f"{length_ms} leaves no opportunity of the trace")
    return TraceRate(
        stamps_ms=stamps,
        loop=rate.flag("loop", default=True),
        offset_ms=offset_ms,
        length_ms=length_ms,
        name=file.name,
    )


def _steps(rate: Section) -> StepRate:
    steps: list[tuple[int, int]] = []
    for at, step in enumerate(rate.pairs("steps")):
        seconds, bps = rate.step(step, most_bps=_MAX_BPS)
        if at == 0 and seconds != 0:
            rate.fail("steps", f"start at {seconds:g} s; the first step must be at 0")
        if steps and round(seconds * 1e6) <= steps[-1][0]:
            rate.fail("steps", f"go back to {seconds:g} s; each must be later than the one before")
        steps.append((round(seconds * 1e6), bps))
    if not any(bps for _, bps in steps):
        rate.fail("steps", "are all 0; the link would never carry anything")
    period_us = None
    if rate.has("period_s"):
        period_us = round(rate.number("period_s", least=0.001, most=1e6) * 1e6)
        if period_us <= steps[-1][0]:
            rate.fail("period_s", "must be later than the last step")
    return StepRate(tuple(steps), period_us)


def _random_steps(rate: Section, seed: int) -> StepRate:
    low = rate.bits_per_second("low", most=_MAX_BPS)
    high = rate.bits_per_second("high", most=_MAX_BPS)
    if high < low or high == 0:
        rate.fail("high", "must be above 0 and not below low")
    every_us = rate.milliseconds("every_ms", default=200.0)
    if not 1000 <= every_us <= _RANDOM_ROUND_S * 1_000_000:
        rate.fail("every_ms", f"must be 1 to {_RANDOM_ROUND_S * 1000}")
    random = Random(f"{seed}/random rate")
    starts = range(0, _RANDOM_ROUND_S * 1_000_000, every_us)
    steps = tuple((at, random.randint(low, high)) for at in starts)
    return StepRate(steps, _RANDOM_ROUND_S * 1_000_000)


def _queue(section: Section, mtu: int, rate: Rate) -> QueueLimits:
    queue = section.section("queue", required=True)
    if queue.has("bytes") == queue.has("ms"):
        queue.fail("bytes", "or ms must be given, and only one of them")
    if queue.has("bytes"):
        limit = queue.integer("bytes", least=1, most=2**40)
    else:
        # So many bytes as the link serves in that time on average: a queue has a fixed size.
        limit = mean_bps(rate) * queue.milliseconds("ms", default=0.0) // 8_000_000
    if limit < mtu:
        queue.fail("bytes", f"is {limit}; a queue must hold at least one packet of {mtu} bytes")
    discipline = Discipline(
        queue.choice("kind", tuple(d.value for d in Discipline), default="droptail")
    )
    limits = QueueLimits(
        limit_bytes=limit,
        discipline=discipline,
        codel_target_us=queue.milliseconds("target_ms", default=5.0),
        codel_interval_us=max(1, queue.milliseconds("interval_ms", default=100.0)),
    )
    queue.finish()
    return limits


def _jitter(section: Section) -> Jitter:
    if not section.has("jitter"):
        return Jitter()
    jitter = section.section("jitter")
    made = Jitter(
        amount_us=jitter.milliseconds("ms", default=0.0),
        kind=JitterKind(jitter.choice("kind", ("uniform", "normal"), default="uniform")),
        reorder=jitter.flag("reorder", default=False),
    )
    jitter.finish()
    return made


def _loss(section: Section) -> Loss:
    if not section.has("loss"):
        return NoLoss()
    loss = section.section("loss")
    kind = loss.choice("kind", ("none", "iid", "ge"))
    made: Loss = NoLoss()
    if kind == "iid":
        made = IndependentLoss(loss.probability("p"))
    elif kind == "ge":
        made = BurstLoss(
            p=loss.probability("p"),
            r=loss.probability("r"),
            h=loss.probability("h", default=0.0),
            k=loss.probability("k", default=1.0),
        )
        if made.r == 0 and made.p > 0:
            loss.fail("r", "is 0 with p above 0: the link would stay bad for ever")
    loss.finish()
    return made


def _outages(section: Section) -> tuple[Outage, ...]:
    outages: list[Outage] = []
    for one in section.tables("outages"):
        at_us = round(one.number("at_s", least=0, most=1e9) * 1e6)
        for_us = round(one.number("for_s", least=0.001, most=1e9) * 1e6)
        kind = OutageKind(one.choice("kind", ("hold", "drop"), default="hold"))
        one.finish()
        outages.append(Outage(at_us, for_us, kind))
    outages.sort(key=lambda outage: outage.at_us)
    for before, after in pairwise(outages):
        if after.at_us < before.end_us:
            section.fail("outages", f"overlap at {after.at_us / 1e6:g} s")
    return tuple(outages)


def _shipped() -> Traversable:
    return resources.files("services.emulator") / "profiles"
