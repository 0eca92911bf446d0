// One number, and how it was made: the window times the kernel, summed, and what followed.
((live) => {
  "use strict";

  const {element, number, signed, times} = live;
  const MOST_SUMS = 24; // input channels whose sums are listed
  const MOST_TERMS = 12; // terms of a linear layer

  /** Relative luminance, as WCAG 2 has it: above 0.179 black has the higher contrast. */
  function luminance(tone) {
    const [r, g, b] = tone.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  /** A table of numbers, `width` in a row. @param cell (i) => what a cell shows */
  function table(title, count, width, most, cell, colours) {
    const rows = [];
    for (let i = 0; i < count; i += width)
      rows.push(
        element(
          "tr",
          {},
          ...Array.from({length: width}, (_, j) => {
            const shown = element("td", {}, cell(i + j));
            const value = colours?.(i + j);
            if (value !== undefined && value !== null) {
              const tone = live.drawing.colour(value, most);
              shown.style.background = `rgb(${tone})`;
              shown.style.color = luminance(tone) > 0.179 ? "#000" : "#fff";
            }
            return shown;
          }),
        ),
      );
    return element(
      "table",
      {class: width > 5 ? "live-small" : ""},
      element("caption", {}, title),
      element("tbody", {}, ...rows),
    );
  }

  const plus = (value) => `${value < 0 ? "−" : "+"} ${number(Math.abs(value))}`;
  const sumOf = (values) => values.reduce((a, b) => a + b, 0);
  const line = (...parts) => element("p", {class: "live-line"}, ...parts);
  const strong = (value, role) => element("strong", {data: {exact: value, role}}, number(value));

  // What follows a sum of products: the bias and the value, if there is a bias.
  const biased = ({bias, value}) =>
    bias === null
      ? []
      : [
          element(
            "span",
            {data: {exact: bias, role: "bias"}},
            ` ${bias < 0 ? "−" : "+"} bias ${number(Math.abs(bias))}`,
          ),
          " = ",
          strong(value, "value"),
        ];

  /**
   * Writes into `box` how the value at a place of a column came to be.
   *
   * @param {object} how `network`, `values`, `column`, `at` (in the shown step), `channel` (of the
   *   window's input), `go(name, at)` to one of its terms, `turn(channel)` to another channel
   */
  live.products = (box, {network, values, column, at, channel, pixels, go, turn}) => {
    const shown = live.shown(network, column);
    const steps = column.steps.slice(0, column.steps.indexOf(shown.name) + 1);
    const chain = [];
    let place = at;
    for (const name of [...steps].reverse()) {
      const made = live.explain(network, values, name, place);
      chain.unshift(made);
      if (made.type === "zero") break;
      if (name !== steps[0]) place = made.from[0].at;
    }
    const [first, ...rest] = chain;
    const parts = [];
    const button = (name, where, value, said) =>
      element(
        "button",
        {
          type: "button",
          class: "live-term",
          title: said,
          "aria-label": `${number(value)}: ${said}`,
          onclick: () => go(name, where),
        },
        number(value),
      );

    const window_ = (its, of, c, sign) => {
      const {top, left, height, width, input} = its;
      const most = live.drawing.most(of.filter((v) => v !== null));
      const cell = (i) => {
        if (of[i] === null) return element("span", {class: "live-padding", title: "padding"}, "0");
        const y = top + Math.floor(i / width);
        const x = left + (i % width);
        return button(input, [c, y, x], of[i], `map ${c}, row ${y}, column ${x}`);
      };
      const made = table(sign, height * width, width, most, cell, (i) => of[i]);
      live.roving(made, ".live-term", () => width);
      return made;
    };
    const sign = (text) => element("span", {class: "live-sign"}, text);

    if (first.type === "window") {
      const n = Math.max(0, Math.min(first.depth - 1, channel - first.first));
      const {values: its, weights, products} = first.of(n);
      const kernel = table(
        "kernel",
        weights.length,
        first.width,
        live.drawing.most(weights),
        (i) => number(weights[i], 2),
        (i) => weights[i],
      );
      const produced = table(
        "products",
        products.length,
        first.width,
        live.drawing.most(products),
        (i) => number(products[i]),
        (i) => products[i],
      );
      const source = network.byName.get(first.input);
      const turning = first.depth === 1 ? `the one map that it reads` : "map";
      const chooser =
        first.depth === 1
          ? null
          : element("input", {
              type: "number",
              min: first.first,
              max: first.first + first.depth - 1,
              value: first.first + n,
              "aria-label": "map of the input",
              onchange: (event) => turn(Number(event.target.value)),
            });
      parts.push(
        element(
          "div",
          {class: "live-turn"},
          element("span", {}, `Of its input, ${times(source.shape)}: ${turning} `),
          chooser,
          first.depth === 1 ? null : ` of ${first.first} to ${first.first + first.depth - 1}`,
        ),
      );
      parts.push(
        element(
          "div",
          {class: "live-window"},
          window_(first, its, first.first + n, "input"),
          sign("×"),
          kernel,
          sign("="),
          produced,
          element("span", {class: "live-sign"}, "sum ", strong(first.sums[n], "sum")),
        ),
      );
      const order = first.sums
        .map((_, i) => i)
        .sort((a, b) => Math.abs(first.sums[b]) - Math.abs(first.sums[a]));
      const listed =
        first.depth > MOST_SUMS ? order.slice(0, MOST_SUMS) : first.sums.map((_, i) => i);
      const others = sumOf(order.slice(listed.length).map((i) => first.sums[i]));
      const total = sumOf(first.sums);
      if (first.depth > 1) {
        const most = live.drawing.most(first.sums);
        const bars = listed.map((i) =>
          element(
            "button",
            {
              type: "button",
              class: "live-sum",
              "aria-pressed": String(i === n),
              "aria-label": `map ${first.first + i} ${number(first.sums[i])}`,
              style: `--size: ${most ? Math.abs(first.sums[i]) / most : 0}; --tone: var(--live-${first.sums[i] < 0 ? "less" : "more"})`,
              onclick: () => turn(first.first + i),
              data: {exact: first.sums[i], role: "channel"},
            },
            element("span", {}, `map ${first.first + i}`),
            " ",
            element("b", {}, number(first.sums[i])),
          ),
        );
        const group = element(
          "div",
          {
            class: "live-sums",
            role: "group",
            "aria-label": "The sum over the window, for each map of the input",
          },
          ...bars,
        );
        live.roving(group, ".live-sum");
        parts.push(group);
      }
      parts.push(
        line(
          first.depth === 1 ? "The one map: " : `All ${first.depth} maps: `,
          first.depth > listed.length
            ? `the ${listed.length} largest above and ${first.depth - listed.length} others, ${number(others)} together: `
            : "",
          strong(total, "total"),
          ...biased(first),
        ),
      );
    } else if (first.type === "linear") {
      const source = network.byName.get(first.input);
      const order = Array.from(first.products.keys()).sort(
        (a, b) => Math.abs(first.products[b]) - Math.abs(first.products[a]),
      );
      const listed = order.slice(0, MOST_TERMS);
      const others = sumOf(order.slice(MOST_TERMS).map((i) => first.products[i]));
      const rows = listed.map((i) => {
        const where = live.placeOf(source.shape, i);
        const v = values.get(first.input)[i];
        return element(
          "tr",
          {},
          element(
            "td",
            {},
            button(first.input, where, v, `value ${i} of ${first.products.length}`),
          ),
          element("td", {}, `× ${number(first.weights[i])}`),
          element(
            "td",
            {data: {exact: first.products[i], role: "term"}},
            `= ${number(first.products[i])}`,
          ),
        );
      });
      const terms = element(
        "table",
        {class: "live-terms"},
        element(
          "caption",
          {},
          `input × weight: the ${listed.length} largest of ${first.products.length}`,
        ),
        element("tbody", {}, ...rows),
      );
      live.roving(terms, ".live-term");
      parts.push(terms);
      const total = sumOf(Array.from(first.products));
      parts.push(
        line(
          listed.length < order.length
            ? element(
                "span",
                {data: {exact: others, role: "others"}},
                `The ${order.length - listed.length} others together ${number(others)}; `,
              )
            : "",
          "all ",
          strong(total, "total"),
          ...biased(first),
        ),
      );
    } else if (first.type === "pool") {
      const made = window_(first, first.values, first.channel, "input");
      const known = first.values.filter((v) => v !== null);
      if (first.winner >= 0) made.querySelectorAll("td")[first.winner].classList.add("live-winner");
      parts.push(element("div", {class: "live-window"}, made));
      parts.push(
        line(
          first.winner >= 0
            ? "The largest of them: "
            : `Their mean, ${number(sumOf(known))} ÷ ${first.values.length}: `,
          strong(first.value, "value"),
        ),
      );
    } else if (first.type === "sum") {
      parts.push(
        line(
          ...first.terms.flatMap((term, i) => [
            i ? " + " : "",
            element(
              "span",
              {data: {exact: term.value, role: "term"}},
              button(term.name, term.at, term.value, `of ${live.whence(network, term.name)}`),
            ),
            element("small", {}, ` ${live.whence(network, term.name)}`),
          ]),
          " = ",
          strong(first.value, "value"),
        ),
      );
    } else if (first.type === "zero") {
      parts.push(line("Zeros stand for the channels that the input has not: ", strong(0, "value")));
    } else if (first.type === "copy") {
      const [from] = first.from;
      parts.push(
        line(
          `Map ${from.at[0]} of `,
          element("small", {}, live.whence(network, from.name)),
          ", as it is: ",
          element(
            "span",
            {data: {exact: first.value, role: "value"}},
            button(from.name, from.at, first.value, "where it comes from"),
          ),
        ),
      );
    } else if (first.type === "pixel") {
      const [, y, x] = at;
      const [mean, std] = [network.mean[0], Math.max(network.std[0], 1 / 255)];
      const side = Math.round(Math.sqrt(pixels.length));
      if (side === network.size) {
        const grey = pixels[y * side + x];
        parts.push(
          line(
            `The pixel’s grey is ${number(grey, 0)} of 255. Less the mean of all training ` +
              `images, by their deviation: (${number(grey / 255)} ${plus(-mean)}) ÷ ${number(std)} = `,
            strong(first.value, "value"),
          ),
        );
      } else
        parts.push(
          line(
            `A grey value of ${number(255 * (first.value * std + mean), 1)} of 255, between pixels of the ` +
              `${side}×${side} image, which was made ${network.size}×${network.size}; less the mean, by the deviation: `,
            strong(first.value, "value"),
          ),
        );
    } else parts.push(line("Its input: ", strong(first.before, "value")));

    for (const made of rest) {
      if (made.type === "norm") {
        const {before, mean, variance, eps, scale, shift, value} = made;
        parts.push(
          line(
            element("span", {class: "live-then"}, "batch norm "),
            `(${number(before)} ${plus(-mean)}) ÷ √(${number(variance)} + ${eps}) × ${number(scale)} ${plus(shift)} = `,
            strong(value, "norm"),
          ),
        );
      } else if (made.type === "relu")
        parts.push(
          line(
            element("span", {class: "live-then"}, "ReLU "),
            made.before > 0
              ? "leaves what is positive: "
              : `${number(made.before)} is not positive, so `,
            strong(made.value, "relu"),
          ),
        );
      else if (made.type === "response") {
        parts.push(
          line(
            element("span", {class: "live-then"}, "response norm "),
            `${number(made.before)} ÷ (${made.k} + ${made.alpha} × ${number(made.squares)} ÷ ${made.size})^${made.beta} = `,
            strong(made.value, "response"),
          ),
        );
      } else if (made.type === "zero")
        parts.push(
          line("Zeros stand for the channels that the input has not: ", strong(0, "value")),
        );
    }
    // What was switched off stands in place of what was computed.
    const last = chain[chain.length - 1];
    const real = values.get(shown.name)[live.indexOf(shown.shape, at)];
    const computed =
      last.type === "norm"
        ? ((last.before - last.mean) / Math.sqrt(last.variance + last.eps)) * last.scale +
          last.shift
        : last.type === "relu"
          ? Math.max(0, last.before)
          : null;
    if (computed !== null && Math.abs(computed - real) > 1e-4 * Math.max(1, Math.abs(computed)))
      parts.push(line(element("em", {}, "Switched off here: the value is "), strong(real, "off")));
    box.replaceChildren(...parts);
  };

  /** Where a step stands, in words: "conv 3×3, 16 (layer1.0.conv2)". */
  live.whence = (network, name) => {
    const column =
      network.columns.find(({steps}) => steps.includes(name)) ??
      network.columns.find(({steps}) => steps.includes(network.byName.get(name).inputs[0]));
    return `${live.title(network, column)} (${column.steps[0]})`;
  };
  live.signed = signed;
})(((window.cnnbook ??= {}).live ??= {}));
