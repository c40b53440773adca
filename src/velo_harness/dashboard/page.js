"use strict";

/* What is computed; tested without a browser. */

const SERIES_COLOURS = 8;
const MISSING = "–";
const TIMES = { ns: 1e-9, µs: 1e-6, us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };
const PER_SECOND = { ops: "ops/s", reqps: "req/s", rps: "reads/s", wps: "writes/s", cps: "/s", eps: "/s", mps: "msg/s", recps: "rec/s", rowsps: "rows/s" };

function grouped(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

/** A number without unit: 1,234 · 12.5 · 0.0042 · 3.4 M. */
function plainNumber(value, decimals) {
  const size = Math.abs(value);
  if (decimals !== null && decimals !== undefined) return grouped(value, decimals);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(2);
  for (const [unit, of] of [["T", 1e12], ["G", 1e9], ["M", 1e6]]) {
    if (size >= of) return `${grouped(value / of, 2)} ${unit}`;
  }
  if (size >= 1000 || Number.isInteger(value)) return grouped(value, 0);
  return grouped(value, size >= 100 ? 1 : size >= 1 ? 2 : 4);
}

function bytes(value, step, units) {
  let size = Math.abs(value);
  let place = 0;
  while (size >= step && place < units.length - 1) {
    size /= step;
    place += 1;
  }
  return `${grouped(Math.sign(value) * size, place ? 1 : 0)} ${units[place]}`;
}

function duration(seconds) {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1e-3) return `${grouped(seconds * 1e6, 0)} µs`;
  if (size < 1) return `${grouped(seconds * 1e3, size < 0.1 ? 2 : 0)} ms`;
  if (size < 120) return `${grouped(seconds, 2)} s`;
  if (size < 7200) return `${grouped(seconds / 60, 1)} min`;
  if (size < 172800) return `${grouped(seconds / 3600, 1)} h`;
  return `${grouped(seconds / 86400, 1)} d`;
}

/** A value in one of Grafana's units. */
function formatValue(value, unit, decimals) {
  if (value === null || value === undefined) return MISSING;
  if (unit in TIMES) return duration(value * TIMES[unit]);
  if (unit in PER_SECOND) return `${plainNumber(value, decimals)} ${PER_SECOND[unit]}`;
  switch (unit) {
    case "bytes": return bytes(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
    case "decbytes": return bytes(value, 1000, ["B", "kB", "MB", "GB", "TB"]);
    case "Bps": return `${bytes(value, 1000, ["B", "kB", "MB", "GB", "TB"])}/s`;
    case "percent": return `${plainNumber(value, decimals ?? 1)} %`;
    case "percentunit": return `${plainNumber(value * 100, decimals ?? 1)} %`;
    case "celsius": return `${plainNumber(value, decimals)} °C`;
    case "dateTimeAsIso": return new Date(value).toISOString().replace(".000Z", "Z");
    default: return plainNumber(value, decimals);
  }
}

/** Round values from at most `low` to at least `high`. */
function ticks(low, high, most) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((one) => one >= rough);
  const found = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i += 1) found.push(i * step);
  return found;
}

/** The ends of the axis of values: 0 is in it unless the values are far from it and differ by a tenth. */
function extent(series, least, most) {
  let low = Infinity;
  let high = -Infinity;
  for (const one of series) {
    for (const value of one.values) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) [low, high] = [0, 1];
  if (low > 0 && (low < 0.6 * high || high - low < 0.1 * high)) low = 0;
  if (high < 0 && (high > 0.6 * low || low - high > 0.1 * low)) high = 0;
  if (low === high) high = low + 1;
  return [least ?? low, most ?? high];
}

