// Listens to the daemon, keeps what it said, and shows it once a second: what is old is called old.

import { h, show } from "./dom.js";
import { ended, underWay } from "./drains.js";
import { services } from "./services.js";
import { clock, isKnown, many, number, span } from "./words.js";

// Without news for so long the page says so.
const STALE = 4;
const AGAIN = 3000;
const MOST_POINTS = 300;
// Changes are spoken together, so that a screen reader is not talked to all the time.
const SPEAK_EVERY = 5000;

const tracks = new Map();
let now = null;
let heard = performance.now();
let gone = null;
let source = null;

function connect() {
  source?.close();
  source = new EventSource("events");
  source.addEventListener("past", ({ data }) => takePast(JSON.parse(data)));
  source.addEventListener("now", ({ data }) => take(JSON.parse(data)));
  source.addEventListener("error", () => {
    gone ??= new Date();
    // The browser tries again by itself unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    render();
  });
}

const point = ([at, live, forwarded, arrivals]) => ({ at, live, forwarded, arrivals });

function takePast(past) {
  tracks.clear();
  for (const [id, points] of Object.entries(past)) tracks.set(id, points.map(point));
}

function take(news) {
  const open = new Set(news.drains.map(({ id }) => String(id)));
  for (const id of tracks.keys()) if (!open.has(id)) tracks.delete(id);
  for (const drain of news.drains.filter((drain) => drain.point)) {
    const track = tracks.get(String(drain.id)) ?? [];
    const newest = point(drain.point);
    if (track.length === 0 || newest.at > track.at(-1).at) track.push(newest);
    if (track.length > MOST_POINTS) track.shift();
    tracks.set(String(drain.id), track);
  }
  const before = now;
  now = news;
  heard = performance.now();
  gone = null;
  if (before) changes(before, now).forEach((change) => unsaid.add(change));
  render();
}

const silence = () => (performance.now() - heard) / 1000;

function render() {
  const lag = silence();
  const isStale = gone !== null || lag > STALE;
  document.body.classList.toggle("stale", isStale && now !== null);
  document.title = title(isStale);
  show("link", link(isStale, lag));
  show("notices", notices(isStale, lag));
  if (!now) return;
  show("host", now.host);
  show("glance", glance());
  show("drains", underWay(now, tracks, lag));
  show("ended", ended(now, lag));
  show("services", services(now, lag));
  show("about", about());
}

function title(isStale) {
  const where = now?.host ? `${now.host} · ipvsdrain` : "ipvsdrain";
  if (isStale) return `not connected · ${where}`;
  if (!now) return where;
  const drains = now.drains_known ? many(now.drains.length, "drain", "drains") : "drains unknown";
  return `${now.alarms?.length ? "! " : ""}${drains} · ${where}`;
}

function link(isStale, lag) {
  if (isStale) return h("span", { class: "link off" }, "not connected");
  if (!now) return h("span", { class: "link" }, "asking the daemon");
  return h("span", { class: "link on" }, lag < 2 ? "live" : `${span(lag)} old`);
}

function glance() {
  const servers = now.services?.reduce((sum, { servers: all }) => sum + all.length, 0);
  const item = (count, one, more, mark) => h("li", { class: count ? mark : null }, h("b", {}, number(count)), ` ${count === 1 ? one : more}`);
  return h("ul", {},
    item(now.services?.length, "service", "services"),
    item(servers, "server", "servers"),
    item(now.drains_known ? now.drains.length : null, "draining", "draining", "busy"),
    item(now.alarms?.length, "alarm", "alarms", "bad"));
}

function notices(isStale, lag) {
  const notice = (mark, head, ...rest) => h("div", { class: `notice ${mark}` }, h("strong", {}, head), " ", rest);
  const all = [];
  if (isStale) {
    const since = gone ?? new Date(Date.now() - lag * 1000);
    const rest = now ? ` (${span((Date.now() - since) / 1000)}). What is below is what the daemon said last, and old.` : ". Is the daemon running?";
    all.push(notice("bad", `Not connected since ${clock(since)}`, rest, " Trying again by itself."));
  }
  if (!now) return all;
  if (!now.journal.ok) {
    all.push(notice("bad", "The journal does not work: nothing is begun, changed or removed.", h("p", {}, now.journal.fault),
      now.journal.at_weight_zero.length > 0 && h("p", {}, "At weight 0, perhaps by a drain of that journal: ",
        now.journal.at_weight_zero.map(({ service, server }) => `${server} of ${service}`).join(", "))));
  }
  if (isKnown(now.table_fault)) {
    all.push(notice("bad", "The table cannot be read: services and servers are unknown.", h("p", {}, now.table_fault)));
  }
  for (const { service, server, text } of now.alarms ?? []) {
    all.push(notice("bad", `Alarm: ${server ? `${server} of ${service}` : service}`, h("p", {}, text)));
  }
  if (now.shadow) all.push(notice("calm", "Shadow mode.", "Everything is decided and counted, and nothing is changed."));
  return all;
}

function about() {
  const programs = now.attached;
  const attached = !programs ? "What is attached to the kernel is unknown."
    : programs.length === 0 ? "Nothing is attached to the kernel." : `Attached to the kernel: ${programs.join(", ")}.`;
  return `ipvsdrain ${now.version}. ${attached}`;
}

const unsaid = new Set();

// What a person who cannot see the page wants to hear of.
function changes(before, after) {
  const old = new Map(before.drains.map((drain) => [drain.id, drain]));
  const moved = after.drains.flatMap((drain) => {
    const was = old.get(drain.id);
    if (!was) return [`A drain of ${drain.server} began`];
    const news = [];
    if (was.state !== drain.state) news.push(`${drain.server} is ${drain.state}`);
    if (!was.held && drain.held) news.push(`The drain of ${drain.server} is held: ${drain.held}`);
    if (!was.late && drain.late) news.push(`The drain of ${drain.server} is overdue`);
    return news;
  });
  const over = after.ended.filter(({ id }) => old.has(id)).map((drain) => `${drain.server}: ${drain.verdict}`);
  const known = new Set(before.alarms?.map(({ text }) => text));
  const alarms = (after.alarms ?? []).filter(({ text }) => !known.has(text)).map(({ service, text }) => `Alarm: ${service}: ${text}`);
  const journal = before.journal.ok && !after.journal.ok ? ["The journal does not work"] : [];
  return [...moved, ...over, ...alarms, ...journal];
}

setInterval(() => {
  if (unsaid.size === 0) return;
  document.getElementById("spoken").textContent = `${[...unsaid].join(". ")}.`;
  unsaid.clear();
}, SPEAK_EVERY);
setInterval(() => {
  if (silence() > 1.5) render();
}, 1000);
connect();
