// The page: header, tabs, search, addresses.

const screens = new Map();
function addScreen(id, title, make) {
  const section = el("section", {id, role: "tabpanel"});
  const button = el("button", {role: "tab", "aria-selected": "false", onclick: () => show(id)}, title);
  document.querySelector("main").append(section);
  document.querySelector("nav").append(button);
  screens.set(id, {section, button, make, made: false});
}
function show(id) {
  for (const [each, screen] of screens) {
    screen.section.classList.toggle("on", each === id);
    screen.button.setAttribute("aria-selected", String(each === id));
  }
  const screen = screens.get(id);
  if (!screen.made) {
    screen.made = true;
    screen.make(screen.section);
  }
  if (!location.hash.startsWith("#" + id)) location.replace("#" + id);
  redraw(id);
}
const drawn = () => ({timeline, flame, functions, http});
function redraw(id) {
  const screen = drawn()[id];
  if (screen) screen.draw();
  for (const made of document.querySelectorAll(`#${id} .table`)) made.refill();
}
const showing = () => [...screens].find(([, screen]) => screen.section.classList.contains("on"))[0];

function fillHeader() {
  const name = D.processes.map((p) => p.name).filter((n, k, all) => all.indexOf(n) === k).slice(0, 4).join(", ");
  document.getElementById("title").textContent = name || "telinject report";
  document.title = (name ? name + " — " : "") + "telinject report";
  const failed = allErrors().length + D.unshownFailures + D.exchanges.filter(failedExchange).length;
  const facts = document.getElementById("facts");
  const put = (number, text) => facts.append(el("b", {}, number), ` ${text} · `);
  const count = (number, one) => put(big(number), number === 1 ? one : one + "s");
  facts.replaceChildren();
  put(ns(D.length), "wall time");
  if (D.calls) put(big(D.calls), `calls of ${big(D.functions.length)} functions`);
  count(new Set(D.tracks.map((t) => t.process + "/" + t.tid)).size, "thread");
  put(big(D.processes.length), D.processes.length === 1 ? "process" : "processes");
  if (D.exchanges.length) count(D.exchanges.length, "HTTP exchange");
  facts.append(el("span", {class: failed ? "bad" : "good"}, failed ? `${big(failed)} failed` : "nothing failed"), " · ",
    el("span", {class: D.lost || D.lossUnknown ? "bad" : "good"},
      D.lossUnknown ? "calls were lost" : D.lost ? `${big(D.lost)} calls lost` : "nothing lost"));
  const notes = [];
  if (D.threshold) notes.push(`The timeline has no single calls shorter than ${ns(D.threshold)}.`);
  if (D.unshown) notes.push(`It lacks ${big(D.unshown)} calls, for which there was no memory.`);
  if (D.sampleRate < 1) notes.push(`Only a sample of the traces was recorded (${D.sampleRate}).`);
  document.getElementById("notes").textContent = notes.join(" ");
}

async function main() {
  D = await loadData();
  D.exchangeById = new Map(D.exchanges.map((e) => [e.id, e]));
  orderExchanges();
  fillHeader();
  addScreen("overview", "Overview", makeOverview);
  if (D.calls || D.exchanges.length) addScreen("timeline", "Timeline", makeTimeline);
  if (D.calls) {
    addScreen("flame", "Flame graph", makeFlame);
    addScreen("functions", "Functions", makeFunctions);
  }
  if (D.exchanges.length) addScreen("http", "HTTP", makeHttp);
  if (allErrors().length) addScreen("errors", "Errors", makeErrors);
  addScreen("about", "About", makeAbout);
  document.querySelector("nav").append(el("input", {type: "search", placeholder: "search (/)", "aria-label": "search",
    oninput: (e) => { query = e.target.value.trim().toLowerCase(); redraw(showing()); }}));
  // Screens that others jump to.
  for (const id of ["timeline", "functions"]) {
    const screen = screens.get(id);
    if (screen && !screen.made) {
      screen.section.classList.add("on");
      screen.made = true;
      screen.make(screen.section);
      screen.section.classList.remove("on");
    }
  }
  const [wanted, place] = location.hash.slice(1).split("/");
  show(screens.has(wanted) ? wanted : "overview");
  if (wanted === "timeline" && place) {
    const [from, to] = place.split("-").map(Number);
    if (to > from) timeline.zoomTo(from, to);
  }
  addEventListener("keydown", (e) => {
    if (e.target.tagName === "INPUT" || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/") {
      e.preventDefault();
      document.querySelector("nav input").focus();
    }
    const number = Number(e.key);
    if (number >= 1 && number <= screens.size) show([...screens.keys()][number - 1]);
  });
  document.body.dataset.ready = "true";
}
main().catch((error) => {
  document.getElementById("facts").textContent = "This report cannot be shown: " + error.message
    + ". It needs a browser of 2023 or later (DecompressionStream).";
  document.body.dataset.ready = "failed";
});
