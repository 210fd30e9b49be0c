// Users, listeners, target groups, tasks: drawn once, then only what changed.
import { svg, once, text, attribute } from "./dom.js";
import { word, looks } from "./words.js";

// Where things stand: side by side on a wide window, one under the other on a phone.
const WIDE = {
  width: 900, height: 350, users: [4, 84], listener: { production: [178, 78], test: [178, 248] },
  group: { blue: [434, 18], green: [434, 186], width: 462, height: 156, tasks: 40, row: 4, rows: 2, states: (x, y) => ({ x: x + 450, y: y + 26, "text-anchor": "end" }) },
  first: "M100 119 H178",
  pipe: ([x, y], [gx, gy], side, route) => { const from = y + (side === "blue" ? 28 : 54), to = gy + 50 + (route === "test" ? 30 : 0); return `M${x + 158} ${from} C ${x + 202} ${from} ${gx - 50} ${to} ${gx} ${to}`; },
};
const TALL = {
  width: 480, height: 500, users: [192, 4], listener: { production: [40, 110], test: [282, 110] },
  group: { blue: [4, 256], green: [244, 256], width: 232, height: 240, tasks: 62, row: 2, rows: 3, states: (x, y) => ({ x: x + 14, y: y + 50 }) },
  first: "M240 74 C 240 96 119 88 119 110",
  pipe: ([x, y], [gx, gy], side, route) => { const from = x + (side === "blue" ? 50 : 108), to = gx + (route === "test" ? 160 : 72); return `M${from} ${y + 82} C ${from} ${y + 118} ${to} ${gy - 34} ${to} ${gy}`; },
};
const phone = matchMedia("(max-width:900px)");
const TASK_WIDE = 98;
const STATE = { bad: ["unhealthy", "unavailable"], wait: ["initial", "draining", "unused"] };

export class Diagram {
  constructor(parent) {
    this.parent = parent;
    this.told = null;
    phone.addEventListener("change", () => { this.draw(); if (this.told) this.update(this.told); });
    this.draw();
  }

  draw() {
    const at = this.at = phone.matches ? TALL : WIDE;
    this.flows = {};
    this.root = svg("svg", { viewBox: `0 0 ${at.width} ${at.height}`, role: "img", preserveAspectRatio: "xMidYMid meet" });
    this.title = svg("title");
    this.root.append(this.title);
    this.pipes = svg("g");
    this.users = this.node(...at.users, 96, 70, "");
    this.listeners = { production: this.node(...at.listener.production, 158, 82, ""), test: this.node(...at.listener.test, 158, 82, "") };
    this.groups = { blue: this.group("blue"), green: this.group("green") };
    this.pipe("users", at.first, "blue");
    for (const route of ["production", "test"]) {
      for (const side of ["blue", "green"]) {
        this.pipe(`${route}-${side}`, at.pipe(at.listener[route], at.group[side], side, route), side);
      }
    }
    this.root.prepend(this.pipes);
    this.parent.replaceChildren(this.root);
  }

  node(x, y, width, height, kind) {
    const made = { box: svg("rect", { x, y, width, height, class: `box ${kind}` }), texts: [] };
    made.group = svg("g", {}, made.box);
    for (const [row, style] of [[0, "big"], [1, ""], [2, "quiet"]]) {
      const line = svg("text", { x: x + width / 2, y: y + 27 + row * 22, "text-anchor": "middle", class: style });
      made.texts.push(line);
      made.group.append(line);
    }
    this.root.append(made.group);
    return made;
  }

  group(side) {
    const [x, y] = this.at.group[side], { width, height, states } = this.at.group;
    const made = {
      box: svg("rect", { x, y, width, height, class: `box ${side}` }),
      name: svg("text", { x: x + 14, y: y + 26, class: `big t-${side}` }),
      states: svg("text", states(x, y)),
      tasks: svg("g"),
    };
    this.root.append(svg("g", {}, made.box, made.name, made.states, made.tasks));
    return made;
  }

  pipe(name, d, side) {
    const bed = svg("path", { d, class: "pipe", "stroke-width": 2 });
    const flow = svg("path", { d, class: `flow ${side} off` });
    const label = svg("text", { class: `big t-${side}`, "text-anchor": "middle" });
    this.pipes.append(bed, flow);
    this.root.append(label);
    this.flows[name] = { bed, flow, label };
  }

