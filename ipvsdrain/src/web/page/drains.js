// Drains under way, and those that ended lately.

import { h } from "./dom.js";
import { plot, windowOf } from "./plot.js";
import { UNKNOWN, capital, isKnown, many, meaning, number, span, total } from "./words.js";

export const chip = (word, mark = word) =>
  h("span", { class: `chip ${mark}`, title: meaning(word) || null }, word);

export function underWay(now, tracks, lag) {
  const heading = (count) => h("h2", {}, "Drains under way ", h("span", { class: "count" }, count));
  if (!now.drains_known) {
    return [heading(UNKNOWN), h("p", { class: "empty" },
      "Which drains there are is not known: the journal could not be read since the daemon’s start.")];
  }
  if (now.drains.length === 0) {
    return [heading("0"), h("div", { class: "empty" },
      h("p", {}, h("strong", {}, "No server is being drained. "),
        "Nothing is attached to the kernel for it while that is so."),
      h("p", {}, "To take one out: ", h("code", {}, "ipvsdrain plan SERVICE SERVER"), " says what would become of it, ",
        h("code", {}, "ipvsdrain drain SERVICE SERVER --wait"), " does it, and this page shows how it goes."))];
  }
  const cards = now.drains.map((drain) => card(drain, tracks.get(String(drain.id)) ?? [], now.at + lag, lag));
  return [heading(String(now.drains.length)), h("div", { class: "cards" }, cards)];
}

function card(drain, points, now, lag) {
  const isSeen = isKnown(drain.seen_seconds_ago);
  const age = isSeen ? drain.seen_seconds_ago + lag : null;
  const marks = [
    chip(drain.state),
    drain.held && chip("held"),
    drain.late && chip("overdue"),
    drain.evidence_unknown && chip("evidence unknown", "doubt"),
    isSeen && age > 5 && chip(`evidence is ${span(age)} old`, "doubt"),
    drain.leaks && chip("leaking"),
    drain.shadow && chip("shadow mode", "plain"),
    drain.forced && chip("forced", "plain"),
    drain.reason !== "planned" && chip(drain.reason, "plain"),
  ];
  return h("article", { class: `card ${drain.held ? "is-held" : ""} ${drain.late ? "is-late" : ""}`, "data-key": `drain-${drain.id}`, "aria-label": `Drain of ${drain.server}` },
    h("header", {},
      h("h3", {}, h("span", { class: "name" }, drain.server), " ", h("span", { class: "of" }, drain.service)),
      h("p", { class: "chips" }, marks.map((mark) => mark && [mark, " "]))),
    h("p", { class: "standing" }, standing(drain, lag)),
    h("p", { class: "asked" }, asked(drain, lag)),
    progress(drain),
    h("div", { class: "plots" }, plots(drain, points, now)),
    h("dl", { class: "facts" }, facts(drain, age, lag)),
    steps(drain));
}

// Why it stands where it does, and what comes next.
function standing(drain, lag) {
  if (drain.counting) return "Removed; its last packets are being counted.";
  if (drain.verdict) return `${capital(drain.verdict)}. What was borrowed is being put back.`;
  const since = `${capital(drain.state)} for ${span(drain.state_seconds + lag)}`;
  if (drain.held) return [h("strong", {}, "Held: "), `${drain.held}.`];
  if (drain.kept) return `${since}: proven empty, and kept at weight 0 as its policy says.`;
  return `${since}${drain.state_why ? `: ${drain.state_why}` : ""}.`;
}

function asked(drain, lag) {
  const who = drain.who ? ` by ${drain.who}` : "";
  const why = drain.why ? `: ${drain.why}` : "";
  const ticket = drain.ticket ? ` (${drain.ticket})` : "";
  const begun = drain.reason === "failure" ? "Found down" : "Asked for";
  const state = drain.held ? `${capital(drain.state)} for ${span(drain.state_seconds + lag)} · ` : "";
  return `${state}${begun} ${span(drain.asked_seconds_ago + lag)} ago${who}${why}${ticket}`;
}

