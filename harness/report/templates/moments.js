
(() => {
const told = JSON.parse(document.getElementById("moments").textContent), tip = document.getElementById("tip");
const NS = "http://www.w3.org/2000/svg";
document.documentElement.classList.add("scripted");
const korean = () => document.getElementById("lang-ko").checked;
const word = (name) => (told.words[name] || [name, name])[korean() ? 1 : 0];
const last = (rows, at, fits = () => true) => rows.filter((row) => row[0] <= at && fits(row)).at(-1);
const index = (at) => told.buckets.findIndex((row) => at >= row[0] && at < row[0] + told.width);

function describe(at) {
  const parts = [`${at.toFixed(1)} s`], row = told.buckets[index(at)], weight = last(told.weights, at);
  for (const band of told.bands) if (at >= band[0] && at <= band[1]) parts.push(`${band[2][korean() ? 1 : 0]} ${band[3]}`);
  if (weight) parts.push(`${word("lane_weights")}: ${word("blue")} ${weight[1]}, ${word("green")} ${weight[2]}`);
  if (row) parts.push(`${word("requests")}: ` + ["blue", "green", "nobody", "failed"].map((kind, i) => [kind, row[i + 1]]).filter(([, count]) => count).map(([kind, count]) => `${word(kind)} ${count}`).join(", "));
  for (const side of ["blue", "green"]) {
    const seen = last(told.health, at, (one) => one[1] === side);
    if (seen && seen[2].length) parts.push(`${word(side)}: ` + seen[2].map(([state, count]) => `${count} ${word("health " + state)}`).join(", "));
  }
  for (const mark of told.marks) if (Math.abs(mark[0] - at) <= told.width / 2) parts.push(`${mark[1]} ${mark[2]}`);
  return parts.join(" · ");
}

for (const chart of document.querySelectorAll("svg.chart")) {
  const { left, right, start, end } = Object.fromEntries(Object.entries(chart.dataset).map(([key, value]) => [key, Number(value)]));
  const box = chart.viewBox.baseVal, line = document.createElementNS(NS, "line");
  let at = null;
  line.setAttribute("class", "cursor");
  line.setAttribute("y1", 0);
  line.setAttribute("y2", box.height - 34);
  chart.setAttribute("tabindex", "0");
  chart.setAttribute("role", "slider");
  chart.setAttribute("aria-valuemin", start);
  chart.setAttribute("aria-valuemax", end);
  chart.setAttribute("aria-valuenow", start);
  chart.setAttribute("aria-valuetext", word("seconds"));
  function show(seconds) {
    at = Math.min(Math.max(seconds, start), end);
    const x = left + (at - start) / (end - start) * (right - left), said = describe(at);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    chart.append(line);
    tip.textContent = said;
    chart.setAttribute("aria-valuenow", at.toFixed(1));
    chart.setAttribute("aria-valuetext", said);
  }
  const middle = (row) => row[0] + told.width / 2;
  function nextFailure() {
    const bad = told.buckets.filter((row) => row[4]);
    const next = bad.find((row) => at === null || middle(row) > at + 0.01) || bad[0];
    return next ? middle(next) : at;
  }
  chart.addEventListener("pointermove", (event) => {
    const frame = chart.getBoundingClientRect(), x = (event.clientX - frame.left) / frame.width * box.width;
    show(start + (x - left) / (right - left) * (end - start));
  });
  chart.addEventListener("keydown", (event) => {
    const now = at === null ? start : at, step = told.width;
    const to = { ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step, PageUp: now + 10 * step, PageDown: now - 10 * step, Home: start, End: end, f: nextFailure(), F: nextFailure() }[event.key];
    if (to === undefined || to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(to);
  });
  chart.addEventListener("blur", () => line.remove());
}
})();
