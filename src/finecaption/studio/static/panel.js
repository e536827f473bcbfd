// The right side: cards, comparison, relations, export. Drawn from the state; tells what is pressed.
import { confidence, make, notApplicable, words } from "./text.js";

const LEAD = "One-Sentence Description";
const EXPORTS = [
  ["json", "JSON", "Masks and texts, as the command line prints them"],
  ["coco", "COCO", "Instances file for training and evaluation tools"],
  ["png", "PNG", "The image with outlines and captions"],
  ["html", "HTML", "A page that stands alone"],
  ["graph", "Graph, JSON", "Regions and relations"],
  ["dot", "Graph, DOT", "For Graphviz"],
];

export class Panel {
  constructor(root, state, act) {
    Object.assign(this, { root, state, act });
    root.addEventListener("click", (event) => this.click(event));
    root.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["mouseover", "mouseout", "focusin", "focusout"]) root.addEventListener(kind, (event) => this.over(event, kind));
  }

  draw() {
    const made = { region: () => this.region(), whole: () => this.whole(), compare: () => this.compare(), relations: () => this.relations(), export: () => this.exports() }[this.state.tab]();
    this.root.replaceChildren(...[made].flat().filter(Boolean));
  }

  // Only what changed while an answer is written.
  update(region, name) {
    const { tab, current } = this.state;
    const shown = tab === "region" ? region === current : tab === "whole" && region === null;
    if (!shown) { if (tab === "compare") this.later(); return; }
    const place = this.root.querySelector(`[data-card="${CSS.escape(name)}"]`);
    if (!place) { this.later(); return; }
    place.replaceWith(this.card(region, name, place.dataset.look));
  }

  later() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => { this.waiting = null; this.draw(); }, 120);
  }

  text(region, name) {
    if (region === null) return this.state.whole ? this.state.whole.text : "";
    const item = this.state.items.get(region);
    return (item && (name === "dense" ? item.dense : item.captions[name])) || "";
  }

  card(region, name, look) {
    const text = this.text(region, name);
    const item = region === null ? null : this.state.items.get(region);
    const writing = region === null ? this.state.writing.has("null/global") : this.state.writing.has(`${region}/${name}`);
    const mentions = this.state.links.mentions.filter((one) => one.region === region && one.name === name && one.end <= text.length);
    const box = words(text, writing ? [] : mentions, this.act.colour);
    box.dataset.region = region === null ? "" : region;
    box.dataset.name = name;
    if (writing) box.classList.add("fc-wait");
    const sure = region === null ? (this.state.whole || {}).confidence : item && item.confidence[name];
    const label = name === "dense" || name === "global" ? "In detail" : name;
    const attributes = { "data-card": name, "data-look": look };
    if (look === "lead") return make("div", { class: "fc-lead", ...attributes }, box, " ", confidence(sure));
    const classes = look === "block" ? "fc-block" : `fc-card${notApplicable(text) ? " fc-na" : ""}`;
    return make("div", { class: classes, ...attributes }, make("div", { class: "fc-label" }, make("span", { text: label }), confidence(sure)), box);
  }

  region() {
    const item = this.state.items.get(this.state.current);
    if (!item) return make("p", { class: "fc-empty", text: this.state.items.size ? "Choose a region to read about it." : "Click on an object in the image to read about it." });
    const colour = this.act.colour(item.id);
    const head = make("div", { class: "fc-head", style: `--c:${colour}` },
      make("h2", {}, make("span", { class: "fc-dot" }), `${item.id}  ${this.act.label(item.id)}`),
      make("button", { class: "fc-btn", "data-do": "describe", title: "D", text: item.dense || Object.keys(item.captions).length ? "Describe again" : "Describe" }),
      make("button", { class: "fc-btn", "data-do": "remove", title: "Del", text: "Remove" }));
    const facts = make("p", { class: "fc-hint", text: `${(item.area * 100).toFixed(1)} % of the image` + (item.score === null ? "" : `; mask expected to be right to ${Math.round(item.score * 100)} %`) + ". Click on a word to see which pixels carried it." });
    if (!Object.keys(item.captions).length && !item.dense && ![...this.state.writing].some((key) => key.startsWith(`${item.id}/`))) return [head, facts];
    const rest = this.state.attributes.filter((name) => name !== LEAD).map((name) => this.card(item.id, name, "card"));
    const [does, not] = [rest.filter((card) => !card.classList.contains("fc-na")), rest.filter((card) => card.classList.contains("fc-na"))];
    return [head, this.card(item.id, LEAD, "lead"), this.card(item.id, "dense", "block"), make("div", { class: "fc-cards" }, ...does, ...not), facts];
  }

  whole() {
    const head = make("div", { class: "fc-head" }, make("h2", { text: "The whole image" }),
      make("button", { class: "fc-btn", "data-do": "whole", title: "G", text: this.state.whole ? "Describe again" : "Describe" }));
    if (!this.state.whole && !this.state.writing.has("null/global")) return [head, make("p", { class: "fc-empty", text: "A paragraph about everything in the image." })];
    return [head, this.card(null, "global", "block")];
  }

  compare() {
    const all = [...this.state.items.values()];
    if (all.length < 2) return make("p", { class: "fc-empty", text: "Two regions or more can be compared side by side: click on another object." });
    if (!this.state.compared.size) for (const item of all.slice(0, 4)) this.state.compared.add(item.id);
    const picks = make("div", { class: "fc-pick" }, ...all.map((item) => {
      const input = make("input", { type: "checkbox", "data-compare": String(item.id), checked: this.state.compared.has(item.id) });
      return make("label", {}, input, make("i", { class: "fc-dot", style: `--c:${this.act.colour(item.id)}` }), this.act.label(item.id));
    }), make("button", { class: "fc-btn", "data-do": "describe-all", text: "Describe all" }));
    const chosen = all.filter((item) => this.state.compared.has(item.id));
    const head = make("tr", {}, make("th"), ...chosen.map((item) => make("th", { style: `--c:${this.act.colour(item.id)}` }, this.act.crop(item.id), `${item.id} ${this.act.label(item.id)}`)));
    const rows = [...this.state.attributes, "dense"].map((name) => {
      const texts = chosen.map((item) => this.text(item.id, name));
      if (!texts.some(Boolean)) return null;
      const same = new Set(texts).size === 1 && texts.length > 1;
      return make("tr", { class: same ? "fc-same" : "" }, make("th", { text: name === "dense" ? "In detail" : name }), ...texts.map((text) => make("td", { text: text || "–" })));
    }).filter(Boolean);
    if (!rows.length) rows.push(make("tr", {}, make("th"), make("td", { colspan: String(Math.max(1, chosen.length)), text: "They have not been described yet." })));
    return [picks, make("div", { class: "fc-scroll" }, make("table", { class: "fc-table" }, make("thead", {}, head), make("tbody", {}, ...rows)))];
  }

  relations() {
    const all = this.state.links.relations.filter((one) => this.state.items.has(one.source) && this.state.items.has(one.target));
    if (!all.length) return make("p", { class: "fc-empty", text: "Describe two related objects: what the texts say about both appears here." });
    const tag = (id) => make("span", { class: "fc-tag", "data-go": String(id), "data-targets": String(id), tabindex: "0", style: `--c:${this.act.colour(id)}` }, make("i"), `${id} ${this.act.label(id)}`);
    return make("ul", { class: "fc-rel" }, ...all.map((one) => make("li", {}, tag(one.source), ` ${one.label} `, tag(one.target), make("small", { text: one.from === "mask" ? "its mask lies there" : one.text }))));
  }

  exports() {
    if (!this.state.items.size && !this.state.whole) return make("p", { class: "fc-empty", text: "Regions and texts can be taken away from here, once there are some." });
    return make("div", { class: "fc-exports" }, ...EXPORTS.map(([form, name, what]) =>
      make("button", { class: "fc-btn", "data-export": form }, make("b", { text: name }), make("small", { text: what }))));
  }

  // --- what is pressed -----------------------------------------------------------------------
  click(event) {
    const at = (selector) => event.target.closest(selector);
    const word = at(".fc-w");
    if (word) { this.ask(word); return; }
    if (at("[data-compare]")) {
      const input = at("[data-compare]"), id = Number(input.dataset.compare);
      if (input.checked) this.state.compared.add(id); else this.state.compared.delete(id);
      this.draw();
    } else if (at("[data-export]")) this.act.take(at("[data-export]").dataset.export);
    else if (at("[data-go]")) this.act.choose(Number(at("[data-go]").dataset.go));
  }

  ask(word) {
    const text = word.closest(".fc-text");
    for (const one of this.root.querySelectorAll(".fc-on")) one.classList.remove("fc-on");
    word.classList.add("fc-on");
    this.act.evidence(text.dataset.region === "" ? null : Number(text.dataset.region), text.dataset.name, Number(word.dataset.w));
  }

  // Arrow keys walk through a text's words, Enter asks for a word's evidence.
  key(event) {
    const text = event.target.closest(".fc-text");
    if (!text) {
      if (event.key === "Enter" && event.target.dataset.go) this.act.choose(Number(event.target.dataset.go));
      return;
    }
    const all = [...text.querySelectorAll(".fc-w")];
    const now = all.findIndex((one) => one.classList.contains("fc-at"));
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      all.forEach((one) => one.classList.remove("fc-at"));
      const next = all[Math.min(all.length - 1, Math.max(0, now + step))];
      if (next) next.classList.add("fc-at");
    } else if (event.key === "Enter" && now >= 0) this.ask(all[now]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  over(event, kind) {
    const place = event.target.closest && event.target.closest("[data-targets]");
    if (!place) return;
    this.act.light(kind === "mouseover" || kind === "focusin" ? place.dataset.targets.split(",").map(Number) : []);
  }
}
