// The review page. `element` and `server` are Gradio's; server.ask(call) answers as Desk.ask does.
const root = element.querySelector('.rv');
const $ = (query, from = root) => from.querySelector(query);
const make = (tag, name, text) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
};
const TICKS = { accept: '✓', edit: '✎', reject: '✕' };
const state = {
  who: null, places: [], progress: null, picture: 0, place: 0, field: 0,
  shown: new Map(),    // picture -> promise of its answer
  saves: Promise.resolve(), // decisions go one after the other
  pending: 0,
};

const say = (text, bad = false) => {
  const foot = $('.rv-foot');
  foot.textContent = text;
  foot.classList.toggle('bad', bad);
};
const ask = async (call) => {
  const answer = await server.ask({ reviewer: state.who, ...call });
  if (!answer || answer.error) throw new Error(answer ? answer.error : 'no answer');
  return answer;
};

// --- who, and the set -------------------------------------------------------------------------

async function hello(name) {
  const answer = await ask({ do: 'hello', reviewer: name });
  $('.rv-who').hidden = answer.who !== null;
  $('.rv-desk').hidden = answer.who === null;
  if (answer.who === null) {
    $('.rv-known').textContent = answer.known.length ? `So far: ${answer.known.join(', ')}` : '';
    const input = $('.rv-who input');
    try { input.value = localStorage.getItem('finecaption-reviewer') || ''; } catch (_) { /* off */ }
    input.focus();
    return;
  }
  state.who = answer.who;
  state.places = answer.places;
  state.progress = answer.progress;
  try { localStorage.setItem('finecaption-reviewer', answer.who); } catch (_) { /* off */ }
  $('.rv-title b').textContent = answer.title;
  $('.rv-reviewer').textContent = answer.who;
  $('.rv-reviewer').title = answer.file;
  meter();
  const next = open(0, -1);
  await go(next ? next[0] : 0, next ? next[1] : 0);
  root.focus();
}

function meter() {
  const p = state.progress;
  const share = (n) => `${p.told ? (100 * n) / p.told : 0}%`;
  $('.rv-meter .a').style.width = share(p.accept);
  $('.rv-meter .e').style.width = share(p.edit);
  $('.rv-meter .r').style.width = share(p.reject);
  const bar = $('.rv-meter');
  bar.setAttribute('aria-valuenow', p.decided);
  bar.setAttribute('aria-valuemax', p.told);
  const told = [`${p.accept} accepted`, `${p.edit} edited`, `${p.reject} rejected`].join(', ');
  bar.title = told;
  $('.rv-count').textContent = `${p.decided.toLocaleString('en')} of ${p.told.toLocaleString('en')}`;
  $('.rv-count').title = told;
}

// The next place after (picture, place) with anything open, from the start again; null if none.
function open(picture, place) {
  const all = state.places.flatMap((counts, p) => counts.map((count, k) => [p, k, count]));
  const at = all.findIndex(([p, k]) => p === picture && k === place);
  const order = [...all.slice(at + 1), ...all.slice(0, at + 1)];
  const found = order.find(([, , [told, done]]) => done < told);
  return found ? [found[0], found[1]] : null;
}

// --- showing ----------------------------------------------------------------------------------

function fetched(number) {
  if (!state.shown.has(number)) {
    const answer = ask({ do: 'show', picture: number });
    answer.catch(() => state.shown.delete(number));
    state.shown.set(number, answer);
    for (const old of state.shown.keys()) {
      if (state.shown.size <= 8) break;
      if (old !== number) state.shown.delete(old);
    }
  }
  return state.shown.get(number);
}

async function go(picture, place, field = null) {
  const view = await fetched(picture);
  const [moved, turned] = [state.view !== view, state.place !== place];
  state.view = view;
  state.picture = picture;
  state.place = Math.min(place, view.places.length - 1);
  const fields = view.places[state.place].fields;
  if (field === null) {
    field = fields.findIndex((f) => f.text !== null && !f.decision);
    if (field < 0) field = fields.findIndex((f) => f.text !== null);
  }
  state.field = Math.max(0, field);
  if (moved) drawPicture();
  if (moved || turned || !root.querySelector('.rv-row')) drawPlace();
  drawCursor();
  if (picture + 1 < state.places.length) fetched(picture + 1); // the next one is there at once
}

