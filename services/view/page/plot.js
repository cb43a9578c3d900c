// SPDX-License-Identifier: Apache-2.0
// Plots of the last minute on a canvas: lines, or areas stacked on each other.

const SPAN_S = 60, LEAST_SPAN_S = 15;
const GAP_S = 2;  // points further apart than this have nothing between them
const SHARE = 0.98;  // of the values fit below the top: a single peak does not flatten the rest

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The least of 1, 2, 5 times a power of ten at or above the value: ends of axes are round. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= value);
}

/** The top of an axis: round, at least `least`, and above all but the highest of the values. */
export function axisTop(values, least) {
  const sorted = [...values].sort((a, b) => a - b);
  return roundUp(Math.max(least, sorted[Math.ceil(SHARE * sorted.length) - 1] ?? 0));
}

/** Those points that have this column, parted where more than two seconds lie between. */
export function runs(points, column) {
  const found = [];
  let before_s = -Infinity;
  for (const p of points) {
    if (p[column] == null) continue;
    if (p[0] - before_s > GAP_S) found.push([]);
    found.at(-1).push(p);
    before_s = p[0];
  }
  return found;
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
    this.items = [];
    if (stacked.length + series.length > 1) card.append(this.keys());
    parent.append(card);
    this.card = card;
  }

  keys() {
    const list = document.createElement("ul");
    list.className = "keys";
    for (const { name, color, column } of [...this.stacked, ...this.series]) {
      const item = list.appendChild(document.createElement("li"));
      const swatch = item.appendChild(document.createElement("i"));
      swatch.style.background = `var(${color})`;
      item.append(name);
      this.items.push({ item, column });
    }
    return list;
  }

  /** `end` is the time of the points that is now: the right edge. */
  draw(points, end = points.at(-1)?.[0] ?? 0) {
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
    const span = Math.min(SPAN_S, Math.max(LEAST_SPAN_S, end - (points[0]?.[0] ?? 0)));
    const shown = points.filter((p) => p[0] >= end - span);
    for (const { item, column } of this.items) item.hidden = !shown.some((p) => p[column] != null);
    const values = this.values(shown);
    const top = axisTop(values.map(([, v]) => v), this.least);
    const left = 38, right = width - 4, upper = 10, lower = height - 16;
    const x = (t) => left + ((t - end + span) / span) * (right - left);
    const y = (v) => lower - (Math.max(0, v - this.floor) / (top - this.floor)) * (lower - upper);
    this.axes(c, { left, right, upper, lower, top, y, span });
    c.save();
    c.beginPath();
    c.rect(left, upper - 2, right - left, lower - upper + 3);
    c.clip();
    this.areas(c, shown, x, y);
    for (const { column, color, dashed } of this.series) {
      c.setLineDash(dashed ? [5, 4] : []);
      c.strokeStyle = css(color);
      c.lineWidth = 1.8;
      c.lineJoin = c.lineCap = "round";
      for (const run of runs(shown, column)) {
        c.beginPath();
        for (const p of run) c.lineTo(x(p[0]), y(p[column]));
        if (run.length === 1) c.lineTo(x(run[0][0]) + 0.1, y(run[0][column]));
        c.stroke();
      }
    }
    c.restore();
    this.peaks(c, values.filter(([, v]) => v > top), { x, upper, left, right });
  }

  /** [time, value] of all that the axis should hold. A line marked `beyond` may leave at the top. */
  values(shown) {
    const stacks = this.stacked.length
      ? runs(shown, this.stacked[0].column).flat().map((p) => [p[0], this.sum(p, this.stacked.length)])
      : [];
    const lines = this.series.filter((s) => !s.beyond).flatMap(({ column }) =>
      shown.filter((p) => p[column] != null).map((p) => [p[0], p[column]]));
    return [...stacks, ...lines];
  }

  /** The first so many stacked columns of a point, one on the other. */
  sum(p, count) {
    return this.stacked.slice(0, count).reduce((sum, s) => sum + Math.max(0, p[s.column] ?? 0), 0);
  }

  areas(c, shown, x, y) {
    if (!this.stacked.length) return;
    for (const run of runs(shown, this.stacked[0].column)) {
      this.stacked.forEach(({ color }, i) => {
        c.beginPath();
        for (const p of run) c.lineTo(x(p[0]), y(this.sum(p, i + 1)));
        for (const p of run.toReversed()) c.lineTo(x(p[0]) - (run.length > 1 ? 0 : 1), y(this.sum(p, i)));
        c.fillStyle = css(color);
        c.fill();
      });
    }
  }

  /** Marks what is higher than the plot, and says how high the highest is. */
  peaks(c, beyond, { x, upper, left, right }) {
    this.canvas.dataset.peaks = beyond.length;
    if (!beyond.length) return;
    c.fillStyle = css("--red");
    for (const [t] of beyond) {
      c.beginPath();
      c.moveTo(x(t), 1);
      c.lineTo(x(t) - 4, 8);
      c.lineTo(x(t) + 4, 8);
      c.fill();
    }
    const [t, most] = beyond.reduce((a, b) => (b[1] > a[1] ? b : a));
    const room = right - x(t) > 50;
    c.textAlign = room ? "left" : "right";
    c.textBaseline = "top";
    const at = Math.max(left, x(t) + (room ? 6 : -6)), wide = c.measureText(short(most)).width;
    c.fillStyle = css("--card");
    c.fillRect(room ? at : at - wide, 0, wide, 9);
    c.fillStyle = css("--red");
    c.fillText(short(most), at, 0);
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
      c.fillText(short(v), left - 6, y(v));
    }
    c.textBaseline = "alphabetic";
    c.textAlign = "left";
    c.fillText(`−${Math.round(span)} s`, left, lower + 13);
    c.textAlign = "right";
    c.fillText("now", right, lower + 13);
  }
}

const short = (v) => (v >= 1000 ? `${+(v / 1000).toFixed(1)}k` : String(+v.toFixed(1)));
