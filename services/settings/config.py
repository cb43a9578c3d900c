# SPDX-License-Identifier: Apache-2.0
"""Every setting of the programs: its name, default, range and meaning, in one place.

A value comes from the first of these that gives it: a command's option, the environment
(`STREAMCODEC_SECTION__KEY`), a TOML file (`[section]`, `key = value`), the default here.
`services/settings/lookup.py` does the looking up; the rest of the program receives the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"
DEFAULT_SOURCE = "scene:640x360@30"
SIZES = ("S", "M", "auto")  # those that have weights
DEVICES = ("auto", "cpu", "cuda", "cuda:N")  # N is a number
LOG_FORMATS = ("console", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


def setting(
    default: object,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field with its documentation: one clause of help, and what values are allowed."""
    metadata = {"help": text, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class CodecSettings:
    """Which model, and where it runs."""

    size: str = setting(
        "auto",
        "size of the model: M has convolutional networks in the decoder, for both ends alike; auto "
        "takes M where there is a CUDA device and --device allows it, else S, and a receiver takes "
        "what its sender has",
        choices=SIZES,
    )
    device: str = setting(
        "auto",
        "where the networks of size M run, and on a GPU its encoder, too; auto takes a GPU that "
        "torch sees. Size S runs on the CPU",
        choices=DEVICES,
    )
    weights: str | None = setting(None, "file of weights to use instead of the shipped ones")
    effort: str = setting(
        "normal",
        "how hard the encoder tries: time against bits",
        choices=("fast", "normal", "best"),
    )
    threads: int = setting(
        0, "threads that work on one picture; 0 takes one for each core", low=0, high=256
    )


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """What is sent, and to where."""

    source: str = setting(
        DEFAULT_SOURCE, "camera:N, screen:, scene:WxH@FPS, a file, a folder of pictures or a URL"
    )
    loop: bool = setting(False, "start a file again when it ends")
    recode: bool = setting(
        False, "decode a .scv recording and code it anew; without it its packets go out as they are"
    )
    seed: int = setting(0, "seed of the built-in scene", low=0, high=2**31 - 1)
    bind: str | None = setting(None, f"address to listen on ({DEFAULT_ENDPOINT} if none is given)")
    connect: str | None = setting(None, "address of a listening receiver, instead of bind")
    stream: str = setting("main", "name of the stream")
    kbps: float | None = setting(None, "never send more than this many kbit/s", low=1, high=1e6)
    quality: int = setting(40, "never code finer than this quality", low=0, high=63)
    tcp: str | None = setting(
        None,
        "congestion control of the kernel's TCP, as reno or cubic; the system's if none is given",
    )
    adapt: bool = setting(True, "code a smaller picture while the link is too thin for the whole")


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """Where frames come from, and what becomes of them."""

    connect: str | None = setting(
        None, f"address of a listening sender ({DEFAULT_ENDPOINT} if none is given)"
    )
    bind: str | None = setting(None, "address to listen on for a sender, instead of connect")
    stream: str = setting("main", "name of the stream to ask for")
    view: str = setting("window", "window, web, none, or a file: .mp4, .y4m, .scv, folder/")
    record: str | None = setting(None, "also record to this .scv or .mp4 file")
    push: str | None = setting(
        None, "also push H.264 to this rtsp://, rtmp:// or srt:// address of a media server"
    )
    virtual_camera: str | None = setting(
        None, "also show on this v4l2loopback device, as /dev/video9 (needs the extra 'camera')"
    )
    record_minutes: float | None = setting(
        None, "begin a new recording file after this many minutes", low=0.01, high=1e5
    )
    record_mb: int | None = setting(
        None, "begin a new recording file after this many megabytes", low=1, high=10**7
    )
    record_free_mb: int = setting(
        200,
        "end a recording of several files when the disk has fewer megabytes left",
        low=0,
        high=10**7,
    )
    patience_s: float | None = setting(
        None, "give up without a sender for this many seconds", low=0.1, high=1e6
    )
    stay: bool = setting(False, "wait for the next stream when one ends")
    playout_ms: int = setting(
        0, "hold frames this long against jitter; 0 shows the newest at once", low=0, high=10_000
    )


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Streams in, once each, and many out."""

    connect: str = setting(
        DEFAULT_ENDPOINT,
        "address of the sender, or of another relay; several as NAME=URL, parted by commas",
    )
    bind: str = setting("tcp://127.0.0.1:5557", "address that serves the receivers")
    stream: str = setting("", "name of the stream to ask for; empty takes any")


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The link emulator."""

    listen: str = setting("tcp://127.0.0.1:5556", "address that takes the connections")
    connect: str = setting(DEFAULT_ENDPOINT, "address that they are passed on to")
    profile: str = setting("lte", "name of a shipped profile, or a TOML file")
    seed: int = setting(0, "seed of loss and jitter", low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may connect."""

    keys: str | None = setting(None, "folder of keys; without it only loopback is served")
    insecure: bool = setting(False, "serve other addresses than loopback without keys")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page and the metrics."""

    listen: str = setting("127.0.0.1:8080", "address and port of the page")
    token_file: str | None = setting(None, "file with the token that the page asks for")
    recordings: str = setting(".", "folder for recordings that are started on the page")
    metrics: str | None = setting(None, "address and port of /metrics, /healthz and /readyz")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Messages on standard error, and files of statistics."""

    level: str = setting("info", "least level that is printed", choices=LOG_LEVELS)
    format: str = setting("console", "for people, or one JSON object a line", choices=LOG_FORMATS)
    stats_mb: int = setting(
        50, "begin a new file of --stats after this many megabytes", low=1, high=10**6
    )
    stats_files: int = setting(4, "keep this many older files of --stats", low=0, high=1000)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run."""

    codec: CodecSettings = field(default_factory=CodecSettings)
    sender: SenderSettings = field(default_factory=SenderSettings)
    receiver: ReceiverSettings = field(default_factory=ReceiverSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    web: WebSettings = field(default_factory=WebSettings)
    log: LogSettings = field(default_factory=LogSettings)


def catalogue() -> Mapping[str, Field[Any]]:
    """Every setting by its dotted name, in the order of this file."""
    found: dict[str, Field[Any]] = {}
    for section in fields(Settings):
        assert section.default_factory is not MISSING
        for key in fields(section.default_factory()):
            found[f"{section.name}.{key.name}"] = key
    return found
