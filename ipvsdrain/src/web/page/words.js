// Numbers and states as people read them. What is not known is called unknown, never 0.

const GROUPED = new Intl.NumberFormat("en");

export const UNKNOWN = "unknown";

export const isKnown = (value) => value !== null && value !== undefined;

export const number = (value) => isKnown(value) ? GROUPED.format(value) : UNKNOWN;

export const many = (count, one, more) => `${number(count)} ${count === 1 ? one : more}`;

// In the two units that say enough.
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return two(whole, 60, "min", 1, "s");
  if (whole < 172800) return two(whole, 3600, "h", 60, "min");
  return `${Math.floor(whole / 86400)} days`;
}

function two(whole, large, name, small, other) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${name}${rest > 0 ? ` ${rest} ${other}` : ""}`;
}

export const clock = (date) => date.toLocaleTimeString("en-GB");

export const total = (live) => live.udp + live.tcp_open + live.tcp_closing;

// The words of the command line, and what each means.
const MEANINGS = {
  pooled: "in service",
  draining: "weight 0, flows are live or not known yet",
  quiet: "no flow is live, the silence has to last",
  drained: "proven empty",
  removed: "out of the table",
  restoring: "on its way back",
  restored: "back with its weight",
  yielded: "another hand changed it: left alone",
  foreign: "at weight 0, and not by ipvsdrain",
  unknown: "at weight 0, perhaps by a drain that is not known now",
};

export const meaning = (state) => MEANINGS[state] ?? "";

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
