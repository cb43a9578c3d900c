# SPDX-License-Identifier: Apache-2.0
"""What this machine can do: versions, devices, exactness, cameras, display, speed."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from services.media.window import has_display
from services.process import huge_pages

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

SPEED_SIZES = ((320, 180), (640, 360), (1280, 720))
_SPEED_FRAMES = 20
_SPEED_QUALITY = 32
_PACKAGES = (
    "streamcodec",
    "torch",
    "numpy",
    "opencv-python-headless",
    "av",
    "pyzmq",
    "pygame-ce",
    "aiohttp",
)
_CAMERAS = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class Device:
    """Where a size runs: the digest of its exactness test, and what encodes there.

    `encoder` is `native`, the core's on the processor, or `dense`, torch's on the device.
    """

    size: str
    name: str
    text: str
    encoder: str
    self_test: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds a frame takes a size on a device, one process at a time, medians."""

    size: str
    device: str
    width: int
    height: int
    encode_ms: float
    decode_ms: float

    @property
    def fps(self) -> float:
        """Frames a second of the slower end."""
        return 1000 / max(self.encode_ms, self.decode_ms, 1e-3)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings; `problems` are sentences, empty if all is well."""

    versions: Mapping[str, str]
    machine: Mapping[str, str | int]
    devices: Sequence[Device]
    exact: bool
    models: Mapping[str, str]  # by size
    cameras: Sequence[str]
    display: bool
    speed: Sequence[Speed]
    problems: Sequence[str] = field(default=())


Loader = Callable[[str, str], "Codec"]  # size, device


def examine(
    places: Mapping[str, Mapping[str, str]], *, load: Loader, measure: bool = True
) -> Report:
    """Look at everything. `places` maps sizes to devices, and those to what they are."""
    found: list[Device] = []
    speeds: list[Speed] = []
    models: dict[str, str] = {}
    for size, devices in places.items():
        for name, text in devices.items():
            codec = load(size, name)
            models.setdefault(size, codec.model_hash.hex())
            found.append(Device(size, name, text, codec.encoder, codec.self_test().hex()))
            if measure:
                speeds += [speed(codec, width, height) for width, height in SPEED_SIZES]
    exact = all(len({d.self_test for d in found if d.size == size}) <= 1 for size in places)
    problems = []
    if not exact:
        problems.append(
            "devices disagree in the exactness test: streams between them will be refused; "
            "use the same --device at both ends and report the versions above"
        )
    return Report(
        versions={"python": platform.python_version()} | package_versions(),
        machine=machine(),
        devices=found,
        exact=exact,
        models=models,
        cameras=cameras(),
        display=sys.platform != "linux" or has_display(),
        speed=speeds,
        problems=problems,
    )


def places(size: str, weights: Path | None = None) -> dict[str, dict[str, str]]:
    """Where sizes run on this machine: of one size, or with `auto` of all that run here.

    Size S has no networks: the processor alone. The networks of size M run in the core, and on a
    GPU that torch sees.
    """
    from streamcodec import weights as files

    processor = {"cpu": f"{os.cpu_count()} cores, {cpu_name()}"}
    if weights is not None:
        size = files.pick_size(size, "auto", weights)
    if size == "S":
        return {"S": processor}
    networks = dict(processor)
    if files.has_cuda():
        import torch

        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            memory_gib = properties.total_memory / 2**30
            networks[f"cuda:{number}"] = f"{properties.name}, {memory_gib:.0f} GiB"
    return {"S": processor, "M": networks} if size == "auto" else {size: networks}


def package_versions() -> dict[str, str]:
    """Our version and those of the libraries in use."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def machine() -> dict[str, str | int]:
    """System, pages of memory, processor and cores."""
    from streamcodec import _core  # the native module

    return {
        "instructions": f"{_core.level()}, of {', '.join(_core.levels())}",
        "system": f"{platform.system()} {platform.release()}",
        "pages": huge_pages.describe(os.environ, huge_pages.kernel_setting()),
        "processor": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
    }


def cpu_name() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cameras(folder: Path = _CAMERAS) -> list[str]:
    """Video devices with their names, as `camera:0 (Name)`."""
    found = []
    for entry in sorted(folder.glob("video*"), key=lambda p: (len(p.name), p.name)):
        try:
            name = (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            name = "?"
        found.append(f"camera:{entry.name.removeprefix('video')} ({name})")
    return found


def speed(codec: Codec, width: int, height: int) -> Speed:
    """Encode and decode a few frames of the built-in scene, and time them."""
    codec.warm_up(width, height)
    encode_ms, decode_ms = [], []
    sent = shown = None
    for frame in _frames(width, height, _SPEED_FRAMES):
        start = time.perf_counter()
        encoded = codec.encode(frame, sent, quality=_SPEED_QUALITY)
        middle = time.perf_counter()
        assert encoded.packet is not None
        shown = codec.decode(encoded.packet, shown).reference
        end = time.perf_counter()
        sent = encoded.reference
        encode_ms.append((middle - start) * 1000)
        decode_ms.append((end - middle) * 1000)
    return Speed(
        codec.size,
        codec.device,
        width,
        height,
        round(median(encode_ms), 2),
        round(median(decode_ms), 2),
    )


def _frames(width: int, height: int, count: int) -> Iterator[Frame]:
    from services.media.scene import Scene  # with OpenCV

    scene = Scene(width, height, seed=0)
    for index in range(count):
        yield scene.frame(index)
