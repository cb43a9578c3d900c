// SPDX-License-Identifier: Apache-2.0
// Plots of the last minute on a canvas: lines, or areas stacked on each other.

const SPAN_S = 60, LEAST_SPAN_S = 15;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The least of 1, 2, 5 times a power of ten at or above the value: ends of axes are round. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= value);
}

export class Plot {
  /** series: [{name, column, color, dashed?, beyond?}]; stacked: columns drawn as areas below the lines. */
  constructor(parent, { title, unit, series, stacked = [], floor = 0, least = 1 }) {
    Object.assign(this, { unit, series, stacked, floor, least });
    const card = document.createElement("section");
    card.className = "card";
    const heading = document.createElement("h2");
    heading.textContent = title;
    this.output = heading.appendChild(document.createElement("output"));
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${title} over the last minute`);
    card.append(heading, this.canvas);
    if (stacked.length + series.length > 1) card.append(this.keys());
    parent.append(card);
    this.card = card;
  }

  keys() {
    const list = document.createElement("ul");
    list.className = "keys";
    for (const { name, color } of [...this.stacked, ...this.series]) {
      const item = list.appendChild(document.createElement("li"));
      const swatch = item.appendChild(document.createElement("i"));
      swatch.style.background = `var(${color})`;
      item.append(name);
    }
    return list;
  }

  draw(points) {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    const end = points.length ? points.at(-1)[0] : 0;
    const span = Math.min(SPAN_S, Math.max(LEAST_SPAN_S, end - (points[0]?.[0] ?? 0)));
    // A span in which no frame was shown has no latency: the areas go straight over it.
    const known = (p) => !this.stacked.length || p[this.stacked[0].column] != null;
    const shown = points.filter((p) => p[0] >= end - span && known(p));
    const sums = shown.map((p) => this.stacked.reduce((sum, s) => sum + (p[s.column] ?? 0), 0));
    // A line marked `beyond` may leave the plot at the top, so that it does not flatten the others.
    const scaling = this.series.filter((s) => !s.beyond);
    const values = [...sums, ...scaling.flatMap((s) => shown.map((p) => p[s.column] ?? 0))];
    const top = roundUp(Math.max(this.least, ...values));
    const left = 38, right = width - 4, upper = 8, lower = height - 16;
    const x = (t) => left + ((t - end + span) / span) * (right - left);
    const y = (v) => lower - (Math.max(0, v - this.floor) / (top - this.floor)) * (lower - upper);
    this.axes(c, { left, right, upper, lower, top, y, span });
    c.save();
    c.beginPath();
    c.rect(left, upper - 2, right - left, lower - upper + 3);
    c.clip();
    let below = shown.map(() => 0);
    for (const { column, color } of this.stacked) {
      const above = shown.map((p, i) => below[i] + Math.max(0, p[column] ?? 0));
      c.beginPath();
      shown.forEach((p, i) => c.lineTo(x(p[0]), y(above[i])));
      for (let i = shown.length - 1; i >= 0; i--) c.lineTo(x(shown[i][0]), y(below[i]));
      c.fillStyle = css(color);
      c.fill();
      below = above;
    }
    for (const { column, color, dashed } of this.series) {
      c.beginPath();
      c.setLineDash(dashed ? [5, 4] : []);
      let drawing = false;
      for (const p of shown) {
        if (p[column] == null) { drawing = false; continue; }
        if (drawing) c.lineTo(x(p[0]), y(p[column])); else c.moveTo(x(p[0]), y(p[column]));
        drawing = true;
      }
      c.strokeStyle = css(color);
      c.lineWidth = 1.8;
      c.lineJoin = "round";
      c.stroke();
      c.setLineDash([]);
    }
    c.restore();
  }

  axes(c, { left, right, lower, top, y, span }) {
    c.font = "10.5px system-ui, sans-serif";
    c.fillStyle = css("--quiet");
    c.strokeStyle = css("--rule");
    c.lineWidth = 1;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const v of [this.floor, (this.floor + top) / 2, top]) {
      c.beginPath();
      c.moveTo(left, Math.round(y(v)) + 0.5);
      c.lineTo(right, Math.round(y(v)) + 0.5);
      c.stroke();
      c.fillText(v >= 1000 ? `${+(v / 1000).toFixed(1)}k` : String(+v.toFixed(1)), left - 6, y(v));
    }
    c.textBaseline = "alphabetic";
    c.textAlign = "left";
    c.fillText(`−${Math.round(span)} s`, left, lower + 13);
    c.textAlign = "right";
    c.fillText("now", right, lower + 13);
  }
}
