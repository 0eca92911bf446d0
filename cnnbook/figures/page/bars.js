// The measures of each layer as bars, a row a measure, in the colours of the book's figures: on the
// explorer's page, and in the report of a profile. `profile.measures` may name others than the three.
((explorer) => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 56;
  const HEAD = 22;
  const GAP = 10;
  const MEASURES = [
    ["elements", "memory"],
    ["params", "parameters"],
    ["flops", "operations"],
  ];

  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  // In percent.
  explorer.share = (part, whole) => (whole ? (100 * Number(part)) / Number(whole) : 0);

  // Draws `profile` into `svg`, `width` pixels wide; `selected` is the path of the marked row, and
  // `choose` is called with a path.
  explorer.draw = (svg, profile, width, selected, choose) => {
    const layers = profile.rows.filter((row) => row.kind || (row.shape && row.params));
    const measures = profile.measures ?? MEASURES;
    const height = measures.length * (HEAD + HEIGHT + GAP);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    // Of more layers than there is room for bars, neighbours share one: the largest of them.
    const together = Math.max(1, Math.ceil((4 * layers.length) / Math.max(width, 1)));
    const places = Math.ceil(layers.length / together);
    const step = width / Math.max(places, 1);
    const wide = Math.max(Math.min(step - (step > 4 ? 2 : 0), 48), 0.5);
    const said = [];
    const parts = [];
    measures.forEach(([measure, label], i) => {
      const ground = (i + 1) * (HEAD + HEIGHT + GAP) - GAP;
      const whole = Number(profile.total[measure]);
      const shares = layers.map((row) => (row[measure] ? explorer.share(row[measure], whole) : 0));
      const most = Math.max(...shares, 0);
      const at = shares.indexOf(most);
      const largest = most
        ? `most, ${most.toFixed(0)} %: ${explorer.describe(layers[at].layer)}`
        : "none";
      said.push(`${label}: ${largest}`);
      parts.push(
        element(
          "text",
          {x: 0, y: ground - HEIGHT - 7, class: "explorer-bar-label"},
          `${label} — ${largest}`,
        ),
      );
      parts.push(
        element("line", {x1: 0, x2: width, y1: ground, y2: ground, class: "explorer-ground"}),
      );
      for (let place = 0; place < places; place += 1) {
        let j = place * together;
        for (let k = j + 1; k < Math.min(j + together, layers.length); k += 1)
          if (shares[k] > shares[j]) j = k;
        if (!shares[j]) continue;
        const row = layers[j];
        const tall = Math.max((HEIGHT * shares[j]) / most, 1);
        const marked = row.path === selected;
        const bar = element("rect", {
          x: place * step + (step - wide) / 2,
          y: ground - tall,
          width: wide,
          height: tall,
          class: `explorer-bar explorer-${row.kind || "other"}${marked ? " explorer-marked" : ""}`,
        });
        bar.append(
          element("title", {}, `${explorer.describe(row.layer)}: ${shares[j].toFixed(1)} %`),
        );
        bar.addEventListener("click", () => choose(row.path));
        parts.push(bar);
      }
    });
    svg.setAttribute("aria-label", `Share of each layer. ${said.join(". ")}.`);
    svg.replaceChildren(...parts);
  };
})((window.cnnbookExplorer ??= {}));
