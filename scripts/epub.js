// The pages of the EPUB (scripts/epub.py) from those of the site: parsed as HTML, written as XML.
"use strict";

// Controls, what is hidden until a script shows it, ways about the site (the reader has its own),
// and what is there twice, for wide windows too.
const LEFT_OUT = `script, style:not(svg style), button, canvas, input, select, textarea, [hidden],
  .headerlink, .ways, .is-wide, summary .expanded,
  .chapter-line .tools > :is(p, details:first-child)`;
// A figure's text follows the site's theme. The reader's is not known: grey is the colour of the text
// around, and the others have a contrast of 4.5:1 to white and to black.
const INK = /var\(--ink-(\w+), [^)]*\)/g;
const INKS = {
  text: "currentColor",
  blue: "#2779bf",
  orange: "#be5809",
  green: "#198563",
  purple: "#b2519f",
};
const XLINK = "http://www.w3.org/1999/xlink";

const articles = new Map(); // by the name of their page

/** Keep the page `name`, as it is without scripts, and say what the book must know of it. */
function read(name, text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const article = page.querySelector("article");
  const all = (selector, change) => article.querySelectorAll(selector).forEach(change);
  const unwrap = (element) => element.replaceWith(...element.childNodes);
  // MathML in the place of a formula's source; its number stays.
  all(".math + noscript", (fallback) => {
    const formula = fallback.previousElementSibling;
    formula.replaceChildren(...formula.querySelectorAll(".eqno"), ...fallback.childNodes);
  });
  all("noscript", unwrap);
  all(LEFT_OUT, (element) => element.remove());
  all("[style*='var(--ink-']", (element) => {
    const style = element.getAttribute("style");
    element.setAttribute(
      "style",
      style.replace(INK, (_, name) => INKS[name]),
    );
  });
  // What HTML forgives and XHTML does not; and data of scripts.
  all("summary p", unwrap);
  all("th[halign]", (head) => head.removeAttribute("halign"));
  all("svg path:not([d])", (glyph) => glyph.setAttribute("d", "")); // that of a space
  all("[data-question]", (question) => question.removeAttribute("data-question"));
  articles.set(name, article);
  const list = (selector, entry) => [...article.querySelectorAll(selector)].map(entry);
  return {
    title: titleOf(name),
    language: page.documentElement.lang,
    headings: list("section[id] > h2", (head) => [head.textContent.trim(), head.parentElement.id]),
    pictures: list("img[src]", (picture) => pathOf(picture.getAttribute("src"), name)),
  };
}

/** The path in the book of a link on the page `name`; null if it leads to another host. */
function pathOf(address, name) {
  const url = new URL(address, `file:///${name}.html`);
  return url.protocol === "file:" ? decodeURIComponent(url.pathname).slice(1) : null;
}

/** What the page `name` shows, its links leading to pages of the EPUB or to other hosts. */
function written(name) {
  const article = articles.get(name);
  for (const link of article.querySelectorAll("a")) {
    const key = ["href", "xlink:href"].find((key) => link.hasAttribute(key));
    const path = key && pathOf(link.getAttribute(key), name);
    if (!path) continue;
    const target = path.replace(/\.html$/, "");
    if (!articles.has(target)) {
      link.replaceWith(...link.childNodes);
      continue;
    }
    // A view of the live network has an address, and no place in its page.
    const anchor = decodeURIComponent(link.getAttribute(key).split("#")[1] ?? "");
    const known = anchor && articles.get(target).querySelector(`#${CSS.escape(anchor)}`);
    const place = known ? `#${encodeURIComponent(anchor)}` : "";
    const page = `${"../".repeat(name.split("/").length - 1)}${target}.xhtml`;
    link.setAttribute(key, target === name && place ? place : page + place);
    // In a figure words are drawn.
    if (key !== "href") link.setAttributeNS(XLINK, "xlink:title", titleOf(target));
  }
  return article.outerHTML;
}

const titleOf = (name) => articles.get(name).querySelector("h1").textContent.trim();

/** An HTML page as XHTML. */
const asXml = (text) =>
  new XMLSerializer().serializeToString(new DOMParser().parseFromString(text, "text/html"));
