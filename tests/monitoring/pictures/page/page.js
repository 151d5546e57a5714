// Draws the panels of one dashboard as Grafana lays them out: 24 columns, rows of fixed height.
const COLUMN = 1376 / 24, ROW = 32;
const COLORS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d",
  "#ffb357", "#c0d8ff", "#ff7383", "#ca95e5", "#37872d", "#fade2a", "#1f60c4", "#c4162a"];
const NAMED = { green: "#3f8a3a", orange: "#c4740d", red: "#c4162a", blue: "#5794f2" };

function scaled(value, base, units) {
  let at = 0;
  while (Math.abs(value) >= base && at < units.length - 1) { value /= base; at += 1; }
  return `${digits(value)} ${units[at]}`.trim();
}

function digits(value) {
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

function seconds(value) {
  const size = Math.abs(value);
  if (size < 1) return size === 0 ? "0 s" : `${digits(value * 1000)} ms`;
  for (const [unit, length] of [["days", 86400], ["h", 3600], ["min", 60]])
    if (size >= 2 * length) return `${digits(value / length)} ${unit}`;
  return `${digits(value)} s`;
}

const UNITS = {
  s: seconds,
  bytes: (v) => scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
  Bps: (v) => scaled(v, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]),
  percentunit: (v) => `${digits(v * 100)} %`,
  celsius: (v) => `${digits(v)} °C`,
  watt: (v) => `${digits(v)} W`,
  rotrpm: (v) => `${digits(v)} rpm`,
  reqps: (v) => `${digits(v)} req/s`,
  ops: (v) => `${digits(v)} ops/s`,
  iops: (v) => `${digits(v)} io/s`,
  short: (v) => scaled(v, 1000, ["", "K", "M"]),
};

function element(name, parent, text, style) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  Object.assign(made.style, style || {});
  parent.append(made);
  return made;
}

const clock = (time) => new Date(time * 1000).toISOString().slice(11, 16);
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);
const number = (text) => (Number.isFinite(Number(text)) ? Number(text) : null);

function color(value, steps) {
  let found = steps[0].color;
  for (const step of steps) if (step.value !== null && value >= step.value) found = step.color;
  return NAMED[found] || found;
}

function drawStat(panel, box) {
  const { defaults } = panel.fieldConfig, words = (defaults.mappings[0] || { options: {} }).options;
  for (const series of panel.series) {
    const value = number(series.values.at(-1)[1]);
    const text = value === null ? "no data" : (words[value] || {}).text || UNITS[defaults.unit](value);
    const shown = color(value, defaults.thresholds.steps);
    const filled = panel.options.colorMode === "background";
    const stat = element("div", box, text, filled ? { background: shown } : { color: shown });
    stat.className = "stat";
    if (panel.series.length > 1) element("span", stat, series.name);
  }
}

function drawTable(panel, box) {
  const columns = panel.transformations[1].options.renameByName, table = element("table", box);
  const head = element("tr", table);
  for (const heading of Object.values(columns)) element("th", head, heading);
  for (const series of panel.series) {
    const line = element("tr", table);
    for (const label of Object.keys(columns)) element("td", line, series.labels[label] || "");
  }
}

function aligned(panel) {
  // Points that Prometheus leaves out are gaps.
  const { range: [begin, end], step } = BOARD, count = Math.floor((end - begin) / step) + 1;
  const place = (time) => Math.round((time - begin) / step);
  return [Array.from({ length: count }, (_, i) => begin + i * step), ...panel.series.map((series) => {
    const known = new Map(series.values.map(([time, value]) => [place(time), number(value)]));
    return Array.from({ length: count }, (_, i) => known.get(i) ?? null);
  })];
}

function stack(data) {
  const sums = data[0].map(() => 0);
  return [data[0], ...data.slice(1).map((line) => line.map((v, i) => (sums[i] += v ?? 0)))];
}

function drawGraph(panel, box, width, height) {
  const { defaults } = panel.fieldConfig, unit = UNITS[defaults.unit];
  const binary = defaults.unit === "bytes";
  const stacked = defaults.custom.stacking.mode === "normal";
  let data = aligned(panel);
  if (stacked) data = stack(data);
  const top = Math.max(...data.slice(1).flat().filter((v) => v !== null), 0) || 1;
  const legend = document.createElement("ul"), place = element("div", box, undefined, { flex: "1" });
  const series = panel.series.map((one, i) => {
    const stroke = COLORS[i % COLORS.length];
    const item = element("li", legend);
    element("i", item, "", { background: stroke });
    item.append(one.name);
    return { stroke, width: 1.2, fill: stacked ? stroke + "40" : stroke + "0d", points: { show: false } };
  });
  box.append(legend);
  const axis = { stroke: "#9d9da8", grid: { stroke: "#25282e", width: 1 }, ticks: { show: false },
    font: "10px DejaVu Sans" };
  if (stacked) { series.reverse(); data = [data[0], ...data.slice(1).reverse()]; }
  new uPlot({
    width: width - 18, height: height - 36 - Math.max(legend.offsetHeight, 14),
    legend: { show: false }, cursor: { show: false },
    scales: { x: { range: BOARD.range }, y: { range: [0, defaults.max ?? top * 1.1] } },
    axes: [
      { ...axis, size: 22, space: 45, incrs: [60, 120, 300, 600, 1800, 3600], values: (_, ticks) => ticks.map(clock) },
      { ...axis, size: 66, values: (_, ticks) => ticks.map(unit), ...(binary ? { incrs: BINARY } : {}) },
    ],
    series: [{}, ...series],
  }, data, place);
}

function drawPanel(panel) {
  const { x, y, w, h } = panel.gridPos, width = w * COLUMN, height = h * ROW;
  const outer = element("div", document.getElementById("board"), undefined, {
    left: `${x * COLUMN}px`, top: `${y * ROW}px`, width: `${width}px`, height: `${height}px` });
  outer.className = panel.type === "row" ? "row" : "panel";
  if (panel.type === "row") { outer.textContent = panel.title; return; }
  const box = element("div", outer);
  box.className = "inner";
  element("h2", box, panel.title);
  if (!panel.series.length) element("div", box, "No data").className = "none";
  else if (panel.type === "stat") drawStat(panel, box);
  else if (panel.type === "table") drawTable(panel, box);
  else drawGraph(panel, box, width, height);
}

const header = document.getElementById("header");
element("span", header, BOARD.title);
for (const [label, value] of Object.entries(BOARD.chosen)) element("small", header, `${label}: ${value}`);
BOARD.panels.forEach(drawPanel);
