const PER = 24, colors = JSON.parse(document.getElementById('colors').textContent);
const lines = document.getElementById('records').textContent.split('\n').filter(Boolean);
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
    const img = el('img'); img.src = r.data; img.alt = r.id;
    img.width = r.w; img.height = r.h; img.loading = 'lazy'; frame.append(img);
    const over = svg('svg', {viewBox: `0 0 ${r.w} ${r.h}`, preserveAspectRatio: 'none'});
    r.said.forEach((s, k) => { if (!s.path) return;
      const g = svg('g', {}), c = colors[k % colors.length];
      g.append(svg('path', {class: 'under', d: s.path}));
      g.append(svg('path', {class: 'line', d: s.path, fill: c, stroke: c, 'fill-rule': 'evenodd'}));
      s.g = g; over.append(g); });
    frame.append(over);
  } else frame.append(el('div', 'gone', r.gone));
  text.append(el('p', 'id', r.id));
  if (r.notice) text.append(el('p', 'notice', r.notice));
  r.said.forEach((s, k) => {
    const said = el('div', 'said');
    if (s.path) said.style.borderColor = colors[k % colors.length];
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
  where.textContent = all.length ? `page ${now + 1} of ${pages} \u00b7 ${all.length} images`
    : 'no image';
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
