"use strict";
// Draws one series of the page: its past, its forecast, its 80 % interval, its weeks. All numbers are in the page.
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("series-data").textContent);
  const bytes = Uint8Array.from(atob(data.numbers), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const horizon = data.dates.length - data.n_past;
  const width = 2 * data.n_past + 3 * horizon;
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
    const after = (j) => values.slice(2 * data.n_past + j * horizon, 2 * data.n_past + (j + 1) * horizon);
    const before = (j) => values.slice(j * data.n_past, (j + 1) * data.n_past);
    return { actual: before(0), past: before(1), forecast: after(0), low: after(1), high: after(2) };
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

  function percent(share) {
    const text = Math.abs(100 * share).toFixed(0) + "\u00a0%";
    return (Math.round(100 * share) ? (share < 0 ? "\u2212" : "+") : "") + text;
  }

  function table(parent, label, header, rows) {
    const scroll = element(parent, "div", { class: rows.length > 20 ? "scroll tall" : "scroll", tabindex: "0", role: "group", "aria-label": label });
    const made = element(scroll, "table");
    element(made, "caption", {}, label);
    const head = element(element(made, "thead"), "tr");
    for (const name of header) element(head, "th", { scope: "col" }, name);
    const body = element(made, "tbody");
    for (const cells of rows) {
      const row = element(body, "tr");
      cells.forEach((c, i) => element(row, i ? "td" : "th", i ? {} : { scope: "row" }, c));
    }
  }

  function round(bottom, top) {
    const rough = (top - bottom) / 4, size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((s) => s * size >= rough) * size, values = [];
    for (let i = Math.ceil(bottom / step - 1e-9); i * step <= top + 1e-9 * step; i++) values.push(i * step || 0);
    return values;
  }

  function chart(k, n) {
    const all = [...n.actual, ...n.past, ...n.forecast, ...n.low, ...n.high].filter((v) => v !== null);
    const top = Math.max(...all, 0) || 1, bottom = Math.min(...all, 0);
    const w = Math.max(280, Math.min(out.clientWidth || 700, 960)), h = 260, left = 58, foot = 24;
    const x = (i) => left + (i / Math.max(data.dates.length - 1, 1)) * (w - left - 12);
    const y = (v) => 10 + (1 - (v - bottom) / (top - bottom)) * (h - foot - 14);
    const svg = element(out, "svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-labelledby": "one-title one-desc" });
    element(svg, "title", { id: "one-title" }, "Series " + data.names[k]);
    element(svg, "desc", { id: "one-desc" }, "What happened and what was forecast of it, then the forecast with its 80 % interval; the numbers follow.");
    for (const value of round(bottom, top)) {
      element(svg, "path", { class: "axis", d: `M${left} ${y(value)}H${w - 12}` });
      element(svg, "text", { class: "tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value));
    }
    const ends = [[0, "start"], [data.n_past, "middle"], [data.dates.length - 1, "end"]];
    if (w < 480 || !horizon) ends.splice(1, 1); // the dates would run into each other
    for (const [i, anchor] of ends) {
      element(svg, "text", { class: "tick", x: x(i), y: h - 6, "text-anchor": anchor }, data.dates[i]);
    }
    const first = data.n_past, half = (x(1) - x(0)) / 2;
    for (let i = 0; i < horizon; i++) {
      if (n.low[i] === null) continue;
      const from = y(n.high[i]);
      element(svg, "rect", { class: "band", x: x(first + i) - half, y: from, width: 2 * half, height: Math.max(y(n.low[i]) - from, 0) });
    }
    element(svg, "path", { class: "actual-line", d: path(n.actual, x, y, 0) });
    element(svg, "path", { class: "past-line", d: path(n.past, x, y, 0) });
    element(svg, "path", { class: "forecast-line", d: path(n.forecast, x, y, first) });
    const key = element(out, "p", { class: "key" });
    for (const [name, text, values] of [["actual", "what happened", n.actual], ["past", "forecast of past windows", n.past], ["forecast", "forecast, with its 80 % interval", n.forecast]]) {
      if (values.some((v) => v !== null)) element(key, "span", { class: "key-" + name }, text);
    }
  }

  function weekly(k) {
    const weeks = data.weeks[k] || [], before = data.week_before[k];
    const there = data.week_starts.map((start, i) => [start, ...weeks[i]]).filter((week) => week[1] !== null);
    if (!there.length) return "";
    const rows = data.week_starts.map((start, i) => {
      const [value, low, high] = weeks[i], then = i ? weeks[i - 1][0] : before, days = data.week_days[i];
      const change = value !== null && then && days === 7 ? percent(value / then - 1) : "–";
      const within = low === null ? "–" : `${shown(low)} … ${shown(high)}`;
      return [start + (days < 7 ? `, ${days} days` : ""), shown(value), within, change];
    });
    table(out, "Seven days each, and the change on the seven before", ["from", "forecast", "80 % interval", "change"], rows);
    const [start, value, low, high] = there[0], days = data.week_days[data.week_starts.indexOf(start)];
    const sure = low === null ? "" : ` (80 times of 100 within ${shown(low)} … ${shown(high)})`;
    const change = before && days === 7 ? `, ${percent(value / before - 1)} on the seven days before (${shown(before)})` : "";
    return `the ${days} days from ${start}: ${shown(value)}${sure}${change}`;
  }

  function why(k) {
    const values = data.why[k], before = data.week_before[k];
    if (!values || !before) return;
    const parts = values.map((value, i) => ({ value, name: data.why_parts[i], days: data.why_days[k][i] }));
    parts.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const small = parts.filter((p) => p.value && Math.abs(p.value) < 0.005 * before);
    const rest = small.reduce((sum, p) => sum + p.value, 0);
    const rows = parts.filter((p) => p.value && !small.includes(p)).map((p) => [p.name + told(p.days), p.value]);
    if (small.length) rows.push([`${small.length} smaller parts together`, rest]);
    const all = values.reduce((sum, v) => sum + v, 0);
    element(out, "h3", {}, `Why ${percent(all / before)} on the seven days before`);
    const sign = (v) => (v < 0 ? "\u2212" : "+") + shown(Math.abs(v));
    table(out, "What makes the difference", ["part", "amount", "of the week before"], rows.map(([name, v]) => [name, sign(v), percent(v / before)]));
  }

  function told(days) {
    return days[0] < 0 ? "" : ` (on ${days[0]} ${days[0] === 1 ? "day" : "days"}, ${days[1]} the week before)`;
  }

  function draw(k) {
    const n = numbersOf(k), off = data.off[k];
    out.replaceChildren();
    if (off) element(out, "p", { class: "dim" }, `Past forecasts of this series were off by ${(100 * off).toFixed(0)}\u00a0% of what happened.`);
    chart(k, n);
    why(k);
    const week = weekly(k);
    const more = element(out, "details");
    element(more, "summary", {}, "Numbers of " + data.names[k]);
    const rows = [];
    data.dates.forEach((date, i) => {
      const j = i - data.n_past;
      const cells = j < 0 ? [n.actual[i], n.past[i], null, null] : [null, n.forecast[j], n.low[j], n.high[j]];
      if (cells.some((c) => c !== null)) rows.push([date, ...cells.map(shown)]);
    });
    table(more, "Numbers of the series", ["date", "what happened", "forecast", "80 % from", "80 % to"], rows);
    const total = n.forecast.reduce((sum, v) => sum + (v || 0), 0);
    say.textContent = `${data.by} ${data.names[k]}, `.trimStart() + (week || (horizon ? `forecast ${shown(total)} in all` : "past windows"));
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
