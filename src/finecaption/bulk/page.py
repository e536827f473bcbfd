"""One HTML file with all pictures: small copies inside, regions outlined, a screenful at a time.

Each picture is a line of JSON in the file; the browser makes elements only of those on the page
that is looked at. `#p=3` in the address is page 3, `#q=red` a search.
"""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.bulk.tables import Records, written
from finecaption.data.report.page import PALETTE, escape, page
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.images import load_image

MOST = 5000
"""Pictures in the file at most: some 20 kB each. The page says how many are left out."""

_SIDE = 384  # longer side of the copies
_AHEAD = 16

_STYLE = """
.bar { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin: 0 0 18px;
  position: sticky; top: 0; background: var(--paper); padding: 8px 0; z-index: 2; }
.bar input { flex: 1 1 220px; font: inherit; padding: 6px 10px; border: 1px solid var(--rule);
  border-radius: 6px; background: var(--card); color: var(--ink); }
.bar button { font: inherit; padding: 6px 14px; border: 1px solid var(--rule); border-radius: 6px;
  background: var(--card); color: var(--ink); cursor: pointer; }
.bar button:disabled { color: #b9b5aa; cursor: default; }
.bar span { color: var(--faint); font-size: 14px; min-width: 150px; text-align: center; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 18px;
  align-items: start; }
.item { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  overflow: hidden; }
.frame { position: relative; line-height: 0; background: #f1efe8; }
.frame img { width: 100%; height: auto; display: block; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.frame path { fill-opacity: .10; stroke-width: 2; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.frame path.under { fill: none; stroke: #fff; stroke-width: 4; opacity: .85; }
.item.focus g { opacity: .12; } .item.focus g.on { opacity: 1; }
.item.focus g.on path.line { fill-opacity: .35; }
.text { padding: 12px 16px 14px; }
.id { color: var(--faint); font-size: 12.5px; overflow-wrap: anywhere; margin: 0 0 8px; }
.said { border-left: 3px solid var(--rule); padding: 1px 0 1px 10px; margin: 0 0 10px;
  font-size: 14px; line-height: 1.4; }
.said:last-child { margin-bottom: 0; }
.said b { font-weight: 400; color: var(--faint); font-size: 12.5px; display: block; }
.said p { margin: 0 0 5px; overflow-wrap: anywhere; } .said p:last-child { margin: 0; }
.gone { line-height: 1.4; padding: 40px 16px; color: #a3162a; font-size: 14px;
  overflow-wrap: anywhere; }
.notice { background: #fff3d1; color: #5f4700; border-radius: 4px; padding: 4px 8px;
  font-size: 13px; margin: 0 0 10px; }
"""

_SCRIPT = """
const PER = 24, colours = JSON.parse(document.getElementById('colours').textContent);
const lines = document.getElementById('records').textContent.split('\\n').filter(Boolean);
const grid = document.getElementById('grid'), find = document.getElementById('find');
const back = document.getElementById('back'), on = document.getElementById('on');
const where = document.getElementById('where');
let now = 0, hits = null, cache = null;
const searched = () => cache || (cache = lines.map((line) => {
  const r = JSON.parse(line);
  return [r.id, ...r.said.flatMap((s) => s.lines.map((l) => l[1]))].join(' ').toLowerCase(); }));
const el = (tag, kind, text) => { const e = document.createElement(tag);
  if (kind) e.className = kind; if (text !== undefined) e.textContent = text; return e; };
const svg = (tag, set) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const k in set) e.setAttribute(k, set[k]); return e; };
function item(r) {
  const box = el('article', 'item'), frame = el('div', 'frame'), text = el('div', 'text');
  if (r.data) {
    const img = el('img'); img.src = 'data:image/jpeg;base64,' + r.data; img.alt = r.id;
    img.width = r.w; img.height = r.h; img.loading = 'lazy'; frame.append(img);
    const over = svg('svg', {viewBox: `0 0 ${r.w} ${r.h}`, preserveAspectRatio: 'none'});
    r.said.forEach((s, k) => { if (!s.path) return;
      const g = svg('g', {}), c = colours[k % colours.length];
      g.append(svg('path', {class: 'under', d: s.path}));
      g.append(svg('path', {class: 'line', d: s.path, fill: c, stroke: c, 'fill-rule': 'evenodd'}));
      s.g = g; over.append(g); });
    frame.append(over);
  } else frame.append(el('div', 'gone', r.gone));
  text.append(el('p', 'id', r.id));
  if (r.notice) text.append(el('p', 'notice', r.notice));
  r.said.forEach((s, k) => {
    const said = el('div', 'said');
    if (s.path) said.style.borderColor = colours[k % colours.length];
    for (const [name, words] of s.lines) { const p = el('p');
      if (name) p.append(el('b', '', name)); p.append(words); said.append(p); }
    if (s.g) {
      said.onmouseenter = () => { box.classList.add('focus'); s.g.classList.add('on'); };
      said.onmouseleave = () => { box.classList.remove('focus'); s.g.classList.remove('on'); };
    }
    text.append(said);
  });
  box.append(frame, text);
  return box;
}
function show() {
  const chosen = hits || lines.keys(), all = hits ? hits : [...chosen];
  const pages = Math.max(1, Math.ceil(all.length / PER));
  now = Math.min(Math.max(now, 0), pages - 1);
  const some = all.slice(now * PER, (now + 1) * PER);
  grid.replaceChildren(...some.map((k) => item(JSON.parse(lines[k]))));
  back.disabled = now === 0; on.disabled = now === pages - 1;
  where.textContent = all.length ? `page ${now + 1} of ${pages} \\u00b7 ${all.length} pictures`
    : 'no picture';
}
function look() {
  const words = find.value.trim().toLowerCase();
  hits = words ? searched().flatMap((t, k) => t.includes(words) ? [k] : []) : null;
}
function note() {
  const q = find.value.trim();
  history.replaceState(null, '', '#p=' + (now + 1) + (q ? '&q=' + encodeURIComponent(q) : ''));
}
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  find.value = asked.get('q') || ''; now = (parseInt(asked.get('p')) || 1) - 1; look(); show();
}
const go = (step) => { now += step; show(); note(); scrollTo(0, 0); };
back.onclick = () => go(-1); on.onclick = () => go(1);
let wait; find.oninput = () => { clearTimeout(wait);
  wait = setTimeout(() => { now = 0; look(); show(); note(); }, 150); };
addEventListener('keydown', (e) => { if (e.target === find) return;
  if (e.key === 'ArrowLeft' && !back.disabled) go(-1);
  if (e.key === 'ArrowRight' && !on.disabled) go(1); });
addEventListener('hashchange', follow);
follow();
"""


