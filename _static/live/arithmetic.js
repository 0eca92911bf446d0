// The arithmetic of a network, in plain loops: from its weights and an image to every activation.
// It is one function, so that its text can also be the text of a worker; it touches no page.
// Tensors are Float32Arrays of C × H × W, one row after another; sums are taken in 64 bits.
((live) => {
  "use strict";

  live.arithmetic = () => {
    /** @param {Live.Shape} shape */
    const size = (shape) => shape.reduce((a, b) => a * b, 1);

    // Weights

    /** The bytes of base64 text. @param {string} text @returns {Uint8Array} */
    function bytesOf(text) {
      const characters = atob(text);
      const bytes = new Uint8Array(characters.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
      return bytes;
    }

    // Each 16-bit float's value, by its bits; made once.
    /** @type {Float32Array | null} */
    let halves = null;
    function tableOfHalves() {
      const table = new Float32Array(65536);
      for (let bits = 0; bits < 65536; bits++) {
        const sign = bits & 0x8000 ? -1 : 1;
        const exponent = (bits >> 10) & 31;
        const fraction = bits & 1023;
        if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
        else if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
        else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
      }
      return table;
    }

    /**
     * `count` values of a weight from the place `from`.
     * @param {Uint8Array<ArrayBuffer>} bytes @param {Live.Place} place @returns {Live.Values}
     */
    function values(bytes, place, from = 0, count = place[2] - from) {
      const [type, start] = place;
      const at = bytes.byteOffset + start;
      if (type === "f4") return new Float32Array(bytes.buffer, at + 4 * from, count);
      halves = halves ?? tableOfHalves();
      const stored = new Uint16Array(bytes.buffer, at + 2 * from, count);
      const found = new Float32Array(count);
      for (let i = 0; i < count; i++) found[i] = halves[stored[i]];
      return found;
    }

    // The image

    /**
     * Each place of a line resized from `from` to `to` pixels: first pixel and weights, as torch's
     * bilinear interpolation with antialiasing takes them.
     * @param {number} from @param {number} to
     */
    function line(from, to) {
      const scale = from / to;
      const reach = Math.max(scale, 1);
      return Array.from({length: to}, (_, i) => {
        const centre = scale * (i + 0.5);
        const first = Math.max(0, Math.trunc(centre - reach + 0.5));
        const last = Math.min(from, Math.trunc(centre + reach + 0.5));
        const weights = [];
        for (let j = first; j < last; j++)
          weights.push(Math.max(0, 1 - Math.abs((j - centre + 0.5) / reach)));
        const total = weights.reduce((a, b) => a + b, 0);
        return {first, weights: weights.map((w) => w / total)};
      });
    }

    /**
     * 784 grey values of 0 to 255 as the first layer gets them.
     * @param {Live.Network} network @param {ArrayLike<number>} pixels @returns {Live.Values}
     */
    function input(network, pixels) {
      const [mean] = network.mean;
      const scale = 1 / (255 * Math.max(network.std[0], 1 / 255));
      const image = Float32Array.from(pixels, (p) => (p - 255 * mean) * scale);
      const from = Math.round(Math.sqrt(image.length));
      const to = network.size;
      if (from === to) return image;
      const places = line(from, to);
      const wide = new Float64Array(from * to);
      for (let y = 0; y < from; y++)
        places.forEach(({first, weights}, x) => {
          let sum = 0;
          for (let j = 0; j < weights.length; j++) sum += weights[j] * image[y * from + first + j];
          wide[y * to + x] = sum;
        });
      const resized = new Float32Array(to * to);
      places.forEach(({first, weights}, y) => {
        for (let x = 0; x < to; x++) {
          let sum = 0;
          for (let j = 0; j < weights.length; j++) sum += weights[j] * wide[(first + j) * to + x];
          resized[y * to + x] = sum;
        }
      });
      return resized;
    }

    // Convolution: the windows as columns of a matrix, times the kernels as its rows. Both are laid
    // out so that the innermost loop reads on from where it is: four kernels, and two windows.

    const KERNELS = 4;
    const WINDOWS = 2;

    /**
     * The kernels of a layer in fours: for each place in the window the weights of four.
     * @param {Live.Values} weights @param {number} out @param {number} groups
     * @returns {Live.Packed}
     */
    function packed(weights, out, groups) {
      const depth = weights.length / out;
      const each = out / groups;
      const fours = Math.ceil(each / KERNELS);
      const rows = new Float64Array(groups * fours * depth * KERNELS);
      for (let k = 0; k < out; k++) {
        const inGroup = k % each;
        const start =
          (Math.floor(k / each) * fours + Math.floor(inGroup / KERNELS)) * depth * KERNELS;
        for (let i = 0; i < depth; i++)
          rows[start + i * KERNELS + (inGroup % KERNELS)] = weights[k * depth + i];
      }
      return {rows, depth, each, fours};
    }

    /**
     * The windows over the channels from `first` on, in twos; what lies in the padding is zero.
     * @param {Live.Values} x @param {Live.Shape} shape @param {number} first
     * @param {number} channels @param {Live.Step} step @param {Float64Array} columns
     */
    function windowed(x, shape, first, channels, step, columns) {
      const [, height, width] = shape;
      const [, rows, places] = step.shape;
      const {
        kernel: [kh, kw],
        stride: [sh, sw],
        padding: [ph, pw],
      } = step.settings;
      const depth = channels * kh * kw;
      for (let c = 0; c < channels; c++)
        for (let ky = 0; ky < kh; ky++)
          for (let kx = 0; kx < kw; kx++) {
            const place = (c * kh + ky) * kw + kx;
            for (let oy = 0; oy < rows; oy++) {
              const y = oy * sh - ph + ky;
              const inside = y >= 0 && y < height;
              const start = ((first + c) * height + y) * width;
              for (let ox = 0; ox < places; ox++) {
                const px = ox * sw - pw + kx;
                const n = oy * places + ox;
                columns[((n >> 1) * depth + place) * WINDOWS + (n & 1)] =
                  inside && px >= 0 && px < width ? x[start + px] : 0;
              }
            }
          }
    }

    /**
     * Four kernels over all windows, from their places in `rows` and `columns`, into `out`.
     * @param {Float64Array} rows @param {number} at @param {Float64Array} columns
     * @param {number} depth @param {number} count windows @param {Live.Values} out
     * @param {number} to @param {number} most kernels @param {number[] | null} bias
     */
    function multiplied(rows, at, columns, depth, count, out, to, most, bias) {
      const b0 = bias ? bias[0] : 0;
      const b1 = bias ? bias[1] : 0;
      const b2 = bias ? bias[2] : 0;
      const b3 = bias ? bias[3] : 0;
      for (let n = 0; n < count; n += WINDOWS) {
        let a00 = 0,
          a01 = 0,
          a10 = 0,
          a11 = 0,
          a20 = 0,
          a21 = 0,
          a30 = 0,
          a31 = 0;
        let r = at;
        let c = n * depth;
        for (let i = 0; i < depth; i++, r += KERNELS, c += WINDOWS) {
          const w0 = rows[r],
            w1 = rows[r + 1],
            w2 = rows[r + 2],
            w3 = rows[r + 3];
          const x0 = columns[c],
            x1 = columns[c + 1];
          a00 += w0 * x0;
          a01 += w0 * x1;
          a10 += w1 * x0;
          a11 += w1 * x1;
          a20 += w2 * x0;
          a21 += w2 * x1;
          a30 += w3 * x0;
          a31 += w3 * x1;
        }
        const two = n + 1 < count;
        let o = to + n;
        out[o] = a00 + b0;
        if (two) out[o + 1] = a01 + b0;
        if (most > 1) {
          o += count;
          out[o] = a10 + b1;
          if (two) out[o + 1] = a11 + b1;
        }
        if (most > 2) {
          o += count;
          out[o] = a20 + b2;
          if (two) out[o + 1] = a21 + b2;
        }
        if (most > 3) {
          o += count;
          out[o] = a30 + b3;
          if (two) out[o + 1] = a31 + b3;
        }
      }
    }

    let scratch = new Float64Array(0);

    /**
     * @param {Live.Step} step @param {Live.Values[]} inputs @param {Live.Shape[]} shapes
     * @param {Live.State} state @returns {Generator<undefined, Live.Values, void>}
     */
    function* conv(step, [x], [shape], state) {
      const [out, height, width] = step.shape;
      const {groups} = step.settings;
      const kernels = state.packed(step);
      const bias = state.weight(step, "bias");
      const channels = shape[0] / groups;
      const count = height * width;
      const needed = Math.ceil(count / 2) * 2 * kernels.depth;
      if (scratch.length < needed) scratch = new Float64Array(needed);
      const columns = scratch;
      const result = new Float32Array(out * count);
      for (let g = 0; g < groups; g++) {
        windowed(x, shape, g * channels, channels, step, columns);
        for (let four = 0; four < kernels.fours; four++) {
          const k = g * kernels.each + four * KERNELS;
          const most = Math.min(KERNELS, kernels.each - four * KERNELS);
          const at = (g * kernels.fours + four) * kernels.depth * KERNELS;
          const its = bias && [bias[k], bias[k + 1] ?? 0, bias[k + 2] ?? 0, bias[k + 3] ?? 0];
          multiplied(kernels.rows, at, columns, kernels.depth, count, result, k * count, most, its);
          if (kernels.depth * count > 20000) yield; // nobody else may run meanwhile
        }
      }
      return result;
    }

    // The other operations: each takes the step and its inputs' values and shapes

    /**
     * @param {Live.Step} step @param {Live.Values[]} inputs @param {Live.Shape[]} shapes
     * @param {number} start @param {(a: number, b: number) => number} join
     * @param {(found: number, count: number) => number} end
     */
    function pooled(step, [x], [[channels, height, width]], start, join, end) {
      const [, rows, places] = step.shape;
      const {
        kernel: [kh, kw],
        stride: [sh, sw],
        padding: [ph, pw],
      } = step.settings;
      const result = new Float32Array(size(step.shape));
      for (let c = 0, n = 0; c < channels; c++)
        for (let oy = 0; oy < rows; oy++)
          for (let ox = 0; ox < places; ox++, n++) {
            let found = start;
            for (let y = Math.max(0, oy * sh - ph); y < Math.min(height, oy * sh - ph + kh); y++)
              for (
                let px = Math.max(0, ox * sw - pw);
                px < Math.min(width, ox * sw - pw + kw);
                px++
              )
                found = join(found, x[(c * height + y) * width + px]);
            result[n] = end(found, kh * kw);
          }
      return result;
    }

    /** @type {Live.Operation} */
    const same = (step, [x]) => x;
    /** @type {Record<string, Live.Operation>} */
    const OPERATIONS = {
      conv: conv,
      linear: (step, [x], shapes, state) => {
        const weights = state.given(step, "weight");
        const bias = state.weight(step, "bias");
        const [out] = step.shape;
        const result = new Float32Array(out);
        for (let k = 0, i = 0; k < out; k++) {
          let sum = bias ? bias[k] : 0;
          for (let j = 0; j < x.length; j++) sum += weights[i++] * x[j];
          result[k] = sum;
        }
        return result;
      },
      "batch norm": (step, [x], [shape], state) => {
        const [mean, variance] = ["mean", "var"].map((role) => state.given(step, role));
        const [scale, shift] = ["weight", "bias"].map((role) => state.weight(step, role));
        const each = x.length / shape[0];
        const result = new Float32Array(x.length);
        for (let c = 0, i = 0; c < shape[0]; c++) {
          const factor = (scale ? scale[c] : 1) / Math.sqrt(variance[c] + step.settings.eps);
          const plus = shift ? shift[c] : 0;
          for (let n = 0; n < each; n++, i++) result[i] = (x[i] - mean[c]) * factor + plus;
        }
        return result;
      },
      "response norm": (step, [x], [shape]) => {
        const {size: near, alpha, beta, k} = step.settings;
        const each = x.length / shape[0];
        const result = new Float32Array(x.length);
        for (let c = 0; c < shape[0]; c++) {
          const from = Math.max(0, c - (near >> 1));
          const to = Math.min(shape[0] - 1, c + ((near - 1) >> 1));
          for (let n = 0; n < each; n++) {
            let sum = 0;
            for (let j = from; j <= to; j++) sum += x[j * each + n] ** 2;
            result[c * each + n] = x[c * each + n] / (k + (alpha * sum) / near) ** beta;
          }
        }
        return result;
      },
      relu: (step, [x]) => x.map((value) => (value > 0 ? value : 0)),
      "max pool": (step, x, shapes) =>
        pooled(step, x, shapes, -Infinity, Math.max, (found) => found),
      "avg pool": (step, x, shapes) =>
        pooled(
          step,
          x,
          shapes,
          0,
          (a, b) => a + b,
          (sum, count) => sum / count,
        ),
      "adaptive avg pool": (step, [x], [[channels, height, width]]) => {
        const [, rows, places] = step.shape;
        const result = new Float32Array(size(step.shape));
        for (let c = 0, n = 0; c < channels; c++)
          for (let oy = 0; oy < rows; oy++)
            for (let ox = 0; ox < places; ox++, n++) {
              const [top, bottom] = adaptive(oy, rows, height);
              const [left, right] = adaptive(ox, places, width);
              let sum = 0;
              for (let y = top; y < bottom; y++)
                for (let px = left; px < right; px++) sum += x[(c * height + y) * width + px];
              result[n] = sum / ((bottom - top) * (right - left));
            }
        return result;
      },
      add: (step, xs) => {
        const result = Float32Array.from(xs[0]);
        for (const x of xs.slice(1)) for (let i = 0; i < x.length; i++) result[i] += x[i];
        return result;
      },
      concat: (step, xs) => {
        const result = new Float32Array(size(step.shape));
        let at = 0;
        for (const x of xs) {
          result.set(x, at);
          at += x.length;
        }
        return result;
      },
      pad: (step, [x]) => {
        const result = new Float32Array(size(step.shape)); // the new channels are the last
        result.set(x);
        return result;
      },
      dropout: same,
      identity: same,
      flatten: same, // in inference
    };

    /**
     * The first pixel and the one after the last of a window of adaptive pooling.
     * @param {number} i @param {number} out @param {number} length
     */
    const adaptive = (i, out, length) => [
      Math.floor((i * length) / out),
      Math.ceil(((i + 1) * length) / out),
    ];

    // The whole network

    /**
     * A network ready to run.
     * @param {Live.Network} network as `cnnbook.interpret.live` exports it
     * @param {Uint8Array<ArrayBuffer>} bytes its weights
     */
    function made(network, bytes) {
      /** @type {Map<string, Live.Values>} */
      const kept = new Map();
      /** @type {Map<string, Live.Packed>} */
      const rows = new Map();
      /** @type {Live.State} */
      const state = {
        given(step, role) {
          const key = step.tensors[role];
          const its = kept.get(key) ?? values(bytes, network.places[key]);
          kept.set(key, its);
          return its;
        },
        weight: (step, role) => (step.tensors[role] ? state.given(step, role) : null),
        packed(step) {
          const known = rows.get(step.name);
          if (known) return known;
          const weights = values(bytes, network.places[step.tensors.weight]);
          const its = packed(weights, step.shape[0], step.settings.groups);
          rows.set(step.name, its);
          return its;
        },
      };
      const shapes = new Map(network.steps.map((step) => [step.name, step.shape]));

      /**
       * Runs the network on 784 grey values; pauses wherever a page may want to do other things.
       * @param {ArrayLike<number>} pixels
       * @param {Live.Off} off what is switched off
       * @returns {Generator<undefined, Map<string, Live.Values>, void>} of every step's values
       */
      function* run(pixels, off = {}) {
        const {changes = {}, channels = {}} = off;
        /** @type {Map<string, Live.Values>} */
        const found = new Map();
        /** What a step before has given. @param {string} name @returns {Live.Values} */
        const of = (name) => /** @type {Live.Values} */ (found.get(name));
        for (const step of network.steps) {
          const inputs = step.inputs.map(of);
          let result;
          if (step.operation === "input") result = input(network, pixels);
          else {
            const shapesOfInputs = step.inputs.map(
              (name) => /** @type {Live.Shape} */ (shapes.get(name)),
            );
            const made = OPERATIONS[step.operation](step, inputs, shapesOfInputs, state);
            result = made instanceof Float32Array ? made : yield* made;
          }
          if (Object.hasOwn(changes, step.name)) {
            const from = changes[step.name];
            result = from === null ? new Float32Array(result.length) : of(from);
          }
          if (Object.hasOwn(channels, step.name)) {
            result = Float32Array.from(result);
            const each = result.length / step.shape[0];
            for (const c of channels[step.name]) result.fill(0, c * each, (c + 1) * each);
          }
          found.set(step.name, result);
          yield;
        }
        return found;
      }
      return {run};
    }

    return {bytesOf, values, input, made, adaptive, size};
  };
})(((window.cnnbook ??= {}).live ??= {}));
