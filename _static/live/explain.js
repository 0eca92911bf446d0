// Where a number came from: the terms that one step made it of, and the pixels that it depends on.
((live) => {
  "use strict";

  const arithmetic = live.arithmetic();

  /** The place of a value among those of a shape. @param {number[]} at [c, y, x] or [i] */
  const indexOf = (shape, at) => at.reduce((index, value, axis) => index * shape[axis] + value, 0);

  /** The other way round. @returns {number[]} */
  function placeOf(shape, index) {
    const at = [];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at.unshift(index % shape[axis]);
      index = Math.floor(index / shape[axis]);
    }
    return at;
  }

  /** `count` values of one of a step's weights, from the place `from`; null if it has none. */
  function weights(network, step, role, from = 0, count = undefined) {
    const key = step.tensors[role];
    return key ? arithmetic.values(network.bytes, network.places[key], from, count) : null;
  }

  /** First position and length of the window of a pool or convolution over one axis, unclipped. */
  function windowOf(step, input, axis, position) {
    const {kernel, stride, padding} = step.settings;
    if (kernel) return [position * stride[axis] - padding[axis], kernel[axis]];
    const lengths = [input.shape[1], input.shape[2]];
    const [from, to] = arithmetic.adaptive(position, step.shape[1 + axis], lengths[axis]);
    return [from, to - from];
  }

  /**
   * What the step `name` computed its value at `at` from.
   *
   * @param {Map<string, Float32Array>} values of every step
   * @returns {object} `type`, `value`, and by type:
   *   window: `input` (a step's name), `top`, `left`, `height`, `width`, `channels` (numbers),
   *     `values`, `weights` and `products` of the n-th of them by `of(n)`, `sums` of each, `bias`
   *   pool: `input`, `channel`, `top`, …, `values` (null in the padding), `winner`
   *   linear: `input`, `products`, `weights`, `bias`
   *   norm: `before`, `mean`, `variance`, `eps`, `scale`, `shift`
   *   relu, same: `before`; sum: `terms`; copy and zero: what it is; pixel
   *   and `from`: the places it leads back to, [{name, at}].
   */
  live.explain = (network, values, name, at) => {
    const step = network.byName.get(name);
    const value = values.get(name)[indexOf(step.shape, at)];
    const inputs = step.inputs.map((each) => network.byName.get(each));
    const read = (input, place) => values.get(input.name)[indexOf(input.shape, place)];
    const [input] = inputs;
    const found = {step, value, input: input?.name};
    switch (step.operation) {
      case "input":
        return {...found, type: "pixel", from: []};
      case "conv": {
        const [k, oy, ox] = at;
        const {groups} = step.settings;
        const depth = input.shape[0] / groups;
        const first = Math.floor(k / (step.shape[0] / groups)) * depth;
        const [top, height] = windowOf(step, input, 0, oy);
        const [left, width] = windowOf(step, input, 1, ox);
        const area = height * width;
        const kernels = weights(network, step, "weight", k * depth * area, depth * area);
        const window = (n) =>
          Array.from({length: area}, (_, i) => {
            const y = top + Math.floor(i / width);
            const x = left + (i % width);
            const inside = y >= 0 && x >= 0 && y < input.shape[1] && x < input.shape[2];
            return inside ? read(input, [first + n, y, x]) : null;
          });
        const of = (n) => {
          const its = window(n);
          const weighed = Array.from(kernels.subarray(n * area, (n + 1) * area));
          return {
            values: its,
            weights: weighed,
            products: its.map((v, i) => (v ?? 0) * weighed[i]),
          };
        };
        const sums = Array.from({length: depth}, (_, n) =>
          of(n).products.reduce((a, b) => a + b, 0),
        );
        const bias = weights(network, step, "bias", k, 1)?.[0] ?? null;
        return {...found, type: "window", top, left, height, width, first, depth, of, sums, bias};
      }
      case "linear": {
        const count = input.shape.reduce((a, b) => a * b, 1);
        const its = weights(network, step, "weight", at[0] * count, count);
        const products = Float64Array.from(its, (w, i) => w * values.get(input.name)[i]);
        const bias = weights(network, step, "bias", at[0], 1)?.[0] ?? null;
        return {...found, type: "linear", weights: its, products, bias};
      }
      case "max pool":
      case "avg pool":
      case "adaptive avg pool": {
        const [c, oy, ox] = at;
        const [top, height] = windowOf(step, input, 0, oy);
        const [left, width] = windowOf(step, input, 1, ox);
        const its = Array.from({length: height * width}, (_, i) => {
          const y = top + Math.floor(i / width);
          const x = left + (i % width);
          const inside = y >= 0 && x >= 0 && y < input.shape[1] && x < input.shape[2];
          return inside ? read(input, [c, y, x]) : null;
        });
        const most = Math.max(...its.map((v) => v ?? -Infinity));
        const winner = step.operation === "max pool" ? its.indexOf(most) : -1;
        return {...found, type: "pool", channel: c, top, left, height, width, values: its, winner};
      }
      case "batch norm": {
        const [mean, variance, scale, shift] = ["mean", "var", "weight", "bias"].map(
          (role) => weights(network, step, role, at[0], 1)?.[0],
        );
        const {eps} = step.settings;
        return {
          ...found,
          type: "norm",
          before: read(input, at),
          mean,
          variance,
          eps,
          scale: scale ?? 1,
          shift: shift ?? 0,
          from: [{name: input.name, at}],
        };
      }
      case "response norm": {
        const {size, alpha, beta, k} = step.settings;
        const neighbours = [];
        for (let c = at[0] - (size >> 1); c <= at[0] + ((size - 1) >> 1); c++)
          if (c >= 0 && c < step.shape[0]) neighbours.push(read(input, [c, at[1], at[2]]));
        const squares = neighbours.reduce((sum, v) => sum + v * v, 0);
        return {
          ...found,
          type: "response",
          before: read(input, at),
          squares,
          size,
          alpha,
          beta,
          k,
          from: [{name: input.name, at}],
        };
      }
      case "relu":
        return {...found, type: "relu", before: read(input, at), from: [{name: input.name, at}]};
      case "add":
        return {
          ...found,
          type: "sum",
          terms: inputs.map((each) => ({name: each.name, at, value: read(each, at)})),
        };
      case "concat": {
        let [c, its] = [at[0], 0];
        while (c >= inputs[its].shape[0]) c -= inputs[its++].shape[0];
        const place = [c, ...at.slice(1)];
        return {...found, type: "copy", from: [{name: inputs[its].name, at: place}]};
      }
      case "pad": {
        const zero = at[0] >= input.shape[0];
        return {...found, type: zero ? "zero" : "copy", from: zero ? [] : [{name: input.name, at}]};
      }
      default: {
        // flatten, dropout, identity
        const place = placeOf(input.shape, indexOf(step.shape, at));
        return {
          ...found,
          type: "same",
          before: read(input, place),
          from: [{name: input.name, at: place}],
        };
      }
    }
  };

  /**
   * The pixels of the network's input that can change the value of a step at a place.
   * @returns {{top: number, left: number, bottom: number, right: number}} the last two excluded
   */
  live.field = (network, name, at) => {
    const needed = new Map([
      [name, at.length === 3 ? [at[1], at[1] + 1, at[2], at[2] + 1] : [0, 1, 0, 1]],
    ]);
    const join = (input, [top, bottom, left, right]) => {
      const shape = input.shape.length === 3 ? input.shape : [input.shape[0], 1, 1];
      const its = [
        Math.max(0, top),
        Math.min(shape[1], bottom),
        Math.max(0, left),
        Math.min(shape[2], right),
      ];
      const old = needed.get(input.name) ?? its;
      needed.set(input.name, [
        Math.min(old[0], its[0]),
        Math.max(old[1], its[1]),
        Math.min(old[2], its[2]),
        Math.max(old[3], its[3]),
      ]);
    };
    for (const step of [...network.steps].reverse()) {
      const range = needed.get(step.name);
      if (!range || !step.inputs.length) continue;
      for (const input of step.inputs.map((each) => network.byName.get(each))) {
        if (step.settings.kernel || step.operation === "adaptive avg pool") {
          const ends = [0, 1].flatMap((axis) => {
            const [first] = windowOf(step, input, axis, range[2 * axis]);
            const [last, length] = windowOf(step, input, axis, range[2 * axis + 1] - 1);
            return [first, last + length];
          });
          join(input, ends);
        } else if (step.shape.length === 1 && input.shape.length === 3) {
          // One value of a vector that was maps is at one place; all of them are everywhere.
          const only = step.name === name && step.operation !== "linear";
          const place = only ? placeOf(input.shape, at[0]) : null;
          join(
            input,
            place
              ? [place[1], place[1] + 1, place[2], place[2] + 1]
              : [0, input.shape[1], 0, input.shape[2]],
          );
        } else join(input, range);
      }
    }
    const [top, bottom, left, right] = needed.get("input");
    return {top, left, bottom, right};
  };

  Object.assign(live, {indexOf, placeOf});
})(((window.cnnbook ??= {}).live ??= {}));
