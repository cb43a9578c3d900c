# SPDX-License-Identifier: Apache-2.0
"""The shipped weights: found, checked, loaded."""

from __future__ import annotations

import ctypes
import re
import sys
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import safetensors
import safetensors.numpy

from streamcodec.correction import Network, Networks
from streamcodec.errors import ModelError
from streamcodec.model import Model
from streamcodec.networks.conv import native
from streamcodec.networks.conv.weights import NetworkWeights
from streamcodec.weights_check import MAX_FILE_BYTES, check_header

if TYPE_CHECKING:
    from streamcodec.dense.device import Device

HIDDEN = {"S": 128, "M": 128}  # width of the prior of each size that is shipped
SIZES = tuple(HIDDEN)
# Errors of the library for files that are no weights.
_DAMAGE = (
    safetensors.SafetensorError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=4)
def load(size: str = "S", path: Path | None = None) -> Model:
    """The model of a size, or of the safetensors file at `path`. Raises ModelError."""
    if size not in SIZES:
        raise ModelError(f"size is {size!r}, expected one of {', '.join(SIZES)}")
    if path is None:
        shipped = resources.files("streamcodec.weights") / f"{size.lower()}.safetensors"
        if not shipped.is_file():
            raise ModelError(
                f"no weights of size {size} are shipped: train some (hidden = {HIDDEN[size]}) and "
                "name the file with --weights"
            )
        data = shipped.read_bytes()
    else:
        try:
            data = _read(path)
        except OSError as error:
            raise ModelError(f"weights {path} cannot be read: {error.strerror}") from None
    check_header(data)
    try:
        arrays = safetensors.numpy.load(data)
    except _DAMAGE as error:
        raise ModelError(f"weights {path or size} are damaged: {error}") from None
    return Model.from_arrays(arrays)


def _read(path: Path) -> bytes:
    """The bytes of a file of a size that weights have. Raises ModelError and OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"weights {path} have over {MAX_FILE_BYTES} bytes; is it the right file?")
    return data


def pick_size(size: str, device: str, weights: Path | None = None) -> str:
    """Turn size "auto" into M where there is a CUDA device and it is allowed, else into S.

    A weights file with networks is size M. Raises ModelError when it cannot be read.
    """
    if size != "auto":
        return size
    if weights is not None:
        return "M" if load("S", weights).has_networks else "S"
    return "M" if device != "cpu" and has_cuda() else "S"


def alternatives(asked: str, taken: str, device: str) -> tuple[tuple[str, str], ...]:
    """Other sizes that a receiver may switch to, each with its device.

    All sizes if `auto` was asked for, else none. Size S runs on the processor.
    """
    others = (size for size in SIZES if size != taken) if asked == "auto" else ()
    return tuple((size, "cpu" if size == "S" else device) for size in others)


def has_cuda() -> bool:
    """Whether torch finds a CUDA device. Without a driver for one, torch is not imported."""
    name = {"win32": "nvcuda.dll", "linux": "libcuda.so.1"}.get(sys.platform)
    try:
        ctypes.CDLL(name or "")
    except OSError:
        return False
    if name is None or find_spec("torch") is None:
        return False
    return bool(_torch().cuda.is_available())


def pick_device(device: str, *, networks: bool = False) -> str:
    """Turn "auto" into the device that a model runs on. Raises ModelError where it cannot run.

    A model without networks (size S) runs on the processor, and torch is not imported for it.
    Networks and the dense encoder run on the device.
    """
    if device not in {"auto", "cpu"} and not re.fullmatch(r"cuda(:\d{1,3})?", device):
        raise ModelError(f"device is {device!r}, expected auto, cpu, cuda or cuda:NUMBER")
    if not networks:
        if device.startswith("cuda"):
            raise ModelError(
                f"device is {device!r}, but this model has no networks and runs on the processor: "
                "use --device cpu or auto, or --size M"
            )
        return "cpu"
    if device == "auto":
        return "cuda" if has_cuda() else "cpu"
    if device == "cpu":
        return "cpu"
    if not has_cuda():
        why = "torch finds no CUDA device: "
        if find_spec("torch") is None:
            why = "torch is not installed: pip install 'streamcodec[networks]', or "
        raise ModelError(f"device is {device!r}, but {why}use --device cpu")
    count = int(_torch().cuda.device_count())
    if int(device.partition(":")[2] or 0) >= count:
        raise ModelError(
            f"device is {device!r}, but there are only {count} CUDA devices, cuda:0 to "
            f"cuda:{count - 1}"
        )
    return device


def load_networks(model: Model, device: str) -> Networks:
    """A model's networks on a device, checked to be exact there. Raises ModelError.

    On a processor decoder networks run in the native core. Encoder networks need torch; without it
    they are left out.
    """
    key, inter = (
        None if weights is None else _network(weights, device) for weights in model.decoder_networks
    )
    if not model.encoder_arrays or find_spec("torch") is None:
        return Networks(key, inter)
    torch = _torch()
    from streamcodec.networks.conv import encoder  # noqa: PLC0415  (torch)

    own_key, own_inter = (
        encoder.from_arrays(model.encoder_arrays, kind, torch.device(device))
        for kind in ("key", "inter")
    )
    return Networks(key, inter, (own_key, own_inter))


def load_dense(model: Model, device: str) -> Device:
    """A model's tensors for the dense encoder, on a device. Raises ModelError without torch."""
    torch = _torch()
    from streamcodec.dense.device import Device  # noqa: PLC0415  (torch)
    from streamcodec.networks.conv import encoder  # noqa: PLC0415  (torch)

    target = torch.device(device)
    return Device(model, target, adding=encoder.from_arrays(model.encoder_arrays, "inter", target))


def _network(weights: NetworkWeights, device: str) -> Network:
    if device == "cpu":
        return native.load(weights)
    torch = _torch()
    from streamcodec.networks.conv import network  # noqa: PLC0415  (torch)

    return network.load(weights, torch.device(device))


def _torch() -> ModuleType:
    try:
        import torch  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ModelError(
            "networks on a GPU need torch: pip install 'streamcodec[networks]', or use --device cpu"
        ) from None
    return torch
