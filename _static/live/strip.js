// The network in its own shape: a column per layer, parallel branches below one another, and
// shortcuts as arcs.
((live) => {
  "use strict";

  const {element, times} = live;
  const TILE = 48;
  const GAP = 3;
  const ACROSS = 2;
  const SPACE = 30; // between columns
  const HEAD = 40; // a column's name and shape
  const ARC = 46; // room above the columns for the arcs
  const SVG = "http://www.w3.org/2000/svg";

  const TITLES = {input: "image", add: "sum", concat: "concat", "adaptive avg pool": null};

  /** What a reader calls a column, in words. */
  live.title = (network, column) => {
    const step = network.byName.get(column.steps[0]);
    return TITLES[step.operation] ?? step.label;
  };

  /** The step whose output a column shows: its last that has maps, or else its last. */
  live.shown = (network, column) => {
    const steps = column.steps.map((name) => network.byName.get(name));
    return steps.filter((step) => step.shape.length === 3).pop() ?? steps[steps.length - 1];
  };

  const curve = (points) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", points);
    return path;
  };

  /**
   * @param {HTMLElement} box the element that the network is drawn into
   * @param {(column: number, at: number[] | null) => void} choose called with what is clicked
   * @param {(column: number, at: number[] | null) => void} hover
   */
  live.strip = (box, choose, hover) => {
    let network = null;
    let cards = [];

    const blockOf = (column) => network.byName.get(column.steps[0]).block;

    /** The blocks that are drawn on a ground of their own: those of several columns. */
    function bands() {
      const blocks = network.columns.map(blockOf).filter(Boolean);
      return [...new Set(blocks)].filter(
        (block) => blocks.filter((each) => each === block).length > 1,
      );
    }

    function open(opened) {
      network = opened;
      const lanes = 1 + Math.max(...network.columns.map((column) => column.lane));
      // Where only shortcuts stand below the main path, they are given less room.
      const rows = (lane) => (lanes > 2 ? 2 : lane > 0 ? 1 : 4);
      const wide = ACROSS * (TILE + GAP) - GAP;
      const high = (lane) => HEAD + rows(lane) * (TILE + GAP) + 26;
      const starts = [0];
      for (let lane = 0; lane < lanes; lane++) starts.push(starts[lane] + high(lane));
      const ranks = 1 + Math.max(...network.columns.map((column) => column.x));
      const arcs = network.columns.some((column) => column.arcs.length);
      const top = arcs ? ARC : 6;
      const x = (column) => 4 + column.x * (wide + SPACE);
      const y = (column) => top + starts[column.lane];
      box.replaceChildren();
      box.style.width = `${4 + ranks * (wide + SPACE)}px`;
      box.style.height = `${top + starts[lanes]}px`;

      const lines = document.createElementNS(SVG, "svg");
      lines.setAttribute("aria-hidden", "true");
      lines.setAttribute("width", 4 + ranks * (wide + SPACE));
      lines.setAttribute("height", top + starts[lanes]);
      for (const block of bands()) {
        const its = network.columns.filter((column) => blockOf(column) === block);
        const [from, to] = [Math.min(...its.map(x)), Math.max(...its.map(x))];
        const last = Math.max(...its.map((column) => column.lane));
        const band = document.createElementNS(SVG, "rect");
        const bottom = top + starts[last + 1] - (last === lanes - 1 ? 0 : 4);
        for (const [name, value] of Object.entries({
          x: from - 10,
          y: top - 4,
          width: to - from + wide + 20,
          height: bottom - top + 4,
          rx: 6,
        }))
          band.setAttribute(name, value);
        const word = document.createElementNS(SVG, "text");
        word.classList.add("live-band");
        word.setAttribute("x", from);
        word.setAttribute("y", bottom - 5);
        word.textContent = block;
        lines.append(band, word);
      }
      network.columns.forEach((column) => {
        const middle = (c) => y(c) + HEAD + TILE;
        column.inputs.forEach((i) => {
          const from = network.columns[i];
          if (column.arcs.includes(i)) {
            const [a, b] = [x(from) + wide / 2, x(column) + wide / 2];
            const line = curve(`M${a} ${top - 6} C${a + 30} 2 ${b - 30} 2 ${b} ${top - 6}`);
            line.classList.add("live-arc");
            const word = document.createElementNS(SVG, "text");
            word.setAttribute("x", (a + b) / 2);
            word.setAttribute("y", 11);
            word.textContent = "shortcut: + x";
            lines.append(line, word);
            return;
          }
          const [a, b] = [x(from) + wide + 2, x(column) - 2];
          const turn = from.lane === column.lane ? b : column.lane > from.lane ? a + 10 : b - 10;
          lines.append(curve(`M${a} ${middle(from)} H${turn} V${middle(column)} H${b}`));
        });
      });
      box.append(lines);

      cards = network.columns.map((column, i) => {
        const step = live.shown(network, column);
        const canvas = element("canvas", {"aria-hidden": "true"});
        const first = network.byName.get(column.steps[0]);
        const head = element(
          "span",
          {class: "live-card-head"},
          element("b", {}, live.title(network, column)),
          " ",
          element("small", {}, times(step.shape)),
        );
        const card = element(
          "button",
          {
            type: "button",
            class: `live-card live-${first.kind}`,
            style: `left: ${x(column)}px; top: ${y(column)}px; width: ${wide}px`,
            title: column.steps[0],
            data: {column: i, name: column.steps[0]},
          },
          head,
          canvas,
        );
        const its = {
          card,
          canvas,
          step,
          down: rows(column.lane),
          left: x(column),
          drawn: null,
          at: () => null,
        };
        const point = (event) => {
          const area = canvas.getBoundingClientRect();
          return its.at(event.clientX - area.left, event.clientY - area.top);
        };
        card.addEventListener("click", (event) => choose(i, event.detail ? point(event) : null));
        card.addEventListener("pointermove", (event) => hover(i, point(event)));
        card.addEventListener("pointerleave", () => hover(null, null));
        card.addEventListener("focus", () => hover(i, null));
        box.append(card);
        return its;
      });
      live.roving(box, ".live-card");
    }

    let wanted = null;
    let drawing = false;

    /** Draws the columns, those in sight first; a later call ends an earlier one. */
    async function show(values, off) {
      wanted = {values, off};
      for (const its of cards) its.drawn = null;
      if (drawing) return;
      drawing = true;
      let since = performance.now();
      const sight = () => ({
        left: box.parentElement.scrollLeft,
        width: box.parentElement.clientWidth,
      });
      let seen = sight();
      for (;;) {
        const now = wanted;
        const far = (its) => {
          const left = its.left - seen.left;
          return left < -100 ? 1e4 - left : left > seen.width ? left : 0;
        };
        const left = cards.filter((its) => its.drawn !== now);
        if (!left.length) break;
        const next = left.reduce((a, b) => (far(b) < far(a) ? b : a));
        draw(next, now);
        next.drawn = now;
        if (performance.now() - since > 12) {
          await new Promise((go) => setTimeout(go));
          since = performance.now();
          seen = sight();
        }
      }
      drawing = false;
    }

    function draw(its, {values, off}) {
      const data = values.get(its.step.name);
      const maps = off(its.card.dataset.column);
      const alone = its.step.shape.length === 3 && its.step.shape[0] === 1 && its.step.shape[1] > 1;
      its.at = live.drawing.tiles(
        its.canvas,
        data,
        its.step.shape,
        alone
          ? {across: 1, down: 1, tile: ACROSS * (TILE + GAP) - GAP, off: maps.maps}
          : {across: ACROSS, down: its.down, tile: TILE, gap: GAP, off: maps.maps},
      );
      its.card.classList.toggle("live-is-off", maps.whole);
      const most = live.drawing.most(data);
      const title = its.card.querySelector("b").textContent;
      // It begins as what is seen does.
      its.card.setAttribute(
        "aria-label",
        `${title} ${times(its.step.shape)}, ${its.card.dataset.name}, ` +
          `values of at most ${live.number(most, 2)} in size${maps.whole ? ", switched off" : ""}`,
      );
    }

    function select(i) {
      cards.forEach(({card}, j) => {
        if (j === i) card.setAttribute("aria-current", "true");
        else card.removeAttribute("aria-current");
        card.tabIndex = j === i ? 0 : -1;
      });
    }

    function reveal(i) {
      const frame = box.parentElement;
      const {card} = cards[i];
      const left = parseFloat(card.style.left);
      const wide = card.offsetWidth;
      if (left < frame.scrollLeft || left + wide > frame.scrollLeft + frame.clientWidth)
        frame.scrollTo({left: left - frame.clientWidth / 2 + wide / 2});
    }

    return {open, show, select, reveal, card: (i) => cards[i].card};
  };
})(((window.cnnbook ??= {}).live ??= {}));
