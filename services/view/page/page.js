// SPDX-License-Identifier: Apache-2.0
// The page: one WebSocket brings pictures (binary) and numbers (JSON); what was drawn is
// acknowledged, and only then comes the next picture. Hidden or paused: nothing is asked for.
// Nothing old is shown as if it were new: a picture says since when it stands, figures go.

import { Plot } from "/plot.js";

const $ = (id) => document.getElementById(id);
const KEEP = 600;
const OLD_MS = 1500, OLDEST_MS = 60_000;  // a picture this old stands still; at a slow rate, later
const STALE_MS = 2000;  // numbers come four times a second
const LEGS = ["capture", "encode", "queue", "network", "buffer", "decode", "display"];
const [KBPS, P50, P95, PSNR, QUALITY, CAPACITY, QUEUE, FIRST_LEG] = [1, 2, 3, 4, 5, 6, 7, 8];
const TONES = {
  freeze: "bad", lost: "bad", source_lost: "bad", decoder_failed: "bad", sink_failed: "bad",
  recording_failed: "bad", refused: "bad", handshake_refused: "bad", damaged_packet: "warn",
  quality_limited: "warn", resolution: "warn", keyframe_request: "warn", bye: "warn", connected: "good",
  keys_unreadable: "bad", revoked: "warn", bad_message: "warn", connection_cut: "warn", stranger: "warn", keys_readable: "good", source_back: "good",
};