def write_html(path: Path, read: Records, title: str, threads: int = 2) -> int:
    """The page.

    Args:
        read: gives the records.
        title: heading.
        threads: that open pictures.

    Returns:
        How many pictures were left out of it (see `MOST`).
    """
    total = sum(1 for _ in read())
    shown = min(total, MOST)
    rest = f"; the first {shown:,} are shown here" if shown < total else ""
    lead = f"{total:,} pictures{rest}. Point at a text to see its region; arrow keys turn pages."
    bar = (
        '<div class="bar"><button id="back">Previous</button><span id="where"></span>'
        '<button id="on">Next</button><input id="find" type="search" '
        'placeholder="Search names and texts" aria-label="Search"></div>'
    )
    mark = "@records@"
    body = (
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{bar}'
        '<div class="grid" id="grid"></div>'
        f'<script type="application/json" id="colours">{json.dumps(PALETTE)}</script>'
        f'<script type="text/plain" id="records">\n{mark}</script>'
    )
    before, after = page(f"{title}: captions", body, _STYLE, _SCRIPT).split(mark)
    with written(path) as stream:
        stream.write(before)
        for line in _lines(read(), shown, threads):
            # a tag in a text must not end the block of data
            stream.write(json.dumps(line).replace("<", "\\u003c") + "\n")
        stream.write(after)
    return total - shown


def _lines(
    records: Iterable[Mapping[str, Any]], most: int, threads: int
) -> Iterator[dict[str, Any]]:
    pending: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, record in enumerate(records):
            if number == most:
                break
            pending.append(pool.submit(_line, record))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _line(record: Mapping[str, Any]) -> dict[str, Any]:
    scale = min(1.0, _SIDE / max(record["width"], record["height"]))
    size = (max(1, round(record["width"] * scale)), max(1, round(record["height"] * scale)))
    name = str(record["id"]).encode("utf-8", "replace").decode()
    line: dict[str, Any] = {"id": name, "w": size[0], "h": size[1], "said": []}
    try:
        if record["image"] is None:
            raise InputError("The picture is inside a data set, and is not shown here.")
        picture = load_image(record["image"]).resize(size, Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=82)
        line["data"] = base64.b64encode(stream.getvalue()).decode("ascii")
    except InputError as error:
        line["gone"] = str(error).encode("utf-8", "replace").decode()
    for region in record["regions"]:
        mask = masks.decode_rle(region["mask"])
        lines = list(region["captions"].items())
        if region["dense"] is not None:
            lines.append(("In detail", region["dense"]))
        path = "" if mask.all() else _outline(mask, size)
        line["said"].append({"path": path, "lines": lines})
    if record["global"] is not None:
        line["said"].append({"path": "", "lines": [["", record["global"]]]})
    if record["notice"] is not None:
        line["notice"] = record["notice"]["text"]
    return line


def _outline(mask: np.ndarray, size: tuple[int, int]) -> str:
    """A region's border as an SVG path in the copy's pixels."""
    small = masks.resize_mask(mask, size)
    if not small.any():  # thinner than a pixel of the copy: its box will do
        height, width = mask.shape
        x0, y0, x1, y1 = masks.box_from_mask(mask)
        across, down = size[0] / width, size[1] / height
        small = masks.mask_from_box((x0 * across, y0 * down, x1 * across, y1 * down), size)
    loops = masks.contours(small)
    return " ".join("M" + " ".join(f"{x},{y}" for x, y in loop.tolist()) + "Z" for loop in loops)
