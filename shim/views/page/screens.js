// The screens that are tables: overview, functions, HTTP, errors, about.

const link = (text, t, i) => el("a", {onclick: () => timeline.pick(t, i)}, text);
function functionLink(f) {
  return el("a", {title: placeOf(f), onclick: () => {
    const best = longestCall(f);
    if (best) timeline.pick(...best); else showFunction(f);
  }}, nameOf(f));
}

function functionsTable(most) {
  const whole = D.functions.reduce((sum, fn) => sum + fn.own, 0);
  const rows = D.functions.map((fn, f) => ({f, ...fn})).filter((row) => row.calls > 0);
  const number = (title, key, show = ns) => ({title, value: (r) => r[key], show: (r) => show(r[key])});
  return table([
    {title: "function", left: true, value: (r) => r.name, show: (r) => functionLink(r.f)},
    number("own", "own"),
    {title: "% of all", value: (r) => r.own, show: (r) => el("span", {},
      el("span", {class: "bar", css: {width: Math.round(60 * r.own / (whole || 1)) + "px"}}), percent(r.own, whole))},
    number("total", "total"), number("calls", "calls", big), number("median", "p50"), number("p99", "p99"),
    number("longest", "max")], rows, {by: 1, most, text: (r) => r.name});
}

function allErrors() {
  const list = [];
  for (const t of D.tracks) {
    for (const [i, mark] of t.marks) if (mark.failed) list.push({t, i, ...mark});
  }
  return list;
}
function errorGroups() {
  const groups = new Map();
  for (const error of allErrors()) {
    const key = JSON.stringify([error.kind, error.type, error.message]);
    if (!groups.has(key)) groups.set(key, {...error, times: 0, calls: []});
    const group = groups.get(key);
    group.times++;
    // The innermost call that it left says where it came from.
    if (!group.calls.length || error.t.depth[error.i] > group.calls[0].t.depth[group.calls[0].i]) group.calls.unshift(error);
    else group.calls.push(error);
  }
  return [...groups.values()];
}
function errorsTable(most) {
  return table([
    {title: "what", left: true, value: (r) => r.type, show: (r) => el("span", {class: "bad"},
      [r.type || r.kind, r.message].filter((each) => each).join(": "))},
    {title: "calls that it left", value: (r) => r.times, show: (r) => big(r.times)},
    {title: "in", left: true, value: (r) => nameOf(r.t.func[r.i]),
      show: (r) => link(nameOf(r.calls[0].t.func[r.calls[0].i]), r.calls[0].t, r.calls[0].i)}],
    errorGroups(), {by: 1, most, text: (r) => r.type + r.message});
}

const failedExchange = (e) => e.error !== "" || e.status >= 400;
function exchangesTable(list, most) {
  let low = Infinity, high = 0;
  for (const e of D.exchanges) {
    if (e.start < low) low = e.start;
    if (e.end > high) high = e.end;
  }
  const x = (at) => (100 * (at - low) / Math.max(1, high - low)).toFixed(3) + "%";
  return table([
    {title: "request", left: true, value: (e) => e.start, show: (e) => el("span", {},
      "\u2003".repeat(e.level), e.level ? "└ " : "", e.server ? "served " : "", `${e.method} ${e.url}`)},
    {title: "status", value: (e) => e.status, show: (e) => el("span", {class: failedExchange(e) ? "bad" : "good"},
      e.error || String(e.status || "none"))},
    {title: "time", value: (e) => e.end - e.start, show: (e) => ns(e.end - e.start)},
    {title: "first byte", value: (e) => e.first, show: (e) => e.first >= 0 ? ns(e.first) : ""},
    {title: "bytes", value: (e) => e.response, show: (e) => big(e.response)},
    {title: "waiting (light), receiving (dark)", left: true, value: (e) => e.start, show: (e) => el("div", {class: "fall"},
      el("i", {class: "wait", css: {left: x(e.start), width: `calc(${x(e.end)} - ${x(e.start)})`}}),
      e.first >= 0 ? el("i", {css: {left: x(e.start + e.first), width: `calc(${x(e.end)} - ${x(e.start + e.first)})`}}) : null)}],
    list, {most, text: (e) => e.url});
}
// Servers' exchanges below the clients' that caused them.
function orderExchanges() {
  if (D.orderedExchanges) return D.orderedExchanges;
  const children = new Map();
  for (const e of D.exchanges) {
    const parent = e.parent !== e.id && D.exchangeById.has(e.parent) ? e.parent : "";
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(e);
  }
  const ordered = [];
  const visit = (id, level) => {
    for (const e of (children.get(id) || []).sort((a, b) => a.start - b.start)) {
      if (e.level !== undefined) continue;
      e.level = level;
      ordered.push(e);
      visit(e.id, Math.min(level + 1, 12));
    }
  };
  visit("", 0);
  D.orderedExchanges = ordered;
  return ordered;
}

