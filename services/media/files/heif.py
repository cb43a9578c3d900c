# SPDX-License-Identifier: Apache-2.0
"""HEIF and AVIF pictures: tiles put together, alpha, turns and mirrors (ISO/IEC 23008-12).

FFmpeg decodes the coded items, one stream each; the boxes tell which of them make the picture,
which are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from services.errors import SourceError
from services.media.avframes import luma_of, over_white, to_frame
from services.media.boundary import reading
from services.media.files.video import open_container
from services.media.geometry import UPRIGHT, Orientation, upright
from streamcodec.frame import NEUTRAL_CHROMA, Frame, check_size

if TYPE_CHECKING:
    from av.container import InputContainer

_MOST_META_BYTES = 4 * 1024 * 1024
_MOST_TILES = 1024
_ALPHA = ("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1")
Property = tuple[bytes, bytes]  # kind of box, its body


@dataclass(slots=True)
class _Items:
    """The `meta` box: items by number."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    properties: dict[int, list[Property]] = field(default_factory=dict)
    tiles: dict[int, list[int]] = field(default_factory=dict)  # of a derived item, in order
    owners: dict[int, int] = field(default_factory=dict)  # auxiliary item: of which one
    grids: dict[int, bytes] = field(default_factory=dict)

    def alpha_of(self, item: int) -> int | None:
        for auxiliary, owner in self.owners.items():
            if owner == item and any(
                kind == b"auxC" and body[4:].split(b"\0")[0].decode("latin-1") in _ALPHA
                for kind, body in self.properties.get(auxiliary, [])
            ):
                return auxiliary
        return None


def is_sequence(path: Path) -> bool:
    """Whether the file holds a track of pictures: an animation."""
    try:
        with path.open("rb") as file:
            return any(kind == b"moov" for kind, _ in _top_level(file.read(_MOST_META_BYTES)))
    except OSError:
        return False


