// The three measures and the receptive field, by the formulas of cnnbook/profiling: one image, 32-bit
// floats, a multiplication and its addition are one operation. Whole numbers are BigInts: exact.
((explorer) => {
  "use strict";

  // What positions see of one axis of the image, as in cnnbook/profiling/reach.py. Evenly spaced
  // ones: the first sees pixels `first` to `last`, each next one `jump` further on, all together up
  // to `end`. `alone`: a single position, or all see the same.
  /** @param {number} size @returns {Explorer.Even} */
  const pixels = (size) => ({
    size,
    first: 0n,
    last: 0n,
    end: BigInt(size - 1),
    jump: 1n,
    alone: false,
  });

  // All positions see the same: what any of them saw before.
  /** @param {{first: bigint, end: bigint}} axis @returns {Explorer.Even} */
  const mixed = ({first, end}) => ({
    size: 1,
    first,
    last: end,
    end,
    jump: 0n,
    alone: true,
  });

  // Any others, such as windows of unequal size: position i sees pixels low[i] to high[i]; a table
  // of one holds for all. Plain numbers, of which there may be thousands in each of many layers.
  /** @param {Explorer.Axis} axis @returns {Explorer.Spots} */
  function spots(axis) {
    if (axis.low) return axis;
    const [first, jump] = [Number(axis.first), Number(axis.jump)];
    const low = Array.from({length: axis.alone ? 1 : axis.size}, (_, i) => first + jump * i);
    const wide = Number(axis.last - axis.first);
    return {low, high: low.map((pixel) => pixel + wide)};
  }

  // `table` at `index`; beyond its ends it goes on at its mean step.
  /** @param {number[]} table @param {number} index */
  function at(table, index) {
    const most = table.length - 1;
    const inside = Math.min(Math.max(index, 0), most);
    return table[inside] + (index - inside) * Math.floor((table[most] - table[0]) / most);
  }

  // Output i sees what positions starts(i) to ends(i) see.
  /**
   * @param {Explorer.Spots} axis @param {number} size
   * @param {(i: number) => number} starts @param {(i: number) => number} ends
   * @returns {Explorer.Spots}
   */
  function chosen({low, high}, size, starts, ends) {
    if (low.length === 1) return {low, high};
    /** @param {number[]} table @param {(i: number) => number} index */
    const each = (table, index) => Array.from({length: size}, (_, i) => at(table, index(i)));
    return {low: each(low, starts), high: each(high, ends)};
  }

  /**
   * @param {Explorer.Axis} axis @param {number} kernel @param {number} stride
   * @param {number} padding @param {number} dilation @param {number} size
   * @returns {Explorer.Axis}
   */
  function slid(axis, kernel, stride, padding, dilation, size) {
    if (axis.alone) return axis;
    const reaches = (kernel - 1) * dilation;
    if (axis.low)
      return chosen(
        axis,
        size,
        (i) => i * stride - padding,
        (i) => i * stride - padding + reaches,
      );
    const first = axis.first - BigInt(padding) * axis.jump;
    const last = axis.last + BigInt(reaches - padding) * axis.jump;
    const jump = axis.jump * BigInt(stride);
    return {size, first, last, end: last + BigInt(size - 1) * jump, jump, alone: false};
  }

  // Output i sees inputs ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉ - 1.
  /**
   * @param {Explorer.Axis} axis @param {number} n @param {number} size
   * @returns {Explorer.Axis}
   */
  function adaptive(axis, n, size) {
    if (axis.alone) return axis;
    if (!axis.low && n % size === 0) return slid(axis, n / size, n / size, 0, 1, size);
    return chosen(
      spots(axis),
      size,
      (i) => Math.floor((i * n) / size),
      (i) => Math.ceil(((i + 1) * n) / size) - 1,
    );
  }

  // A table's least and greatest pixel, as all positions together see them.
  /** @param {Explorer.Spots} axis @returns {Explorer.Even} */
  function together({low, high}) {
    const first = BigInt(low.reduce((a, b) => Math.min(a, b)));
    const end = BigInt(high.reduce((a, b) => Math.max(a, b)));
    return mixed({first, end});
  }

  /** @param {bigint} a @param {bigint} b */
  const min = (a, b) => (b < a ? b : a);
  /** @param {bigint} a @param {bigint} b */
  const max = (a, b) => (b > a ? b : a);

  // What a sum or a product sees: all that either of its parts sees.
  /** @param {Explorer.Axis} a @param {Explorer.Axis} b @returns {Explorer.Axis} */
  function union(a, b) {
    if (!a.low && !b.low && a.alone === b.alone && a.jump === b.jump)
      return {
        ...(a.size >= b.size ? a : b),
        first: min(a.first, b.first),
        last: max(a.last, b.last),
        end: max(a.end, b.end),
      };
    const [one, two] = [spots(a), spots(b)];
    const size = Math.max(one.low.length, two.low.length);
    /**
     * @param {(...numbers: number[]) => number} of
     * @param {number[]} x @param {number[]} y
     */
    const each = (of, x, y) =>
      Array.from({length: size}, (_, i) => of(x[x.length > 1 ? i : 0], y[y.length > 1 ? i : 0]));
    return {
      low: each(Math.min, one.low, two.low),
      high: each(Math.max, one.high, two.high),
    };
  }

  /** @param {Explorer.Axis[]} reach @returns {number | number[]} */
  function extent(reach) {
    const sides = reach.map((axis) => {
      if (!axis.low) return Number(axis.last - axis.first) + 1;
      const middle = Math.floor(axis.low.length / 2);
      return axis.high[middle] - axis.low[middle] + 1;
    });
    return sides[0] === sides[1] ? sides[0] : sides;
  }

  class Misfit extends Error {}

  /** @param {number[]} sizes */
  const cross = (sizes) => sizes.join("×");
  explorer.cross = cross;
  /** @param {Explorer.State} state @param {string} what */
  const needMap = (state, what) => {
    if (state.shape.length === 1)
      throw new Misfit(
        `${what} needs an image of channels, but gets a vector of ${state.shape[0]}. ` +
          "Move it before the flatten.",
      );
    needFirst(state, what);
  };
  /** @param {Explorer.State} state @param {string} what */
  const needFirst = ({shape, channelsLast}, what) => {
    if (channelsLast)
      throw new Misfit(
        `${what} needs the channels first, but gets ${cross(shape)}. Put “channels first” before it.`,
      );
  };

  /** @param {Explorer.Layer} layer @param {Explorer.State} state @param {string} what */
  function windowed(layer, state, what) {
    const [, ...sizes] = state.shape;
    const dilation = layer.dilation || [1, 1];
    const outputs = sizes.map((size, i) => {
      const room = size + 2 * layer.padding[i] - dilation[i] * (layer.kernel[i] - 1) - 1;
      if (!layer.ceil) return Math.floor(room / layer.stride[i]) + 1;
      const rounded = Math.ceil(room / layer.stride[i]) + 1;
      // A last window that would start in the padding is dropped.
      return (rounded - 1) * layer.stride[i] >= size + layer.padding[i] ? rounded - 1 : rounded;
    });
    if (Math.min(...outputs) < 1) {
      const spread = layer.kernel.map((k, i) => dilation[i] * (k - 1) + 1);
      throw new Misfit(
        `${what} has a window of ${cross(spread)}, but gets only ${cross(sizes)} ` +
          `and a padding of ${cross(layer.padding)}. Use a larger image, a smaller kernel, or less ` +
          "stride before it.",
      );
    }
    const reach = state.reach.map((axis, i) =>
      slid(axis, layer.kernel[i], layer.stride[i], layer.padding[i], dilation[i], outputs[i]),
    );
    return {sizes: outputs, reach};
  }

  /** @type {Record<string, Explorer.Rule>} */
  const RULES = {
    conv(layer, state) {
      needMap(state, "A convolution");
      const channels = state.shape[0];
      const {out, groups, kernel, bias} = layer;
      if (channels % groups || out % groups)
        throw new Misfit(
          `${groups} groups must divide both the ${channels} input channels and the ` +
            `${out} output channels.`,
        );
      const {sizes, reach} = windowed(layer, state, "This convolution");
      const shape = [out, ...sizes];
      const perOutput = BigInt(channels / groups) * BigInt(kernel[0] * kernel[1]);
      return {
        shape,
        reach,
        row: "conv",
        params: BigInt(out) * perOutput + (bias ? BigInt(out) : 0n),
        flops: elements(shape) * perOutput,
      };
    },
    linear(layer, state) {
      const {channelsLast} = state;
      if (state.shape.length !== 1 && !channelsLast)
        throw new Misfit(
          `A linear layer needs a vector, but gets ${cross(state.shape)}. Put a flatten before ` +
            "it, or “channels last” for one that takes each position by itself.",
        );
      const positions = state.shape.slice(0, -1);
      const inputs = BigInt(channelsOf(state));
      const outputs = BigInt(layer.out);
      const shape = [...positions, layer.out];
      const reach = state.reach.map((axis) =>
        axis.alone || channelsLast ? axis : mixed(axis.low ? together(axis) : axis),
      );
      return {
        shape,
        reach,
        channelsLast,
        row: "linear",
        params: inputs * outputs + (layer.bias ? outputs : 0n),
        flops: elements(shape) * inputs,
      };
    },
    maxpool(layer, state) {
      needMap(state, "A pooling");
      const most = layer.kernel.map((k, i) => Math.floor((layer.dilation[i] * (k - 1) + 1) / 2));
      return pooled(layer, state, most);
    },
    avgpool(layer, state) {
      needMap(state, "A pooling");
      return pooled(
        layer,
        state,
        layer.kernel.map((k) => Math.floor(k / 2)),
      );
    },
    adaptiveavg(layer, state) {
      needMap(state, "A pooling");
      const reach = state.reach.map((axis, i) => adaptive(axis, state.shape[i + 1], layer.size[i]));
      return {shape: [state.shape[0], ...layer.size], reach, row: "pool"};
    },
    batchnorm(layer, state) {
      needFirst(state, "A batch norm");
      return {...state, params: 2n * BigInt(state.shape[0])};
    },
    layernorm: (layer, state) => ({...state, params: 2n * BigInt(channelsOf(state))}),
    scale(layer, state) {
      needMap(state, "A layer scale");
      return {...state, params: BigInt(state.shape[0])};
    },
    relu: (layer, state) => ({...state}),
    dropout: (layer, state) => ({...state}),
    lrn(layer, state) {
      needMap(state, "A response norm");
      return {...state};
    },
    zeros(layer, state) {
      needMap(state, "This layer");
      return {shape: [state.shape[0] + layer.out, ...state.shape.slice(1)], reach: state.reach};
    },
    // Of a vector, whose next layer mixes all of it, only what all positions see together is kept.
    flatten(layer, state) {
      const reach = state.reach.map((axis) => {
        const whole = axis.low ? together(axis) : axis;
        return whole.alone ? whole : mixed(whole);
      });
      return {shape: [state.shape.reduce((a, b) => a * b)], reach};
    },
    channelslast(layer, state) {
      needMap(state, "This layer");
      const [channels, ...sizes] = state.shape;
      return {shape: [...sizes, channels], reach: state.reach, channelsLast: true};
    },
    channelsfirst({type}, {shape, reach, channelsLast}) {
      if (!channelsLast)
        throw new Misfit(
          `This layer needs the channels last, but gets ${cross(shape)}. Put “channels last” ` +
            "before it.",
        );
      return {shape: [shape[2], shape[0], shape[1]], reach};
    },
    sum: (layer, state, ends) =>
      joined(ends, "sum", "the same channels, height and width", () => false),
    product: (layer, state, ends) =>
      joined(ends, "product", "the same channels, height and width, or 1 of them,", (n) => n === 1),
    concat(layer, state, ends) {
      for (const end of ends) needFirst(end, "A concatenation");
      const its = joined(ends, "concatenation", "the same height and width", (n, i) => i === 0);
      its.shape[0] = ends.reduce((sum, {shape}) => sum + shape[0], 0);
      return its;
    },
  };
  RULES.adaptivemax = RULES.adaptiveavg;
  for (const type of ["relu6", "silu", "gelu", "sigmoid"]) RULES[type] = RULES.relu;

  /**
   * @param {Explorer.Layer} layer @param {Explorer.State} state @param {number[]} mostPadding
   * @returns {Explorer.Found}
   */
  function pooled(layer, state, mostPadding) {
    layer.padding.forEach((padding, i) => {
      if (padding > mostPadding[i])
        throw new Misfit(
          `A padding of ${padding} is more than half of the window, so that a window ` +
            `could lie in the padding alone. Here ${mostPadding[i]} is the most.`,
        );
    });
    const {sizes, reach} = windowed(layer, state, "This pooling");
    return {shape: [state.shape[0], ...sizes], reach, row: "pool"};
  }

  // Of each size the branches have the same, or one that `differs`.
  /**
   * @param {Explorer.State[]} ends @param {string} what @param {string} needs
   * @param {(size: number, i: number) => boolean} differs @returns {Explorer.Found}
   */
  function joined(ends, what, needs, differs) {
    const [{shape: first, channelsLast}] = ends;
    const shape = first.map((_, i) => Math.max(...ends.map((end) => end.shape[i])));
    const fits = ends.every(
      (end) =>
        end.shape.length === shape.length &&
        end.channelsLast === channelsLast &&
        end.shape.every((size, i) => size === shape[i] || differs(size, i)),
    );
    if (!fits) {
      const said = ends.map(
        (end) => cross(end.shape) + (end.channelsLast ? ", channels last" : ""),
      );
      throw new Misfit(
        `The branches end in ${said.join(" and ")}. A ${what} needs ${needs} in all.`,
      );
    }
    const reach = ends
      .map((end) => end.reach)
      .reduce((a, b) => (a === b ? a : a.map((axis, i) => union(axis, b[i]))));
    return {shape, reach, channelsLast};
  }

  /** @param {Explorer.Shape} shape */
  const elements = (shape) => shape.reduce((product, n) => product * BigInt(n), 1n);
  /** @param {Explorer.State} state */
  const channelsOf = ({shape, channelsLast}) => shape[channelsLast ? 2 : 0];

  // Every row of `network` in execution order: layers, and the heads of branches. A row has its
  // path as text ("3" is the fourth layer, "3,0,1" the second layer of the first branch in it, "3,0"
  // that branch's head), and what was found: shape, kind, elements, params, flops, field. From the
  // layer that does not fit, which has `problem`, nothing more is found.
  /** @param {Explorer.Network} network */
  explorer.profile = (network) => {
    /** @type {Explorer.Row[]} */
    const rows = [];
    /** @type {string | null} */
    let problem = null;

    // What a layer finds; null for one that does not fit, and for all after it.
    /**
     * @param {Explorer.Row} row @param {Explorer.State | null} state
     * @param {(Explorer.State | null)[]} ends @returns {Explorer.Found | null}
     */
    function found(row, state, ends) {
      const fitting = ends.filter((end) => end !== null);
      if (problem !== null || state === null) return null;
      try {
        return RULES[row.layer.type](row.layer, state, fitting);
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        row.problem = problem = error.message;
        return null;
      }
    }

    /**
     * @param {Explorer.Layer[]} layers @param {Explorer.State | null} start
     * @param {string} prefix @returns {Explorer.State | null}
     */
    function sequence(layers, start, prefix) {
      let state = start;
      for (let i = 0; i < layers.length; i += 1) {
        const layer = layers[i];
        /** @type {Explorer.Row} */
        const row = {
          path: prefix + i,
          layer,
          inputShape: state?.shape,
          channelsLast: state?.channelsLast,
        };
        const branches = layer.branches ?? [];
        const ends = branches.map((branch, j) => {
          const path = `${row.path},${j}`;
          rows.push({
            path,
            branch: j,
            of: branches.length,
            layer,
            inputShape: row.inputShape,
          });
          return sequence(branch, state, `${path},`);
        });
        const its = found(row, state, ends);
        if (its) {
          row.shape = its.shape;
          row.params = its.params ?? 0n;
          row.flops = its.flops ?? 0n;
          row.kind = its.row;
          row.elements = its.row ? elements(its.shape) : 0n;
          if (its.row) row.field = extent(its.reach);
        }
        state = its && {
          shape: its.shape,
          reach: its.reach,
          channelsLast: its.channelsLast ?? false,
        };
        rows.push(row);
      }
      return state;
    }

    const [, height, width] = network.input;
    const last = sequence(
      network.layers,
      {shape: network.input, reach: [pixels(height), pixels(width)], channelsLast: false},
      "",
    );
    const total = {elements: 0n, params: 0n, flops: 0n};
    for (const row of rows) {
      if (!row.shape) continue;
      total.elements += row.elements ?? 0n;
      total.params += row.params ?? 0n;
      total.flops += row.flops ?? 0n;
    }
    return {rows, problem, total, output: last?.shape ?? null};
  };

  /** @param {bigint | number} elements */
  explorer.kilobytes = (elements) => (Number(elements) * 4) / 1024;
})(window.cnnbookExplorer);