/** Lines through what is there; a gap begins a new one. */
function pathOf(values, x, y) {
  const parts = [];
  let open = false;
  values.forEach((value, i) => {
    if (value === null) {
      open = false;
      return;
    }
    const place = `${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    parts.push(`${open ? "L" : "M"}${place}`);
    open = true;
  });
  return parts.join("");
}

/** The points that no line shows: those with a gap on both sides. */
function lonely(values) {
  const missing = (i) => (values[i] ?? null) === null;
  return values.flatMap((value, i) => (value !== null && missing(i - 1) && missing(i + 1) ? [i] : []));
}

/** Each series upon those before it. */
function stacked(series) {
  const below = [];
  return series.map((one) => ({
    ...one,
    values: one.values.map((value, i) => {
      if (value === null) return null;
      below[i] = (below[i] ?? 0) + value;
      return below[i];
    }),
  }));
}

/** The area between a line without gaps and the floor. */
function areaOf(values, x, y, floor) {
  const parts = [];
  let first = -1;
  for (let i = 0; i <= values.length; i += 1) {
    const there = i < values.length && values[i] !== null;
    if (there && first < 0) first = i;
    if (!there && first >= 0) {
      const line = [];
      for (let j = first; j < i; j += 1) line.push(`L${x(j).toFixed(1)} ${y(values[j]).toFixed(1)}`);
      parts.push(`M${x(first).toFixed(1)} ${floor}${line.join("")}L${x(i - 1).toFixed(1)} ${floor}Z`);
      first = -1;
    }
  }
  return parts.join("");
}

const NAMED = { green: "var(--s2)", red: "var(--bad)", orange: "var(--s1)", yellow: "var(--s4)", blue: "var(--s0)", purple: "var(--s3)" };

/** A colour of Grafana's as CSS; null for what is none. */
function cssColour(name) {
  if (/^#[0-9a-f]{3,8}$/i.test(name)) return name;
  return NAMED[name.replace(/^(dark|semi-dark|light|super-light)-/, "")] ?? null;
}

/** That of the last threshold that the value has reached; a colour for all values says nothing. */
function thresholdColour(value, thresholds) {
  let found = null;
  if (value === null || thresholds.length < 2) return found;
  for (const one of thresholds) {
    if (one.value === null || value >= one.value) found = cssColour(one.colour);
  }
  return found;
}

function clock(seconds, withSeconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined });
}

function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The moment nearest to a time. */
function nearest(times, time) {
  let best = 0;
  times.forEach((one, i) => {
    if (Math.abs(one - time) < Math.abs(times[best] - time)) best = i;
  });
  return best;
}

/* What is drawn. Text becomes text, never markup. */

const SVG = "http://www.w3.org/2000/svg";
const hover = { time: null, panel: -1 };
let state = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function seriesColour(i) {
  return `var(--s${i % SERIES_COLOURS})`;
}

/** A colour as a style, which the policy allows to scripts only. */
function styled(made, styles) {
  Object.assign(made.style, styles);
  return made;
}

function drawLines(panel, place, times, number) {
  const { width, height } = place.getBoundingClientRect();
  if (width < 60 || height < 40) return;
  const lines = panel.stacked ? stacked(panel.series) : panel.series;
  const [low, high] = extent(lines, panel.least, panel.most);
  const marks = ticks(low, high, Math.max(2, Math.floor(height / 45)));
  const [bottom, top] = [Math.min(low, marks[0]), Math.max(high, marks[marks.length - 1])];
  const labels = marks.map((mark) => formatValue(mark, panel.unit, panel.decimals));
  const left = Math.min(width / 3, 12 + 6.4 * Math.max(...labels.map((label) => label.length)));
  const [right, head, foot] = [width - 12, 8, height - 20];
  const [from, to] = [times[0], times[times.length - 1]];
  const xOf = (time) => left + (right - left) * (to > from ? (time - from) / (to - from) : 1);
  const x = (i) => xOf(times[i]);
  const y = (value) => foot - (foot - head) * ((value - bottom) / (top - bottom));
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${panel.title}: ${panel.series.length} series` });
  marks.forEach((mark, i) => {
    svg.append(shape("line", { class: "grid", x1: left, x2: right, y1: y(mark), y2: y(mark) }));
    svg.append(shape("text", { x: left - 7, y: y(mark) + 4, "text-anchor": "end" }, labels[i]));
  });
  const wanted = Math.max(2, Math.floor((right - left) / 110));
  for (let i = 0; i <= wanted; i += 1) {
    const time = from + ((to - from) * i) / wanted;
    const anchor = i === 0 ? "start" : i === wanted ? "end" : "middle";
    svg.append(shape("text", { x: xOf(time), y: height - 4, "text-anchor": anchor }, clock(time, to - from <= 1800)));
  }
  for (const one of panel.thresholds) {
    const colour = one.value === null ? null : cssColour(one.colour);
    if (colour && one.value >= bottom && one.value <= top) {
      svg.append(shape("line", { class: "limit", x1: left, x2: right, y1: y(one.value), y2: y(one.value), stroke: colour }));
    }
  }
  const floor = y(Math.max(bottom, Math.min(top, 0)));
  if (panel.stacked || lines.length === 1) {
    [...lines.entries()].reverse().forEach(([i, one]) => {
      svg.append(shape("path", { class: "under", d: areaOf(one.values, x, y, floor), fill: seriesColour(i) }));
    });
  }
  lines.forEach((one, i) => {
    const path = shape("path", { class: "curve", d: pathOf(one.values, x, y), stroke: seriesColour(i) });
    if (i >= SERIES_COLOURS) path.setAttribute("stroke-dasharray", "6 3");
    svg.append(path);
    for (const at of lonely(one.values)) {
      svg.append(shape("circle", { class: "dot", cx: x(at), cy: y(one.values[at]), r: 3.5, fill: seriesColour(i) }));
    }
  });
  if (hover.time !== null && hover.time >= from) {
    const at = nearest(times, hover.time);
    svg.append(shape("line", { class: "cross", x1: x(at), x2: x(at), y1: head, y2: foot }));
    lines.forEach((one, i) => {
      const value = one.values[at] ?? null;
      if (value !== null) svg.append(shape("circle", { class: "dot", cx: x(at), cy: y(value), r: 3.5, fill: seriesColour(i) }));
    });
    if (hover.panel === number) place.append(tip(panel, times, at, x(at), width));
  }
  svg.addEventListener("pointermove", (event) => {
    const inside = (event.clientX - place.getBoundingClientRect().left - left) / (right - left);
    hover.time = from + (to - from) * Math.min(1, Math.max(0, inside));
    hover.panel = number;
    draw();
  });
  place.prepend(svg);
}

