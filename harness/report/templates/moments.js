
(() => {
const NS = "http://www.w3.org/2000/svg", byId = (id) => document.getElementById(id);
const korean = () => Number(byId("lang-ko").checked);
const speak = () => { document.documentElement.lang = korean() ? "ko" : "en"; };
document.documentElement.classList.add("scripted");
for (const one of document.querySelectorAll("[name=lang]")) one.addEventListener("change", speak);

// What one run was doing `at` a second, as a list of phrases.
function describe(told, at) {
  const word = (name) => (told.words[name] || [name, name])[korean()];
  const last = (rows, fits = () => true) => rows.filter((row) => row[0] <= at && fits(row)).at(-1);
  const row = told.buckets.find((one) => at >= one[0] && at < one[0] + told.width), weight = last(told.weights);
  const parts = [told.run ? `${told.run}: ${at.toFixed(1)} s` : `${at.toFixed(1)} s`];
  for (const [start, end, name, status, symbol] of told.bands) if (at >= start && at <= end) parts.push(`${name[korean()]} (${start.toFixed(1)}–${end.toFixed(1)} s ${symbol} ${status})`);
  if (weight) parts.push(`${word("lane_weights")}: ${word("blue")} ${weight[1]}, ${word("green")} ${weight[2]}`);
  if (row) parts.push(`${word("requests")}: ` + ["blue", "green", "nobody", "failed"].map((kind, i) => [kind, row[i + 1]]).filter(([, count]) => count).map(([kind, count]) => `${word(kind)} ${count}${kind === "failed" && row[5] ? ` (${row[5].map(([what, times]) => `${what} × ${times}`).join(", ")})` : ""}`).join(", "));
  for (const side of ["blue", "green"]) {
    const seen = last(told.health, (one) => one[1] === side);
    if (seen && seen[2].length) parts.push(`${word(side)}: ` + seen[2].map(([state, count]) => `${count} ${word("health " + state)}`).join(", "));
  }
  for (const mark of told.marks) if (Math.abs(mark[0] - at) <= told.width / 2) parts.push(`${mark[1]} ${mark[2]}`);
  for (const one of told.differences) if (at >= one[0] && at <= one[1]) parts.push(one[2][korean()]);
  return parts;
}

class Chart {
  constructor(svg) {
    const run = svg.dataset.run;
    Object.assign(this, { svg, group: svg.dataset.group, told: JSON.parse(byId("moments-" + run).textContent), tip: byId("tip-" + run), at: null });
    for (const name of ["left", "right", "start", "end"]) this[name] = Number(svg.dataset[name]);
    for (const told of svg.querySelectorAll("rect > title")) told.remove(); // the tip says it, in the language that is shown
    this.line = document.createElementNS(NS, "line");
    for (const [name, value] of Object.entries({ class: "cursor", y1: 0, y2: svg.viewBox.baseVal.height - 34 })) this.line.setAttribute(name, value);
    const named = { tabindex: 0, role: "slider", "aria-valuemin": this.start, "aria-valuemax": this.end, "aria-valuenow": this.start, "aria-valuetext": this.told.words.seconds[korean()] };
    for (const [name, value] of Object.entries(named)) svg.setAttribute(name, value);
    this.name();
    svg.addEventListener("pointermove", (event) => this.point(event));
    svg.addEventListener("pointerdown", (event) => this.point(event));
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("blur", () => this.together().forEach((one) => one.line.remove()));
  }

  name() {
    this.svg.setAttribute("aria-labelledby", `${this.svg.querySelectorAll("desc")[korean()].id}`);
    if (this.at !== null) this.show(this.at);
  }

  // All charts that are pointed at with this one, itself first.
  together() {
    return [this, ...charts.filter((one) => one !== this && one.group === this.group)];
  }

  show(seconds) {
    const at = Math.min(Math.max(seconds, this.start), this.end), told = this.together();
    for (const one of told) one.place(at);
    this.svg.setAttribute("aria-valuenow", at.toFixed(1));
    this.svg.setAttribute("aria-valuetext", told.map((one) => one.tip.textContent).join(" · "));
  }

  place(at) {
    const x = this.left + (at - this.start) / (this.end - this.start) * (this.right - this.left);
    this.at = at;
    this.line.setAttribute("x1", x);
    this.line.setAttribute("x2", x);
    this.svg.append(this.line);
    this.tip.textContent = describe(this.told, at).join(" · ");
  }

  point(event) {
    const frame = this.svg.getBoundingClientRect(), x = (event.clientX - frame.left) / frame.width * this.svg.viewBox.baseVal.width;
    this.show(this.start + (x - this.left) / (this.right - this.left) * (this.end - this.start));
  }

  // The next of some moments, after the last of them the first again.
  next(moments) {
    const sorted = [...moments].sort((one, other) => one - other);
    return sorted.find((one) => this.at === null || one > this.at + 0.01) ?? sorted[0];
  }

  failures() {
    return this.together().flatMap(({ told }) => told.buckets.filter((row) => row[4]).map((row) => Math.min(Math.max(row[0] + told.width / 2, this.start), this.end)));
  }

  differences() {
    return this.together().flatMap(({ told }) => [...told.differences.map((one) => one[0]), ...told.bands.filter((one) => one[2][0].startsWith("≠")).map((one) => one[0])]);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = this.at === null ? this.start : this.at, step = this.told.width, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const to = { ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step, PageUp: now + 10 * step, PageDown: now - 10 * step, Home: this.start, End: this.end, f: this.next(this.failures()), d: this.next(this.differences()) }[key];
    if (to === undefined) return;
    event.preventDefault();
    this.show(to);
  }
}

const charts = [];
for (const svg of document.querySelectorAll("svg.chart")) charts.push(new Chart(svg));
for (const one of document.querySelectorAll("[name=lang]")) one.addEventListener("change", () => charts.forEach((chart) => chart.name()));
speak();
})();
