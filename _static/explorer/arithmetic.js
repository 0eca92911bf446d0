// The three measures and the receptive field, by the formulas of cnnbook/profiling: one image, 32-bit
// floats, a multiplication and its addition are one operation. Whole numbers are BigInts: exact.
(function (explorer) {
  "use strict";

  // Fractions, as an adaptive pooling may move its window by a part of a pixel.
  const gcd = (a, b) => (b ? gcd(b, a % b) : a < 0n ? -a : a);
  function fraction(n, d = 1n) {
    const common = gcd(n, d) || 1n;
    return {n: n / common, d: d / common};
  }
  const plus = (a, b) => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
  const scaled = (a, n) => fraction(a.n * BigInt(n), a.d);
  const less = (a, b) => a.n * b.d < b.n * a.d;
  const equal = (a, b) => a.n === b.n && a.d === b.d;
  const smaller = (a, b) => (less(b, a) ? b : a);
  const larger = (a, b) => (less(a, b) ? b : a);
  const ZERO = fraction(0n);
  const ONE = fraction(1n);

  // What positions see of one axis of the image: the first one pixels `first` to `last`, each next
  // one `jump` further on, all together up to `end`. `along`: "space", "vector" or null (a single
  // position). As Axis in cnnbook/profiling/reach.py.
  const pixels = (size) =>
    ({along: "space", size, first: ZERO, last: ZERO, end: fraction(BigInt(size - 1)), jump: ONE});

  function slid(axis, kernel, stride, padding, dilation, size) {
    const first = plus(axis.first, scaled(axis.jump, -padding));
    const last = plus(axis.last, scaled(axis.jump, (kernel - 1) * dilation - padding));
    const jump = scaled(axis.jump, stride);
    return {along: axis.along, size, first, last, end: plus(last, scaled(jump, size - 1)), jump};
  }

  function adaptive(axis, size) {
    const n = axis.size;
    let widest = 0;
    for (let i = 0; i < size; i += 1)
      widest = Math.max(widest, Math.ceil(((i + 1) * n) / size) - Math.floor((i * n) / size));
    const jump = fraction(axis.jump.n * BigInt(n), axis.jump.d * BigInt(size));
    return {...axis, size, last: plus(axis.last, scaled(axis.jump, widest - 1)), jump};
  }

  function union(a, b) {
    const wide = a.size >= b.size && a.along !== null ? a : b;
    const both = {...wide, first: smaller(a.first, b.first), last: larger(a.last, b.last),
                  end: larger(a.end, b.end)};
    return equal(a.jump, b.jump) ? both : {...both, last: both.end, jump: ZERO};
  }

  function extent(reach) {
    const sides = reach.map((axis) => {
      const {n, d} = plus(plus(axis.last, scaled(axis.first, -1)), ONE);
      return Number(n / d + (n % d > 0n ? 1n : 0n));
    });
    return sides[0] === sides[1] ? sides[0] : sides;
  }

  class Misfit extends Error {}

  const cross = (sizes) => sizes.join("×");
  const needMap = (state, what) => {
    if (state.shape.length === 1)
      throw new Misfit(`${what} needs an image of channels, but gets a vector of ${state.shape[0]}. `
        + "Move it before the flatten.");
  };

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
      throw new Misfit(`${what} has a window of ${cross(spread)}, but gets only ${cross(sizes)} `
        + `and a padding of ${cross(layer.padding)}. Use a larger image, a smaller kernel, or less `
        + "stride before it.");
    }
    const reach = state.reach.map((axis, i) =>
      slid(axis, layer.kernel[i], layer.stride[i], layer.padding[i], dilation[i], outputs[i]));
    return {sizes: outputs, reach};
  }

  const RULES = {
    conv(layer, state) {
      needMap(state, "A convolution");
      const channels = state.shape[0];
      const {out, groups, kernel, bias} = layer;
      if (channels % groups || out % groups)
        throw new Misfit(`${groups} groups must divide both the ${channels} input channels and the `
          + `${out} output channels.`);
      const {sizes, reach} = windowed(layer, state, "This convolution");
      const shape = [out, ...sizes];
      const perOutput = BigInt(channels / groups) * BigInt(kernel[0] * kernel[1]);
      return {
        shape, reach, row: "conv",
        params: BigInt(out) * perOutput + (bias ? BigInt(out) : 0n),
        flops: elements(shape) * perOutput,
      };
    },
    linear(layer, state) {
      if (state.shape.length !== 1)
        throw new Misfit(`A linear layer needs a vector, but gets ${cross(state.shape)}. Put a `
          + "flatten before it.");
      const inputs = BigInt(state.shape[0]);
      const outputs = BigInt(layer.out);
      const reach = state.reach.map((axis) =>
        axis.along === "vector" ? {...axis, along: null, size: 1, last: axis.end} : axis);
      return {
        shape: [layer.out], reach, row: "linear",
        params: inputs * outputs + (layer.bias ? outputs : 0n), flops: inputs * outputs,
      };
    },
    maxpool(layer, state) {
      needMap(state, "A pooling");
      const most = layer.kernel.map((k, i) => Math.floor((layer.dilation[i] * (k - 1) + 1) / 2));
      return pooled(layer, state, most);
    },
    avgpool(layer, state) {
      needMap(state, "A pooling");
      return pooled(layer, state, layer.kernel.map((k) => Math.floor(k / 2)));
    },
    adaptiveavg(layer, state) {
      needMap(state, "A pooling");
      const reach = state.reach.map((axis, i) => adaptive(axis, layer.size[i]));
      return {shape: [state.shape[0], ...layer.size], reach, row: "pool"};
    },
    batchnorm: (layer, state) => ({...state, params: 2n * BigInt(state.shape[0])}),
    relu: (layer, state) => ({...state}),
    dropout: (layer, state) => ({...state}),
    lrn(layer, state) {
      needMap(state, "A response norm");
      return {...state};
    },
    zeros(layer, state) {
      needMap(state, "This layer");
      const reach = state.reach.map((axis) =>
        ({...axis, end: plus(axis.last, scaled(axis.jump, axis.size - 1))}));
      return {shape: [state.shape[0] + layer.out, ...state.shape.slice(1)], reach};
    },
    flatten(layer, state) {
      const [, h, w] = state.shape;
      const stays = h === undefined ? state.shape.map((n) => n > 1) : [h * w > 1, w > 1];
      const reach = state.reach.map((axis, i) => (axis.along === null ? axis
        : {...axis, along: stays[stays.length === 1 ? 0 : i] ? "vector" : null}));
      return {shape: [state.shape.reduce((a, b) => a * b)], reach};
    },
    sum: (layer, state, run) => joined(layer, run(layer.branches, state), "sum"),
    concat: (layer, state, run) => joined(layer, run(layer.branches, state), "concatenation"),
  };
  RULES.adaptivemax = RULES.adaptiveavg;

  function pooled(layer, state, mostPadding) {
    layer.padding.forEach((padding, i) => {
      if (padding > mostPadding[i])
        throw new Misfit(`A padding of ${padding} is more than half of the window, so that a window `
          + `could lie in the padding alone. Here ${mostPadding[i]} is the most.`);
    });
    const {sizes, reach} = windowed(layer, state, "This pooling");
    return {shape: [state.shape[0], ...sizes], reach, row: "pool"};
  }

  function joined(layer, ends, what) {
    const shapes = ends.map((end) => end.shape);
    const compared = (shape) => cross(layer.type === "sum" ? shape : [shape.length, ...shape.slice(1)]);
    if (shapes.some((shape) => compared(shape) !== compared(shapes[0])))
      throw new Misfit(`The branches end in ${shapes.map(cross).join(" and ")}. A ${what} needs the `
        + `same ${layer.type === "sum" ? "channels, height and width" : "height and width"} in all.`);
    const channels = layer.type === "sum" ? shapes[0][0]
      : shapes.reduce((sum, shape) => sum + shape[0], 0);
    const reach = ends.map((end) => end.reach).reduce((a, b) =>
      (a === b ? a : a.map((axis, i) => union(axis, b[i]))));
    return {shape: [channels, ...shapes[0].slice(1)], reach};
  }

  const elements = (shape) => shape.reduce((product, n) => product * BigInt(n), 1n);

  // Every row of `network` in execution order: layers, and the heads of branches. A row has its
  // path ([3] is the fourth layer, [3, 0, 1] the second layer of the first branch in it, [3, 0] that
  // branch's head), and what was found: shape, kind, elements, params, flops, field. From the layer
  // that does not fit, which has `problem`, nothing more is found.
  explorer.profile = function (network) {
    const rows = [];
    let problem = null;
    let stopped = false;

    function sequence(layers, state, path) {
      for (const [index, layer] of layers.entries()) {
        const here = [...path, index];
        const inputShape = state && state.shape;
        const run = (branches, start) => branches.map((branch, i) => {
          rows.push({path: [...here, i], branch: i, of: branches.length, layer,
                     inputShape: start && start.shape});
          return sequence(branch, start, [...here, i]);
        });
        const row = {path: here, layer, inputShape};
        let next = null;
        try {
          if (!stopped) next = RULES[layer.type](layer, state, (...given) => {
            const ends = run(...given);
            if (stopped) throw new Misfit("");
            return ends;
          });
          else if (layer.branches) run(layer.branches, null);
        } catch (error) {
          if (!(error instanceof Misfit)) throw error;
          if (!stopped) row.problem = problem = error.message;
          stopped = true;
        }
        if (next) {
          row.shape = next.shape;
          row.params = next.params || 0n;
          row.flops = next.flops || 0n;
          row.kind = next.row;
          row.elements = next.row ? elements(next.shape) : 0n;
          if (next.row) row.field = extent(next.reach);
          next = {shape: next.shape, reach: next.reach};
        }
        rows.push(row);
        state = next;
      }
      return state;
    }

    const [, height, width] = network.input;
    const last = sequence(network.layers, {shape: network.input, reach: [pixels(height), pixels(width)]}, []);
    const total = {elements: 0n, params: 0n, flops: 0n};
    for (const row of rows)
      if (row.shape) for (const measure of Object.keys(total)) total[measure] += row[measure];
    return {rows, problem, total, output: last && last.shape};
  };

  explorer.kilobytes = (elements) => (Number(elements) * 4) / 1024;
})(window.cnnbookExplorer);