const picture = $("picture"), pen = picture.getContext("2d", { alpha: false });
let socket = null, points = [], paused = false, last = null, retry_ms = 300, bitmaps = 0, dirty = false;
let heard_ms = -1e9;  // when numbers came, on the clock of performance.now()
let frame_ms = null;  // when the receiver showed its last frame
let drawn_ms = null;  // when we drew it
let rates = [];  // frames a second of the last numbers
let ahead_s = Infinity;  // our clock minus that of the points
const clock_ms = () => performance.now();
const timeOfDay = (at_ms) => new Date(Date.now() - clock_ms() + at_ms).toLocaleTimeString();
const span = (s) => (s < 90 ? `${Math.floor(s)} s` : s < 5400 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`);

const plots = {
  rate: new Plot($("plots"), {
    title: "Bit rate", least: 50,
    series: [{ name: "kbit/s", column: KBPS, color: "--blue" },
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
  socket.onopen = () => { retry_ms = 300; points = []; ahead_s = Infinity; tellWatching(); };
  socket.onmessage = ({ data }) => (typeof data === "string" ? numbers(JSON.parse(data)) : draw(data));
  socket.onclose = () => {
    $("dot").className = "dot bad";
    $("state").textContent = "the process is not there; trying again";
    repaint();
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
    drawn_ms = clock_ms();
    if (!paused) $("veil").hidden = true;
    if ($("screen").classList.contains("old")) age();
  } finally {
    say("drawn");
  }
}

function numbers(news) {
  last = news;
  heard_ms = clock_ms();
  if (news.since_frame_ms != null) frame_ms = heard_ms - news.since_frame_ms;
  rates = [...rates, news.fps ?? 0].slice(-40);
  points = [...points, ...news.points].slice(-KEEP);
  for (const point of news.points) ahead_s = Math.min(ahead_s, heard_ms / 1000 - point[0]);
  repaint();
}

function repaint() {
  dirty = Boolean(last);
  requestAnimationFrame(paint);
}

/** Whether the numbers are of now: the process is there, and speaks. */
const fresh = () => socket?.readyState === WebSocket.OPEN && clock_ms() - heard_ms < STALE_MS;

/** Since when the picture stands still, on our clock; null while it moves, or there is none. */
function standing() {
  if (frame_ms == null || drawn_ms == null) return null;
  const since_ms = Math.min(frame_ms, paused ? frame_ms : drawn_ms);
  const pace = Math.max(...rates, 0);
  const patience_ms = Math.min(OLDEST_MS, Math.max(OLD_MS, pace > 0 ? 3000 / pace : 0));
  return clock_ms() - since_ms > patience_ms ? since_ms : null;
}

/** Dims an old picture and says since when it stands. */
function age() {
  const since_ms = standing();
  $("screen").classList.toggle("old", since_ms != null);
  $("age").hidden = since_ms == null || paused;
  const about = since_ms == null ? ""
    : `last picture ${timeOfDay(since_ms)}, ${span((clock_ms() - since_ms) / 1000)} ago`;
  $("age").textContent = about;
  const name = `Live picture of ${$("stream").textContent}`;
  picture.setAttribute("aria-label", paused ? `${name}, paused` : about ? `${name}, ${about}` : name);
  return since_ms;
}

function paint() {
  if (!dirty) return;
  dirty = false;
  const { state, stream, width, height, fps } = last;
  const since_ms = age(), now = fresh();
  const live = now && state === "streaming" && since_ms == null;
  $("dot").className = `dot ${live ? "live" : "bad"}`;
  if (stream) $("stream").textContent = stream;
  if (now) {
    $("state").textContent = last.refusal || (live
      ? `live, ${width}×${height}${last.whole ? ` of ${last.whole.join("×")}` : ""} at ${fps} frames/s`
      : since_ms != null ? `no picture for ${span((clock_ms() - since_ms) / 1000)}` : state ?? "waiting");
  } else if (socket?.readyState === WebSocket.OPEN) {
    $("state").textContent = `the process says nothing since ${timeOfDay(heard_ms)}`;
  }
  $("trouble").hidden = !last.keys_trouble;
  $("trouble").textContent = last.keys_trouble ?? "";
  $("rec").hidden = !last.recording;
  $("record").setAttribute("aria-pressed", Boolean(last.recording));
  $("record").textContent = last.recording ? "Stop" : "Record";
  notice(last.notice);
  const timed = latest(P50, now);
  figures(now, timed);
  events();
  const p = now ? points.at(-1) : null;
  const error = last.clock_error_ms;
  const ms = (v) => (v == null ? "–" : `${v.toFixed(v < 10 ? 1 : 0)} ms`);
  const most = p?.[CAPACITY] != null ? ` of ${Math.round(p[CAPACITY])}` : "";
  plots.rate.output.textContent = p ? `${Math.round(p[KBPS] ?? 0)}${most} kbit/s` : "";
  const clock = error == null ? "" : `, clock ±${error.toFixed(1)}`;
  plots.latency.output.textContent = timed ? `${ms(timed[P50])}, p95 ${ms(timed[P95])}${clock}` : "";
  plots.quality.output.textContent = live && last.psnr_db != null ? `${last.psnr_db.toFixed(1)} dB` : "";
  plots.queue.output.textContent = p?.[QUEUE] != null ? ms(p[QUEUE]) : "";
  plots.queue.card.hidden = !last.link;
  for (const plot of Object.values(plots)) if (!plot.card.hidden) plot.draw(points, end());
  document.body.dataset.points = points.length;
}

/** The newest point that has this column, if it is of now. */
function latest(column, now) {
  const found = points.findLast((point) => point[column] != null);
  return now && found && end() - found[0] < STALE_MS / 1000 ? found : null;
}

/** The time of the points that is now: that of the last one, while points come. */
function end() {
  const last_s = points.at(-1)?.[0] ?? 0, now_s = clock_ms() / 1000 - ahead_s;
  return now_s - last_s > 1 ? now_s : last_s;
}

function figures(now, timed) {
  const known = (value) => (now && value != null ? value : "–");
  const moving = now && standing() == null;
  const rows = [
    ["Bit rate", known(last.kbps && Math.round(last.kbps)), "kbit/s"],
    ["Latency", timed ? timed[P50].toFixed(0) : "–", "ms"],
    ["Frames", known(last.fps?.toFixed(0)), "per s"],
    ["Quality", moving ? last.quality ?? "–" : "–", last.effort && last.effort !== "normal" ? `of 63, ${last.effort}` : "of 63"],
    ["Freezes", last.freezes ?? 0, ""],
    last.limit != null ? ["Limited by", moving ? last.limit : "–", ""] : ["Shown", last.frames ?? 0, ""],
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
  const since_s = (clock_ms() - heard_ms) / 1000;
  $("events").replaceChildren(...last.events.toReversed().map(({ age_s, name, text, who }) => {
    const item = document.createElement("li");
    item.className = TONES[name] ?? "";
    const time = item.appendChild(document.createElement("time"));
    time.textContent = `${span(age_s + since_s)} ago`;
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
  if (!paused) drawn_ms = drawn_ms && clock_ms();  // the next picture is on its way
  $("veil").textContent = drawn_ms == null ? "paused" : `paused, picture of ${timeOfDay(drawn_ms)}`;
  $("veil").hidden = !paused;
  age();
  tellWatching();
}

function theme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  repaint();
}

/** Phones that give no element the whole screen get the whole window. */
async function fullscreen() {
  const screen = $("screen");
  if (document.fullscreenElement) return document.exitFullscreen();
  if (screen.classList.contains("filled")) return screen.classList.remove("filled");
  try {
    await screen.requestFullscreen();
  } catch {
    screen.classList.add("filled");
  }
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
$("full").onclick = fullscreen;
const KEYS = {
  " ": pause, k: () => say("keyframe"), r: () => say("record"), s: () => $("snapshot").click(),
  t: theme, f: fullscreen,
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === " " && event.target.matches("button, a")) return;
  if (event.key === "Escape") $("screen").classList.remove("filled");
  const act = KEYS[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});
document.addEventListener("visibilitychange", tellWatching);
addEventListener("resize", repaint);
setInterval(() => { if (last && (!fresh() || standing() != null)) repaint(); }, 500);
connect();
