// Flame graph: the call tree, width by time. Or inverted: functions below, their callers above.

function makeFlame(section) {
  section.classList.add("fill");
  const box = el("div", {class: "canvas"}), canvas = el("canvas", {tabindex: 0, "aria-label":
    "Flame graph. Escape zooms out. The functions table has the same times"});
  const detail = el("div", {class: "detail"});
  let inverted = false, zoomed = null, cells = [];
  const button = el("button", {onclick: () => {
    inverted = !inverted;
    button.textContent = inverted ? "Show callees" : "Show callers";
    zoomed = null;
    draw();
  }}, "Show callers");
  section.append(el("div", {class: "tools"}, button,
    el("button", {onclick: () => { zoomed = null; draw(); }}, "Zoom out"),
    el("span", {class: "soft"}, "Width: time, with callees. Click: zoom in.")), box, detail);
  box.append(canvas);

  // Nodes {name, f, all, own, calls, children}.
  let down = null, up = null;
  const total = () => D.tree[0].all;
  function fromTree(k) {
    const node = D.tree[k];
    const made = {f: node.function, all: node.all, own: node.own, calls: node.calls, parent: null, children: []};
    return made;
  }
  function makeDown() {
    const nodes = D.tree.map((_, k) => fromTree(k));
    nodes[0].f = -1;
    D.tree.forEach((node, k) => {
      if (k > 0) {
        nodes[k].parent = nodes[node.parent];
        nodes[node.parent].children.push(nodes[k]);
      }
    });
    for (const node of nodes) node.children.sort((a, b) => b.all - a.all);
    return nodes[0];
  }
  // Own times, by function, then by caller, caller's caller, ...
  function makeUp() {
    const root = {f: -1, all: 0, own: 0, calls: 0, parent: null, children: [], by: new Map()};
    D.tree.forEach((leaf, k) => {
      const ns = leaf.own + leaf.http;
      if (k === 0 || ns === 0) return;
      root.all += ns;
      let at = root;
      for (let up2 = k, level = 0; up2 !== 0 && level < 60; up2 = D.tree[up2].parent, level++) {
        const f = D.tree[up2].function;
        let next = at.by.get(f);
        if (!next) {
          next = {f, all: 0, own: 0, calls: 0, parent: at, children: [], by: new Map()};
          at.by.set(f, next);
          at.children.push(next);
        }
        next.all += ns;
        next.calls += level === 0 ? leaf.calls : 0;
        at = next;
      }
    });
    const sort = (node) => {
      const list = [node];
      while (list.length) {
        const each = list.pop();
        each.children.sort((a, b) => b.all - a.all);
        list.push(...each.children);
      }
    };
    sort(root);
    return root;
  }

  function draw() {
    const [g, W, H] = fit(canvas);
    g.fillStyle = css("--bg");
    g.fillRect(0, 0, W, H);
    cells = [];
    if (inverted && !up) up = makeUp();
    if (!inverted && !down) down = makeDown();
    const root = inverted ? up : down, at = zoomed || root, path = [];
    for (let node = at.parent; node; node = node.parent) path.unshift(node);
    let y = 2;
    for (const node of path) {
      cell(g, node, 0, W, y, true);
      y += ROW;
    }
    const list = [[at, 0, W, y]];
    while (list.length) {
      const [node, x, w, top] = list.pop();
      cell(g, node, x, w, top, false);
      if (top > H) continue;
      let left = x, rest = 0;
      for (const child of node.children) {
        const size = node.all > 0 ? child.all / at.all * W : 0;
        if (size < 0.6) {
          rest += size;
          continue;
        }
        list.push([child, left, size, top + ROW]);
        left += size;
      }
      if (rest >= 0.6) {
        g.fillStyle = css("--line");
        g.fillRect(left, top + ROW, rest, ROW - 1);
      }
    }
    if (query) detail.textContent = `“${query}” matches ${percent(matching(at), at.all)} of the time shown`;
    else tell(at);
  }
  // The time of the nodes that the search matches, also of those too small to be drawn.
  function matching(from) {
    const list = [from];
    let sum = 0;
    while (list.length) {
      const node = list.pop();
      if (node.f >= 0 && matches(nameOf(node.f))) sum += node.all; else list.push(...node.children);
    }
    return sum;
  }
  function cell(g, node, x, w, y, dim) {
    const hit = node.f >= 0 && matches(nameOf(node.f));
    g.globalAlpha = dim ? 0.5 : query && !hit ? 0.3 : 1;
    g.fillStyle = node.f < 0 ? css("--line") : colour(node.f);
    g.fillRect(x, y, Math.max(w - 0.5, 0.5), ROW - 1);
    if (w > 26) {
      g.fillStyle = node.f < 0 ? css("--fg") : "#10151d";
      const text = node.f < 0 ? "all threads" : nameOf(node.f), room = Math.floor((w - 6) / 6.3);
      g.fillText(text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text, x + 3, y + ROW / 2);
    }
    g.globalAlpha = 1;
    cells.push([x, x + w, y, node]);
  }
  function tell(node) {
    if (node.f < 0) {
      detail.replaceChildren(`${ns(node.all)} in all threads`);
      return;
    }
    detail.replaceChildren(el("b", {}, nameOf(node.f)), `   ${ns(node.all)} (${percent(node.all, total())})`,
      inverted ? "" : `, own ${ns(node.own)}, ${big(node.calls)} calls`, "   ",
      el("span", {class: "soft"}, placeOf(node.f)), "   ", el("a", {onclick: () => showFunction(node.f)}, "in the table"));
  }
  const hitAt = (e) => {
    const rect = canvas.getBoundingClientRect(), x = e.clientX - rect.left, y = e.clientY - rect.top;
    return cells.find((c) => x >= c[0] && x <= c[1] && y >= c[2] && y < c[2] + ROW);
  };
  canvas.addEventListener("mousemove", (e) => {
    const h = hitAt(e);
    if (h && !query) tell(h[3]);
    tip(h && h[3].f >= 0 ? `${nameOf(h[3].f)}  ${ns(h[3].all)}  ${percent(h[3].all, total())}` : "", e);
  });
  canvas.addEventListener("mouseleave", (e) => tip("", e));
  canvas.addEventListener("click", (e) => {
    const h = hitAt(e);
    if (!h) return;
    zoomed = h[3].parent ? h[3] : null;
    draw();
  });
  canvas.addEventListener("keydown", (e) => {
    if (e.key === "Escape" || e.key === "Backspace") {
      zoomed = zoomed && zoomed.parent && zoomed.parent.parent ? zoomed.parent : null;
      draw();
    }
  });
  addEventListener("resize", () => { if (section.classList.contains("on")) draw(); });
  flame = {draw};
}
let flame = null;
