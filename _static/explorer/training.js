// What a training step needs, as cnnbook/profiling/training.py counts it of the code of pytorch.js
// on a GPU: what the forward pass keeps for the backward pass, and the storages that are alive at
// each moment. Bytes are plain numbers: `each` grows with the batch, `fixed` does not.
((explorer) => {
  "use strict";

  const [FLOAT, INDEX, GIB] = [4, 8, 2 ** 30];
  /** @type {Record<Explorer.Optimizer, number>} */
  const STATES = {momentum: 1, adamw: 2}; // numbers that an optimiser keeps for each weight
  /** @param {Explorer.Shape} shape */
  const count = (shape) => shape.reduce((product, n) => product * n);

  // What a layer's function keeps: its input, its output, storages of its own (`each`, `fixed`).
  // `view`: its output is its input's storage, and the gradient of its input is its output's.
  // `permuted`: whether the input, and in what is given the output, lies in memory in another order
  // than its shape says.
  /** @type {Record<string, (row: Explorer.Fitting, permuted: boolean) => Explorer.Keeps>} */
  const KEEPS = {
    conv: () => ({input: true, permuted: false}),
    linear: (row, permuted) =>
      isCopied(row, permuted)
        ? {each: FLOAT * count(row.inputShape), permuted: false}
        : {input: true, permuted: false},
    // The mean and the deviation of each channel.
    batchnorm: ({shape}) => ({input: true, fixed: 2 * FLOAT * shape[0]}),
    // Those of each position; it gives the channels last.
    layernorm: (row) => ({
      input: true,
      each: 2 * FLOAT * positions(row),
      permuted: row.inputShape.length > 1 && !row.channelsLast,
    }),
    scale: () => ({input: true}),
    relu: () => ({output: true}),
    relu6: () => ({input: true}),
    silu: () => ({input: true}),
    gelu: () => ({input: true}),
    sigmoid: () => ({output: true}),
    // Where the largest of each window is.
    maxpool: ({shape}) => ({input: true, each: INDEX * count(shape)}),
    adaptivemax: ({shape}) => ({input: true, each: INDEX * count(shape)}),
    avgpool: () => ({input: true}),
    // To a single pixel it is a mean, whose gradient does not need its input.
    adaptiveavg: ({layer}) => ({input: Math.max(...layer.size) > 1}),
    // A mask of bytes.
    dropout: ({layer, shape}) => (layer.percent ? {each: count(shape)} : {view: true}),
    // The squares with zeros around them, what is raised to a power, and the power.
    lrn: ({layer, shape}) => ({
      input: true,
      each: FLOAT * (3 * count(shape) + (layer.size - 1) * shape[1] * shape[2]),
    }),
    zeros: () => ({}),
    flatten: (row, permuted) => ({
      view: !isCopied(row, permuted),
      hands: true,
      permuted: false,
    }),
    channelslast: (row, permuted) => ({view: true, permuted: !permuted}),
    channelsfirst: (row, permuted) => ({view: true, permuted: !permuted}),
  };

  /** @param {Explorer.Fitting} row */
  const channels = ({inputShape, channelsLast}) => inputShape[channelsLast ? 2 : 0];
  /** @param {Explorer.Fitting} row */
  const positions = (row) => count(row.inputShape) / channels(row);
  // Whether a layer that takes dimensions together has to copy its input first.
  /** @param {Explorer.Fitting} row @param {boolean} permuted */
  const isCopied = (row, permuted) => permuted && channels(row) > 1 && positions(row) > 1;

  // The numbers in each parameter of a layer.
  /** @param {Explorer.Fitting} row @returns {number[]} */
  function parameters({layer, params}) {
    if (!params) return [];
    if (layer.type.endsWith("norm")) return [Number(params) / 2, Number(params) / 2];
    return layer.bias ? [Number(params) - layer.out, layer.out] : [Number(params)];
  }

  // Storages, counted by who holds them, and the calls that the backward pass goes through. A value
  // is {block, shape, permuted, wants, grad}: its storage, and whether it wants a gradient.
  class Step {
    constructor() {
      this.each = 0;
      this.fixed = 0;
      this.kept = 0;
      /** @type {Explorer.Moment[]} */
      this.moments = [];
      /** @type {Explorer.Node[]} */
      this.nodes = [];
    }

    /** @param {number} each @param {number} fixed @returns {Explorer.Block} */
    make(each, fixed = 0) {
      this.each += each;
      this.fixed += fixed;
      this.moments.push([this.each, this.fixed]);
      return {each, fixed, holders: 1, kept: false};
    }

    /** @param {Explorer.Block} block */
    hold(block) {
      block.holders += 1;
      return block;
    }

    /** @param {Explorer.Block} block */
    drop(block) {
      block.holders -= 1;
      if (block.holders) return;
      this.each -= block.each;
      this.fixed -= block.fixed;
    }

    // A call of a function, which drops its inputs and gives its output. `hands`: the gradients of
    // its inputs are in the storage of its output's.
    /**
     * @param {Explorer.Value[]} inputs @param {Explorer.Shape} shape
     * @param {Explorer.Keeps} keeps @param {number[]} weights @returns {Explorer.Value}
     */
    call(inputs, shape, keeps, weights = []) {
      const {input, factors, output, each, fixed, view, hands = view} = keeps;
      const size = FLOAT * count(shape);
      // As the first that is not spread over positions.
      const like = inputs.find((one) => count(one.shape) === count(shape)) ?? inputs[0];
      const block = view ? this.hold(inputs[0].block) : this.make(size);
      const out = {
        block,
        shape,
        permuted: keeps.permuted ?? like.permuted,
        wants: weights.length > 0 || inputs.some((one) => one.wants),
        grad: null,
      };
      if (out.wants) {
        /** @type {Explorer.Block[]} */
        const saved = [];
        if (input) saved.push(this.hold(inputs[0].block));
        if (factors)
          for (const [n, one] of inputs.entries())
            if (inputs[1 - n].wants) saved.push(this.hold(one.block));
        if (output) saved.push(this.hold(block));
        if (each || fixed) saved.push(this.make(each ?? 0, fixed));
        for (const one of saved) {
          if (!one.kept) this.kept += one.each + one.fixed;
          one.kept = true;
        }
        // Each input once, and whether its gradient is in the storage of the output's. Of one that
        // is read twice it is a sum, a storage of its own.
        /** @type {Map<Explorer.Value, boolean>} */
        const reads = new Map();
        for (const one of inputs) if (one.wants) reads.set(one, Boolean(hands) && !reads.has(one));
        this.nodes.push({out, saved, reads, weights});
      }
      for (const one of inputs) this.drop(one.block);
      return out;
    }

    /** @param {Explorer.Value} out */
    backward(out) {
      if (out.wants) out.grad = this.make(FLOAT * count(out.shape));
      this.drop(out.block);
      for (const {out, saved, reads, weights} of this.nodes.reverse()) {
        // Who reads it went first, and made it.
        const grad = /** @type {Explorer.Block} */ (out.grad);
        const made = [...reads].map(([value, hands]) =>
          hands ? this.hold(grad) : this.make(FLOAT * count(value.shape)),
        );
        for (const weight of weights) this.make(0, FLOAT * weight);
        for (const [n, [value, hands]] of [...reads].entries()) {
          const own = FLOAT * count(value.shape);
          const block = made[n];
          // Autograd adds a gradient to one that nothing else refers to and that fills its storage
          // (a slice of a concatenation's does not); else the sum is a new one.
          /** @param {Explorer.Block} one @param {number} holders */
          const takesSum = (one, holders) => one.holders === holders && one.each === own;
          if (value.grad && takesSum(value.grad, 1)) this.drop(block);
          else if (value.grad) {
            const taken = takesSum(block, hands ? 2 : 1);
            const sum = taken ? block : this.make(own);
            this.drop(value.grad);
            if (!taken) this.drop(block);
            value.grad = sum;
          } else value.grad = block;
        }
        this.drop(grad);
        for (const block of saved) this.drop(block);
      }
    }
  }

  // The memory of a training step of a network whose layers fit: bytes of `weights`, of the
  // `buffers` beside them, those that one image keeps (`kept`), and all others at each moment.
  /** @param {Explorer.Network} network @param {{rows: Explorer.Fitting[]}} profile */
  explorer.training = ({input}, {rows}) => {
    const step = new Step();
    /** @type {Explorer.Value} */
    const image = {
      block: step.make(FLOAT * count(input)),
      shape: input,
      permuted: false,
      wants: false,
      grad: null,
    };
    /** @param {Explorer.Value} value */
    const held = (value) => {
      step.hold(value.block);
      return value;
    };
    /** Those whose branches run. @type {Explorer.Join[]} */
    const joins = [];
    let value = held(image);
    let [weights, buffers] = [0, 0];

    // A sum begins with 0, as Python's does, a product with its first branch; each further branch is
    // added or multiplied as it comes.
    /** @param {Explorer.Join} join @param {Explorer.Layer} layer */
    function branchEnds(join, {type}) {
      const {shape} = value;
      if (type === "sum") value = step.call([...join.ends.splice(0), value], shape, {hands: true});
      else if (type === "product" && join.ends.length) {
        const [before] = join.ends.splice(0);
        const both = shape.map((size, i) => Math.max(size, before.shape[i]));
        value = step.call([before, value], both, {factors: true});
      }
      join.ends.push(value);
    }

    for (const row of rows) {
      const {layer} = row;
      if (row.branch === 0) joins.push({start: value, ends: []});
      const join = joins[joins.length - 1];
      if (row.branch !== undefined) {
        if (row.branch > 0) branchEnds(join, layer);
        value = held(join.start);
      } else if (layer.branches) {
        branchEnds(join, layer);
        const permuted = join.ends.every((end) => end.permuted);
        value =
          layer.type === "concat"
            ? step.call(join.ends, row.shape, {hands: true, permuted})
            : join.ends[0];
        joins.pop();
        step.drop(join.start.block);
      } else {
        const numbers = parameters(row);
        value = step.call([value], row.shape, KEEPS[layer.type](row, value.permuted), numbers);
        for (const n of numbers) weights += FLOAT * n;
        // A mean and a variance of each channel, and how many batches there were.
        if (layer.type === "batchnorm") buffers += 2 * FLOAT * row.shape[0] + INDEX;
      }
    }
    // Who trains holds the image until the step is over.
    step.backward(value);
    return {weights, buffers, kept: step.kept, moments: step.moments};
  };

  // Bytes of the weights, their gradients, and what the optimiser keeps of them.
  /** @param {{weights: number}} training @param {Explorer.Optimizer} optimizer */
  explorer.weightsInTraining = ({weights}, optimizer) => weights * (2 + STATES[optimizer]);

  // The most images of a step that stays within `gib` GiB; 0 if not even one does.
  /**
   * @param {{weights: number, buffers: number, moments: Explorer.Moment[]}} training
   * @param {Explorer.Optimizer} optimizer @param {number} gib
   */
  explorer.largestBatch = ({weights, buffers, moments}, optimizer, gib) => {
    const room = gib * GIB - weights * (1 + STATES[optimizer]) - buffers;
    const most = moments.reduce(
      (least, [each, fixed]) =>
        Math.min(least, fixed > room ? 0 : each ? (room - fixed) / each : Infinity),
      Infinity,
    );
    return Math.floor(most);
  };
})(window.cnnbookExplorer);