function drawPicture() {
  const v = state.view;
  const frame = $('.rv-frame');
  frame.replaceChildren();
  frame.style.setProperty('--ratio', v.width / v.height);
  if (v.source) {
    const img = make('img');
    img.src = v.source; img.width = v.width; img.height = v.height; img.alt = v.key;
    frame.append(img);
  }
  if (v.broken) frame.append(make('p', 'rv-broken', v.broken));
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', `0 0 ${v.width} ${v.height}`);
  const shape = (tag, attributes, parent) => {
    const node = document.createElementNS(ns, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };
  shape('path', { class: 'veil', 'fill-rule': 'evenodd', d: '' }, svg);
  v.places.forEach((place, k) => {
    if (!place.path) return;
    const g = shape('g', { 'data-place': k }, svg);
    shape('path', { class: 'under', d: place.path }, g);
    shape('path', { class: 'line', d: place.path, stroke: place.colour }, g);
    const [x, y] = place.at;
    // the badge keeps its size on the screen however the picture is scaled
    const r = 10 * Math.max(1, v.width / 640);
    shape('circle', { cx: x, cy: y, r, fill: place.colour, stroke: '#fff', 'stroke-width': r / 7 }, g);
    const text = shape('text', { x, y, style: `font-size:${1.3 * r}px` }, g);
    text.textContent = k + 1;
    g.addEventListener('click', () => act(() => go(state.picture, k)));
  });
  frame.append(svg);
  $('.rv-name').textContent = `${v.key} · ${v.size[0]} x ${v.size[1]}`;
  const places = $('.rv-places');
  places.replaceChildren();
  v.places.forEach((place, k) => {
    const button = make('button');
    button.type = 'button';
    button.dataset.place = k;
    const badge = make('b', '', place.path ? k + 1 : '0');
    badge.style.background = place.path ? place.colour : '#777';
    button.append(badge, make('span'));
    button.addEventListener('click', () => act(() => go(state.picture, k)));
    places.append(button);
  });
}

function drawPlaces() {
  $('.rv-places').childNodes.forEach((button, k) => {
    const [told, done] = state.places[state.picture][k];
    button.classList.toggle('on', k === state.place);
    const span = $('span', button);
    span.textContent = done === told ? 'done' : `${done} of ${told}`;
    span.classList.toggle('done', done === told);
    button.setAttribute('aria-label', `${state.view.places[k].name}, ${done} of ${told} decided`);
  });
}

function drawPlace() {
  const v = state.view;
  const place = v.places[state.place];
  $('.rv-over h2').textContent = place.name;
  const frame = `M0,0H${v.width}V${v.height}H0Z`;
  $('.veil').setAttribute('d', place.path ? `${frame} ${place.path}` : '');
  for (const g of root.querySelectorAll('.rv-frame g')) {
    const on = Number(g.dataset.place) === state.place;
    g.classList.toggle('on', on);
    if (on) g.parentNode.append(g); // above the others
  }
  const before = state.places.slice(0, state.picture).reduce((n, counts) => n + counts.length, 0);
  const all = state.places.reduce((n, counts) => n + counts.length, 0);
  $('.rv-where').textContent =
    `${before + state.place + 1} of ${all} · image ${state.picture + 1} of ${state.places.length}`;
  $('.rv-fields').replaceChildren(...place.fields.map(row));
  drawPlaces();
}

function row(field, k) {
  const node = make('div', 'rv-row');
  node.setAttribute('role', 'option');
  node.dataset.field = k;
  node.append(make('span', 'tick'), make('span', 'label', field.name), make('span', 'text'));
  const acts = make('span', 'acts');
  for (const [name, key, tip] of [['accept', 'A', 'Accept (A)'], ['edit', 'E', 'Edit (E)'], ['reject', 'R', 'Reject (R)']]) {
    if (field.text === null && name !== 'edit') continue;
    const button = make('button', '', window.matchMedia('(max-width: 860px)').matches ? tip.split(' ')[0] : key);
    button.type = 'button'; button.title = tip; button.tabIndex = -1;
    button.setAttribute('aria-label', `${tip.split(' ')[0]} ${field.name}`);
    button.addEventListener('click', (event) => {
      event.stopPropagation();
      state.field = k;
      act(() => (name === 'edit' ? edit() : decide(name)));
    });
    acts.append(button);
  }
  node.append(acts);
  node.addEventListener('click', (event) => {
    if (event.target.tagName === 'TEXTAREA') return;
    if (k !== state.field) { state.field = k; drawCursor(); }
  });
  node.addEventListener('dblclick', () => { state.field = k; edit(); });
  fill(node, field);
  return node;
}

function fill(node, field) {
  if (field.decision) node.dataset.decision = field.decision; else delete node.dataset.decision;
  $('.tick', node).textContent = TICKS[field.decision] || '';
  const text = $('.text', node);
  text.replaceChildren();
  const edited = field.decision === 'edit';
  text.classList.toggle('none', !edited && field.text === null);
  if (edited) {
    text.append(field.edited);
    if (field.text !== null) text.append(make('span', 'was', field.text));
  } else {
    text.append(field.text === null ? '–' : field.text);
  }
  node.classList.toggle('saving', !!field.saving);
  node.setAttribute('aria-label', `${field.name}: ${edited ? field.edited : field.text || 'nothing said'}, ${field.decision || 'open'}`);
}

function drawCursor() {
  root.querySelectorAll('.rv-row').forEach((node, k) => {
    const on = k === state.field;
    node.classList.toggle('on', on);
    node.setAttribute('aria-selected', on);
    if (on) node.scrollIntoView({ block: 'nearest' });
  });
}

// --- deciding ---------------------------------------------------------------------------------

const fieldsNow = () => state.view.places[state.place].fields;

// Shown at once, marked as saved when the server says that it is on disk.
function note(k, decision, text) {
  const [view, picture, place] = [state.view, state.picture, state.place];
  const field = fieldsNow()[k];
  const old = { decision: field.decision, edited: field.edited };
  const counts = state.places[picture][place];
  const was = field.decision ? 1 : 0;
  field.decision = decision === 'open' ? null : decision;
  field.edited = decision === 'edit' ? text : null;
  if (field.text !== null) counts[1] += (field.decision ? 1 : 0) - was;
  field.saving = (field.saving || 0) + 1;
  const redraw = () => {
    if (state.view !== view || state.place !== place) return;
    const node = root.querySelectorAll('.rv-row')[k];
    if (node && !$('textarea', node)) fill(node, field);
  };
  redraw();
  drawPlaces();
  state.pending += 1;
  state.saves = state.saves.then(async () => {
    try {
      const answer = await ask({ do: 'decide', picture, place, field: k, decision, text });
      state.progress = answer.progress;
      if (state.pending === 1) { state.places[picture][place] = answer.count; say(''); }
    } catch (error) {
      Object.assign(field, old);
      state.places[picture][place] = [counts[0], view.places[place].fields
        .filter((f) => f.text !== null && f.decision).length];
      say(`Not saved: ${error.message || error}. Is the server running?`, true);
    }
    field.saving -= 1;
    state.pending -= 1;
    redraw();
    drawPlaces();
    meter();
    root.dataset.saved = state.pending === 0 ? 'all' : '';
  });
  root.dataset.saved = '';
}

async function onward() {
  const fields = fieldsNow();
  const isOpen = (f) => f.text !== null && !f.decision;
  let k = fields.findIndex((f, n) => n > state.field && isOpen(f));
  if (k < 0) k = fields.findIndex(isOpen);
  if (k >= 0) { state.field = k; drawCursor(); return; }
  const next = open(state.picture, state.place);
  if (next) await go(next[0], next[1]);
  else { drawCursor(); say('All is decided.'); }
}

async function decide(decision) {
  const field = fieldsNow()[state.field];
  if (field.text === null && decision !== 'open') {
    if (decision === 'accept') return step(1);
    return say('Nothing is said here; E writes something.');
  }
  if (field.text === null && !field.decision) return;
  note(state.field, decision);
  if (decision !== 'open') await onward();
}

async function decideRest(decision) {
  fieldsNow().forEach((f, k) => { if (f.text !== null && !f.decision) note(k, decision); });
  await onward();
}

function edit() {
  const field = fieldsNow()[state.field];
  const k = state.field;
  const node = root.querySelectorAll('.rv-row')[k];
  if ($('textarea', node)) return;
  drawCursor();
  const area = make('textarea');
  area.value = field.edited ?? field.text ?? '';
  area.rows = Math.min(8, 1 + Math.floor(area.value.length / 60));
  area.setAttribute('aria-label', `${field.name}, new text`);
  $('.text', node).hidden = true;
  $('.acts', node).hidden = true;
  node.append(area);
  const close = () => {
    area.remove();
    $('.text', node).hidden = false;
    $('.acts', node).hidden = false;
    fill(node, field);
    root.focus({ preventScroll: true });
  };
  area.addEventListener('keydown', (event) => {
    event.stopPropagation();
    if (event.key === 'Escape') { event.preventDefault(); close(); }
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      const text = area.value.trim();
      close();
      if (!text) return say('An edit needs a text; R rejects what is there.', true);
      say('');
      if (text === field.text) note(k, 'accept'); // nothing was changed
      else note(k, 'edit', text);
      act(onward);
    }
  });
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  say('Enter saves, Esc leaves it as it was, Shift+Enter is a new line.');
}