def read_tiled(path: Path) -> Frame:
    """The whole primary picture, upright, on white. Raises SourceError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_META_BYTES)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    with reading(str(path), "not a picture that can be read"), open_container(path) as container:
        items = _items(data)
        pictures = _Pictures(container)
        colours = _whole(items, items.primary, pictures)
        alpha_item = items.alpha_of(items.primary)
        steps = items.properties.get(items.primary, [])
        if alpha_item is None:
            return _turned(to_frame(colours, orientation=UPRIGHT), steps)
        bgr = to_frame(colours, orientation=UPRIGHT).to_bgr()
        alpha = _opacity(_whole(items, alpha_item, pictures))
        if alpha.shape != bgr.shape[:2]:
            raise SourceError(f"{path}: its alpha has another size than its picture")
        check_size(bgr.shape[1], bgr.shape[0])
        return _turned(Frame.from_bgr(over_white(np.dstack((bgr, alpha)))), steps)


class _Pictures:
    """Decoded items by number; FFmpeg gives the item's as the stream's."""

    def __init__(self, container: InputContainer) -> None:
        self._streams = {stream.id: stream for stream in container.streams.video}
        self._found: dict[int, av.VideoFrame] = {}
        for packet in container.demux(video=tuple(range(len(container.streams.video)))):
            number = packet.stream.id
            if number not in self._found:
                for picture in self._streams[number].codec_context.decode(packet):
                    self._found.setdefault(number, picture)

    def __getitem__(self, item: int) -> av.VideoFrame:
        if item not in self._found:
            raise SourceError(f"its part {item} cannot be decoded")
        return self._found[item]


def _whole(items: _Items, item: int, pictures: _Pictures) -> av.VideoFrame:
    """A picture of an item, put together where it is a grid."""
    kind = items.kinds.get(item, b"")
    if kind == b"iden" and items.tiles.get(item):
        return _whole(items, items.tiles[item][0], pictures)
    if kind == b"iovl":
        raise SourceError("it is laid over from several pictures, which is not supported")
    if kind != b"grid":
        return pictures[item]
    body = items.grids.get(item, b"")
    if len(body) < 8:
        raise SourceError("its grid of tiles is not described")
    rows, columns = body[2] + 1, body[3] + 1
    width, height = struct.unpack_from(">II" if body[1] & 1 else ">HH", body, 4)
    tiles = items.tiles.get(item, [])
    if len(tiles) != rows * columns or len(tiles) > _MOST_TILES:
        raise SourceError(f"its grid has {rows}x{columns} tiles, but {len(tiles)} are there")
    check_size(width, height)
    first = pictures[tiles[0]]
    tall, wide = first.height, first.width
    if tall * rows < height or wide * columns < width:
        raise SourceError(f"its tiles of {wide}x{tall} do not fill {width}x{height}")
    canvas = np.zeros((3, height, width), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * tall, number % columns * wide
        planes = _planes(pictures[tile])[:, : max(0, height - top), : max(0, width - left)]
        canvas[:, top : top + planes.shape[1], left : left + planes.shape[2]] = planes
    whole = av.VideoFrame.from_ndarray(canvas, format="yuv444p")
    whole.colorspace, whole.color_range = first.colorspace, first.color_range
    if first.format.name.startswith("yuvj"):
        whole.color_range = 2
    return whole


def _planes(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """(3, H, W): luma and chroma at full size, their meaning kept."""
    if picture.format.name.startswith("gray"):
        luma = np.rint(luma_of(picture, limited=picture.color_range == ColorRange.MPEG))
        flat = np.full_like(luma, NEUTRAL_CHROMA)
        return np.stack((luma, flat, flat)).astype(np.uint8)
    planes = picture.reformat(
        format="yuv444p",
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        threads=1,
    )
    return np.asarray(planes.to_ndarray(), np.uint8)


def _opacity(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """(H, W), 0 to 255, of an alpha plane that was coded as a picture."""
    limited = picture.color_range == ColorRange.MPEG
    levels = luma_of(picture, limited=limited)
    whole = (levels - 16) * 255 / 219 if limited else levels
    return np.asarray(np.clip(np.rint(whole), 0, 255), np.uint8)


def _turned(frame: Frame, steps: list[Property]) -> Frame:
    """Crop, turns and mirrors in the order in which the file lists them."""
    for kind, body in steps:
        if kind == b"clap" and len(body) >= 32:
            frame = _cropped(frame, struct.unpack_from(">IIIIiIiI", body))
        elif kind == b"irot" and body:
            frame = upright(frame, Orientation().turned(body[0] & 3))
        elif kind == b"imir" and body:
            axis = body[0] & 1
            frame = upright(frame, Orientation(mirror_x=axis == 1, mirror_y=axis == 0))
    return frame


def _cropped(frame: Frame, clap: tuple[int, ...]) -> Frame:
    width_n, width_d, height_n, height_d, x_n, x_d, y_n, y_d = clap
    if not (width_d and height_d and x_d and y_d):
        return frame
    width, height = width_n // width_d, height_n // height_d
    left = round((frame.width - width) / 2 + x_n / x_d)
    top = round((frame.height - height) / 2 + y_n / y_d)
    if not (
        left >= 0 and top >= 0 and left + width <= frame.width and top + height <= frame.height
    ):
        return frame
    if left % 2 or top % 2:
        bgr = frame.to_bgr()[top : top + height, left : left + width]
        return Frame.from_bgr(np.ascontiguousarray(bgr))
    across, down = slice(left, left + width), slice(top, top + height)
    half = (slice(top // 2, (top + height + 1) // 2), slice(left // 2, (left + width + 1) // 2))
    return Frame(
        np.ascontiguousarray(frame.y[down, across]),
        np.ascontiguousarray(frame.u[half]),
        np.ascontiguousarray(frame.v[half]),
    )


# -- boxes -------------------------------------------------------------------------------------


def _top_level(data: bytes) -> Iterator[Property]:
    yield from _boxes(data)


def _boxes(data: bytes) -> Iterator[Property]:
    """Kind and body of each box; a half one at the end is given as far as it goes."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _items(data: bytes) -> _Items:
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), None)
    if meta is None:
        raise SourceError("it holds no picture")
    items = _Items()
    try:
        for kind, body in _boxes(meta[4:]):
            if kind in _READERS:
                _READERS[kind](items, body, data, meta)
    except (struct.error, IndexError):
        raise SourceError("its description is damaged") from None
    if items.primary not in items.kinds:
        raise SourceError("it does not say which picture is the first")
    return items


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size], "big")


