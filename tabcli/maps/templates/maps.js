"use strict";
// Label by looking: points of the first map are chosen, given a label, and downloaded as a CSV. All is in the page.
(function () {
  const data = JSON.parse(document.getElementById("maps-data").textContent);
  const svg = document.querySelector("#m0 .map");
  if (!svg || !data.names.length) return;
  const SVG = "http://www.w3.org/2000/svg";
  const points = [...svg.querySelectorAll("circle")];
  const at = points.map((p) => [Number(p.getAttribute("cx")), Number(p.getAttribute("cy"))]);
  const byId = (id) => document.getElementById(id);
  const chosen = new Set(), labels = new Map();
  const place = new Map(data.names.map((name, i) => [name.toLowerCase(), i]));
  let here = -1, around = null, path = [];

  const say = (text) => { byId("said").textContent = text; };
  const names = (set) => { const all = [...set].map((i) => data.names[i]); return all.slice(0, 8).join("; ") + (all.length > 8 ? " and " + (all.length - 8) + " more" : ""); };

  function show() {
    points.forEach((p, i) => {
      p.classList.toggle("chosen", chosen.has(i));
      p.classList.toggle("labelled", labels.has(i));
      p.classList.toggle("here", i === here);
    });
    const by = new Map();
    for (const [i, label] of labels) by.set(label, [...(by.get(label) || []), i]);
    byId("given").textContent = by.size
      ? "Labelled: " + [...by].map(([label, own]) => label + " (" + own.length + "): " + names(own)).join(" · ") : "";
  }

  function about(i) {
    const near = data.near[i].map((j, k) => data.all[j] + " (" + data.far[i][k].toFixed(2) + ")").join("; ");
    const facts = points[i].querySelector("title").textContent.slice(data.names[i].length + 2);
    return data.names[i] + (near ? ". Nearest: " + near : "") + (facts ? ". " + facts : "");
  }

  function toggle(i) {
    if (chosen.has(i)) chosen.delete(i); else chosen.add(i);
    here = i;
    show();
    say((chosen.has(i) ? "Chosen: " : "No longer chosen: ") + about(i) + ". " + chosen.size + " chosen.");
  }

  function told() { show(); say(chosen.size ? chosen.size + " chosen: " + names(chosen) : "Nothing is chosen."); }

  // Pointers: a click on a point, or a line around several.
  function where(event) {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [p.x, p.y];
  }
  function nearestTo(p, most) {
    let best = -1, least = most * most;
    at.forEach(([x, y], i) => { const d = (x - p[0]) ** 2 + (y - p[1]) ** 2; if (d < least) { least = d; best = i; } });
    return best;
  }
  function inside(p) {
    let odd = false;
    for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
      const [a, b] = [path[i], path[j]];
      if ((a[1] > p[1]) !== (b[1] > p[1]) && p[0] < ((b[0] - a[0]) * (p[1] - a[1])) / (b[1] - a[1]) + a[0]) odd = !odd;
    }
    return odd;
  }
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const free = event.pointerType !== "touch" || svg.classList.contains("drawing");
    path = [where(event)];
    if (!free) return;
    around = document.createElementNS(SVG, "polygon");
    around.setAttribute("class", "around");
    svg.appendChild(around);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!around) return;
    path.push(where(event));
    around.setAttribute("points", path.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "));
  });
  function stop() { if (around) around.remove(); around = null; }
  svg.addEventListener("pointerup", (event) => {
    const last = where(event), first = path[0] || last;
    const far = Math.max(...path.concat([last]).map((p) => Math.hypot(p[0] - first[0], p[1] - first[1])));
    const drawn = around && far > 8;
    stop();
    if (drawn) { at.forEach((p, i) => { if (inside(p)) chosen.add(i); }); told(); } else if (far <= 8) {
      const i = nearestTo(last, 14);
      if (i >= 0) toggle(i);
    }
    path = [];
  });
  svg.addEventListener("pointercancel", () => { stop(); path = []; });

  // The keyboard: arrows go to the nearest point in their direction, the space bar chooses.
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") { if (here >= 0) toggle(here); event.preventDefault(); return; }
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    if (here < 0) here = 0;
    else {
      let best = -1, least = Infinity;
      at.forEach(([x, y], i) => {
        const along = (x - at[here][0]) * way[0] + (y - at[here][1]) * way[1];
        const aside = Math.abs((x - at[here][0]) * way[1]) + Math.abs((y - at[here][1]) * way[0]);
        if (i !== here && along > 0 && aside <= along && along + aside < least) { least = along + aside; best = i; }
      });
      if (best < 0) { say("No series further that way."); return; }
      here = best;
    }
    show();
    say(about(here));
  });

  // The buttons.
  byId("choose").addEventListener("click", () => {
    const i = place.get(byId("find").value.trim().toLowerCase());
    if (i === undefined) say("No series is called " + byId("find").value + "."); else toggle(i);
  });
  byId("find").addEventListener("keydown", (event) => { if (event.key === "Enter") byId("choose").click(); });
  byId("lasso").addEventListener("click", () => {
    const on = svg.classList.toggle("drawing");
    byId("lasso").setAttribute("aria-pressed", String(on));
  });
  byId("more").addEventListener("click", () => {
    const drawnAs = new Map(data.places.map((p, i) => [p, i]));
    for (const i of [...chosen]) for (const j of data.near[i]) if (drawnAs.has(j)) chosen.add(drawnAs.get(j));
    told();
  });
  byId("give").addEventListener("click", () => {
    const label = byId("label").value.trim();
    if (!label || !chosen.size) { say(label ? "Choose a series first." : "Write a label first."); return; }
    for (const i of chosen) labels.set(i, label);
    const n = chosen.size;
    chosen.clear();
    show();
    say(n + " labelled " + label + ".");
  });
  byId("none").addEventListener("click", () => { chosen.clear(); told(); });
  byId("download").addEventListener("click", () => {
    if (!labels.size) { say("No series has a label yet."); return; }
    const cell = (text) => (/[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text);
    const rows = [[...data.keys, "label"], ...[...labels].map(([i, label]) => [...data.rows[i], label])];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.map((r) => r.map(cell).join(",") + "\n").join("")], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    URL.revokeObjectURL(link.href);
    say(labels.size + " labels written to labels.csv: give it to tabcli embeddings --label.");
  });

  for (const name of data.names) { const option = document.createElement("option"); option.value = name; byId("names").appendChild(option); }
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "map");
  for (const id of ["label-by-looking", "what-is-chosen"]) byId(id).hidden = false;
  told();
})();