function makeOverview(section) {
  const cards = el("div", {class: "cards"});
  section.append(cards);
  const card = (title, ...content) => cards.append(el("div", {class: "card"}, el("h2", {}, title), ...content));
  const errors = errorGroups(), failed = D.exchanges.filter(failedExchange);
  if (errors.length) card("What failed", errorsTable(12));
  if (failed.length) card(`Failed requests: ${big(failed.length)} of ${big(D.exchanges.length)}`, exchangesTable(failed, 10));
  if (!errors.length && !failed.length) card("What failed", el("div", {class: "good"}, D.unshownFailures
    ? `${big(D.unshownFailures)} calls, for which there was no memory` : "No call and no request.",
    D.exceptions ? ` ${big(D.exceptions)} exceptions were thrown.` : ""));
  if (D.calls > 0) card("Where the time went", functionsTable(14));
  const longest = [];
  for (const t of D.tracks) {
    const own = ownTimes(t);
    for (let i = 0; i < t.count; i++) {
      if (t.func[i] < 0 || longest.length === 12 && own[i] <= longest[11].own) continue;
      longest.push({t, i, own: own[i]});
      longest.sort((a, b) => b.own - a.own);
      longest.length = Math.min(longest.length, 12);
    }
  }
  if (longest.length) {
    card("Single calls that took longest themselves, by the clock", table([
      {title: "function", left: true, value: (r) => nameOf(r.t.func[r.i]), show: (r) => link(nameOf(r.t.func[r.i]), r.t, r.i)},
      {title: "own", value: (r) => r.own, show: (r) => ns(r.own)},
      {title: "median of its calls", value: (r) => D.functions[r.t.func[r.i]].p50, show: (r) => ns(D.functions[r.t.func[r.i]].p50)},
      {title: "at", value: (r) => r.t.start[r.i], show: (r) => ns(r.t.start[r.i])}], longest, {by: 1}));
  }
  const uneven = D.functions.map((fn, f) => ({f, ...fn})).filter((fn) => fn.calls >= 20 && fn.ownMax > 10 * Math.max(fn.ownP50, 1))
    .sort((a, b) => (b.ownMax - b.ownP50) - (a.ownMax - a.ownP50)).slice(0, 10);
  if (uneven.length) {
    card("Usually fast, sometimes slow (own time)", table([
      {title: "function", left: true, value: (r) => r.name, show: (r) => functionLink(r.f)},
      {title: "median", value: (r) => r.ownP50, show: (r) => ns(r.ownP50)},
      {title: "p99", value: (r) => r.ownP99, show: (r) => ns(r.ownP99)},
      {title: "longest", value: (r) => r.ownMax, show: (r) => ns(r.ownMax)},
      {title: "calls", value: (r) => r.calls, show: (r) => big(r.calls)}], uneven, {by: 3}));
  }
  if (D.exchanges.length) {
    card("Slowest requests", exchangesTable([...D.exchanges].sort((a, b) => (b.end - b.start) - (a.end - a.start)).slice(0, 10), 10));
  }
}

