"use strict";
// Draws one series of the page: its past, its forecast, its 80 % interval. All numbers are in the page.
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("series-data").textContent);
  const bytes = Uint8Array.from(atob(data.numbers), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const horizon = data.dates.length - data.n_past;
  const width = data.n_past + 3 * horizon;
  const GONE = -32768;
  const box = document.getElementById("series");
  const out = document.getElementById("series-chart");
  const say = document.getElementById("series-status");
  const folded = data.names.map((name) => name.toLowerCase());

  function numbersOf(k) {
    const values = [];
    for (let i = 0; i < width; i++) {
      const n = view.getInt16(2 * (k * width + i), true);
      values.push(n === GONE ? null : n * data.units[k]);
    }
    const after = (j) => values.slice(data.n_past + j * horizon, data.n_past + (j + 1) * horizon);
    return { actual: values.slice(0, data.n_past), forecast: after(0), low: after(1), high: after(2) };
  }

  function element(parent, name, attributes, text) {
    const made = document.createElementNS(parent.namespaceURI === SVG || name === "svg" ? SVG : null, name);
    const node = made.namespaceURI === SVG ? made : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  function shown(value) {
    if (value === null) return "–";
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 3;
    return value.toLocaleString("en", { maximumFractionDigits: digits });
  }

  function path(values, x, y, from) {
    let text = "", pen = "M";
    values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      text += pen + x(from + i).toFixed(1) + " " + y(value).toFixed(1);
      pen = "L";
    });
    return text;
  }

  function draw(k) {
    const n = numbersOf(k);
    const all = [...n.actual, ...n.forecast, ...n.low, ...n.high].filter((v) => v !== null);
    const top = Math.max(...all, 0) || 1, bottom = Math.min(...all, 0);
    const w = Math.max(300, Math.min(out.clientWidth || 700, 960)), h = 260, left = 58, foot = 24;
    const x = (i) => left + (i / (data.dates.length - 1)) * (w - left - 12);
    const y = (v) => 10 + (1 - (v - bottom) / (top - bottom)) * (h - foot - 14);
    out.replaceChildren();
    const svg = element(out, "svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-labelledby": "one-title one-desc" });
    element(svg, "title", { id: "one-title" }, "Series " + data.names[k]);
    element(svg, "desc", { id: "one-desc" }, "What happened, then the forecast with its 80 % interval; the numbers follow.");
    for (let i = 0; i <= 4; i++) {
      const value = bottom + ((top - bottom) * i) / 4;
      element(svg, "path", { class: "axis", d: `M${left} ${y(value)}H${w - 12}` });
      element(svg, "text", { class: "tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value));
    }
    const ends = [[0, "start"], [data.n_past, "middle"], [data.dates.length - 1, "end"]];
    if (w < 480) ends.splice(1, 1); // the dates would run into each other
    for (const [i, anchor] of ends) {
      element(svg, "text", { class: "tick", x: x(i), y: h - 6, "text-anchor": anchor }, data.dates[i]);
    }
    const first = data.n_past;
    for (let i = 0; i < horizon; i++) {
      if (n.low[i] === null) continue;
      const half = (x(1) - x(0)) / 2, from = y(n.high[i]);
      element(svg, "rect", { class: "band", x: x(first + i) - half, y: from, width: 2 * half, height: Math.max(y(n.low[i]) - from, 0) });
    }
    element(svg, "path", { class: "actual-line", d: path(n.actual, x, y, 0) });
    element(svg, "path", { class: "forecast-line", d: path(n.forecast, x, y, first) });
    const more = element(out, "details");
    element(more, "summary", {}, "Numbers of " + data.names[k]);
    const scroll = element(more, "div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Numbers of the series" });
    const table = element(scroll, "table");
    const head = element(element(table, "thead"), "tr");
    for (const name of ["date", "what happened", "forecast", "80 % from", "80 % to"]) element(head, "th", { scope: "col" }, name);
    const body = element(table, "tbody");
    data.dates.forEach((date, i) => {
      const j = i - first;
      const cells = j < 0 ? [n.actual[i], null, null, null] : [null, n.forecast[j], n.low[j], n.high[j]];
      if (cells.every((c) => c === null)) return;
      const row = element(body, "tr");
      element(row, "th", { scope: "row" }, date);
      cells.forEach((c) => element(row, "td", {}, shown(c)));
    });
    const total = n.forecast.reduce((sum, v) => sum + (v || 0), 0);
    say.textContent = `${data.names[k]}: forecast ${shown(total)} in all`;
  }

  function look() {
    const text = box.value.trim().toLowerCase();
    if (!text) { say.textContent = `${data.names.length} series; type a name`; return; }
    let k = folded.indexOf(text);
    if (k < 0) k = folded.findIndex((name) => name.startsWith(text));
    if (k < 0) k = folded.findIndex((name) => name.includes(text));
    if (k < 0) { say.textContent = `no series is called ${box.value}`; out.replaceChildren(); return; }
    draw(k);
  }

  const list = document.getElementById("series-names");
  for (const name of data.names) element(list, "option", { value: name });
  document.getElementById("series-search").hidden = false;
  box.addEventListener("input", look);
  draw(0);
})();
