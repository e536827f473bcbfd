// Texts as words that can be asked about, with mentions of other regions marked.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// mentions: [{start, end, targets}] of this text; colourOf(id) -> CSS colour.
export function words(text, mentions, colourOf) {
  const box = make("span", { class: "fc-text", tabindex: "0", role: "group", "aria-label": text });
  let number = 0, into = box, open = null;
  for (const match of text.matchAll(/\S+|\s+/g)) {
    const [start, end] = [match.index, match.index + match[0].length];
    const mention = mentions.find((one) => one.start < end && one.end > start) || null;
    if (mention !== open) {
      open = mention;
      into = box;
      if (mention) {
        into = make("span", { class: "fc-m", "data-targets": mention.targets.join(","), style: `--c:${colourOf(mention.targets[0])}` });
        box.append(into);
      }
    }
    if (match[0].trim()) into.append(make("span", { class: "fc-w", "data-w": String(number++), text: match[0] }));
    else into.append(match[0]);
  }
  return box;
}

export function confidence(value) {
  if (value === null || value === undefined) return "";
  const percent = `${Math.round(value * 100)} %`;
  return make("span", { class: "fc-conf", style: `--p:${value}`, title: `The answer is right with a probability of ${percent} (calibrated)` },
    make("i"), percent);
}

export const notApplicable = (text) => /does not apply|not applicable|there is no |has no |have no |cannot be seen|can't be seen/i.test(text || "");
