// Ranks the book's sections for a query and lists their pages, with an excerpt each.
// `texts.js` has the text (written by _ext/search.py); the functions of the package, which
// Sphinx's own index finds, come after all that is explained.
{
  // What the field calls by several names; each list is one thing.
  const SYNONYMS = [
    ["skip connection", "shortcut", "residual connection", "identity connection"],
    ["batch norm", "batch normalisation", "batch normalization", "batchnorm", "bn"],
    ["1x1", "1 by 1", "pointwise"],
    ["receptive field", "field of view", "sees"],
    ["global average pooling", "gap"],
    ["fully connected", "dense layer", "linear layer"],
    ["flops", "multiply adds", "macs", "operations"],
    ["params", "parameters", "weights"],
    ["inception", "inception module"],
    ["grouped convolution", "group convolution", "groups", "cardinality"],
    ["vanishing gradient", "exploding gradient", "gradient norm"],
    ["auxiliary classifier", "auxiliary head", "aux"],
    ["learning rate schedule", "scheduler", "learning rate"],
    ["distributed training", "ddp", "multi gpu", "several gpus", "torchrun"],
    ["local response normalisation", "lrn", "local response normalization"],
    ["downsampling", "stem"],
  ];
  const stemmer = new Stemmer();
  const stem = (word) => (word.length > 3 ? stemmer.stemWord(word) : word);
  const plain = (text) =>
    text
      .toLowerCase()
      .replace(/[×✕]/g, "x")
      .replace(/isation/g, "ization");
  const split = (text) => plain(text).match(/[\p{Letter}\p{Number}]+/gu) ?? [];
  const stems = (text) => split(text).map(stem);
  const SKIPPED = new Set(stopwords);

  // The text as stems, each section once; the ends are marked so that a phrase does not cross words.
  const pages = window.cnnbookTexts.map((page) => ({
    ...page,
    sections: page.sections.map((section) => ({
      ...section,
      body: ` ${stems(section.text).join(" ")} `,
      head: ` ${stems(section.heading).join(" ")} `,
    })),
  }));

  const count = (text, phrase) => text.split(` ${phrase} `).length - 1;

  /** The things a query asks for: each a list of phrases, as stems, that name it. */
  const things = (query) => {
    const words = split(query).filter((word) => !SKIPPED.has(word));
    let rest = ` ${words.map(stem).join(" ")} `;
    const found = [];
    for (const names of SYNONYMS) {
      const phrases = names.map((name) => stems(name).join(" "));
      // The longest first, or "batch norm" is taken out of "batch normalization".
      const asked = [...phrases].sort((a, b) => b.length - a.length);
      const hit = asked.find((phrase) => rest.includes(` ${phrase} `));
      if (hit) {
        found.push({asked: hit, phrases});
        rest = rest.replace(` ${hit} `, " ");
      }
    }
    for (const word of rest.split(" ").filter(Boolean)) found.push({asked: word, phrases: [word]});
    return found;
  };

  /** What a section has to say of a thing: as it was asked for counts more than a synonym. */
  const said = (section, thing) => {
    let sum = 0;
    for (const phrase of thing.phrases) {
      const own = phrase === thing.asked ? 1 : 0.5;
      sum += own * (count(section.body, phrase) + 6 * Math.min(1, count(section.head, phrase)));
    }
    return sum;
  };

  const ranked = (query) => {
    const wanted = things(query);
    if (!wanted.length) return [];
    // Of several words, that they stand side by side counts once more, most in a heading.
    const words = split(query).map(stem);
    const together = words.length > 1 ? {asked: words.join(" "), phrases: [words.join(" ")]} : null;
    const results = [];
    for (const page of pages) {
      const scores = page.sections.map((section) => wanted.map((thing) => said(section, thing)));
      const sums = wanted.map((_, i) => scores.reduce((sum, score) => sum + score[i], 0));
      if (sums.some((sum) => sum === 0)) continue; // a page has all that was asked for
      const whole = scores.map((score, i) =>
        score.reduce(
          (sum, n) => sum + Math.log1p(n),
          together ? Math.log1p(said(page.sections[i], together)) : 0,
        ),
      );
      const best = whole.indexOf(Math.max(...whole));
      const depth = sums.reduce((sum, n) => sum + Math.log1p(n), 0);
      const title = ` ${stems(page.title).join(" ")} `;
      const named = wanted.filter((thing) => thing.phrases.some((p) => count(title, p))).length;
      results.push({
        page,
        section: page.sections[best],
        score: page.weight * (whole[best] + depth + 4 * named),
      });
    }
    return results.sort((a, b) => b.score - a.score);
  };

  /** Some 240 characters around the first word that was asked for. */
  const excerpt = (text, wanted) => {
    const firsts = new Set(wanted.flatMap((thing) => thing.phrases.map((p) => p.split(" ")[0])));
    let at = 0;
    for (const match of text.matchAll(/[\p{Letter}\p{Number}×]+/gu))
      if (stems(match[0]).some((s) => firsts.has(s))) {
        at = match.index;
        break;
      }
    let start = Math.max(0, at - 100);
    if (start) start = text.indexOf(" ", start) + 1;
    const end = Math.min(text.length, start + 240);
    return `${start ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
  };

  const entry = (address, title, words) => {
    const item = document.createElement("li");
    const link = item.appendChild(document.createElement("a"));
    link.href = address;
    link.textContent = title;
    if (words) {
      const text = item.appendChild(document.createElement("p"));
      text.className = "context";
      text.textContent = words;
    }
    Search.output.append(item);
  };

  Search.query = (query) => {
    const wanted = things(query);
    const found = ranked(query);
    const word = encodeURIComponent(query);
    for (const {page, section} of found) {
      const anchor = section === page.sections[0] ? "" : `#${section.id}`;
      const title = anchor ? `${page.title} › ${section.heading}` : page.title;
      entry(`${page.page}.html?highlight=${word}${anchor}`, title, excerpt(section.text, wanted));
    }
    // Functions and classes of the package, by name.
    const [, , , , names] = Search._parseQuery(query);
    const objects = [...names].flatMap((name) => Search.performObjectSearch(name, names));
    objects.sort((a, b) => b[4] - a[4]);
    const seen = new Set();
    for (const [page, name, anchor] of objects)
      if (!seen.has(name) && seen.add(name)) entry(`${page}.html${anchor}`, name, "in the package");
    for (const term of document.querySelectorAll("#search-progress")) term.textContent = "";
    _finishSearch(found.length + seen.size);
  };
}