function makeFunctions(section) {
  const chosen = el("div", {class: "pad"}), all = functionsTable(400);
  section.append(chosen, el("div", {class: "pad"}, all));
  showFunction = (f) => {
    show("functions");
    const fn = D.functions[f], callers = new Map(), callees = new Map();
    const add = (map, key, node) => {
      const row = map.get(key) || {f: key, calls: 0, all: 0};
      row.calls += node.calls;
      row.all += node.all;
      map.set(key, row);
    };
    D.tree.forEach((node, k) => {
      if (k === 0) return;
      const parent = D.tree[node.parent];
      if (node.function === f && node.parent !== 0) add(callers, parent.function, node);
      if (node.parent !== 0 && parent.function === f) add(callees, node.function, node);
    });
    const side = (map) => table([
      {title: "function", left: true, value: (r) => nameOf(r.f), show: (r) => el("a", {onclick: () => showFunction(r.f)}, nameOf(r.f))},
      {title: "calls", value: (r) => r.calls, show: (r) => big(r.calls)},
      {title: "time", value: (r) => r.all, show: (r) => ns(r.all)}], [...map.values()], {by: 2, most: 20});
    const best = longestCall(f);
    chosen.replaceChildren(el("div", {class: "card"}, el("h2", {}, fn.name),
      el("div", {class: "soft"}, placeOf(f)),
      el("div", {}, `own ${ns(fn.own)}, total ${ns(fn.total)}, ${big(fn.calls)} calls; median ${ns(fn.p50)}, `
        + `90 % up to ${ns(fn.p90)}, 99 % up to ${ns(fn.p99)}, longest ${ns(fn.max)}   `, best ? link("longest call", ...best) : null),
      histogram(fn)), el("div", {class: "cards", css: {padding: "14px 0 0"}},
      el("div", {class: "card"}, el("h2", {}, "Called by"), side(callers)),
      el("div", {class: "card"}, el("h2", {}, "Calls"), side(callees))));
    document.querySelector("main").scrollTop = 0;
  };
  functions = {draw: all.refill};
}
let functions = null;
let showFunction = () => {};

// How often which duration occurred; each bar is a factor of two.
function histogram(fn) {
  const most = Math.max(...fn.histogram.map((each) => each[1]), 1);
  return el("table", {css: {width: "auto"}}, el("tbody", {}, ...fn.histogram.map(([power, count]) => el("tr", {},
    el("td", {}, power === null ? "0 ns" : ns(1e9 * 2 ** power) + " to " + ns(2e9 * 2 ** power)),
    el("td", {class: "l"}, el("span", {class: "bar", css: {width: Math.max(1, Math.round(300 * count / most)) + "px"}}), big(count))))));
}

function makeHttp(section) {
  const made = exchangesTable(orderExchanges(), 1000);
  section.append(el("div", {class: "pad"}, made));
  http = {draw: made.refill};
}
let http = null;

function makeErrors(section) {
  const groups = errorGroups();
  section.append(el("div", {class: "pad"}, errorsTable(400)));
  section.append(el("div", {class: "cards"}, ...groups.slice(0, 60).map((group) => {
    const withStack = group.calls.find((call) => call.stack) || group.calls[0];
    return el("div", {class: "card"}, el("h2", {class: "bad"}, [group.type || group.kind, group.message].filter((e) => e).join(": ")),
      el("div", {}, `${group.kind ? group.kind + ", " : ""}${big(group.times)} calls; `, link("show in the timeline", group.calls[0].t, group.calls[0].i)),
      withStack.stack ? el("pre", {}, withStack.stack) : null);
  })));
}

function makeAbout(section) {
  const list = el("dl");
  const row = (name, ...value) => list.append(el("dt", {}, name), el("dd", {}, ...value));
  for (const process of D.processes) {
    row("process", `${process.name} ${process.pid}`);
    if (process.command) row("command", el("code", {}, process.command));
  }
  row("began", new Date(D.first / 1e6).toISOString());
  row("wall time", ns(D.length));
  row("calls", `${big(D.calls)}, of which ${big(D.kept)} are in the timeline`);
  row("left out of the timeline", D.threshold
    ? `calls shorter than ${ns(D.threshold)}, but for failed ones, outermost ones, the longest of each function, and those around them. Neighbours are grey bars. All tables, the flame graph and the histograms count all calls`
    : "nothing");
  if (D.unshown) row("not in the timeline", `${big(D.unshown)} calls for which there was no memory; tables count them`);
  row("lost calls", D.lossUnknown ? "an unknown number was not recorded" : D.lost ? `${big(D.lost)} were not recorded` : "none");
  row("sample rate", D.sampleRate < 1 ? `${D.sampleRate}: traces that were not sampled are not here` : "1: every trace");
  row("durations", "timeline: by the clock. Tables and flame graph: without time in which a thread waited for the tracer or another thread had its processor");
  row("made by", "telinject " + D.version);
  row("note", "This file holds names of functions, files, commands and URLs of the traced program: treat it like its source.");
  section.append(el("div", {class: "cards"}, el("div", {class: "card"}, list)));
}
