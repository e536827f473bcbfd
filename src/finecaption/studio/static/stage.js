// The picture with its regions: drawing, pointing, painting. It knows nothing of the server.
import { area, bounds, decodeRuns, outline, tinted } from "./masks.js";

export class Stage {
  // parts: elements by name; act: { click, box, brush, pick, hover } called with picture coordinates.
  constructor(parts, act) {
    Object.assign(this, { parts, act, tool: "click", sign: "new", items: new Map(), current: null, lit: new Set() });
    this.radius = 26;
    this.scale = 1;
    this.cross = null;
    this.evidence = null;
    this.corner = null;
    this.drag = null;
    const over = parts.over;
    over.addEventListener("pointerdown", (event) => this.down(event));
    over.addEventListener("pointermove", (event) => this.move(event));
    over.addEventListener("pointerup", (event) => this.up(event));
    over.addEventListener("pointercancel", () => { this.drag = this.stroke = null; this.draw(); });
    over.addEventListener("pointerleave", () => { this.pointer = null; this.hover(null); this.draw(); });
    over.addEventListener("contextmenu", (event) => event.preventDefault());
    over.addEventListener("keydown", (event) => this.key(event));
    over.addEventListener("blur", () => { this.cross = null; this.draw(); });
    new ResizeObserver(() => this.fit()).observe(parts.stage.parentElement);
    window.addEventListener("resize", () => this.fit());
  }

  open(image, size, view) {
    [this.width, this.height] = view;
    this.native = size;
    this.items.clear();
    this.current = this.evidence = this.corner = this.cross = null;
    this.lit = new Set();
    this.fine = Math.max(1, Math.min(3, Math.ceil(1100 / Math.max(...view))));
    for (const name of ["picture", "over"]) {
      this.parts[name].width = this.width * (name === "over" ? this.fine : 1);
      this.parts[name].height = this.height * (name === "over" ? this.fine : 1);
    }
    this.parts.picture.getContext("2d").drawImage(image, 0, 0, this.width, this.height);
    this.fit();
    this.draw();
  }

  fit() {
    if (!this.width) return;
    const room = this.parts.stage.parentElement.clientWidth;
    const tall = Math.max(220, window.innerHeight * (window.innerWidth < 860 ? 0.62 : 0.7));
    const scale = Math.min(room / this.width, tall / this.height);
    this.parts.stage.style.width = `${Math.round(this.width * scale)}px`;
    this.parts.stage.style.height = `${Math.round(this.height * scale)}px`;
    this.scale = scale;
  }

  put(item, colour) {
    const mask = decodeRuns(item.runs, this.width, this.height);
    this.items.set(item.id, {
      id: item.id, colour, mask, path: outline(mask, this.width, this.height), area: area(mask),
      tint: tinted(mask, this.width, this.height, colour), box: bounds(mask, this.width, this.height),
      points: item.points, prompt: item.prompt,
    });
    this.draw();
  }

  drop(id) { this.items.delete(id); if (this.current === id) this.current = null; this.draw(); }
  clear() { this.items.clear(); this.current = null; this.draw(); }
  setTool(tool) { this.tool = tool; this.corner = null; this.parts.stage.dataset.tool = tool; this.draw(); }
  light(ids) { this.lit = new Set(ids); this.draw(); }
  show(evidence) { this.evidence = evidence; this.draw(); }

  // --- coordinates -------------------------------------------------------------------------
  place(event) {
    const box = this.parts.over.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width;
    const y = ((event.clientY - box.top) / box.height) * this.height;
    return [Math.min(this.width - 0.01, Math.max(0, x)), Math.min(this.height - 0.01, Math.max(0, y))];
  }
  toNative([x, y]) { return [(x * this.native[0]) / this.width, (y * this.native[1]) / this.height]; }
  fromNative([x, y]) { return [(x * this.width) / this.native[0], (y * this.height) / this.native[1]]; }

