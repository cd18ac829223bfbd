// Timeline: a row for each depth of each track, over time.

const ROW = 17, RULER = 20, MAP = 36, HEAD = 18;
const view = {from: 0, to: 1, top: 0, picked: null, height: 0};

function makeTimeline(section) {
  section.classList.add("fill");
  const box = el("div", {class: "canvas"}), canvas = el("canvas", {tabindex: 0, "aria-label":
    "Timeline. Arrow keys and W A S D move and zoom. The functions table leads to single calls"});
  const detail = el("div", {class: "detail"}, el("span", {class: "soft"},
    "Wheel: zoom. Drag: move. Shift and drag: measure. Double click: zoom to a call. Click: details."));
  const chip = el("span", {class: "soft"});
  section.append(el("div", {class: "tools"},
    el("button", {onclick: () => showAll()}, "Whole run"), chip), box, detail);
  box.append(canvas);
  let hits = [], map = null, range = null, waiting = false;
  const width = () => view.to - view.from;

  function drawRow(g, t, row, y, W) {
    const per = width() / W;  // ns a pixel
    const x = (at) => (at - view.from) / per;
    // The first call that may reach into the view: calls of a row do not overlap.
    let low = 0, high = row.n;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (t.end[row.calls[mid]] < view.from) low = mid + 1; else high = mid;
    }
    let filled = -1;  // pixels up to here are drawn
    for (let k = low; k < row.n;) {
      const i = row.calls[k];
      if (t.start[i] > view.to) break;
      const block = k >> 6;
      if ((k & 63) === 0 && row.longest[block] < per / 2) {
        // A block of calls that are too short to be seen, if it is within one pixel.
        const last = row.calls[Math.min(row.n, k + BLOCK) - 1];
        if (t.end[last] - t.start[i] < per) {
          const at = Math.floor(x(t.start[i]));
          if (at > filled) {
            g.fillStyle = css("--wait");
            g.fillRect(at, y, 1, ROW - 2);
            filled = at;
          }
          k += BLOCK;
          continue;
        }
      }
      k++;
      const left = Math.max(-2, x(t.start[i])), right = Math.min(W + 2, x(t.end[i])), size = right - left;
      if (size < 1) {
        const at = Math.floor(left);
        if (at <= filled) continue;
        filled = at;
      } else {
        filled = Math.max(filled, Math.floor(right) - 1);
      }
      drawCall(g, t, i, left, size, y);
    }
  }

  function drawCall(g, t, i, left, size, y) {
    const f = t.func[i], shown = Math.max(size, 1);
    const dim = query !== "" && (f < 0 || !matches(nameOf(f)));
    g.globalAlpha = dim ? 0.25 : 1;
    g.fillStyle = f < 0 ? css("--line") : colour(f);
    g.fillRect(left, y, shown - (shown > 3 ? 0.5 : 0), ROW - 2);
    if (t.marks.has(i)) {
      g.fillStyle = css("--bad");
      g.fillRect(left, y + ROW - 5, Math.max(shown, 2), 3);
    }
    if (size > 24) {
      g.fillStyle = f < 0 ? css("--fg") : "#10151d";
      const text = f < 0 ? `${big(t.runs.get(i)[0])} short calls` : nameOf(f);
      const room = Math.floor((size - 6) / 6.3);
      g.fillText(text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text, left + 3, y + ROW / 2 - 1);
    }
    g.globalAlpha = 1;
    if (view.picked && view.picked.t === t && view.picked.i === i) {
      g.strokeStyle = css("--fg");
      g.lineWidth = 2;
      g.strokeRect(left, y, shown, ROW - 2);
    }
    hits.push([left, left + Math.max(shown, 3), y, t, i]);
  }

  function drawExchanges(g, process, y, W) {
    const list = D.exchanges.filter((e) => e.process === process);
    const rows = [];
    for (const e of list) {
      let r = rows.findIndex((end) => end <= e.start);
      if (r < 0) r = rows.length;
      rows[r] = e.end;
      const left = (e.start - view.from) / width() * W, right = (e.end - view.from) / width() * W;
      const top = y + r * ROW;
      if (right < 0 || left > W || top < MAP + RULER - ROW) continue;
      g.fillStyle = e.error ? css("--bad") : css("--wait");
      g.fillRect(left, top, Math.max(right - left, 1), ROW - 2);
      if (e.first >= 0) {
        const begin = left + (right - left) * e.first / Math.max(1, e.end - e.start);
        g.fillStyle = css("--bar");
        g.fillRect(begin, top, Math.max(right - begin, 1), ROW - 2);
      }
      if (right - left > 30) {
        g.fillStyle = css("--fg");
        const text = `${e.server ? "served " : ""}${e.method} ${e.url} ${e.status || e.error}`;
        g.fillText(text.slice(0, Math.floor((right - left) / 6.3)), left + 3, top + ROW / 2 - 1);
      }
      e.at = [left, right, top + ROW / 2];
      hits.push([left, Math.max(right, left + 3), top, null, e]);
    }
    return rows.length * ROW;
  }

  function drawArrows(g) {
    g.strokeStyle = css("--soft");
    g.lineWidth = 1;
    for (const e of D.exchanges) {
      const from = e.server && D.exchangeById.get(e.parent);
      if (!from || !from.at || !e.at) continue;
      g.beginPath();
      g.moveTo(from.at[0], from.at[2]);
      g.lineTo(e.at[0], e.at[2]);
      g.stroke();
    }
  }

  function drawRuler(g, W) {
    g.fillStyle = css("--bg");
    g.fillRect(0, 0, W, MAP + RULER);
    const rough = width() / (W / 110), base = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
    const step = base * ([1, 2, 5, 10].find((m) => base * m >= rough) || 10);
    g.fillStyle = css("--soft");
    for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step) {
      const x = (at - view.from) / width() * W;
      g.fillRect(x, MAP, 1, RULER);
      g.fillText(step < 1000 ? big(at) + " ns" : precise(at, step), x + 3, MAP + RULER / 2);
    }
  }
  // As many digits as tell neighbours apart.
  function precise(at, step) {
    const unit = at >= 1e9 || step >= 1e8 ? ["s", 1e9] : at >= 1e6 || step >= 1e5 ? ["ms", 1e6] : ["µs", 1e3];
    const decimals = Math.max(0, Math.ceil(Math.log10(unit[1] / step)));
    return (at / unit[1]).toFixed(decimals) + " " + unit[0];
  }

  // The depth of calls over the whole run.
  function drawMap(g, W) {
    if (!map || map.length !== W) {
      map = new Float64Array(W);
      for (const t of D.tracks) {
        for (let d = 0; d < t.rows.length; d++) {
          const row = t.rows[d];
          for (let k = 0; k < row.n; k++) {
            const i = row.calls[k], a = Math.floor(t.start[i] / D.length * W);
            const b = Math.min(W - 1, Math.floor(t.end[i] / D.length * W));
            for (let x = a; x <= b; x++) if (map[x] < d + 1) map[x] = d + 1;
          }
        }
      }
    }
    const most = map.reduce((a, b) => Math.max(a, b), 1);
    g.fillStyle = css("--bar");
    for (let x = 0; x < W; x++) {
      const h = map[x] / most * (MAP - 8);
      g.fillRect(x, MAP - 3 - h, 1, h);
    }
    g.fillStyle = "rgba(242, 169, 59, 0.3)";
    g.fillRect(view.from / D.length * W, 0, Math.max(3, width() / D.length * W), MAP);
  }

  function draw() {
    const [g, W, H] = fit(canvas);
    g.fillStyle = css("--bg");
    g.fillRect(0, 0, W, H);
    hits = [];
    for (const e of D.exchanges) e.at = null;
    let y = MAP + RULER - view.top;
    D.processes.forEach((process, p) => {
      const tracks = D.tracks.filter((t) => t.process === p && t.count > 0);
      const exchanges = D.exchanges.some((e) => e.process === p);
      if (!tracks.length && !exchanges) return;
      g.fillStyle = css("--fg");
      if (y > MAP) g.fillText(`${process.name} ${process.pid}`, 6, y + HEAD / 2);
      y += HEAD;
      if (exchanges) y += drawExchanges(g, p, y, W) + 4;
      for (const t of tracks) {
        g.fillStyle = css("--soft");
        if (y > MAP) g.fillText(trackName(t), 12, y + HEAD / 2);
        y += HEAD;
        for (const row of t.rows) {
          if (y > MAP && y < H) drawRow(g, t, row, y, W);
          y += ROW;
        }
        y += 6;
      }
    });
    view.height = y + view.top;
    drawArrows(g);
    drawRuler(g, W);
    drawMap(g, W);
    if (range) {
      g.fillStyle = "rgba(242, 169, 59, 0.25)";
      const x = (range[0] - view.from) / width() * W;
      g.fillRect(x, MAP, (range[1] - range[0]) / width() * W, H);
    }
    chip.textContent = `${ns(width())} shown` + (range ? `; measured ${ns(range[1] - range[0])}` : "");
  }

  function ask() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }
  function zoomTo(from, to) {
    const size = Math.max(to - from, 20);
    view.from = Math.max(-size * 0.02, Math.min(from, D.length - size * 0.98));
    view.to = view.from + Math.min(size, D.length * 1.04);
    ask();
  }
  const showAll = () => { range = null; zoomTo(0, D.length); };
  const zoom = (factor, at = 0.5) => {
    const middle = view.from + width() * at;
    zoomTo(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  };
  const move = (share) => zoomTo(view.from + width() * share, view.to + width() * share);
  const scroll = (by) => {
    const [, , H] = fit(canvas);
    view.top = Math.max(0, Math.min(view.top + by, Math.max(0, view.height - H + 40)));
    ask();
  };
  const hitAt = (e) => {
    const box2 = canvas.getBoundingClientRect(), px = e.clientX - box2.left, py = e.clientY - box2.top;
    for (let k = hits.length; k-- > 0;) {
      const h = hits[k];
      if (px >= h[0] && px <= h[1] && py >= h[2] && py < h[2] + ROW) return h;
    }
    return null;
  };

  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    if (e.shiftKey) return scroll(e.deltaY);
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) return move(e.deltaX / canvas.clientWidth);
    zoom(Math.exp(e.deltaY * 0.002), (e.offsetX) / canvas.clientWidth);
  }, {passive: false});
  let drag = null;
  canvas.addEventListener("mousedown", (e) => {
    drag = {x: e.clientX, y: e.clientY, from: view.from, to: view.to, top: view.top, measure: e.shiftKey, moved: false};
  });
  addEventListener("mousemove", (e) => {
    if (!drag) {
      const h = e.target === canvas && hitAt(e);
      return tip(h ? describe(h) : "", e);
    }
    const per = (drag.to - drag.from) / canvas.clientWidth, dx = e.clientX - drag.x;
    if (Math.abs(dx) + Math.abs(e.clientY - drag.y) > 3) drag.moved = true;
    if (!drag.moved) return;
    tip("", e);
    if (drag.measure) {
      const left = canvas.getBoundingClientRect().left;
      const a = drag.from + (drag.x - left) * per, b = drag.from + (e.clientX - left) * per;
      range = [Math.min(a, b), Math.max(a, b)];
      return ask();
    }
    view.top = Math.max(0, drag.top - (e.clientY - drag.y));
    zoomTo(drag.from - dx * per, drag.to - dx * per);
  });
  addEventListener("mouseup", (e) => {
    if (drag && !drag.moved) {
      const h = hitAt(e);
      if (h && h[3]) pick(h[3], h[4]); else if (h) showExchange(h[4]);
    }
    drag = null;
  });
  canvas.addEventListener("dblclick", (e) => {
    const h = hitAt(e);
    if (!h) return;
    const from = h[3] ? h[3].start[h[4]] : h[4].start, to = h[3] ? h[3].end[h[4]] : h[4].end;
    zoomTo(from - (to - from) * 0.1, to + (to - from) * 0.1);
  });
  canvas.addEventListener("keydown", (e) => {
    const keys = {ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), a: () => move(-0.2), d: () => move(0.2),
      w: () => zoom(0.7), s: () => zoom(1.4), "+": () => zoom(0.7), "-": () => zoom(1.4), ArrowUp: () => scroll(-60),
      ArrowDown: () => scroll(60), "0": showAll};
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (!keys[key] || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    e.stopPropagation();
    keys[key]();
  });
  addEventListener("resize", ask);

  function describe(h) {
    if (!h[3]) return `${h[4].method} ${h[4].url}  ${ns(h[4].end - h[4].start)}`;
    const f = h[3].func[h[4]];
    if (f >= 0) return `${nameOf(f)}  ${ns(spanOf(h[3], h[4]))}`;
    const [count, sum] = h[3].runs.get(h[4]);
    return `${big(count)} calls, each shorter than ${ns(D.threshold)}, together ${ns(sum)}`;
  }

  function showExchange(e) {
    detail.replaceChildren(el("div", {}, el("b", {}, `${e.server ? "served " : ""}${e.method} ${e.url}`), "  ",
      ns(e.end - e.start), "  status ", String(e.status || "none"), e.error ? "  " : "",
      el("span", {class: "bad"}, e.error)));
  }

  function showDetail() {
    const {t, i} = view.picked, f = t.func[i];
    if (f < 0) {
      detail.replaceChildren(describe([0, 0, 0, t, i]) + ". They are not in this file one by one; all tables count them.");
      return;
    }
    const fn = D.functions[f], own = ownTimes(t)[i], mark = t.marks.get(i), callers = [];
    for (let p = t.parent[i]; p >= 0 && callers.length < 24; p = t.parent[p]) {
      const at = p;
      callers.push(" ← ", el("a", {onclick: () => pick(t, at)}, t.func[at] < 0 ? "short calls" : nameOf(t.func[at])));
    }
    const origin = t.origins.get(i);
    if (origin) {
      const from = D.tracks[origin[1]];
      if (origin[2] >= 0) callers.push(" ⇠ ", el("a", {onclick: () => pick(from, origin[2])}, nameOf(from.func[origin[2]])));
    }
    const step = (by) => {
      for (let k = i + by; k >= 0 && k < t.count; k += by) if (t.func[k] === f) return pick(t, k);
    };
    detail.replaceChildren(
      el("div", {}, el("b", {}, fn.name), `   ${ns(spanOf(t, i))}   own ${ns(own)}   at ${ns(t.start[i])}   `,
        el("span", {class: "soft"}, placeOf(f))),
      el("div", {}, `median ${ns(fn.p50)}, 99 % up to ${ns(fn.p99)}, longest ${ns(fn.max)} of ${big(fn.calls)} calls   `,
        el("a", {onclick: () => step(-1)}, "previous call"), "   ", el("a", {onclick: () => step(1)}, "next call"), "   ",
        el("a", {onclick: () => pick(...longestCall(f))}, "longest call"), "   ",
        el("a", {onclick: () => showFunction(f)}, "all calls")),
      mark ? el("div", {class: "bad"}, [mark.kind, mark.type, mark.message].filter((each) => each).join(": "),
        mark.lost ? ` ${big(mark.lost)} calls below were not recorded` : "") : null,
      mark && mark.stack ? el("pre", {}, mark.stack) : null,
      callers.length ? el("div", {class: "soft"}, "called by", ...callers.slice(0)) : null);
  }

  function pick(t, i) {
    view.picked = {t, i};
    show("timeline");
    const size = Math.max(spanOf(t, i), 200);
    if (t.start[i] < view.from || t.end[i] > view.to || size < width() / 400) zoomTo(t.start[i] - size * 1.5, t.end[i] + size * 1.5);
    scrollToTrack(t, i);
    showDetail();
    location.replace("#timeline/" + Math.round(t.start[i]) + "-" + Math.round(t.end[i]));
    ask();
  }
  function scrollToTrack(t, i) {
    let y = 0;
    for (let p = 0; p < D.processes.length; p++) {
      const tracks = D.tracks.filter((each) => each.process === p && each.count > 0);
      const exchanges = D.exchanges.filter((e) => e.process === p);
      if (!tracks.length && !exchanges.length) continue;
      y += HEAD;
      if (exchanges.length) {
        const rows = [];
        for (const e of exchanges) {
          let r = rows.findIndex((end) => end <= e.start);
          if (r < 0) r = rows.length;
          rows[r] = e.end;
        }
        y += rows.length * ROW + 4;
      }
      for (const each of tracks) {
        y += HEAD;
        if (each === t) {
          const at = y + t.depth[i] * ROW, room = Math.max(60, canvas.clientHeight - MAP - RULER - 80);
          if (at < view.top || at > view.top + room) view.top = Math.max(0, at - room / 2);
          return;
        }
        y += each.rows.length * ROW + 6;
      }
    }
  }
  timeline = {draw: ask, drawNow: draw, pick, zoomTo};
  showAll();
}
let timeline = null;
