// What layers there are, and networks as text. A network is {input: [C, H, W], layers: [...]}; a
// layer is {type, ...its numbers}; parallel branches are one layer with `branches`, lists of layers.
// cnnbook/interpret/explorer.py writes the same text. These are classic scripts, as browsers load no modules
// from file://; each adds its part to one object.
window.cnnbookExplorer = window.cnnbookExplorer || {};

((explorer) => {
  "use strict";

  // A field: what it is called, its letter in the text, its value when left out (null: always
  // written), and what it may be. "pair" is height and width; "flag" is true or false.
  /**
   * @param {string} name @param {string} label @param {string} letter
   * @param {number | boolean | null} byDefault @param {"number" | "pair" | "flag"} kind
   * @param {number} least @param {number} most @returns {Explorer.Field}
   */
  const field = (name, label, letter, byDefault, kind, least = 0, most = 1) => ({
    name,
    label,
    letter,
    byDefault,
    kind,
    least,
    most,
  });
  const OUT = field("out", "output channels", "", null, "number", 1, 65536);
  const BIAS = field("bias", "bias", "n", true, "flag");
  /** @param {string} letter @param {number | null} byDefault */
  const kernel = (letter, byDefault) =>
    field("kernel", "kernel", letter, byDefault, "pair", 1, 1024);
  const STRIDE = field("stride", "stride", "s", 1, "pair", 1, 1024);
  const PADDING = field("padding", "padding", "p", 0, "pair", 0, 1024);
  const DILATION = field("dilation", "dilation", "d", 1, "pair", 1, 1024);
  const CEIL = field("ceil", "round sizes up", "u", false, "flag");
  const SIZE = field("size", "output size", "", null, "pair", 1, 1024);

  /** @type {Record<string, Explorer.Kind>} */
  const KINDS = {
    conv: {
      label: "convolution",
      letter: "c",
      fields: [
        OUT,
        kernel("k", 1),
        STRIDE,
        PADDING,
        DILATION,
        field("groups", "groups", "g", 1, "number", 1, 65536),
        BIAS,
      ],
    },
    batchnorm: {label: "batch norm", letter: "b", fields: []},
    layernorm: {label: "layer norm", letter: "y", fields: []},
    scale: {label: "layer scale", letter: "v", fields: []},
    relu: {label: "ReLU", letter: "r", fields: []},
    relu6: {label: "ReLU6", letter: "q", fields: []},
    silu: {label: "SiLU", letter: "w", fields: []},
    gelu: {label: "GELU", letter: "e", fields: []},
    sigmoid: {label: "sigmoid", letter: "i", fields: []},
    maxpool: {
      label: "max pool",
      letter: "m",
      fields: [kernel("", null), STRIDE, PADDING, DILATION, CEIL],
    },
    avgpool: {
      label: "average pool",
      letter: "a",
      fields: [kernel("", null), STRIDE, PADDING, CEIL],
    },
    adaptiveavg: {label: "average pool to a size", letter: "g", fields: [SIZE]},
    adaptivemax: {label: "max pool to a size", letter: "h", fields: [SIZE]},
    flatten: {label: "flatten", letter: "f", fields: []},
    linear: {
      label: "linear",
      letter: "l",
      fields: [field("out", "outputs", "", null, "number", 1, 1048576), BIAS],
    },
    dropout: {
      label: "dropout",
      letter: "o",
      fields: [field("percent", "dropped (%)", "", null, "number", 0, 99)],
    },
    lrn: {
      label: "response norm",
      letter: "n",
      fields: [field("size", "neighbours", "", null, "number", 1, 1024)],
    },
    zeros: {
      label: "channels of zeros",
      letter: "z",
      fields: [field("out", "channels to add", "", null, "number", 1, 65536)],
    },
    channelslast: {label: "channels last", letter: "t", fields: []},
    channelsfirst: {label: "channels first", letter: "u", fields: []},
    sum: {label: "sum of branches", letter: "s", fields: [], join: true},
    product: {label: "product of branches", letter: "p", fields: [], join: true},
    concat: {label: "concatenation of branches", letter: "j", fields: [], join: true},
  };
  explorer.KINDS = KINDS;
  /** @type {[least: number, most: number][]} */
  const INPUT_LIMITS = [
    [1, 4096],
    [1, 4096],
    [1, 4096],
  ];
  explorer.INPUT_LIMITS = INPUT_LIMITS;
  const MOST_LAYERS = (explorer.MOST_LAYERS = 5000); // branches count as layers
  const MOST_NESTED = 20;

  /** @type {Record<string, string>} */
  const BY_LETTER = Object.fromEntries(
    Object.entries(KINDS).map(([type, kind]) => [kind.letter, type]),
  );

  /** @param {Explorer.Pair} pair */
  const times = (pair) => (pair[0] === pair[1] ? `${pair[0]}` : `${pair[0]}x${pair[1]}`);

  /** @param {Explorer.Layer} layer @returns {string} */
  function writeLayer(layer) {
    const kind = KINDS[layer.type];
    if (kind.join) return `${kind.letter}(${(layer.branches ?? []).map(write).join("~")})`;
    return (
      kind.letter +
      kind.fields
        .map((field) => {
          const value = /** @type {any} */ (layer)[field.name];
          if (field.kind === "flag") return value === field.byDefault ? "" : field.letter;
          const text = field.kind === "pair" ? times(value) : `${value}`;
          return field.byDefault !== null && text === `${field.byDefault}`
            ? ""
            : field.letter + text;
        })
        .join("")
    );
  }

  /** @param {Explorer.Layer[]} layers */
  const write = (layers) => layers.map(writeLayer).join(".");
  explorer.write = write;

  // Layers and branches, those within branches too.
  /** @param {Explorer.Layer[]} layers @returns {number} */
  const count = (layers) =>
    layers.reduce(
      (sum, layer) =>
        sum +
        1 +
        (layer.branches
          ? layer.branches.reduce((inner, branch) => inner + 1 + count(branch), 0)
          : 0),
      0,
    );

  explorer.count = count;

  /**
   * A value that a reader typed, or the reason why it is none.
   * @param {Explorer.Field} field @param {string} text
   * @returns {{value?: number | number[], problem?: string}}
   */
  const readValue = (field, text) => {
    const pattern = field.kind === "pair" ? /^\s*(\d+)(?:\s*[x×*,]\s*(\d+))?\s*$/ : /^\s*(\d+)\s*$/;
    const found = pattern.exec(text);
    const range = `from ${field.least} to ${field.most}`;
    const wanted =
      field.kind === "pair" ? "a number such as 3, or two such as 1×7" : "a whole number";
    if (!found) return {problem: `${field.label} must be ${wanted}, ${range}`};
    const numbers = [Number(found[1]), Number(found[2] ?? found[1])];
    if (numbers.some((number) => number < field.least || number > field.most))
      return {problem: `${field.label} must be ${range}`};
    return {value: field.kind === "pair" ? numbers : numbers[0]};
  };
  explorer.readValue = readValue;

  // Layers from text. Throws an Error whose message says what cannot be read.
  /** @param {string} text */
  explorer.read = (text) => {
    let at = 0;
    let count = 0;

    function counted() {
      count += 1;
      if (count > MOST_LAYERS)
        throw new Error(
          `it has more than ${MOST_LAYERS.toLocaleString("en-GB")} layers and branches`,
        );
    }

    /** @param {number} depth @returns {Explorer.Layer[]} */
    function sequence(depth) {
      /** @type {Explorer.Layer[]} */
      const layers = [];
      if (depth > MOST_NESTED) throw new Error(`more than ${MOST_NESTED} branches in each other`);
      if (at === text.length || "~)".includes(text[at])) return layers;
      for (;;) {
        layers.push(layer(depth));
        if (text[at] !== ".") return layers;
        at += 1;
      }
    }

    /** @param {number} depth @returns {any} */
    function layer(depth) {
      const type = BY_LETTER[text[at]];
      if (!type) throw new Error(`no layer is written “${text.slice(at, at + 8)}”`);
      counted();
      const kind = KINDS[type];
      at += 1;
      if (kind.join) {
        /** @type {Explorer.Layer[][]} */
        const branches = [];
        if (text[at] !== "(") throw new Error(`“(” is missing after “${kind.letter}”`);
        do {
          at += 1;
          counted();
          branches.push(sequence(depth + 1));
        } while (text[at] === "~");
        if (text[at] !== ")") throw new Error("“)” is missing");
        at += 1;
        return {type, branches};
      }
      /** @type {Record<string, unknown>} */
      const result = {type};
      for (const field of kind.fields) {
        const rest = text.slice(at);
        const here = rest.startsWith(field.letter);
        if (field.kind === "flag") {
          result[field.name] = here ? !field.byDefault : field.byDefault;
          if (here) at += field.letter.length;
          continue;
        }
        const found = here && /^\d+(x\d+)?/.exec(rest.slice(field.letter.length));
        if (!found && field.byDefault === null)
          throw new Error(`“${kind.letter}” needs its ${field.label}`);
        const read = readValue(field, found ? found[0] : `${field.byDefault}`);
        if (read.problem) throw new Error(read.problem);
        result[field.name] = read.value;
        if (found) at += field.letter.length + found[0].length;
      }
      return result;
    }

    const layers = sequence(0);
    if (at < text.length) throw new Error(`“${text.slice(at, at + 8)}” is not expected there`);
    return layers;
  };

  // [C, H, W] from text such as 3x224x224. Throws an Error.
  /** @param {string} text */
  explorer.readInput = (text) => {
    const found = /^(\d+)x(\d+)x(\d+)$/.exec(text);
    const sizes = found?.slice(1).map(Number);
    if (!sizes?.every((n, i) => INPUT_LIMITS[i][0] <= n && n <= INPUT_LIMITS[i][1]))
      throw new Error(`images are written as 3x224x224, each number from 1 to 4096, not “${text}”`);
    return sizes;
  };

  /** @param {Explorer.Pair} pair */
  const square = (pair) => pair.join("×");
  /** @type {Record<string, (layer: Explorer.Layer) => string>} */
  const NAMES = {
    conv: (layer) => `${square(layer.kernel)} conv, ${layer.out}`,
    maxpool: (layer) => `${square(layer.kernel)} max pool`,
    avgpool: (layer) => `${square(layer.kernel)} average pool`,
    adaptiveavg: (layer) => `average pool to ${square(layer.size)}`,
    adaptivemax: (layer) => `max pool to ${square(layer.size)}`,
    linear: (layer) => `linear, ${layer.out}`,
    dropout: (layer) => `dropout, ${layer.percent} %`,
    lrn: (layer) => `response norm over ${layer.size}`,
    zeros: (layer) => `${layer.out} channels of zeros`,
    sum: (layer) => `sum of ${layer.branches?.length} branches`,
    product: (layer) => `product of ${layer.branches?.length} branches`,
    concat: (layer) => `concatenation of ${layer.branches?.length} branches`,
  };

  // One layer in the papers' words.
  /** @param {Explorer.Layer} layer */
  explorer.describe = (layer) => {
    const extras = [];
    if (layer.stride && (layer.stride[0] > 1 || layer.stride[1] > 1))
      extras.push(`stride ${times(layer.stride).replace("x", "×")}`);
    if (layer.dilation && (layer.dilation[0] > 1 || layer.dilation[1] > 1))
      extras.push(`dilation ${times(layer.dilation).replace("x", "×")}`);
    if (layer.groups > 1) extras.push(`${layer.groups} groups`);
    const name = NAMES[layer.type]?.(layer) ?? KINDS[layer.type].label;
    return [name, ...extras].join(", ");
  };
})(window.cnnbookExplorer);
