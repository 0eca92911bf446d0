// What the scripts of the pages that compute take and give, for their types: `npx tsc`. No page has it.

interface Window {
  cnnbook?: {live?: any};
  cnnbookExplorer: any;
  cnnbookQuestions: any;
}

/** The live network: `_static/live/arithmetic.js`. Tensors are C × H × W, row after row. */
declare namespace Live {
  type Shape = number[];
  type Values = Float32Array<ArrayBuffer>;
  type Pair = [number, number];

  /** A step of a network, as `cnnbook.interpret.live` writes it. */
  interface Step {
    name: string;
    operation: string;
    shape: Shape;
    inputs: string[];
    settings: {
      kernel: Pair;
      stride: Pair;
      padding: Pair;
      groups: number;
      eps: number;
      size: number;
      alpha: number;
      beta: number;
      k: number;
    };
    /** By the role of a weight ("bias") its key in `Network.places`. */
    tensors: Record<string, string>;
  }

  /** Of a weight: "f2" or "f4", its first byte, its length. */
  type Place = [type: string, start: number, length: number];

  interface Network {
    steps: Step[];
    places: Record<string, Place>;
    size: number;
    mean: number[];
    std: number[];
  }

  /** A layer's kernels in fours: see `packed`. */
  interface Packed {
    rows: Float64Array;
    depth: number;
    each: number;
    fours: number;
  }

  interface State {
    /** A weight that the step has. */
    given(step: Step, role: string): Values;
    /** A weight that it may have. */
    weight(step: Step, role: string): Values | null;
    packed(step: Step): Packed;
  }

  type Operation = (
    step: Step,
    inputs: Values[],
    shapes: Shape[],
    state: State,
  ) => Values | Generator<undefined, Values, void>;

  /** What is switched off. */
  interface Off {
    /** By step the step whose output stands in its place, or null for zeros. */
    changes?: Record<string, string | null>;
    /** By step the numbers of the maps that are zero. */
    channels?: Record<string, number[]>;
  }
}

/** The explorer: `_static/explorer`. */
declare namespace Explorer {
  type Shape = number[];
  type Pair = [number, number];

  /** What a layer is made of: see `layers.js`. */
  interface Field {
    name: string;
    label: string;
    letter: string;
    byDefault: number | boolean | null;
    kind: "number" | "pair" | "flag";
    least: number;
    most: number;
  }

  interface Kind {
    label: string;
    letter: string;
    fields: Field[];
    join?: boolean;
  }

  /** A layer has what its kind's fields say, and branches where it joins some. */
  interface Layer {
    type: string;
    out: number;
    groups: number;
    bias: boolean;
    kernel: Pair;
    stride: Pair;
    padding: Pair;
    dilation: Pair;
    ceil: boolean;
    percent: number;
    /** A pair, or a number of a response norm. */
    size: any;
    branches?: Layer[][];
  }

  interface Network {
    input: Shape;
    layers: Layer[];
  }

  /** What evenly spaced positions see of one axis of the image: see `arithmetic.js`. */
  interface Even {
    size: number;
    first: bigint;
    last: bigint;
    end: bigint;
    jump: bigint;
    alone: boolean;
    low?: undefined;
  }

  /** What any other positions see. */
  interface Spots {
    low: number[];
    high: number[];
    alone?: undefined;
  }

  type Axis = Even | Spots;

  interface State {
    shape: Shape;
    reach: Axis[];
    /** Whether the shape is H × W × C. */
    channelsLast?: boolean;
  }

  interface Found extends State {
    row?: string;
    params?: bigint;
    flops?: bigint;
  }

  type Rule = (layer: Layer, state: State, ends: State[]) => Found;

  interface Row {
    path: string;
    layer: Layer;
    inputShape?: Shape;
    /** Whether its input's shape is H × W × C. */
    channelsLast?: boolean;
    branch?: number;
    of?: number;
    problem?: string;
    shape?: Shape;
    kind?: string;
    elements?: bigint;
    params?: bigint;
    flops?: bigint;
    field?: number | number[];
  }

  /** A row of a network whose layers fit. */
  type Fitting = Row & {inputShape: Shape; shape: Shape; params: bigint};

  /** A storage in a training step: its bytes, how many hold it, whether it is kept. */
  interface Block {
    each: number;
    fixed: number;
    holders: number;
    kept: boolean;
  }

  interface Value {
    block: Block;
    shape: Shape;
    /** Whether in memory its channels lie elsewhere than its shape has them. */
    permuted: boolean;
    wants: boolean;
    grad: Block | null;
  }

  /** What a layer's function keeps for the backward pass: see `training.js`. */
  interface Keeps {
    input?: boolean;
    /** Each input that another's gradient is multiplied by. */
    factors?: boolean;
    output?: boolean;
    each?: number;
    fixed?: number;
    view?: boolean;
    hands?: boolean;
    /** Of the output; as the input if left out. */
    permuted?: boolean;
  }

  /** A call as the backward pass meets it. */
  interface Node {
    out: Value;
    saved: Block[];
    reads: Map<Value, boolean>;
    weights: number[];
  }

  /** Branches that have run, and what they began with. */
  interface Join {
    start: Value;
    ends: Value[];
  }

  type Optimizer = "momentum" | "adamw";
  /** Bytes of all images, and those that do not grow with them. */
  type Moment = [each: number, fixed: number];
}

/** The questions: `_static/questions/reading.js`. */
declare namespace Questions {
  type Words = Record<string, string>;
  /** By a word its worth. */
  type Units = Record<string, number>;

  interface Judgement {
    state: "right" | "slip" | "wrong" | "unread" | "empty";
    reply: string;
  }

  interface AskedNumber {
    unit: string;
    units: Units;
    answer: number;
    why: string;
    slips: [number, string][];
    tolerance: number;
  }

  interface AskedChoice {
    answer: string;
    why: string;
    replies: Record<string, string>;
  }

  interface AskedOrder {
    answer: string[];
    why: string;
  }
}