// --- moving -----------------------------------------------------------------------------------

function step(by) {
  const k = state.field + by;
  if (k >= 0 && k < fieldsNow().length) { state.field = k; drawCursor(); }
}

async function turn(by) {
  let [picture, place] = [state.picture, state.place + by];
  if (place < 0) { picture -= 1; if (picture < 0) return; place = state.places[picture].length - 1; }
  else if (place >= state.places[picture].length) { picture += 1; place = 0; }
  if (picture < state.places.length) await go(picture, place);
}

async function pick(number) {
  const places = state.view.places;
  const place = number === 0 ? places.findIndex((p) => !p.path) : number - 1;
  if (place >= 0 && place < places.length) await go(state.picture, place);
}

async function nextOpen() {
  const next = open(state.picture, state.place);
  if (next) await go(next[0], next[1]); else say('All is decided.');
}

function help() {
  const box = $('.rv-help');
  box.hidden = !box.hidden;
  if (box.hidden) root.focus(); else $('button', box).focus();
}

// Keys are done in their order, each when the one before it is done.
let turnOf = Promise.resolve();
function act(work) {
  turnOf = turnOf.then(work).catch((error) => say(String(error.message || error), true));
}

const KEYS = {
  a: () => decide('accept'), r: () => decide('reject'), e: edit, enter: edit, u: () => decide('open'),
  arrowup: () => step(-1), arrowdown: () => step(1), arrowleft: () => turn(-1),
  arrowright: () => turn(1), n: nextOpen, '?': help,
};
const onKey = (event) => {
  if (!document.contains(root)) { document.removeEventListener('keydown', onKey); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || state.who === null) return;
  if (['INPUT', 'TEXTAREA'].includes(event.target.tagName)) return;
  const key = event.key.toLowerCase();
  if (!$('.rv-help').hidden) {
    if (key === 'escape' || key === '?') { event.preventDefault(); help(); }
    return;
  }
  if (event.target.tagName === 'BUTTON' && (key === 'enter' || key === ' ')) return;
  let work = KEYS[key];
  if (event.shiftKey && key === 'a') work = () => decideRest('accept');
  if (event.shiftKey && key === 'r') work = () => decideRest('reject');
  if (/^[0-9]$/.test(key)) work = () => pick(Number(key));
  if (!work) return;
  event.preventDefault();
  act(work);
};
document.addEventListener('keydown', onKey);
window.addEventListener('beforeunload', (event) => { if (state.pending) event.preventDefault(); });

const BUTTONS = {
  help, left: () => turn(-1), right: () => turn(1),
  'accept-all': () => decideRest('accept'), 'reject-all': () => decideRest('reject'),
};
for (const button of root.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => act(BUTTONS[button.dataset.do]));
}
$('.rv-who form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('.rv-who input').value.trim();
  if (name) hello(name).catch((error) => { $('.rv-known').textContent = error.message; });
});
hello(null).catch((error) => { $('.rv-desk').hidden = false; say(String(error.message || error), true); });