function progress(drain) {
  const { live, progress: share, rung, left_seconds: left, state } = drain;
  if (!live && state === "draining") {
    return h("p", { class: "progress none" }, rung === "counters" ? "Flows cannot be counted here" : "Live flows are unknown");
  }
  if (!isKnown(share) || state === "removed") return null;
  const until = state === "quiet" ? `${span(left)} of silence are left` : `none in about ${span(left)} if it goes on like this`;
  const words = [live && (total(live) === 0 ? "No flow is live" : many(total(live), "flow is live", "flows are live")), isKnown(left) && left > 0 && until];
  return h("div", { class: "progress" },
    h("progress", { max: "1", value: share.toFixed(3), "aria-label": `Share of the flows of ${drain.server} that is gone` }),
    h("p", {}, h("b", {}, `${Math.floor(share * 100)} % gone`), " · ", words.filter(Boolean).join(", ")));
}

function plots(drain, points, now) {
  if (points.length < 2) return h("p", { class: "wait" }, "Plots show once there are two looks to compare.");
  const times = points.map((point) => point.at);
  const window = windowOf(points, now);
  const shown = { times, now, window };
  return [flowsPlot(drain, points, shown), packetsPlot(drain, points, shown)];
}

function flowsPlot(drain, points, shown) {
  if (drain.rung === "counters") return h("p", { class: "wait" }, "No plot of flows: the kernel’s counters alone do not tell one flow from another.");
  const one = (name, mark, pick, index) => ({
    name, mark, stacked: true,
    values: points.map(({ live }) => live ? live[index] : null),
    latest: drain.live ? pick(drain.live) : null,
  });
  const counts = points.filter(({ live }) => live).map(({ live }) => live.reduce((sum, count) => sum + count));
  const told = counts.length === 0 ? "unknown" : `from ${number(counts[0])} to ${number(counts.at(-1))}, at most ${number(Math.max(...counts))}`;
  return plot({
    title: "Live flows", unit: "", ...shown,
    series: [
      one("UDP", "udp", (live) => live.udp, 0),
      one("TCP open", "open", (live) => live.tcp_open, 1),
      one("TCP closing", "closing", (live) => live.tcp_closing, 2),
    ],
    said: `Live flows of ${drain.server} over the last ${span(shown.now - shown.times[0])}: ${told}`,
  });
}

function packetsPlot(drain, points, shown) {
  const forwarded = rates(points, ({ forwarded: count }) => count);
  const arrived = rates(points, ({ arrivals }) => arrivals?.[0] ?? null);
  const lost = rates(points, ({ arrivals }) => arrivals?.[1] ?? null);
  const latest = (values) => drain.live || drain.arrivals ? values.at(-1) : null;
  const most = Math.max(0, ...forwarded.filter(isKnown));
  const count = (drain.arrivals && `, ${many(drain.arrivals.lost, "packet", "packets")} lost so far`) ?? ", lost packets are not counted";
  return plot({
    title: "Packets per second", unit: "/s", ...shown,
    series: [
      { name: "Forwarded here", mark: "forwarded", values: forwarded, latest: latest(forwarded), stacked: true },
      { name: "Arrived", mark: "arrived", values: arrived, latest: latest(arrived) },
      { name: "Lost", mark: "lost", values: lost, latest: latest(lost) },
    ],
    said: `Packets per second of ${drain.server}: at most ${number(most)} forwarded${count}`,
  });
}

// Between each point and the one before; unknown where a count is, and where it jumped back.
const rates = (points, pick) => points.map((point, at) => {
  const [to, from] = [pick(point), at > 0 ? pick(points[at - 1]) : null];
  const seconds = at > 0 ? point.at - points[at - 1].at : 0;
  const isTold = isKnown(to) && isKnown(from) && to >= from && seconds > 0;
  return isTold ? Math.round((to - from) / seconds) : null;
});

