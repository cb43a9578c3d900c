// SPDX-License-Identifier: Apache-2.0
// The page: one WebSocket brings pictures (binary) and numbers (JSON); what was drawn is
// acknowledged, and only then comes the next picture. Hidden or paused: nothing is asked for.

import { Plot } from "/plot.js";

const $ = (id) => document.getElementById(id);
const KEEP = 600;
const LEGS = ["capture", "encode", "queue", "network", "buffer", "decode", "display"];
const [KBPS, P50, P95, PSNR, QUALITY, CAPACITY, QUEUE, FIRST_LEG] = [1, 2, 3, 4, 5, 6, 7, 8];
const TONES = {
  freeze: "bad", lost: "bad", source_lost: "bad", decoder_failed: "bad", sink_failed: "bad",
  recording_failed: "bad", refused: "bad", handshake_refused: "bad", damaged_packet: "warn",
  quality_limited: "warn", resolution: "warn", keyframe_request: "warn", bye: "warn", connected: "good",
};

const picture = $("picture"), pen = picture.getContext("2d", { alpha: false });
let socket = null, points = [], paused = false, last = null, retry_ms = 300, bitmaps = 0, dirty = false;

const plots = {
  rate: new Plot($("plots"), {
    title: "Bit rate", least: 50,
    series: [{ name: "sent, kbit/s", column: KBPS, color: "--blue" },
             { name: "link capacity", column: CAPACITY, color: "--orange", dashed: true, beyond: true }],
  }),
  latency: new Plot($("plots"), {
    title: "Latency", least: 20,
    stacked: LEGS.map((name, i) => ({ name, column: FIRST_LEG + i, color: `--leg${i}` })),
    series: [{ name: "p95, ms", column: P95, color: "--ink", dashed: true }],
  }),
  quality: new Plot($("plots"), {
    title: "Quality", least: 50,
    series: [{ name: "PSNR, dB", column: PSNR, color: "--green" },
             { name: "quality index, 0 to 63", column: QUALITY, color: "--leg2" }],
  }),
  queue: new Plot($("plots"), {
    title: "Queue in the link", least: 20,
    series: [{ name: "ms", column: QUEUE, color: "--red" }],
  }),
};
plots.queue.card.hidden = true;

function say(kind, more = {}) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ kind, ...more }));
}

function tellWatching() {
  say("watching", { pictures: !document.hidden && !paused, numbers: !document.hidden });
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "blob";
  socket.onopen = () => { retry_ms = 300; points = []; tellWatching(); };
  socket.onmessage = ({ data }) => (typeof data === "string" ? numbers(JSON.parse(data)) : draw(data));
  socket.onclose = () => {
    $("dot").className = "dot bad";
    $("state").textContent = "the process is not there; trying again";
    setTimeout(connect, retry_ms);
    retry_ms = Math.min(5000, retry_ms * 2);
  };
}

async function draw(blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    if (picture.width !== bitmap.width || picture.height !== bitmap.height) {
      picture.width = bitmap.width;
      picture.height = bitmap.height;
    }
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
    document.body.dataset.pictures = ++bitmaps;
    if (!paused) $("veil").hidden = true;
  } finally {
    say("drawn");
  }
}

function numbers(news) {
  last = news;
  points = [...points, ...news.points].slice(-KEEP);
  dirty = true;
  requestAnimationFrame(paint);
}