def _read_pitm(items: _Items, body: bytes, _data: bytes, _meta: bytes) -> None:
    items.primary = _number(body, 4, 4 if body[0] else 2)


def _read_iinf(items: _Items, body: bytes, _data: bytes, _meta: bytes) -> None:
    for kind, entry in _boxes(body[8:] if body[0] else body[6:]):
        if kind == b"infe" and entry[0] >= 2:
            wide = 4 if entry[0] > 2 else 2
            items.kinds[_number(entry, 4, wide)] = entry[6 + wide : 10 + wide]


def _read_iref(items: _Items, body: bytes, _data: bytes, _meta: bytes) -> None:
    wide = 4 if body[0] else 2
    for kind, entry in _boxes(body[4:]):
        source, count = _number(entry, 0, wide), _number(entry, wide, 2)
        targets = [_number(entry, wide + 2 + wide * n, wide) for n in range(count)]
        if kind == b"dimg":
            items.tiles[source] = targets
        elif kind == b"auxl" and targets:
            items.owners[source] = targets[0]


def _read_iprp(items: _Items, body: bytes, _data: bytes, _meta: bytes) -> None:
    known: list[Property] = []
    for kind, entry in _boxes(body):
        if kind == b"ipco":
            known = list(_boxes(entry))
        elif kind == b"ipma":
            _read_ipma(items, entry, known)


def _read_ipma(items: _Items, body: bytes, known: list[Property]) -> None:
    wide, long = 4 if body[0] else 2, 2 if body[3] & 1 else 1
    at = 8
    for _ in range(_number(body, 4, 4)):
        item, count = _number(body, at, wide), body[at + wide]
        at += wide + 1
        for _ in range(count):
            index = _number(body, at, long) & (0x7FFF if long == 2 else 0x7F)
            at += long
            if 0 < index <= len(known):
                items.properties.setdefault(item, []).append(known[index - 1])


def _read_iloc(items: _Items, body: bytes, data: bytes, meta: bytes) -> None:
    """Where items lie; only the few bytes of grids are fetched."""
    version = body[0]
    offset_size, length_size = body[4] >> 4, body[4] & 15
    base_size, index_size = body[5] >> 4, (body[5] & 15) if version else 0
    wide = 4 if version == 2 else 2
    at = 6 + wide
    for _ in range(_number(body, 6, wide)):
        item = _number(body, at, wide)
        at += wide
        method = _number(body, at, 2) & 15 if version else 0
        at += 2 if version else 0
        base = _number(body, at + 2, base_size)
        count = _number(body, at + 2 + base_size, 2)
        at += 4 + base_size
        for _ in range(count):
            at += index_size
            offset = base + _number(body, at, offset_size)
            length = _number(body, at + offset_size, length_size)
            at += offset_size + length_size
            if length and length <= 64 and method in (0, 1):
                place = _idat(meta) if method == 1 else data
                items.grids[item] = items.grids.get(item, b"") + place[offset : offset + length]


def _idat(meta: bytes) -> bytes:
    return next((body for kind, body in _boxes(meta[4:]) if kind == b"idat"), b"")


_READERS = {
    b"pitm": _read_pitm,
    b"iinf": _read_iinf,
    b"iref": _read_iref,
    b"iprp": _read_iprp,
    b"iloc": _read_iloc,
}