function tip(panel, times, at, x, width) {
  const rows = panel.series
    .map((one, i) => ({ one, i, value: one.values[at] ?? null }))
    .filter(({ value }) => value !== null)
    .sort((a, b) => b.value - a.value)
    .slice(0, 10)
    .map(({ one, i, value }) => element("div", {}, element("span", {}, key(i), one.name), formatValue(value, panel.unit, panel.decimals)));
  const made = element("div", { class: "tip" }, element("b", {}, clock(times[at], true)), ...rows);
  return styled(made, x < width / 2 ? { left: `${x + 14}px`, top: "6px" } : { right: `${width - x + 14}px`, top: "6px" });
}

function key(i) {
  return styled(element("span", { class: "key" }), { background: seriesColour(i) });
}

function drawHeatmap(panel, place, times) {
  const { width, height } = place.getBoundingClientRect();
  const rows = panel.bounds.length;
  if (width < 60 || height < 40 || !rows) return;
  const left = 14 + 6.6 * Math.max(...panel.bounds.map((bound) => bound.length + 2));
  const [right, head, foot] = [width - 12, 6, height - 20];
  const columns = Math.min(times.length, Math.max(10, Math.floor((right - left) / 9)));
  const [wide, high] = [(right - left) / columns, (foot - head) / rows];
  const picked = Array.from({ length: columns }, (_, i) => Math.round(((i + 1) * (times.length - 1)) / columns));
  const most = Math.max(...panel.cells.flatMap((row) => row.map((value) => value ?? 0)), 0);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  panel.bounds.forEach((bound, i) => {
    const y = foot - (i + 1) * high;
    svg.append(shape("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
    if (high > 12 || i % Math.ceil(12 / high) === 0) {
      svg.append(shape("text", { x: left - 7, y: y + high / 2 + 4, "text-anchor": "end" }, `≤ ${bound}`));
    }
    picked.forEach((at, column) => {
      const value = panel.cells[i][at];
      if (!value) return;
      const opacity = 0.12 + 0.88 * Math.sqrt(value / most);
      const cell = shape("rect", { x: left + column * wide + 0.5, y: y + 0.5, width: Math.max(0.5, wide - 1), height: Math.max(0.5, high - 1), rx: 1.5 });
      styled(cell, { fill: `rgba(var(--heat), ${opacity.toFixed(3)})` });
      cell.append(shape("title", {}, `${clock(times[at], true)} · ≤ ${bound}: ${formatValue(value, panel.unit, panel.decimals)}`));
      svg.append(cell);
    });
  });
  svg.append(shape("text", { x: left, y: height - 4 }, clock(times[0], true)));
  svg.append(shape("text", { x: right, y: height - 4, "text-anchor": "end" }, clock(times[times.length - 1], true)));
  place.append(svg);
}

/** What a panel without axes shows of a series: the newest value, of a counter's rate that ended the total. */
function shownValue(one) {
  return one.last ?? one.total;
}

function drawBars(panel, place) {
  const shown = panel.series.map((one, i) => ({ one, i, value: shownValue(one) })).filter(({ value }) => value !== null).sort((a, b) => b.value - a.value);
  const most = panel.most ?? Math.max(...shown.map(({ value }) => Math.abs(value)), 0);
  const low = panel.least ?? 0;
  const bars = element("div", { class: "bars" });
  for (const { one, i, value } of shown) {
    const share = most > low ? Math.min(1, Math.max(0, (Math.abs(value) - low) / (most - low))) : 0;
    const fill = styled(element("div", { class: "fill" }), { width: `${(100 * share).toFixed(1)}%`, background: thresholdColour(value, panel.thresholds) ?? seriesColour(i) });
    bars.append(element("span", { class: "name", title: one.name }, one.name), element("div", { class: "rail" }, fill));
    bars.append(element("span", { class: "number" }, formatValue(value, panel.unit, panel.decimals)));
  }
  place.append(bars);
}

function drawStats(panel, place) {
  const { width, height } = place.getBoundingClientRect();
  const stats = element("div", { class: "stats" });
  const sparked = panel.series.length === 1 && panel.series[0].values.length > 1 && width > 60;
  if (sparked) {
    const [low, high] = extent(panel.series, panel.least, panel.most);
    const values = panel.series[0].values;
    const x = (i) => (width * i) / (values.length - 1);
    const y = (value) => height - 2 - (height * 0.45 * (value - low)) / (high - low || 1);
    const colour = thresholdColour(panel.series[0].last, panel.thresholds) ?? seriesColour(0);
    place.append(shape("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, shape("path", { class: "under", d: areaOf(values, x, y, height), fill: colour }), shape("path", { class: "curve", d: pathOf(values, x, y), stroke: colour, opacity: "0.5" })));
  }
  for (const one of panel.series) {
    const value = shownValue(one);
    const big = styled(element("div", { class: "big" }, formatValue(value, panel.unit, panel.decimals)), { color: thresholdColour(value, panel.thresholds) ?? "" });
    stats.append(element("div", { class: "stat" }, big, panel.series.length > 1 ? element("div", { class: "name" }, one.name) : ""));
  }
  place.append(styled(stats, { position: "relative" }));
}

function drawTable(panel, place) {
  const rows = panel.series.map((one) => element("tr", {}, element("td", {}, one.name), element("td", {}, formatValue(shownValue(one), panel.unit, panel.decimals))));
  const head = element("tr", {}, element("th", {}, ""), element("th", {}, "value"));
  place.append(element("div", { class: "table" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
}

function legendOf(panel) {
  const totals = panel.series.some((one) => one.total !== null);
  const head = element("tr", {}, element("th", {}, ""), element("th", {}, "now"));
  if (totals) head.append(element("th", { title: "the same query over everything since the job began, counters in place of their rates" }, "since start"));
  const body = element("tbody");
  panel.series.forEach((one, i) => {
    const row = element("tr", {}, element("td", {}, key(i), one.name), element("td", {}, formatValue(one.last, panel.unit, panel.decimals)));
    const unit = panel.unit in PER_SECOND ? "" : panel.unit;
    if (totals) row.append(element("td", {}, formatValue(one.total, unit, null)));
    body.append(row);
  });
  const more = panel.more ? [element("span", { class: "more" }, `and ${panel.more} more`)] : [];
  return element("div", { class: "legend" }, element("table", {}, element("thead", {}, head), body), ...more);
}

function emptyNotice(panel) {
  const problems = panel.queries.filter((query) => query.problem !== null);
  if (problems.length) {
    return element("div", { class: "problem" }, `not shown here: ${problems[0].problem}`, element("code", {}, problems[0].text));
  }
  if (panel.queries.length && panel.queries.every((query) => query.text.startsWith("ALERTS{"))) {
    return element("div", { class: "empty" }, "no alert");
  }
  const text = ["running", "waiting"].includes(state.job.state) ? "waiting for data" : "the job gave no data for this";
  return element("div", { class: "empty" }, text, element("code", {}, panel.queries.map((query) => query.text).join("  ·  ")));
}

const DRAWINGS = { lines: drawLines, stat: drawStats, bars: drawBars, heatmap: drawHeatmap, table: drawTable };

function drawPanel(panel, card, times, number) {
  card.className = `panel kind-${panel.kind}`;
  const wide = { gridColumn: `${panel.x + 1} / span ${Math.min(panel.w, 24 - panel.x)}`, gridRow: `${panel.y + 1} / span ${panel.h}` };
  styled(card, wide);
  const heading = element("h2", { title: [panel.description, ...panel.queries.map((query) => query.text)].filter(Boolean).join("\n") }, panel.title);
  if (panel.kind === "row") {
    card.replaceChildren(heading);
    return;
  }
  if (panel.kind === "text") {
    card.replaceChildren(heading, element("div", { class: "text" }, panel.content));
    return;
  }
  const scrolled = card.querySelector(".legend")?.scrollTop ?? 0;
  const place = element("div", { class: "drawing" });
  const failed = panel.queries.some((query) => query.problem !== null);
  const empty = failed || (panel.kind === "heatmap" ? !panel.bounds.length : !panel.series.length);
  card.replaceChildren(heading, place);
  if (empty) {
    place.append(emptyNotice(panel));
    return;
  }
  if (panel.kind === "lines") {
    const legend = legendOf(panel);
    card.append(legend);
    legend.scrollTop = scrolled;
  }
  DRAWINGS[panel.kind](panel, place, times, number);
}

const STATES = { running: "running", ended: "ended", failed: "failed", waiting: "waiting for the job", gone: "the program has gone" };

function drawHead() {
  const { job } = state;
  document.title = `${state.title} · velo`;
  document.getElementById("title").textContent = state.title;
  document.getElementById("job").textContent = job.name;
  const badge = document.getElementById("status");
  badge.className = `badge ${job.state}`;
  if (badge.textContent !== STATES[job.state]) badge.textContent = STATES[job.state];
  const facts = [["records", grouped(job.records, 0)], ["time", elapsed(job.seconds)]];
  if (job.dead_letters) facts.push(["dead letters", grouped(job.dead_letters, 0)]);
  if (state.left_out) facts.push(["series", "too many: some are left out"]);
  document.getElementById("facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function drawAlerts() {
  const place = document.getElementById("alerts");
  place.hidden = !state.alerts.length;
  const quiet = state.alerts.filter((one) => one.state === "quiet").length;
  const shown = state.alerts.filter((one) => one.state !== "quiet").map((one) => element("div", { class: `alert ${one.state}`, title: one.query }, element("b", {}, one.name), `${one.state}: ${one.text}`));
  if (quiet) shown.push(element("div", { class: "alert" }, `${quiet} ${quiet === 1 ? "alert" : "alerts"} quiet`));
  place.replaceChildren(...shown);
}

function draw() {
  if (state === null) return;
  drawHead();
  drawAlerts();
  const main = document.getElementById("panels");
  if (main.children.length !== state.panels.length || main.querySelector(".notice")) {
    main.replaceChildren(...state.panels.map(() => element("section", { class: "panel" })));
  }
  state.panels.forEach((panel, i) => drawPanel(panel, main.children[i], state.times, i));
}

async function refresh() {
  const seconds = document.getElementById("window").value;
  try {
    const answer = await fetch(`/state?seconds=${seconds}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    state = await answer.json();
  } catch {
    if (state !== null) state.job.state = "gone";
    else document.getElementById("status").textContent = STATES.gone;
  }
  draw();
}

function begin() {
  const root = document.documentElement;
  const given = new URLSearchParams(location.search).get("theme");
  root.dataset.theme = given ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  });
  document.getElementById("window").addEventListener("change", refresh);
  document.getElementById("panels").addEventListener("pointerleave", () => {
    hover.time = null;
    hover.panel = -1;
    draw();
  });
  addEventListener("resize", draw);
  const turn = async () => {
    await refresh();
    setTimeout(turn, 1000);
  };
  turn();
}

if (typeof document !== "undefined") begin();
else module.exports = { areaOf, cssColour, duration, elapsed, extent, formatValue, lonely, nearest, pathOf, plainNumber, stacked, thresholdColour, ticks };