function paint() {
  if (!dirty) return;
  dirty = false;
  const { state, stream, width, height, fps } = last;
  const quiet = last.since_frame_ms != null && last.since_frame_ms > 1500;
  const live = state === "streaming" && !quiet;
  $("dot").className = `dot ${live ? "live" : "bad"}`;
  $("stream").textContent = stream || "streamcodec";
  $("state").textContent = last.refusal || (live
    ? `live, ${width}×${height}${last.whole ? ` of ${last.whole.join("×")}` : ""} at ${fps} frames/s`
    : quiet ? `no picture for ${(last.since_frame_ms / 1000).toFixed(0)} s` : state ?? "waiting");
  $("rec").hidden = !last.recording;
  $("record").setAttribute("aria-pressed", Boolean(last.recording));
  $("record").textContent = last.recording ? "Stop" : "Record";
  notice(last.notice);
  figures();
  events();
  const p = points.at(-1), timed = points.findLast((point) => point[P50] != null);
  const error = last.clock_error_ms;
  const ms = (v) => (v == null ? "–" : `${v.toFixed(v < 10 ? 1 : 0)} ms`);
  const most = p?.[CAPACITY] != null ? ` of ${Math.round(p[CAPACITY])}` : "";
  plots.rate.output.textContent = p ? `${Math.round(p[KBPS] ?? 0)}${most} kbit/s` : "";
  const clock = error == null ? "" : `, clock ±${error.toFixed(1)}`;
  plots.latency.output.textContent = timed ? `${ms(timed[P50])}, p95 ${ms(timed[P95])}${clock}` : "";
  plots.quality.output.textContent = last.psnr_db != null ? `${last.psnr_db.toFixed(1)} dB` : "";
  plots.queue.output.textContent = p?.[QUEUE] != null ? ms(p[QUEUE]) : "";
  plots.queue.card.hidden = !last.link;
  for (const plot of Object.values(plots)) if (!plot.card.hidden) plot.draw(points);
  document.body.dataset.points = points.length;
}

function figures() {
  const p = points.findLast((point) => point[P50] != null) ?? [];
  const rows = [
    ["Bit rate", Math.round(last.kbps ?? 0), "kbit/s"],
    ["Latency", p[P50] == null ? "–" : p[P50].toFixed(0), "ms"],
    ["Frames", (last.fps ?? 0).toFixed(0), "per s"],
    ["Quality", last.quality ?? "–", "of 63"],
    ["Freezes", last.freezes ?? 0, ""],
    last.limit != null ? ["Limited by", last.limit, ""] : ["Shown", last.frames ?? 0, ""],
  ];
  const list = $("figures");
  if (list.childElementCount !== rows.length) {
    list.replaceChildren(...rows.map(() => {
      const box = document.createElement("div");
      box.append(document.createElement("dt"), document.createElement("dd"));
      return box;
    }));
  }
  rows.forEach(([name, value, unit], i) => {
    const [dt, dd] = list.children[i].children;
    dt.textContent = name;
    const small = document.createElement("small");
    small.textContent = unit && ` ${unit}`;
    dd.replaceChildren(String(value), small);
  });
}

function events() {
  if (!last.events.length) return;
  $("events").replaceChildren(...last.events.toReversed().map(({ age_s, name, text, who }) => {
    const item = document.createElement("li");
    item.className = TONES[name] ?? "";
    const time = item.appendChild(document.createElement("time"));
    time.textContent = age_s < 60 ? `${age_s.toFixed(0)} s ago` : `${(age_s / 60).toFixed(0)} min`;
    item.appendChild(document.createElement("b")).textContent = name.replaceAll("_", " ");
    const about = item.appendChild(document.createElement("span"));
    about.textContent = text ? `${who}, ${text}` : who;
    about.title = `${who}: ${text}`;
    return item;
  }));
}

let noticed = "";
function notice(text) {
  if (text === noticed) return;
  noticed = text;
  $("notice").textContent = text;
  $("notice").hidden = !text;
  if (text) setTimeout(() => { $("notice").hidden = true; }, 6000);
}

function pause() {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Go on" : "Pause";
  $("veil").textContent = "paused";
  $("veil").hidden = !paused;
  tellWatching();
}

function theme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  dirty = Boolean(last);
  requestAnimationFrame(paint);
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("screen").requestFullscreen();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => { document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };
follow();
dark.addEventListener("change", follow);
$("pause").onclick = pause;
$("keyframe").onclick = () => say("keyframe");
$("record").onclick = () => say("record");
$("theme").onclick = theme;
$("picture").ondblclick = fullscreen;
const KEYS = {
  " ": pause, k: () => say("keyframe"), r: () => say("record"), s: () => $("snapshot").click(),
  t: theme, f: fullscreen,
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === " " && event.target.matches("button, a")) return;
  const act = KEYS[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});
document.addEventListener("visibilitychange", tellWatching);
addEventListener("resize", () => { dirty = Boolean(last); requestAnimationFrame(paint); });
connect();
