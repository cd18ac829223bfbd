// What all screens use: elements, numbers as text, colours, tables.

let D = null;
let query = "";

function el(tag, attributes, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "css") Object.assign(made.style, value);
    else made.setAttribute(name, value);
  }
  // Links are for the keyboard, too.
  if (tag === "a") {
    made.tabIndex = 0;
    made.setAttribute("role", "button");
    made.addEventListener("keydown", (e) => { if (e.key === "Enter") made.click(); });
  }
  made.append(...content.filter((each) => each !== null && each !== undefined));
  return made;
}

function ns(value) {
  const sign = value < 0 ? "-" : "", v = Math.abs(value);
  if (v < 1000) return sign + Math.round(v) + " ns";
  for (const [unit, size] of [["µs", 1e3], ["ms", 1e6]]) {
    if (v < size * 999.95) return sign + digits(v / size) + " " + unit;
  }
  return sign + digits(v / 1e9) + " s";
}
const digits = (v) => v < 10 ? v.toFixed(2) : v < 100 ? v.toFixed(1) : v.toFixed(0);
const big = (n) => n.toLocaleString("en-US");
const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "";
const nameOf = (f) => D.functions[f].name;
const placeOf = (f) => {
  const fn = D.functions[f];
  return fn.file ? fn.file + (fn.line ? ":" + fn.line : "") : fn.module;
};
const matches = (text) => query !== "" && text.toLowerCase().includes(query);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const trackName = (t) => `${t.name} ${t.tid}` + (t.stack ? `, stack ${t.stack + 1}` : "");
const spanOf = (t, i) => t.end[i] - t.start[i];

// Hues apart for red-green blindness: blue to yellow; brightness by the name, too.
function colour(f) {
  let h = 2166136261;
  for (const c of D.functions[f].module + D.functions[f].name) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  const hue = 195 + ((h >>> 8) & 63), warm = (h >>> 3) & 3;
  return warm === 0 ? `hsl(${38 + ((h >>> 8) & 15)} 75% ${66 + (h >>> 20 & 7)}%)`
    : `hsl(${hue} ${45 + (h >>> 14 & 15)}% ${66 + (h >>> 20 & 15)}%)`;
}

// columns: {title, left, value(row) for sorting, show(row)}. Sorted by a click on a title.
function table(columns, rows, options = {}) {
  let by = options.by ?? 0, down = true, all = false;
  const body = el("tbody"), most = options.most || 200, more = el("div", {class: "soft"});
  function fill() {
    const key = columns[by].value;
    const wanted = query && options.text ? rows.filter((row) => matches(options.text(row))) : rows;
    const sorted = [...(wanted.length ? wanted : rows)].sort((a, b) => {
      const x = key(a), y = key(b);
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    const shown = all ? sorted : sorted.slice(0, most);
    body.replaceChildren(...shown.map((row) => {
      const hit = options.text && matches(options.text(row));
      return el("tr", {class: hit ? "hit" : ""},
        ...columns.map((c) => el("td", {class: c.left ? "l" : ""}, c.show(row))));
    }));
    more.replaceChildren(...(shown.length < sorted.length
      ? [`${big(shown.length)} of ${big(sorted.length)}. `, el("a", {onclick: () => { all = true; fill(); }}, "Show all")]
      : []));
  }
  const head = el("tr", {}, ...columns.map((c, k) => el("th", {
    class: c.left ? "l" : "", scope: "col", tabindex: 0,
    onclick: () => { down = by === k ? !down : !c.left; by = k; fill(); },
    onkeydown: (e) => { if (e.key === "Enter") e.target.click(); }}, c.title)));
  if (columns[by].left) down = false;
  fill();
  const made = el("div", {class: "table"}, el("table", {}, el("thead", {}, head), body), more);
  made.refill = fill;
  return made;
}

// Canvas of the size that it has on the page, sharp on any screen.
function fit(canvas) {
  const box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.floor(box.width)), h = Math.max(1, Math.floor(box.height));
  if (canvas.width !== Math.floor(w * scale)) canvas.width = Math.floor(w * scale);
  if (canvas.height !== Math.floor(h * scale)) canvas.height = Math.floor(h * scale);
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.font = "11px system-ui, DejaVu Sans, sans-serif";
  g.textBaseline = "middle";
  return [g, w, h];
}

function tip(text, event) {
  const box = document.getElementById("tip");
  box.style.display = text ? "block" : "none";
  if (!text) return;
  box.textContent = text;
  box.style.left = Math.min(event.clientX + 12, innerWidth - box.offsetWidth - 8) + "px";
  box.style.top = Math.min(event.clientY + 16, innerHeight - box.offsetHeight - 8) + "px";
}

// Own time of each call of a track: without the calls below it.
function ownTimes(track) {
  if (track.own) return track.own;
  const own = track.own = new Float64Array(track.count);
  for (let i = 0; i < track.count; i++) {
    // Of a run: without what lies between its calls.
    const length = track.func[i] < 0 ? track.runs.get(i)[1] : spanOf(track, i);
    own[i] += length;
    if (track.parent[i] >= 0) own[track.parent[i]] -= length;
  }
  return own;
}

// [track, call] of the longest kept call of a function.
function longestCall(f) {
  let best = null, most = -1;
  for (const t of D.tracks) {
    for (let i = 0; i < t.count; i++) {
      if (t.func[i] === f && spanOf(t, i) > most) {
        most = spanOf(t, i);
        best = [t, i];
      }
    }
  }
  return best;
}