  // The smallest region under a place.
  under([x, y]) {
    const at = Math.floor(y) * this.width + Math.floor(x);
    let best = null;
    for (const item of this.items.values()) {
      if (item.mask[at] && (!best || item.area < best.area)) best = item;
    }
    return best ? best.id : null;
  }

  signOf(event) {
    if (event.altKey || event.ctrlKey || event.button === 2) return "take";
    return event.shiftKey ? "add" : this.sign;
  }

  // --- pointing ----------------------------------------------------------------------------
  down(event) {
    if (!this.width) return;
    event.preventDefault();
    this.parts.over.focus({ preventScroll: true });
    const at = this.place(event);
    const sign = this.signOf(event);
    this.drag = { at, sign, moved: false, id: event.pointerId };
    if (this.tool === "box" || this.tool === "brush") this.parts.over.setPointerCapture(event.pointerId);
    if (this.tool === "brush") this.beginStroke(at, sign);
  }

  move(event) {
    if (!this.width) return;
    const at = this.place(event);
    this.pointer = at;
    if (this.drag) {
      const [dx, dy] = [at[0] - this.drag.at[0], at[1] - this.drag.at[1]];
      if (Math.hypot(dx, dy) * this.scale > 6) this.drag.moved = true;
      if (this.tool === "brush") this.paint(at);
    } else if (event.pointerType !== "touch") {
      this.hover(this.under(at));
    }
    this.draw();
  }

  up(event) {
    if (!this.drag) return;
    const { at, sign, moved } = this.drag;
    const end = this.place(event);
    this.drag = null;
    if (this.tool === "select") this.act.pick(this.under(end));
    else if (this.tool === "click") { if (!moved || event.pointerType !== "touch") this.act.click(this.toNative(end), sign); }
    else if (this.tool === "box") this.boxEnd(at, end, moved, sign);
    else if (this.tool === "brush") this.endStroke();
    this.draw();
  }

  boxEnd(at, end, moved, sign) {
    const from = moved ? at : this.corner;
    if (!from) { this.corner = end; return; }
    this.corner = null;
    const [a, b] = [this.toNative(from), this.toNative(end)];
    const box = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    if (box[2] - box[0] >= 2 && box[3] - box[1] >= 2) this.act.box(box, sign);
  }

  hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    this.act.hover(id);
  }

  key(event) {
    const step = event.shiftKey ? 24 : 6;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (move) {
      const [x, y] = this.cross || [this.width / 2, this.height / 2];
      this.cross = [Math.min(this.width - 1, Math.max(0, x + move[0])), Math.min(this.height - 1, Math.max(0, y + move[1]))];
      this.hover(this.under(this.cross));
      this.draw();
    } else if (event.key === "Enter" && this.cross) {
      if (this.tool === "select") this.act.pick(this.under(this.cross));
      else if (this.tool === "box") this.boxEnd(null, this.cross, false, this.sign);
      else if (this.tool === "click") this.act.click(this.toNative(this.cross), this.signOf(event));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- painting ----------------------------------------------------------------------------
  beginStroke(at, sign) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.width, this.height];
    const context = canvas.getContext("2d");
    const item = sign !== "new" && this.items.get(this.current);
    if (item) context.drawImage(item.tint, 0, 0);
    context.globalCompositeOperation = sign === "take" ? "destination-out" : "source-over";
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle = item ? item.colour : "#1f77ff";
    this.stroke = { canvas, context, last: at, id: item ? item.id : null };
    this.paint(at);
  }

  paint(at) {
    if (!this.stroke) return;
    const { context, last } = this.stroke;
    context.lineWidth = (2 * this.radius) / this.scale;
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(at[0] + 0.01, at[1]);
    context.stroke();
    this.stroke.last = at;
  }

  endStroke() {
    const stroke = this.stroke;
    if (!stroke) return;
    stroke.canvas.toBlob((blob) => this.act.brush(blob, stroke.id, () => { this.stroke = null; this.draw(); }), "image/png");
  }

  // --- drawing -----------------------------------------------------------------------------
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paintAll(); });
  }

  paintAll() {
    if (!this.width) return;
    const context = this.parts.over.getContext("2d");
    context.setTransform(this.fine, 0, 0, this.fine, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const px = 1 / this.scale; // one pixel of the screen
    if (this.evidence) {
      context.fillStyle = "#0b0d1299";
      context.fillRect(0, 0, this.width, this.height);
      context.drawImage(this.evidence.canvas, 0, 0, this.width, this.height);
      const item = this.items.get(this.evidence.region);
      if (item) this.line(context, item, 2 * px);
      return;
    }
    const order = [...this.items.values()].sort((a, b) => b.area - a.area);
    for (const item of order) {
      const current = item.id === this.current, lit = this.lit.has(item.id) || item.id === this.hovered;
      context.globalAlpha = lit ? 0.55 : current ? 0.4 : 0.1;
      context.drawImage(item.tint, 0, 0);
      context.globalAlpha = 1;
      this.line(context, item, (current || lit ? 2.6 : 1.5) * px);
    }
    for (const item of order) if (this.items.size > 1) this.badge(context, item, px);
    const chosen = this.items.get(this.current);
    if (chosen && this.tool !== "select") for (const [x, y, positive] of chosen.points) this.dot(context, this.fromNative([x, y]), positive, px);
    if (this.stroke) { context.globalAlpha = 0.6; context.drawImage(this.stroke.canvas, 0, 0); context.globalAlpha = 1; }
    this.frame(context, px);
    if (this.tool === "brush" && this.pointer) this.ring(context, this.pointer, this.radius * px, px);
    if (this.cross) this.plus(context, this.cross, px);
  }

  line(context, item, width) {
    context.lineJoin = "round";
    context.strokeStyle = "#ffffffd9";
    context.lineWidth = width * 2;
    context.stroke(item.path);
    context.strokeStyle = item.colour;
    context.lineWidth = width;
    context.stroke(item.path);
  }

  badge(context, item, px) {
    const r = 10 * px, [x, y] = item.box.top;
    const cx = Math.min(this.width - r, Math.max(r, x)), cy = Math.min(this.height - r, Math.max(r, y));
    context.fillStyle = item.colour;
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5 * px;
    context.beginPath();
    context.arc(cx, cy, r, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.fillStyle = "#fff";
    context.font = `600 ${11 * px}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(String(item.id), cx, cy + 0.5 * px);
  }

  dot(context, [x, y], positive, px) {
    const r = 6.5 * px;
    context.fillStyle = positive ? "#12a150" : "#d92d20";
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * px;
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(x - r / 2, y);
    context.lineTo(x + r / 2, y);
    if (positive) { context.moveTo(x, y - r / 2); context.lineTo(x, y + r / 2); }
    context.stroke();
  }

  frame(context, px) {
    let from = null, to = this.pointer || this.cross;
    if (this.tool === "box" && this.drag && this.drag.moved) from = this.drag.at;
    else if (this.corner) from = this.corner;
    const chosen = this.items.get(this.current);
    context.setLineDash([6 * px, 4 * px]);
    context.lineWidth = 2 * px;
    if (from && to) {
      context.strokeStyle = "#fff";
      context.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      context.lineDashOffset = 5 * px;
      context.strokeStyle = "#1f4fd6";
      context.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      context.lineDashOffset = 0;
    } else if (this.tool === "box" && chosen && chosen.prompt) {
      const [a, b] = [this.fromNative(chosen.prompt.slice(0, 2)), this.fromNative(chosen.prompt.slice(2))];
      context.strokeStyle = chosen.colour;
      context.strokeRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
    }
    context.setLineDash([]);
  }

  ring(context, [x, y], r, px) {
    for (const [colour, width] of [["#000a", 3], ["#fff", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * px;
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  plus(context, [x, y], px) {
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * px;
      context.beginPath();
      context.moveTo(x - 12 * px, y); context.lineTo(x + 12 * px, y);
      context.moveTo(x, y - 12 * px); context.lineTo(x, y + 12 * px);
      context.stroke();
    }
  }
}