function facts(drain, age, lag) {
  const div = (mark, name, value) => h("div", { class: mark }, h("dt", {}, name), h("dd", {}, value));
  const fact = (name, ...value) => div(null, name, value);
  const { arrivals, forwarded } = drain;
  const packets = isKnown(forwarded) ? `${number(forwarded)} forwarded here` : "forwarded: unknown";
  const rest = arrivals ? `${number(arrivals.arrived)} arrived, ${packets}, ${number(arrivals.elsewhere)} elsewhere` : packets;
  const lost = arrivals
    ? h("span", { class: arrivals.lost > 0 ? "bad-text" : "good-text" }, `${number(arrivals.lost)} lost`)
    : h("span", { class: "doubt-text" }, `lost: not counted${drain.uncounted ? ` (${drain.uncounted})` : ""}`);
  const seen = isKnown(age) ? `looked ${span(age)} ago` : "not looked yet";
  return [
    div("wide", "Packets since the watch began", [`${rest}, `, lost]),
    fact("Seen by", drain.rung_words ?? UNKNOWN, `, ${seen}`, drain.rung_cause && h("small", {}, `nothing better: ${drain.rung_cause}`)),
    fact("Deadline", deadline(drain, lag)),
    fact("Entries in the kernel’s table", number(drain.table_entries)),
    drain.leaks && div("wide", "Leaking", [`${many(drain.leaks.flows, "flow", "flows")} began after weight 0: ${drain.leaks.cause}`, h("small", {}, drain.leaks.remedy)]),
    drain.state === "draining" && fact("Began before weight 0 (pinned)", isKnown(drain.pinned) ? many(drain.pinned, "live flow", "live flows") : UNKNOWN),
    drain.failure && fact("Failed", `${drain.failure.cause} (${drain.failure.source})`),
    fact("Weight before", number(drain.before.weight)),
  ];
}

const ON_DEADLINE = {
  hold: "it goes on, overdue",
  remove: "it is removed with its live flows",
  restore: "it gets its weight back",
};

function deadline(drain, lag) {
  if (!isKnown(drain.deadline_in_seconds)) return "none: it goes on for as long as it takes";
  const left = drain.deadline_in_seconds - lag;
  const what = ON_DEADLINE[drain.policy.on_deadline];
  return left > 0 ? `in ${span(left)} ${what}` : h("span", { class: "bad-text" }, `passed ${span(-left)} ago: ${what}`);
}

const steps = (drain) => drain.transitions.length > 0 && h("details", {},
  h("summary", {}, "How it came here"),
  h("ol", {}, drain.transitions.map((step) =>
    h("li", {}, h("span", { class: "when" }, span(step.seconds_since_start)), " ", chip(step.to), " ", step.why))));

export function ended(now, lag) {
  if (now.ended.length === 0) return [];
  return [h("h2", {}, "Ended lately ", h("span", { class: "count" }, String(now.ended.length))),
    h("ol", { class: "ended" }, now.ended.map((drain) => past(drain, lag)))];
}

function past(drain, lag) {
  const when = isKnown(drain.ended_seconds_ago) ? `${span(drain.ended_seconds_ago + lag)} ago` : "before the reboot";
  const took = isKnown(drain.seconds_to_end) ? `took ${span(drain.seconds_to_end)}` : null;
  const by = drain.who && `asked for by ${drain.who}`;
  return h("li", { "data-key": `past-${drain.id}` },
    h("p", { class: "head" }, chip(drain.state), " ", h("span", { class: "name" }, drain.server), " ",
      h("span", { class: "of" }, drain.service), " ", cost(drain)),
    h("p", { class: "verdict" }, capital(drain.verdict ?? "ended")),
    h("p", { class: "asked" }, [when, took, by, drain.why, drain.ticket].filter(Boolean).join(" · ")));
}

function cost(drain) {
  if (drain.state !== "removed" && !drain.shadow) return null;
  if (!isKnown(drain.lost)) return h("span", { class: "cost doubt-text" }, "lost packets not counted");
  return h("span", { class: `cost ${drain.lost > 0 ? "bad-text" : "good-text"}` }, `${many(drain.lost, "packet", "packets")} lost`);
}
