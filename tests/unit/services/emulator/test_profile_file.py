# SPDX-License-Identifier: Apache-2.0
"""Link profiles from TOML: the ready ones load, and each mistake is one sentence with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.emulator.loss import BurstLoss
from services.emulator.model import Link
from services.emulator.profile import OutageKind
from services.emulator.profile_file import load_profile, parse_profile, ready_profiles
from services.emulator.queue import Discipline
from services.emulator.service import PoissonRate, StepRate, TraceRate
from services.emulator.synthetic import TRACES, synthesise
from services.emulator.trace import OPPORTUNITY_BYTES, parse_trace, read_trace
from services.errors import EXIT_CONFIG, ConfigError

GOOD = """\
[link]
name = "test"

[up]
rate = "2 Mbit/s"
delay_ms = 20.0
queue = { bytes = 60000 }
"""


def problem(text: str, folder: Path = Path()) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, path=folder / "x.toml")
    assert caught.value.exit_code == EXIT_CONFIG == 3
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_ready_profile_loads_and_carries_packets() -> None:
    expected = {"dsl", "lte", "lte-driving", "3g", "satellite", "wifi-busy", "outage", "step"}
    assert expected | {"thin"} <= set(ready_profiles())
    for name in ready_profiles():
        profile = load_profile(name)
        assert profile.name == name
        link: Link[int] = Link(profile.up, seed=profile.seed)
        assert link.capacity_bytes(0, 60_000_000) > 100_000


def test_a_full_profile_means_what_it_says() -> None:
    profile = parse_profile(
        GOOD
        + """
