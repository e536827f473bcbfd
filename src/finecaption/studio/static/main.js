// The studio: what is known, what the visitor does, what the server is asked.
import { getBlob, getJson, post, postBytes, remove, setSession, stream } from "./api.js";
import { heat } from "./masks.js";
import { Panel } from "./panel.js";
import { Stage } from "./stage.js";
import { make } from "./text.js";

const HINTS = {
  select: "Click on a region to choose it.",
  click: "Click on an object. + (or Shift) adds to it, − (or Alt) takes away.",
  box: "Drag a box around an object, or click two corners.",
  brush: "Paint over an object; + and − correct it.",
};

export async function start(element) {
  if (element.dataset.started) return;
  element.dataset.started = "1";
  const root = element.querySelector(".fc") || element;
  const parts = Object.fromEntries([...root.querySelectorAll("[data-el]")].map((one) => [one.dataset.el, one]));
  const config = await getJson("/config");
  const state = {
    open: false, items: new Map(), current: null, whole: null, links: { labels: {}, mentions: [], relations: [] },
    attributes: config.attributes, tab: "region", writing: new Set(), compared: new Set(), model: config.models[0],
  };
  const jobs = new Map(); // region id or "whole" -> AbortController
  let asking = null, evidenceRun = 0, toastTimer = null, queue = Promise.resolve();

  const colour = (id) => config.palette[(id - 1) % config.palette.length];
  const label = (id) => state.links.labels[id] || (state.items.get(id) || {}).label || "region";

  const stage = new Stage(parts, { click, box: dragBox, brush, pick: choose, hover });
  const panel = new Panel(parts.panel, state, { colour, label, crop, choose, evidence, take, light: lightMentioned });

  // --- small things ------------------------------------------------------------------------
  function toast(message) {
    parts.toast.textContent = message;
    parts.toast.hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { parts.toast.hidden = true; }, 9000);
  }
  function failed(error) {
    if (error.name === "AbortError") return;
    if (error.code === "session_over") { setSession(""); closePicture(); }
    toast(error.message);
  }
  function busy(text, share = null) {
    parts.busy.hidden = !text;
    parts["busy-text"].textContent = text || "";
    parts["busy-bar"].style.width = `${Math.round((share || 0) * 100)}%`;
  }
  function theme(next) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const chosen = next || localStorage.getItem("fc-theme") || (dark ? "dark" : "light");
    root.dataset.theme = chosen;
    document.documentElement.style.background = document.body.style.background = chosen === "dark" ? "#14161b" : "#f6f5f1";
    if (next) localStorage.setItem("fc-theme", next);
  }
  // one after the other, so that clicks count in the order in which they were made
  const inTurn = (work) => { queue = queue.then(work).catch(failed); return queue; };

  // --- opening -----------------------------------------------------------------------------
  function closePicture() {
    state.open = false;
    root.classList.remove("fc-open");
    parts.welcome.hidden = false;
    parts.work.hidden = parts.right.hidden = true;
    parts.notice.hidden = true;
  }

  async function openPicture(path, body, name) {
    for (const job of jobs.values()) job.abort();
    jobs.clear();
    root.setAttribute("aria-busy", "true");
    if (state.open) busy("Encoding the image");
    else parts.drop.querySelector(".fc-drop-title").textContent = "Encoding the image …";
    try {
      const query = `${path}${path.includes("?") ? "&" : "?"}model=${encodeURIComponent(state.model)}`;
      const opened = await postBytes(query, body, { "x-file-name": encodeURIComponent(name) });
      setSession(opened.session);
      const image = await createImageBitmap(await getBlob("/view"));
      Object.assign(state, { open: true, items: new Map(), current: null, whole: null, links: { labels: {}, mentions: [], relations: [] }, tab: "region", name });
      state.writing.clear();
      state.compared.clear();
      parts.welcome.hidden = true;
      parts.work.hidden = parts.right.hidden = false;
      root.classList.add("fc-open");
      stage.open(image, opened.size, opened.view);
      putEvidenceAway();
      notice(opened.notice);
      setTool("click");
      drawAll();
    } catch (error) {
      failed(error);
    } finally {
      busy(null);
      root.removeAttribute("aria-busy");
      parts.drop.querySelector(".fc-drop-title").textContent = "Drop an image here";
    }
  }
  const openFile = (file) => file && openPicture("/open", file, file.name || "picture");
  function notice(text) { parts.notice.textContent = text || ""; parts.notice.hidden = !text; }

  // --- regions -----------------------------------------------------------------------------
  function put(item, select = true) {
    state.items.set(item.id, item);
    stage.put(item, colour(item.id));
    if (select) choose(item.id);
  }

  function choose(id) {
    if (id === null || !state.items.has(id)) return;
    state.current = stage.current = id;
    if (state.tab !== "compare") state.tab = "region";
    putEvidenceAway();
    drawAll();
    const item = state.items.get(id);
    if (!item.dense && !jobs.has(id)) askSoon(id);
  }

  function changed(item) {
    for (const key of [...state.writing]) if (key.startsWith(`${item.id}/`)) state.writing.delete(key);
    if (jobs.has(item.id)) { jobs.get(item.id).abort(); jobs.delete(item.id); }
    put(item);
    askSoon(item.id);
  }

  const target = (sign) => (sign === "new" ? null : state.current);
  function click(at, sign) {
    inTurn(async () => changed(await post("/segment", { region: target(sign), point: at, positive: sign !== "take" })));
  }
  function dragBox(box, sign) {
    inTurn(async () => changed(await post("/segment", { region: target(sign === "take" ? "new" : sign), box })));
  }
  function brush(blob, id, done) {
    inTurn(async () => {
      try {
        const query = id === null ? "" : `?region=${id}`;
        changed(await postBytes(`/brush${query}`, blob));
        if (id === null) setSign("add"); // the next stroke belongs to it
      } finally { done(); }
    });
  }
  function undo() {
    const item = state.items.get(state.current);
    if (!item || !item.points.length) return;
    if (item.points.length === 1 && !item.prompt) { removeCurrent(); return; }
    inTurn(async () => changed(await post("/segment", { region: item.id, undo: true })));
  }
  function removeCurrent() {
    const id = state.current;
    if (id === null) return;
    inTurn(async () => {
      if (jobs.has(id)) jobs.get(id).abort();
      state.links = (await remove(`/regions/${id}`)).links;
      state.items.delete(id);
      state.compared.delete(id);
      stage.drop(id);
      state.current = null;
      const rest = [...state.items.keys()];
      if (rest.length) choose(rest[rest.length - 1]);
      drawAll();
    });
  }

  async function everything() {
    busy("Looking for objects", 0.02);
    parts.work.querySelector('[data-do="everything"]').disabled = true;
    try {
      let found = [];
      await stream("/everything", {}, (news) => {
        if (news.regions) found = news.regions;
        else busy("Looking for objects", news.progress);
      });
      found.forEach((item) => put(item, false));
      setTool("select");
      drawAll();
      if (!found.length) toast("No further objects were found. Click on the object you mean.");
      else { busy("Naming them", 1); await describe(found.map((item) => item.id), config.naming, false); }
    } catch (error) { failed(error); } finally {
      busy(null);
      parts.work.querySelector('[data-do="everything"]').disabled = false;
    }
  }

  // --- texts -------------------------------------------------------------------------------
  function askSoon(id) {
    clearTimeout(asking);
    asking = setTimeout(() => { if (state.items.has(id) && state.current === id) describe([id], null, true); }, 350);
  }

  async function describe(ids, attributes, dense, whole = false) {
    const abort = new AbortController();
    const keys = whole ? ["whole"] : ids;
    for (const key of keys) { if (jobs.has(key)) jobs.get(key).abort(); jobs.set(key, abort); }
    const names = whole ? ["global"] : [...(attributes || config.attributes), ...(dense ? ["dense"] : [])];
    for (const id of whole ? [null] : ids) {
      for (const name of names) { state.writing.add(`${id}/${name}`); }
      const item = state.items.get(id);
      if (item) for (const name of names) { if (name === "dense") item.dense = null; else delete item.captions[name]; delete item.confidence[name]; }
    }
    if (whole) state.whole = { text: "", confidence: null };
    parts.panel.setAttribute("aria-busy", "true");
    panel.draw();
    try {
      await stream("/describe", { regions: whole ? [] : ids, attributes, dense, whole }, (news) => {
        for (const one of news.updates || []) hear(one);
        if (news.links) { state.links = news.links; }
      }, abort.signal);
    } catch (error) { failed(error); } finally {
      const mine = keys.filter((key) => jobs.get(key) === abort);
      for (const key of mine) {
        jobs.delete(key);
        for (const name of names) state.writing.delete(`${key === "whole" ? null : key}/${name}`);
      }
      if (mine.length) drawAll();
      if (!jobs.size) parts.panel.removeAttribute("aria-busy");
    }
  }

  function hear({ region, name, text, done, confidence }) {
    if (region === null) state.whole = { text, confidence };
    else {
      const item = state.items.get(region);
      if (!item) return;
      if (name === "dense") item.dense = text; else item.captions[name] = text;
      if (done && confidence !== null) item.confidence[name] = confidence;
    }
    if (done) state.writing.delete(`${region}/${name}`);
    panel.update(region, name);
  }

  async function evidence(region, name, word) {
    const run = ++evidenceRun;
    try {
      const found = await post("/evidence", { region, name, word });
      const image = new Image();
      image.src = found.map;
      await image.decode();
      if (run !== evidenceRun) return;
      stage.show({ canvas: heat(image), region });
      const shares = found.share === null ? "" : ` ${Math.round(found.share * 100)} % of it lies on the region, which is ${(found.area * 100).toFixed(1)} % of the image.`;
      parts.evidence.replaceChildren(
        make("span", {}, "Pixels that carried ", make("b", { text: `“${found.word.replace(/[.,;]$/, "")}”` }), `.${shares}`),
        make("button", { "data-do": "hide-evidence", text: "Close" }));
      parts.evidence.hidden = false;
    } catch (error) { failed(error); }
  }
  function putEvidenceAway() {
    evidenceRun++;
    parts.evidence.hidden = true;
    stage.show(null);
    for (const one of root.querySelectorAll(".fc-on")) one.classList.remove("fc-on");
  }

  async function take(form) {
    try {
      const blob = await getBlob(`/export/${form}`);
      const link = make("a", { href: URL.createObjectURL(blob), download: `${(state.name || "picture").replace(/\.[^.]*$/, "")}.${config.formats[form]}` });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) { failed(error); }
  }

  async function changeModel(name) {
    state.model = name;
    if (!state.open) return;
    busy("Encoding the image with the other model");
    try {
      const answer = await post("/model", { name });
      notice(answer.notice);
      state.links = { labels: {}, mentions: [], relations: [] };
      state.whole = null;
      for (const item of answer.regions) put(item, false);
      drawAll();
      if (state.current !== null) askSoon(state.current);
    } catch (error) { failed(error); } finally { busy(null); }
  }

  // --- mentions ----------------------------------------------------------------------------
  function lightMentioned(ids) {
    stage.light(ids);
    for (const chip of parts.chips.children) chip.classList.toggle("fc-lit", ids.includes(Number(chip.dataset.id)));
  }
  // A region under the pointer lights up where the texts speak of it.
  function hover(id) {
    for (const chip of parts.chips.children) chip.classList.toggle("fc-lit", Number(chip.dataset.id) === id);
    for (const one of parts.panel.querySelectorAll("[data-targets]")) one.classList.toggle("fc-lit", id !== null && one.dataset.targets.split(",").includes(String(id)));
  }
  function crop(id) {
    const canvas = make("canvas", { class: "fc-crop", width: "168", height: "168" });
    const item = stage.items.get(id);
    if (!item) return canvas;
    const { x0, y0, x1, y1 } = item.box;
    const side = Math.max(x1 - x0, y1 - y0) * 1.15, left = (x0 + x1 - side) / 2, top = (y0 + y1 - side) / 2;
    const context = canvas.getContext("2d");
    context.scale(168 / side, 168 / side);
    context.translate(-left, -top);
    context.drawImage(parts.picture, 0, 0);
    stage.line(context, item, side / 80);
    return canvas;
  }

  // --- drawing -----------------------------------------------------------------------------
  function drawAll() {
    parts.chips.replaceChildren(...[...state.items.values()].map((item) => make("button", {
      class: "fc-chip", role: "option", "data-id": String(item.id), "aria-selected": String(item.id === state.current), style: `--c:${colour(item.id)}`,
    }, make("b", { text: String(item.id) }), make("span", { text: label(item.id) }))));
    for (const tab of parts.tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.tab === state.tab));
    panel.draw();
    stage.draw();
  }
  function setTool(tool) {
    stage.setTool(tool);
    for (const one of parts.tools.children) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
    parts.signs.hidden = tool === "select";
    parts.size.hidden = tool !== "brush";
    parts.hint.textContent = HINTS[tool];
    setSign("new");
  }
  function setSign(sign) {
    stage.sign = sign;
    for (const one of parts.signs.children) one.setAttribute("aria-pressed", String(one.dataset.sign === sign));
  }
  function setRadius(value) {
    stage.radius = Math.min(90, Math.max(4, value));
    parts.radius.value = stage.radius;
    stage.draw();
  }

  const doings = {
    "open-file": () => parts.file.click(),
    theme: () => theme(root.dataset.theme === "dark" ? "light" : "dark"),
    help: () => parts.help.showModal(),
    everything, undo, remove: removeCurrent,
    describe: () => state.current !== null && describe([state.current], null, true),
    "describe-all": () => { const ids = [...state.compared].filter((id) => state.items.has(id)); if (ids.length) describe(ids, null, true); },
    whole: () => { state.tab = "whole"; drawAll(); describe([], null, false, true); },
    "hide-evidence": putEvidenceAway,
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do],[data-tool],[data-sign],[data-tab],.fc-chip,[data-example]");
    if (!button) return;
    const { do: what, tool, sign, tab, id, example } = button.dataset;
    if (what && doings[what]) doings[what]();
    else if (example) openPicture(`/open?example_name=${example}`, null, `${example}.png`);
    else if (tool && button.closest("[data-el=tools]")) setTool(tool);
    else if (sign) setSign(sign);
    else if (tab) { state.tab = tab; putEvidenceAway(); drawAll(); if (tab === "whole" && !state.whole) doings.whole(); }
    else if (id) choose(Number(id));
  });
  for (const [kind, on] of [["mouseover", true], ["mouseout", false]]) {
    parts.chips.addEventListener(kind, (event) => {
      const chip = event.target.closest(".fc-chip");
      if (!chip) return;
      stage.light(on ? [Number(chip.dataset.id)] : []);
      hover(on ? Number(chip.dataset.id) : null);
    });
  }

  parts.drop.addEventListener("click", () => parts.file.click());
  parts.drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") parts.file.click(); });
  parts.file.addEventListener("change", () => { openFile(parts.file.files[0]); parts.file.value = ""; });
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("fc-over"); });
  root.addEventListener("dragleave", () => root.classList.remove("fc-over"));
  root.addEventListener("drop", (event) => { event.preventDefault(); root.classList.remove("fc-over"); openFile(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => openFile([...event.clipboardData.files][0]));
  parts.radius.addEventListener("input", () => setRadius(Number(parts.radius.value)));
  parts.model.addEventListener("change", () => changeModel(parts.model.value));

  const keys = {
    v: () => setTool("select"), c: () => setTool("click"), b: () => setTool("box"), r: () => setTool("brush"),
    e: everything, n: () => setSign("new"), "+": () => setSign("add"), "=": () => setSign("add"), "-": () => setSign("take"),
    z: undo, d: doings.describe, g: doings.whole, Delete: removeCurrent, Backspace: removeCurrent,
    "[": () => setRadius(stage.radius - 4), "]": () => setRadius(stage.radius + 4),
    ",": () => step(-1), ".": () => step(1),
  };
  function step(by) {
    const ids = [...state.items.keys()];
    if (ids.length) choose(ids[(ids.indexOf(state.current) + by + ids.length) % ids.length]);
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || parts.help.open) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "o") doings["open-file"]();
    else if (key === "t") doings.theme();
    else if (key === "?") doings.help();
    else if (key === "Escape") putEvidenceAway();
    else if (state.open && /^[1-9]$/.test(key)) choose([...state.items.keys()][Number(key) - 1] ?? null);
    else if (state.open && keys[key]) keys[key]();
    else return;
    event.preventDefault();
  });

  // --- beginning ---------------------------------------------------------------------------
  theme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
  parts.model.replaceChildren(...config.models.map((name) => make("option", { value: name, text: name })));
  parts.examples.replaceChildren(...config.examples.map(({ name, title }) => make("button", { class: "fc-example", "data-example": name },
    make("img", { src: `/studio-api/example/${name}`, alt: "" }), make("span", { text: title }))));
  root.dataset.ready = "1";
}
