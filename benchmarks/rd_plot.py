# SPDX-License-Identifier: Apache-2.0
"""Curves and a table from the JSON of `benchmarks.rd`.

python -m benchmarks.rd_plot rd.json --png rd.png --markdown
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from streamcodec.metrics import BD_HIGH_DB, BD_LOW_DB

_MARGIN_DB = 1.5
_COLUMNS = 4
_STYLES = {
    "mjpeg": ("#9a9a9a", ":"),
    "jpeg": ("#9a9a9a", ":"),
    "webp": ("#8c6d31", "-."),
    "x264-ultrafast": ("#9ecae1", "-"),
    "x264-veryfast": ("#4292c6", "-"),
    "x264-medium": ("#084594", "-"),
    "x265-ultrafast": ("#a1d99b", "-"),
    "x265-medium": ("#238b45", "-"),
    "vp9-rt": ("#756bb1", "--"),
    "svtav1-8": ("#e6550d", "--"),
    "svtav1-11": ("#fdae6b", "--"),
}
_OURS = {"S": ("#d7301f", "-")}
_OTHER_SIZES = ("#1a1a1a", "-")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture or the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.rd_plot", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("report", type=Path, help="JSON file of benchmarks.rd")
    parser.add_argument("--png", type=Path, help="picture with a plot for every clip")
    parser.add_argument("--pictures", action="store_true", help="plot pictures too, not clips only")
    parser.add_argument("--markdown", action="store_true", help="print tables")
    options = parser.parse_args(arguments)
    report = json.loads(options.report.read_text(encoding="utf-8"))
    if options.png:
        plot(report, options.png, with_pictures=options.pictures)
    if options.markdown:
        print(rates_table(report) + "\n\n" + times_table(report))
    return 0


def rates_table(report: dict[str, Any]) -> str:
    """BD-rates of the first size as Markdown: clips, then the mean of each group."""
    rates = {name: of for name, of in report["bd_rate"].items() if name != "mean"}
    material = report["material"]
    rows = {name: of for name, of in rates.items() if material[name]["group"] != "pictures"}
    rows |= {f"**{group}, mean**": of for group, of in report["groups"].items()}
    anchors = [a for a in report["bd_rate"]["mean"] if any(a in of for of in rows.values())]
    lines = [_row("clip", anchors), _row("---", ["---:"] * len(anchors))]
    for name, of in rows.items():
        values = (of.get(anchor) for anchor in anchors)
        lines.append(_row(name, ["" if v is None else f"{v:+.1f}%" for v in values]))
    return "\n".join(lines)


def times_table(report: dict[str, Any]) -> str:
    """Median processor time a frame of every codec over clips and operating points."""
    times: dict[str, tuple[list[float], list[float]]] = {}
    for name, of_clip in report["points"].items():
        if report["material"][name]["group"] == "pictures":
            continue
        for codec, points in of_clip.items():
            encode, decode = times.setdefault(codec, ([], []))
            encode += [point["encode_ms"] for point in points]
            decode += [point["decode_ms"] for point in points]
    lines = [_row("codec", ["encode, ms a frame", "decode, ms a frame"])]
    lines.append(_row("---", ["---:", "---:"]))
    lines += [
        _row(codec, [f"{median(encode):.1f}", f"{median(decode):.1f}"])
        for codec, (encode, decode) in times.items()
    ]
    return "\n".join(lines)


def plot(report: dict[str, Any], target: Path, *, with_pictures: bool) -> None:
    """One small plot a clip: PSNR 6:1:1 over the logarithm of the rate."""
    import matplotlib as mpl  # noqa: PLC0415  # the tables need no plotting

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    material = report["material"]
    names = [n for n in report["points"] if with_pictures or material[n]["group"] != "pictures"]
    rows = math.ceil(len(names) / _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(4.2 * _COLUMNS, 3.4 * rows), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes.flat, names, strict=False):
        for codec, points in report["points"][name].items():
            shown = [p for p in points if _within(p["psnr611"])]
            colour, line = _STYLES.get(codec) or _OURS.get(codec, _OTHER_SIZES)
            axis.plot(
                [p["bpp"] for p in shown],
                [p["psnr611"] for p in shown],
                line,
                color=colour,
                label=codec if codec in _STYLES else f"streamcodec {codec}",
                linewidth=2.4 if codec not in _STYLES else 1.3,
                marker="." if codec not in _STYLES else None,
            )
        axis.set_xscale("log")
        axis.set_title(name, fontsize=10)
        axis.grid(visible=True, which="both", alpha=0.2)
        axis.set_xlabel("bits a pixel")
        axis.set_ylabel("PSNR 6:1:1, dB")
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(target, dpi=80)
    plt.close(figure)


def _within(quality_db: float) -> bool:
    return BD_LOW_DB - _MARGIN_DB <= quality_db <= BD_HIGH_DB + _MARGIN_DB


def _row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
