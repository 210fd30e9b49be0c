// What stands beside the diagram: numbers, lifecycle with both clocks, alarms, errors, news, the verdict.
import { byId, el, once, text } from "./dom.js";
import { current, either, looks, moment, phase, seconds, word } from "./words.js";

const BAD = ["failed", "refused", "alarm"];

export function head(told) {
  text(byId("title"), either(told.title) || told.scenario || "rehearse");
  const facts = [told.versions.blue ? `${told.versions.blue} → ${told.versions.green}` : "", told.config.replace("CodeDeployDefault.", ""), told.target, told.runtime, told.compression > 1 ? word("full_compression", { factor: told.compression }) : ""];
  text(byId("facts"), facts.filter(Boolean).join(" · "));
  byId("facts").title = [told.scenario, told.config].filter(Boolean).join(", ");
  const state = byId("state"), verdict = told.verdict ? looks("verdict", told.verdict.verdict) : null;
  const failed = told.deployments.length > 1 || told.deployments.some((one) => ["Failed", "Stopped"].includes(one.status));
  text(state, !told.phase ? "" : verdict ? `${verdict.symbol} ${verdict.text}` : `${told.ended ? "●" : failed ? "↩" : "▶"} ${doing(told)}`);
  state.style.color = verdict ? `var(--verdict-${told.verdict.verdict})` : failed ? "var(--failed)" : "";
  document.title = [state.textContent, told.scenario, "rehearse"].filter(Boolean).join(" · ");
  if (byId("spoken").textContent !== state.textContent) text(byId("spoken"), state.textContent);
}

export function doing(told) {
  return phase(told.doing);
}

export function numbers(told) {
  if (!told.phase) return once(byId("numbers"), null, () => []);
  const users = told.users, shown = [
    ["requests", users.requests.toLocaleString(), false],
    ["failed", users.failed.toLocaleString(), users.failed > 0],
    ["per_second", users.rate.toFixed(0), false],
    ["gap", `${users.gap.toFixed(2)} s`, users.gap > 2],
  ];
  const clock = told.deployment_clock;
  if (clock) shown.push(["deployment", `${seconds(clock.elapsed)}`, false], ["deployment_aws", `${seconds(clock.aws_elapsed)}`, false]);
  return once(byId("numbers"), [shown, current()], () => shown.map(([name, value, bad]) =>
    el("div", {}, el("dt", {}, label(name)), el("dd", { class: bad ? "bad" : null }, bad ? `✘ ${value}` : value))));
}

function label(name) {
  if (name === "per_second") return word("per_second", { rate: "" }).trim();
  if (name === "deployment") return `${word("deployment")}, ${word("here")}`;
  return name === "deployment_aws" ? `${word("deployment")}, ${word("on_aws")}` : word(name);
}

export function lifecycle(told) {
  const newest = told.deployments.at(-1);
  text(byId("lifecycle-h"), newest && newest.rollback ? `↩ ${word("rollback_deployment")}` : word("lifecycle"));
  clocks(told.clocks);
  const ended = told.deployments.length > 1 ? told.deployments.map((one) => [one.id, one.status, one.error, one.rollback]) : [];
  once(byId("ended"), [ended, current()], () => ended.map(deployment));
  const ran = newest && newest.rollback ? told.lifecycle.filter((one) => one.status !== "Skipped") : told.lifecycle; // a rollback skips nearly all
  const rows = ran.map((one) => [one.name, one.status, one.status === "Pending" || one.status === "Skipped" ? "" : seconds(one.seconds), one.status === "Failed" ? one.diagnostics : null]);
  once(byId("events"), [rows, current()], () => rows.length ? rows.map(event) : [el("li", {}, el("span", {}), el("span", {}, word("no_deployment")))]);
}

