// Makes elements, and brings what is on the page to what it should be. Text only ever becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Whatever is already as it should be is left alone, so that focus, selection and what a person opened stay.
export function show(id, ...children) {
  const place = document.getElementById(id);
  const wanted = place.cloneNode(false);
  wanted.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  bring(place, wanted);
}

function bring(there, wanted) {
  if (there.isEqualNode(wanted)) return;
  if (there.nodeType !== wanted.nodeType || there.nodeName !== wanted.nodeName) {
    there.replaceWith(wanted);
    return;
  }
  if (there.nodeType === Node.TEXT_NODE) {
    there.data = wanted.data;
    return;
  }
  bringAttributes(there, wanted);
  bringChildren(there, [...wanted.childNodes]);
}

function bringAttributes(there, wanted) {
  for (const { name } of [...there.attributes]) {
    // A person opened it.
    const isTheirs = there.nodeName === "DETAILS" && name === "open";
    if (!wanted.hasAttribute(name) && !isTheirs) there.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
}

const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;

function bringChildren(there, wanted) {
  const byKey = new Map([...there.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  wanted.forEach((child, index) => {
    const key = keyOf(child);
    const at = there.childNodes[index];
    const same = key ? byKey.get(key) : at && !keyOf(at) ? at : undefined;
    if (!same) {
      there.insertBefore(child, at ?? null);
    } else {
      if (same !== at) there.insertBefore(same, at ?? null);
      bring(same, child);
    }
  });
  while (there.childNodes.length > wanted.length) there.lastChild.remove();
}
