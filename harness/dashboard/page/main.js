// Follows one run over server-sent events. The token never leaves this page but in the header of an action.
import { byId, el, once, text } from "./dom.js";
import { current, either, load, looks, scenarios, toggle, word } from "./words.js";
import { Diagram } from "./diagram.js";
import { Chart, legend } from "./chart.js";
import * as panels from "./panels.js";

const token = keptToken();
// What is shown before there is a run: the same picture, still empty.
const NOTHING = {
  title: null, scenario: "", versions: {}, config: "", target: "", runtime: null, compression: 1, phase: "", doing: "", ended: false, zero: 0, verdict: null,
  listeners: { production: { url: "", weights: null }, test: { url: "", weights: null } }, sides: Object.fromEntries(["blue", "green"].map((side) => [side, { version: "", states: {}, tasks: [], more: 0, stopped: 0 }])),
  lifecycle: [], clocks: null, deployment_clock: null, deployments: [], alarms: [], users: { requests: 0, failed: 0, gap: 0, rate: 0, asked: 0, seconds: [] }, news: [], failures: [],
};
let told = null, listed = { runs: [], starting: null, busy: false }, chosen = "", stream = null, diagram = null, chart = null, noticed = 0;

function keptToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search); // not on the screen of a projector
  }
  return sessionStorage.getItem("token") || "";
}

async function begin() {
  await load();
  diagram = new Diagram(byId("diagram"));
  chart = new Chart(byId("chart"));
  byId("runs").addEventListener("change", (event) => follow(event.target.value));
  byId("start").addEventListener("click", start);
  byId("language").addEventListener("click", () => { toggle(); speak(); });
  for (const button of document.querySelectorAll("[data-action]")) button.addEventListener("click", () => act(button.dataset.action));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  speak();
  follow(new URLSearchParams(location.search).get("run") || "");
}

function speak() {
  document.documentElement.lang = current();
  for (const element of document.querySelectorAll("[data-word]")) text(element, word(element.dataset.word));
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", word(element.dataset.label));
  byId("language").setAttribute("lang", current() === "en" ? "ko" : "en");
  byId("controls").setAttribute("aria-label", word("dashboard"));
  byId("diagram").setAttribute("aria-label", word("production"));
  options();
  show();
  if (!token) notice(word("look_only"), false, true);
}

function follow(run) {
  chosen = run;
  if (stream) stream.close();
  stream = new EventSource(`/api/follow?run=${encodeURIComponent(run)}`);
  stream.addEventListener("runs", (event) => { listed = JSON.parse(event.data); options(); show(); });
  stream.addEventListener("picture", (event) => { told = JSON.parse(event.data); show(); });
  stream.addEventListener("error", () => notice(word("lost"), true));
  stream.addEventListener("open", () => { if (byId("notice").textContent === word("lost")) notice("", false); });
}

// The run that is shown: the one chosen, else as the server chooses, a live one before the newest.
function shownRun() {
  if (chosen) return listed.runs.find((run) => run.id === chosen) || null;
  return listed.runs.find((run) => run.live) || listed.runs[0] || null;
}

function show() {
  const run = shownRun(), starting = listed.starting;
  for (const button of document.querySelectorAll("[data-action]")) button.disabled = !canAct(run, button.dataset.action);
  byId("start").disabled = !token || listed.busy || listed.runs.some((one) => one.live) || Boolean(starting && starting.running);
  if (starting && !starting.running) notice(`${starting.scenario}: ${word("not_started")}: ${starting.said}`, true);
  if (starting && starting.running) notice(`${starting.scenario}: ${word("starting")}`, false);
  draw(told && run ? told : NOTHING, run ? run.id : "");
  if (!told || !run) return listed.runs.length || starting ? undefined : notice(word("no_run"), false, true);
  if (told.problem) notice(told.problem, true);
  else if (!told.ended && !run.live && !run.ended) notice(word("broke_off"), true);
  else if (Date.now() > noticed) notice(token ? "" : word("look_only"), false, true);
}

function draw(shown, id) {
  panels.head(shown);
  panels.numbers(shown);
  panels.lifecycle(shown);
  panels.alarms(shown);
  panels.lists(shown);
  panels.verdict(shown, id);
  diagram.update(shown);
  chart.update(shown);
  once(byId("legend"), [shown.versions, shown.users.failed, current()], () => legend(shown));
}

// A deployment can be continued only while it waits for somebody, or before it ends the old tasks.
function canAct(run, action) {
  const newest = told && told.deployments.at(-1);
  const going = token && run && run.live && newest && !["Succeeded", "Failed", "Stopped"].includes(newest.status);
  return Boolean(going && (action !== "continue" || newest.status === "Ready" || told.doing === "termination wait"));
}

function options() {
  once(byId("runs"), [listed.runs.map((run) => [run.id, run.verdict, run.live]), current(), chosen], () => [
    el("option", { value: "" }, word("newest")),
    ...listed.runs.map((run) => el("option", { value: run.id, selected: run.id === chosen ? "" : null }, `${run.live ? "▶" : run.verdict ? looks("verdict", run.verdict).symbol : "?"} ${run.scenario} ${new Date(run.started * 1000).toLocaleTimeString()}`)),
  ]);
  const picked = byId("scenarios").value;
  once(byId("scenarios"), [scenarios(), current()], () => scenarios().map((one) => el("option", { value: one.id }, `${one.id}: ${either(one.title)}`)));
  if (picked) byId("scenarios").value = picked;
}

async function start() {
  byId("start").disabled = true;
  const answer = await send("/api/start", { scenario: byId("scenarios").value });
  if (answer) { byId("runs").value = ""; follow(""); }
}

async function act(action) {
  const run = shownRun();
  if (!run || (told.target === "aws" && !confirm(`AWS: ${word(action)}?`))) return;
  if (await send("/api/act", { run: run.id, action })) notice(word("sent", { action: word(action) }), false);
}

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-Rehearse-Token": token }, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) notice(word("refused", { why: said.error }), true);
  return answer.ok ? said : null;
}

// A notice stays for eight seconds unless the state itself takes it back.
function notice(said, bad, quiet = false) {
  const box = byId("notice");
  text(box, said);
  box.classList.toggle("bad", bad);
  if (!quiet && said) noticed = Date.now() + 8000;
}

begin();
