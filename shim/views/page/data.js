"use strict";
// The data of the page: a JSON head, and for each track its calls as columns of variable-length
// integers. Each is deflated and in base64.

async function unpack(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Fills in a track's columns: start and end (ns from the beginning of the report), function (-1: a run
// of short calls), depth; parent: the number of the call around it, -1 if there is none.
function decodeTrack(track, bytes) {
  const n = track.count;
  const start = new Float64Array(n), end = new Float64Array(n), func = new Int32Array(n);
  const depth = new Uint32Array(n), parent = new Int32Array(n);
  let at = 0;
  const next = () => {
    let value = 0, factor = 1, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte & 128);
    return value;
  };
  track.runs = new Map();
  let now = track.start, level = 0;
  const open = [];
  for (let i = 0; i < n; i++) {
    now += next();
    const length = next();
    const f = next() - 1;
    const step = next();
    level += step & 1 ? -(step + 1) / 2 : step / 2;
    if (f < 0) track.runs.set(i, [next(), next()]);
    start[i] = now;
    end[i] = now + length;
    func[i] = f;
    depth[i] = level;
    open.length = Math.min(open.length, level);
    parent[i] = open.length ? open[open.length - 1] : -1;
    open[level] = i;
  }
  Object.assign(track, {start, end, func, depth, parent});
}

// For each depth the calls there, in the order of time, and a summary of each 64 of them: a row of a
// million calls is drawn by looking at 16,000 blocks.
const BLOCK = 64;
function makeRows(track) {
  const counts = [];
  for (const d of track.depth) counts[d] = (counts[d] || 0) + 1;
  track.rows = Array.from(counts, (n) => ({calls: new Uint32Array(n || 0), n: 0}));
  for (let i = 0; i < track.count; i++) {
    const row = track.rows[track.depth[i]];
    row.calls[row.n++] = i;
  }
  for (const row of track.rows) {
    const blocks = Math.ceil(row.n / BLOCK);
    row.longest = new Float64Array(blocks);
    for (let k = 0; k < row.n; k++) {
      const i = row.calls[k], length = track.end[i] - track.start[i], b = k >> 6;
      if (length > row.longest[b]) row.longest[b] = length;
    }
  }
}

async function loadData() {
  const D = JSON.parse(new TextDecoder().decode(await unpack("head")));
  for (let k = 0; k < D.tracks.length; k++) {
    const track = D.tracks[k];
    track.number = k;
    decodeTrack(track, track.count ? await unpack("track" + k) : new Uint8Array());
    makeRows(track);
    track.marks = new Map(track.marks.map((mark) => [mark.call, mark]));
    track.origins = new Map(track.origins.map((o) => [o[0], o]));
  }
  D.children = D.tree.map(() => []);
  D.tree.forEach((node, k) => {
    Object.assign(node, {all: node.own + node.http, k});
  });
  for (let k = D.tree.length - 1; k > 0; k--) {
    D.tree[D.tree[k].parent].all += D.tree[k].all;
    D.children[D.tree[k].parent].push(k);
  }
  for (const list of D.children) list.sort((a, b) => D.tree[b].all - D.tree[a].all);
  return D;
}