  update(told) {
    this.told = told;
    const rate = told.users.rate, side = dominant(told);
    this.say(this.users, [word("users"), rate || told.users.asked ? `${rate ? rate.toFixed(0) : told.users.asked}/s` : "", ""]);
    this.stream("users", rate ? 100 : 0, side, rate);
    for (const [route, node] of Object.entries(this.listeners)) {
      const listener = told.listeners[route];
      node.group.style.display = listener ? "" : "none";
      if (listener) this.say(node, [word(route).split(" ")[0], weightsOf(listener), listener.url.replace("http://", "")]);
      for (const each of ["blue", "green"]) {
        const weight = listener && listener.weights ? listener.weights[each] : 0;
        this.stream(`${route}-${each}`, weight, each, route === "production" ? rate : 0);
      }
    }
    const early = ["waiting", "provision", "steady_state"].includes(told.phase);
    for (const each of ["blue", "green"]) this.showGroup(each, told.sides[each], early);
    text(this.title, summary(told));
  }

  say(node, lines) {
    lines.forEach((line, index) => text(node.texts[index], line));
  }

  // The wider, the more of the traffic; it moves only while requests are made.
  stream(name, weight, side, rate) {
    const { bed, flow } = this.flows[name];
    attribute(bed, "stroke-width", weight ? 4 + weight / 9 : 1.5);
    attribute(flow, "class", `flow ${side}${weight && rate ? "" : " off"}`);
    attribute(flow, "stroke-width", (5 + weight / 12).toFixed(1));
  }

  showGroup(side, told, early) {
    const group = this.groups[side];
    text(group.name, `${looks("side", side).symbol} ${word("target_group", { side: looks("side", side).text })}`);
    const states = Object.entries(told.states).filter(([, count]) => count);
    text(group.states, states.length ? states.map(([state, count]) => word("count_of", { count, state: looks("health", state).text })).join(", ") : early ? "" : word("no_targets"));
    attribute(group.states, "class", states.some(([state]) => STATE.bad.includes(state)) ? "t-failed" : "");
    once(group.tasks, [told.tasks, told.more, told.stopped, early, word("users")], () => tasks(this.at.group, side, told, early));
  }
}

function tasks(group, side, told, early) {
  const [x, top] = group[side], y = top + group.tasks, inner = group.width - 26;
  const rows = Math.min(group.rows, Math.ceil(told.tasks.length / group.row)), perRow = Math.max(group.row, Math.ceil(told.tasks.length / group.rows));
  const wide = Math.min(TASK_WIDE, inner / perRow - 8), high = rows <= 1 ? 84 : 51;
  const drawn = told.tasks.map((task, index) => taskBox(task, x + 14 + (index % perRow) * (wide + 8), y + Math.floor(index / perRow) * (high + 5), wide, high));
  const notes = [told.more ? word("more_tasks", { count: told.more }) : "", told.stopped ? word("stopped_tasks", { count: told.stopped }) : ""].filter(Boolean);
  if (!told.tasks.length) drawn.push(svg("text", { x: x + 14, y: y + 40, class: "quiet" }, word(early ? "not_seen" : "no_tasks")));
  if (notes.length) drawn.push(svg("text", { x: x + group.width - 12, y: top + group.height - 6, "text-anchor": "end", class: "quiet" }, notes.join(", ")));
  return drawn;
}

function taskBox(task, x, y, width, height) {
  const state = task.health || task.status, seen = task.health ? looks("health", task.health) : { symbol: "…", text: task.status };
  const kind = STATE.bad.includes(state) ? "bad" : task.health && !STATE.wait.includes(state) ? "ok" : "wait";
  const tone = { bad: "t-failed", ok: "t-good", wait: "t-care" }[kind], middle = x + width / 2;
  const lines = height > 60
    ? [["big", task.version || "?", 26], [tone, `${seen.symbol} ${seen.text}`, 49], ["quiet", task.id.slice(0, 8), 70]]
    : [["big", task.version || "?", 21], [tone, seen.symbol, 42]];
  return svg("g", { class: `task ${kind}` }, svg("title", {}, `${task.version || "?"} ${task.id}: ${task.status}, ${seen.text}`),
    svg("rect", { x, y, width, height, class: "box" }),
    ...lines.map(([style, line, down]) => svg("text", { x: middle, y: y + down, "text-anchor": "middle", class: style }, line)));
}

const weightsOf = (listener) => listener.weights ? `${looks("side", "blue").symbol} ${percent(listener.weights.blue)} · ${looks("side", "green").symbol} ${percent(listener.weights.green)}` : "–";
const percent = (value) => `${Math.round(value * 10) / 10} %`;

function dominant(told) {
  const weights = told.listeners.production && told.listeners.production.weights;
  return weights && weights.green > weights.blue ? "green" : "blue";
}

function summary(told) {
  const listeners = Object.entries(told.listeners).map(([route, listener]) => `${word(route)}: ${weightsOf(listener)}`);
  const sides = ["blue", "green"].map((side) => `${looks("side", side).text} ${told.sides[side].version}: ${told.sides[side].tasks.map((task) => `${task.version} ${task.health ? looks("health", task.health).text : task.status}`).join(", ") || word("no_tasks")}`);
  return [...listeners, ...sides].join("; ");
}