function deployment([id, status, error, rollback]) {
  const seen = looks("lifecycle", status), row = el("li", {}, `${seen.symbol} ${rollback ? word("rollback_deployment") : word("deployment")} ${id}: ${seen.text}${error ? `, ${error}` : ""}`);
  row.style.color = `var(--lifecycle-${status})`;
  return row;
}

function event([name, status, took, why]) {
  const seen = looks("lifecycle", status), mark = el("span", { "aria-hidden": "true" }, seen.symbol);
  mark.style.color = `var(--lifecycle-${status})`;
  const row = el("li", { class: status === "InProgress" ? "now" : null }, mark, el("span", {}, name, el("span", { class: "hidden" }, ` ${seen.text}`)), el("span", {}, status === "Skipped" ? seen.text : took));
  if (why) row.append(el("small", {}, why.slice(0, 160)));
  return row;
}

function clocks(told) {
  const box = byId("clocks");
  if (!told) return once(box, null, () => []);
  const left = (value) => (value === null ? word("until_it_happens") : seconds(value));
  const rows = [[word("here"), seconds(told.elapsed), left(told.remaining)], [word("on_aws"), seconds(told.aws_elapsed), left(told.aws_remaining)]];
  return once(box, [told.name, rows, current()], () => [el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, phase(told.name)), el("th", { scope: "col" }, word("elapsed")), el("th", { scope: "col" }, word("remaining")))),
    el("tbody", {}, ...rows.map(([name, ...values]) => el("tr", {}, el("th", { scope: "row" }, name), ...values.map((value) => el("td", {}, value))))))]);
}

export function alarms(told) {
  once(byId("alarms"), [told.alarms, current()], () => !told.phase ? [] : told.alarms.length ? told.alarms.map((one) => {
    const seen = looks("alarm", one.state), row = el("li", { title: one.reason }, el("span", {}, `${seen.symbol} ${one.name}: ${seen.text}`));
    row.style.color = `var(--alarm-${one.state})`;
    row.style.fontWeight = one.state === "ALARM" ? "700" : "";
    return row;
  }) : [el("li", {}, word("no_alarms"))]);
}

export function lists(told) {
  once(byId("errors"), [told.failures, told.zero, current()], () => told.failures.length ? told.failures.map((one) => row(one, told.zero)) : [el("li", {}, word("no_errors"))]);
  once(byId("news"), [told.news, told.zero, current()], () => told.news.map((one) => row(one, told.zero)));
}

function row(one, zero) {
  return el("li", { class: BAD.includes(one.kind) ? "bad" : null }, el("time", {}, `${(one.at - zero).toFixed(1).replace("-0.0", "0.0")} s`), el("span", {}, `${moment(one.kind)} ${either({ en: one.text, ko: one.ko })}`));
}

export function verdict(told, run) {
  const box = byId("verdict"), judged = told.verdict;
  box.hidden = !judged;
  once(box, [judged, run, current()], () => {
    if (!judged) return [];
    const seen = looks("verdict", judged.verdict), strong = el("strong", {}, `${seen.symbol} ${seen.text}`);
    strong.style.color = `var(--verdict-${judged.verdict})`;
    const link = el("a", { href: `/report/${run.split("/").map(encodeURIComponent).join("/")}`, target: "_blank", rel: "noopener" }, word("report"));
    return [el("p", {}, strong, " ", judged.why ? `${judged.why} ` : "", link), el("table", {},
      el("thead", {}, el("tr", {}, ...["expectation", "measured", "limit"].map((name) => el("th", { scope: "col" }, word(name))))),
      el("tbody", {}, ...judged.results.map((one) => result(one))))];
  });
}

function result(one) {
  const seen = looks("verdict", one.verdict), name = el("th", { scope: "row" }, `${seen.symbol} ${either(one.label)}`);
  name.style.color = `var(--verdict-${one.verdict})`;
  return el("tr", {}, name, el("td", {}, value(one.measured)), el("td", {}, value(one.limit)));
}

const value = (one) => (one === null ? "–" : Array.isArray(one) ? one.join(" → ") : String(one));
