// Requests per second, stacked by who answered, with uPlot. A cross stands over every second in which one failed.
import { byId, el, text } from "./dom.js";
import { word, looks } from "./words.js";

const KINDS = ["failed", "nobody", "green", "blue"]; // from the top of a bar to its bottom
const NAME = { failed: ["verdict", "unmet"], nobody: ["side", "nobody"], green: ["side", "green"], blue: ["side", "blue"] };
const LEAST = 60; // seconds shown

export class Chart {
  constructor(parent) {
    this.parent = parent;
    this.tip = el("div", { id: "tip" });
    this.raw = [];
    this.top = 5;
    this.draw();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(parent);
    matchMedia("(prefers-color-scheme:dark)").addEventListener("change", () => this.draw());
  }

  size() {
    return { width: Math.max(200, this.parent.clientWidth), height: Math.max(80, this.parent.clientHeight) };
  }

  draw() {
    if (this.plot) this.plot.destroy();
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1, dash: [1, 3] }, ticks: { stroke: colour("--line") }, font: "14px system-ui" };
    const bars = uPlot.paths.bars({ size: [1, Infinity], gap: 1, align: 1 });
    const paint = { failed: "--failed", nobody: "--side-nobody", green: "--side-green", blue: "--side-blue" };
    this.cross = colour("--failed");
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      padding: [14, 8, 0, 0],
      cursor: { y: false, drag: { setScale: false, x: false, y: false } },
      scales: { x: { time: false }, y: { range: () => [0, this.top] } },
      axes: [{ ...axis, size: 30, space: 70 }, { ...axis, size: 44, space: 26 }],
      series: [{}, ...KINDS.map((kind) => ({ fill: colour(paint[kind]), stroke: colour(paint[kind]), width: 0, paths: bars, points: { show: false } }))],
      hooks: { draw: [(plot) => this.crosses(plot)], setCursor: [(plot) => this.point(plot)] },
    }, this.data || [[], [], [], [], []], this.parent);
    this.parent.append(this.tip);
  }

  crosses(plot) {
    const context = plot.ctx, top = plot.bbox.top - 4 * devicePixelRatio, size = 5 * devicePixelRatio;
    context.save();
    context.strokeStyle = this.cross;
    context.lineWidth = 2.5 * devicePixelRatio;
    context.beginPath();
    for (const [x, , , , failed] of this.raw) {
      if (!failed) continue;
      const middle = plot.valToPos(x + 0.5, "x", true);
      context.moveTo(middle - size, top - size); context.lineTo(middle + size, top + size);
      context.moveTo(middle + size, top - size); context.lineTo(middle - size, top + size);
    }
    context.stroke();
    context.restore();
  }

  point(plot) {
    const row = plot.cursor.idx === null || plot.cursor.idx === undefined ? null : this.raw[plot.cursor.idx];
    text(this.tip, row ? `${row[0]} s: ${["blue", "green", "nobody", "failed"].map((kind, index) => [kind, row[index + 1]]).filter(([, count]) => count).map(([kind, count]) => `${looks(...NAME[kind]).symbol} ${kind === "failed" ? word("failed") : looks(...NAME[kind]).text} ${count}`).join(" · ")}` : "");
  }

  update(told) {
    const zero = Math.floor(told.zero);
    this.raw = told.users.seconds.map(([at, ...counts]) => [at - zero, ...counts]);
    if (!told.ended) this.raw.pop(); // the second that is not over yet would look like a dip
    const sum = (row, index) => row.slice(1, 5 - index).reduce((all, one) => all + one, 0);
    const stacked = KINDS.map((kind, index) => this.raw.map((row) => (row[4 - index] ? sum(row, index) : null))); // none behind another
    const after = this.raw.length ? [this.raw.at(-1)[0] + 1] : []; // uPlot makes bars as wide as the distance of two points
    this.data = [[...this.raw.map((row) => row[0]), ...after], ...stacked.map((row) => [...row, ...after.map(() => null)])];
    this.top = Math.max(5, ...this.raw.map((row) => sum(row, 0))) * 1.12; // room for the crosses
    this.plot.setData(this.data, false);
    const first = this.raw.length ? this.raw[0][0] : 0, last = this.raw.length ? this.raw.at(-1)[0] + 1 : 0;
    this.plot.batch(() => {
      this.plot.setScale("x", { min: first, max: Math.max(last, first + (told.ended ? 10 : LEAST)) });
      this.plot.setScale("y", { min: 0, max: this.top });
    });
    this.parent.setAttribute("aria-label", `${word("requests_per_second")}: ${told.users.requests} ${word("requests")}, ${told.users.failed} ${word("failed")}`);
  }
}

export function legend(told) {
  return ["blue", "green"].map((side) => el("li", {}, el("span", { style: null, class: `l-${side}` }, `${looks("side", side).symbol} `), `${looks("side", side).text}: ${told.versions[side] || "–"}`))
    .concat(el("li", {}, el("span", { class: "bad" }, `${looks("verdict", "unmet").symbol} `), `${word("failed")}: ${told.users.failed}`));
}
