// Masks in the browser: run lengths -> pixels, an outline to stroke, a tinted picture to lay over.

export function decodeRuns(runs, width, height) {
  const mask = new Uint8Array(width * height);
  let at = 0, on = false;
  for (const length of runs) {
    if (on) mask.fill(1, at, at + length);
    at += length;
    on = !on;
  }
  return mask;
}

// The borders as one Path2D: unit steps along pixel edges, smoothed through their midpoints.
export function outline(mask, width, height) {
  const next = new Map();
  const key = (x, y) => y * (width + 1) + x;
  const put = (from, to) => { const all = next.get(from); if (all) all.push(to); else next.set(from, [to]); };
  const at = (x, y) => (x >= 0 && y >= 0 && x < width && y < height ? mask[y * width + x] : 0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!mask[y * width + x]) continue;
      if (!at(x, y - 1)) put(key(x, y), key(x + 1, y));
      if (!at(x + 1, y)) put(key(x + 1, y), key(x + 1, y + 1));
      if (!at(x, y + 1)) put(key(x + 1, y + 1), key(x, y + 1));
      if (!at(x - 1, y)) put(key(x, y + 1), key(x, y));
    }
  }
  const path = new Path2D();
  const point = (k) => [k % (width + 1), Math.floor(k / (width + 1))];
  for (const [start, list] of next) {
    while (list.length) {
      const loop = [start];
      let here = list.pop();
      while (here !== start) {
        loop.push(here);
        const choices = next.get(here);
        if (!choices || !choices.length) break;
        here = choices.pop();
      }
      const corners = loop.map(point);
      corners.forEach(([x, y], i) => {
        const [u, v] = corners[(i + 1) % corners.length];
        if (i) path.lineTo((x + u) / 2, (y + v) / 2);
        else path.moveTo((x + u) / 2, (y + v) / 2);
      });
      path.closePath();
    }
  }
  return path;
}

export function tinted(mask, width, height, colour) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    image.data.set([r, g, b, 255], i * 4);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

export function bounds(mask, width, height) {
  let x0 = width, y0 = height, x1 = 0, y1 = 0, top = [0, height];
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width, y = (i - x) / width;
    if (x < x0) x0 = x;
    if (x >= x1) x1 = x + 1;
    if (y < y0) { y0 = y; top = [x, y]; }
    if (y >= y1) y1 = y + 1;
  }
  return { x0, y0, x1, y1, top };
}

export function area(mask) {
  let count = 0;
  for (const one of mask) count += one;
  return count;
}

// Grey evidence (an Image) -> a heat map: clear where there is none, yellow to red where there is.
export function heat(image, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.data.length; i += 4) {
    const v = data.data[i] / 255;
    data.data[i] = 255;
    data.data[i + 1] = Math.round(235 * (1 - v) ** 0.8);
    data.data[i + 2] = Math.round(60 * (1 - v));
    data.data[i + 3] = Math.round(235 * Math.min(1, v * 1.25));
  }
  context.putImageData(data, 0, 0);
  return canvas;
}