jitter = { ms = 3, kind = "normal", reorder = true }
loss = { kind = "ge", p = 0.005, r = 0.3 }
outages = [{ at_s = 20, for_s = 1 }, { at_s = 10, for_s = 5, kind = "drop" }]
mtu = 1400
[down]
rate = { kind = "poisson", bps = 1e6 }
queue = { ms = 100, kind = "codel", target_ms = 15 }
""",
        path=Path("x.toml"),
    )
    assert profile.up.rate == StepRate(((0, 2_000_000),))
    assert profile.up.delay_us == 20_000
    assert profile.up.jitter.amount_us == 3_000
    assert profile.up.loss == BurstLoss(0.005, 0.3, 0.0, 1.0)
    assert [o.kind for o in profile.up.outages] == [OutageKind.DROP, OutageKind.HOLD]
    assert profile.up.mtu_bytes == 1400
    assert profile.down.rate == PoissonRate(1_000_000)
    assert profile.down.queue.limit_bytes == 12_500
    assert profile.down.queue.discipline is Discipline.CODEL


def test_the_way_back_is_as_long_and_wide_by_default() -> None:
    profile = parse_profile(GOOD, path=Path("x.toml"))
    assert profile.down.delay_us == 20_000
    assert profile.base_rtt_us == 40_000
    assert Link[int](profile.down, seed=1).capacity_bytes(0, 8_000_000) == 100_000_000


def test_traces_are_found_beside_the_file_and_offset(tmp_path: Path) -> None:
    (tmp_path / "t.trace").write_text("10\n20\n")
    text = GOOD.replace(
        '"2 Mbit/s"', '{ kind = "trace", file = "t.trace", offset_ms = 10, loop = false }'
    )
    (tmp_path / "p.toml").write_text(text)
    profile = load_profile(str(tmp_path / "p.toml"))
    assert profile.up.rate == TraceRate((10, 20), loop=False, offset_ms=10, name="t.trace")


def test_rates_from_csv(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("seconds,bps\n0,4e6\n2.5,0\n3,1e6\n")
    text = GOOD.replace('"2 Mbit/s"', '{ kind = "csv", file = "r.csv" }')
    profile = parse_profile(text, path=tmp_path / "x.toml")
    assert profile.up.rate == StepRate(((0, 4_000_000), (2_500_000, 0), (3_000_000, 1_000_000)))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("[up]", "[upp]"), "x.toml:4: upp is not a known key; did you mean up?"),
        (("delay_ms", "delay"), "x.toml:6: up.delay is not a known key; did you mean delay_ms?"),
        (('name = "test"', ""), "x.toml:1: link.name is missing"),
        (('rate = "2 Mbit/s"\n', ""), "x.toml:4: up.rate is missing"),
        (("queue = { bytes = 60000 }", ""), "x.toml:4: up.queue is missing"),
        (('"2 Mbit/s"', '"2 MB"'), "x.toml:5: up.rate is '2 MB', expected a rate in bit/s,"),
        (('"2 Mbit/s"', '"-2 Mbit/s"'), "x.toml:5: up.rate is -2000000.0, expected a rate"),
        (('"2 Mbit/s"', "-1"), "x.toml:5: up.rate is -1, expected a rate from 0"),
        (('"2 Mbit/s"', "0"), "x.toml:5: up.rate is 0; the link would never carry"),
        (('"2 Mbit/s"', "true"), "x.toml:5: up.rate is True, expected a number"),
        (('"2 Mbit/s"', "nan"), "x.toml:5: up.rate is nan, expected a number"),
        (('"2 Mbit/s"', '{ kind = "tarce" }'), "x.toml:5: up.rate.kind is 'tarce', expected one"),
        (("20.0", "-3"), "x.toml:6: up.delay_ms is -3, expected a number at least 0"),
        (("60000", "1499"), "x.toml:7: up.queue.bytes is 1499; a queue must hold"),
        (("bytes = 60000", ""), "x.toml:7: up.queue.bytes or ms must be given"),
        (("60000", '60000, kind = "red"'), "x.toml:7: up.queue.kind is 'red', expected one of"),
        (("20.0", "20.0\nloss = { kind = 'iid', p = 1.5 }"), "x.toml:7: up.loss.p is 1.5, exp"),
        (
            ("20.0", "20.0\nloss = { kind = 'ge', p = 0.1, r = 0 }"),
            "x.toml:7: up.loss.r is 0 with p above 0",
        ),
        (
            ("20.0", "20\noutages = [{ at_s = 1, for_s = 5 }, { at_s = 5, for_s = 1 }]"),
            "x.toml:7: up.outages overlap at 5 s",
        ),
        (
            ('"2 Mbit/s"', '{ kind = "steps", steps = [[1, 4e6]] }'),
            "x.toml:5: up.rate.steps start at 1 s; the first step must be at 0",
        ),
        (
            ('"2 Mbit/s"', '{ kind = "steps", steps = [[0, 4e6], [5, 1e6], [5, 2e6]] }'),
            "x.toml:5: up.rate.steps go back to 5 s",
        ),
        (
            ('"2 Mbit/s"', '{ kind = "steps", steps = [[0, 0], [5, 0]] }'),
            "x.toml:5: up.rate.steps are all 0",
        ),
        (("[up]", "[up"), "x.toml: not valid TOML: Expected ']'"),
        (
            ('"2 Mbit/s"', '{ kind = "trace", file = "no.trace" }'),
            "no.trace: cannot read the trace file (No such file or directory)",
        ),
    ],
)
def test_each_mistake_is_named_with_file_line_key_and_value(
    change: tuple[str, str], expected: str
) -> None:
    assert change[0] in GOOD
    assert expected in problem(GOOD.replace(*change))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ":1: the trace is empty"),
        ("1\n\n3\n", ":2: an empty line, expected a time in whole milliseconds"),
        ("1\n2.5\n", ":2: 2.5, expected a time in whole milliseconds"),
        ("1\n-2\n", ":2: -2, expected"),
        ("5\n4\n", ":2: 4 comes after 5; times must rise"),
        ("0\n0\n", ":2: the trace ends at 0 ms"),
        ("\u0661\n", "not a text file"),
    ],
)
def test_broken_traces_are_refused_with_their_line(
    tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / "b.trace").write_text(content, encoding="utf-8")
    text = GOOD.replace('"2 Mbit/s"', '{ kind = "trace", file = "b.trace" }')
    assert expected in problem(text, tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1,5\n", ":1: the first line must be at 0 s, not 1"),
        ("0,5\n0,6\n", ":2: 0 s is not later"),
        ("0,-5\n", ":1: '0,-5' is negative"),
        ("0,5,6\n", ":1: '0,5,6', expected seconds,bits_per_second"),
        ("0,0\n", ":1: no line has a rate above 0"),
        ("", ":1: no line has a rate above 0"),
    ],
)
def test_broken_rate_files_are_refused_with_their_line(
    tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / "r.csv").write_text(content)
    text = GOOD.replace('"2 Mbit/s"', '{ kind = "csv", file = "r.csv" }')
    assert expected in problem(text, tmp_path)


def test_unknown_profile_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'ltee' is neither a file nor one of: .*lte-driving"):
        load_profile("ltee")


def test_shipped_traces_come_from_the_tool() -> None:
    for name, fading in TRACES.items():
        rate = load_profile(name.removesuffix(".trace")).up.rate
        assert isinstance(rate, TraceRate)
        assert rate.stamps_ms == synthesise(fading, seed=1)
        mean = len(rate.stamps_ms) * OPPORTUNITY_BYTES * 8 / fading.seconds
        assert 0.6 * fading.mean_bps < mean < 1.5 * fading.mean_bps


def test_recorded_traces_are_read_as_they_are(data_folder: Path) -> None:
    stamps = read_trace(data_folder / "traces" / "Verizon-LTE-short.up")
    first = sum(stamp <= 60_000 for stamp in stamps) * OPPORTUNITY_BYTES * 8 / 60e6
    assert first == pytest.approx(5.81, rel=0.01)


@given(st.lists(st.text(max_size=20), max_size=10))
def test_any_trace_text_parses_or_raises_a_config_error(lines: list[str]) -> None:
    message = ""
    try:
        stamps = parse_trace(lines, name="t")
    except ConfigError as error:
        message = str(error)
    else:
        assert list(stamps) == sorted(stamps)
        assert stamps[-1] > 0
    assert not message or re.match(r"t:\d+: ", message)


_value = st.recursive(
    st.one_of(
        st.integers(-(2**62), 2**62).map(str),
        st.floats().map(str),
        st.booleans().map(lambda b: str(b).lower()),
        st.sampled_from(['"trace"', '"steps"', '"ge"', '"iid"', '"2 Mbit/s"', '"kbit/s"', '""']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: f"[{', '.join(v)}]"),
        st.dictionaries(
            st.sampled_from(
                [
                    "kind",
                    "p",
                    "r",
                    "h",
                    "k",
                    "ms",
                    "bytes",
                    "file",
                    "steps",
                    "low",
                    "high",
                    "every_ms",
                    "at_s",
                    "for_s",
                    "bps",
                ]
            ),
            inner,
            max_size=4,
        ).map(lambda d: "{ " + ", ".join(f"{k} = {v}" for k, v in d.items()) + " }"),
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["rate", "delay_ms", "jitter", "loss", "queue", "outages", "mtu", "other"]),
        _value,
    )
)
def test_any_profile_text_parses_or_raises_one_sentence(up: dict[str, str]) -> None:
    body = "\n".join(f"{key} = {value}" for key, value in up.items())
    text = f'[link]\nname = "x"\n[up]\n{body}\n'
    message = ""
    try:
        parse_profile(text, path=Path("x.toml"))
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message
