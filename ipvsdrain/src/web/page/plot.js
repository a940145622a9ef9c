// Plots of the last minutes: stacked areas for what is live, lines for what passes. The numbers stand beside them as text.

import { h, s } from "./dom.js";
import { isKnown, number, span } from "./words.js";

const WIDTH = 600;
const HEIGHT = 100;
const WINDOWS = [60, 90, 120, 180, 240, 300];
// Seconds between points beyond which nothing is known in between.
const GAP = 6;

// How far back to look, so that all points show.
export const windowOf = (points, now) =>
  WINDOWS.find((window) => points.length === 0 || now - points[0].at <= window) ?? WINDOWS.at(-1);

// `series`: [{ name, mark, values, stacked }], a value for each of `times` or null where it is unknown.
export function plot({ title, unit, times, series, now, window, said }) {
  const shown = times.map((time) => time >= now - window - GAP);
  const stacks = stack(series);
  const most = Math.max(0, ...stacks.flatMap(({ tops }) => tops.filter((top, index) => shown[index] && isKnown(top))));
  const top = ceiling(most);
  const x = (time) => round(((time - (now - window)) / window) * WIDTH);
  const y = (value) => round(HEIGHT - (value / top) * HEIGHT);
  const runs = ({ tops }) => known(times, tops, shown);
  const areas = stacks.filter(({ stacked }) => stacked).map((one) =>
    runs(one).map((run) => s("path", { class: `area ${one.mark}`, d: area(run, one, times, x, y) })));
  // A line along the bottom would look like something that happens.
  const lines = stacks.filter(({ stacked, tops }) => stacked || tops.some((value) => value > 0)).map((one) =>
    runs(one).map((run) => s("path", { class: `line ${one.mark}`, d: line(run.map((at) => [x(times[at]), y(one.tops[at])])) })));
  const missing = gaps(stacks, times, now, window).map(([from, to]) =>
    s("rect", { class: "unknown", x: x(from), y: 0, width: round(x(to) - x(from)), height: HEIGHT }));
  const grid = [0.25, 0.5, 0.75].map((share) =>
    s("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share }));
  return h("figure", { class: "plot" },
    h("figcaption", {}, h("span", { class: "title" }, title), legend(series, unit)),
    h("div", { class: "field" },
      h("span", { class: "scale", "aria-hidden": "true" }, number(top)),
      s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
        missing, grid, areas, lines)),
    h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, `${span(window)} ago`), h("span", {}, "now")));
}

const legend = (series, unit) => h("ul", { class: "legend" }, series.map(({ name, mark, latest }) =>
  h("li", {}, h("span", { class: `swatch ${mark}`, "aria-hidden": "true" }), name, " ",
    h("b", {}, isKnown(latest) ? `${number(latest)}${unit}` : "unknown"))));

// Each stacked series stands on the ones before it.
function stack(series) {
  let floor = null;
  return series.map((one) => {
    if (!one.stacked) return { ...one, tops: one.values };
    const bottoms = floor ?? one.values.map((value) => isKnown(value) ? 0 : null);
    const tops = one.values.map((value, at) => isKnown(value) && isKnown(bottoms[at]) ? value + bottoms[at] : null);
    floor = tops;
    return { ...one, tops, bottoms };
  });
}

// Runs of neighbouring points that are known, as indexes.
function known(times, values, shown) {
  const runs = [];
  let run = [];
  values.forEach((value, at) => {
    const follows = run.length === 0 || times[at] - times[run.at(-1)] <= GAP;
    if (run.length > 0 && (!isKnown(value) || !follows)) runs.push(run.splice(0));
    if (isKnown(value) && shown[at]) run.push(at);
  });
  return [...runs, run].filter((one) => one.length > 1);
}

// Spans of which the first series says nothing, but for those before it began.
function gaps([first], times, now, window) {
  const seen = times.filter((_, at) => isKnown(first.tops[at]) && times[at] >= now - window);
  if (times.length === 0) return [];
  const ends = [...seen, now];
  const begin = Math.max(times[0], now - window);
  return ends.map((end, at) => [at === 0 ? begin : ends[at - 1], end]).filter(([from, to]) => to - from > GAP);
}

function area(run, { tops, bottoms }, times, x, y) {
  const over = run.map((at) => [x(times[at]), y(tops[at])]);
  const under = run.map((at) => [x(times[at]), y(bottoms[at])]).reverse();
  return `${line([...over, ...under])}Z`;
}

const line = (points) => points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${x} ${y}`).join("");

const round = (value) => Math.round(value * 10) / 10;

// The next round number.
function ceiling(most) {
  if (most <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= most);
}
