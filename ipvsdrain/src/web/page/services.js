// The services in the table: what is left of each, and their servers.

import { h, s } from "./dom.js";
import { chip } from "./drains.js";
import { UNKNOWN, isKnown, many, number, span } from "./words.js";

export function services(now, lag) {
  const heading = (count) => h("h2", {}, "Services ", h("span", { class: "count" }, count));
  if (!now.services) {
    return [heading(UNKNOWN), h("p", { class: "empty" }, "What is in the table is not known now.")];
  }
  if (now.services.length === 0) {
    return [heading("0"), h("div", { class: "empty" },
      h("p", {}, h("strong", {}, "There is no virtual service in the table of this kernel. "),
        "What ", h("code", {}, "ipvsadm"), " or your controller adds shows here by itself."),
      h("p", {}, "If your services are in a network namespace, tell the daemon: ",
        h("code", {}, "ipvsdrain daemon --netns NAME"), "."))];
  }
  return [heading(String(now.services.length)), h("div", { class: "services" }, now.services.map((one) => service(one, lag)))];
}

function service(one, lag) {
  const { servers } = one;
  const hasHealth = servers.some(({ health }) => health);
  // The roles are said, for on a phone the style makes lines of the rows.
  const column = (name, mark) => h("th", { role: "columnheader", scope: "col", class: mark ?? null }, name);
  return h("article", { class: "service", "data-key": `service-${one.service}`, "aria-label": `Service ${one.service}` },
    h("header", {},
      h("h3", {}, h("span", { class: "name" }, one.service), " ", h("span", { class: "of" }, one.scheduler)),
      capacity(one)),
    servers.length === 0 ? h("p", { class: "empty" }, "It has no real server: every client is refused.") : h("table", { role: "table" },
      h("caption", { class: "unseen" }, `Real servers of ${one.service}; the connections are the kernel’s count`),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
        column("Server"), column("State"), column("Weight", "number"), hasHealth && column("Health"),
        column("Active", "number"), column("Inactive", "number"))),
      h("tbody", { role: "rowgroup" }, servers.map((server) => row(server, hasHealth, lag)))));
}

function row(server, hasHealth, lag) {
  const { health } = server;
  const cell = (mark, ...content) => h("td", { role: "cell", class: mark }, content);
  const count = (name, value) => h("td", { role: "cell", class: "number", "data-name": name }, number(value));
  return h("tr", { role: "row", "data-key": `server-${server.server}-${server.method}` },
    h("th", { role: "rowheader", scope: "row" }, h("span", { class: "name" }, server.server), " ", h("small", {}, server.method)),
    cell("state", chip(server.state), server.held && [" ", chip("held")]),
    count("weight", server.weight),
    hasHealth && cell("says", health ? [
      h("span", { class: `health ${health.alarm ? "alarm" : health.says}` }, health.word),
      " ", h("small", {}, health.because ?? `for ${span(health.seconds + lag)}`)] : h("span", { class: "muted" }, "nobody says")),
    count("active", server.active),
    count("inactive", server.inactive));
}

function capacity({ weighted, whole, floor }) {
  const least = floor ? `floor ${floor.weight_percent} % and ${many(floor.servers, "server", "servers")}` : "floor unknown";
  if (!whole) return h("p", { class: "capacity" }, `${many(weighted, "server takes", "servers take")} new flows, of how many is unknown; ${least}`);
  const isLow = isKnown(floor?.weight_percent) && (whole.percent < floor.weight_percent || weighted < floor.servers);
  const blocked = whole.blocked > 0 ? `; ${many(whole.blocked, "drain waits", "drains wait")} for that` : "";
  return h("div", { class: "capacity" },
    s("svg", { class: `bar ${isLow ? "low" : ""}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "whole", width: 100, height: 8 }),
      s("rect", { class: "left", width: Math.min(100, whole.percent), height: 8 }),
      floor && s("rect", { class: "floor", x: Math.min(99, floor.weight_percent), width: 1, height: 8 })),
    h("p", {}, h("b", {}, `${whole.percent} %`), ` of the weight, ${weighted} of ${many(whole.servers, "server", "servers")}; `,
      h("span", { class: "muted" }, `${least}${blocked}`)));
}
