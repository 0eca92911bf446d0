// A network as PyTorch code that runs.
((explorer) => {
  "use strict";

  const HELPERS = {
    Sum: [
      "class Sum(nn.Module):",
      "    def __init__(self, *branches):",
      "        super().__init__()",
      "        self.branches = nn.ModuleList(branches)",
      "",
      "    def forward(self, x):",
      "        return sum(branch(x) for branch in self.branches)",
    ],
    Product: [
      "class Product(nn.Module):",
      "    def __init__(self, *branches):",
      "        super().__init__()",
      "        self.branches = nn.ModuleList(branches)",
      "",
      "    def forward(self, x):",
      "        return reduce(torch.mul, (branch(x) for branch in self.branches))",
    ],
    Concat: [
      "class Concat(nn.Module):",
      "    def __init__(self, *branches):",
      "        super().__init__()",
      "        self.branches = nn.ModuleList(branches)",
      "",
      "    def forward(self, x):",
      "        return torch.cat([branch(x) for branch in self.branches], dim=1)",
    ],
    ZeroChannels: [
      "class ZeroChannels(nn.Module):",
      "    def __init__(self, channels):",
      "        super().__init__()",
      "        self.channels = channels",
      "",
      "    def forward(self, x):",
      "        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels))",
    ],
    LayerNorm2d: [
      "class LayerNorm2d(nn.LayerNorm):",
      "    def forward(self, x):",
      "        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)",
    ],
    LayerScale: [
      "class LayerScale(nn.Module):",
      "    def __init__(self, channels):",
      "        super().__init__()",
      "        self.scale = nn.Parameter(1e-6 * torch.ones(channels, 1, 1))",
      "",
      "    def forward(self, x):",
      "        return self.scale * x",
    ],
    Permute: [
      "class Permute(nn.Module):",
      "    def __init__(self, *order):",
      "        super().__init__()",
      "        self.order = order",
      "",
      "    def forward(self, x):",
      "        return x.permute(self.order)",
    ],
  };

  const pair = ([height, width]) => (height === width ? `${height}` : `(${height}, ${width})`);

  const JOINS = {sum: "Sum", product: "Product", concat: "Concat"};

  // The arguments that differ from PyTorch's defaults.
  function options(layer, names, defaults = {}) {
    return names.flatMap((name) => {
      const value = layer[name];
      if (value === undefined) return [];
      if (typeof value === "boolean") {
        const byDefault = name === "bias";
        const python = {ceil: "ceil_mode"}[name] || name;
        return value === byDefault ? [] : [`${python}=${value ? "True" : "False"}`];
      }
      const text = Array.isArray(value) ? pair(value) : `${value}`;
      const usual = defaults[name] ?? (name === "padding" ? "0" : "1");
      return text === usual ? [] : [`${name}=${text}`];
    });
  }

  // The name of its class, and the arguments.
  function call({layer, inputShape, channelsLast}) {
    const channels = inputShape[channelsLast ? 2 : 0];
    const isVector = inputShape.length === 1;
    return {
      conv: () => [
        "Conv2d",
        channels,
        layer.out,
        pair(layer.kernel),
        ...options(layer, ["stride", "padding", "dilation", "groups", "bias"]),
      ],
      linear: () => ["Linear", channels, layer.out, ...options(layer, ["bias"])],
      batchnorm: () => [isVector ? "BatchNorm1d" : "BatchNorm2d", channels],
      relu: () => ["ReLU"],
      layernorm: () => [isVector || channelsLast ? "LayerNorm" : "LayerNorm2d", channels],
      scale: () => ["LayerScale", channels],
      relu6: () => ["ReLU6"],
      silu: () => ["SiLU"],
      gelu: () => ["GELU"],
      sigmoid: () => ["Sigmoid"],
      lrn: () => ["LocalResponseNorm", layer.size],
      maxpool: () => [
        "MaxPool2d",
        pair(layer.kernel),
        ...options(layer, ["stride", "padding", "dilation", "ceil"], {stride: pair(layer.kernel)}),
      ],
      avgpool: () => [
        "AvgPool2d",
        pair(layer.kernel),
        ...options(layer, ["stride", "padding", "ceil"], {stride: pair(layer.kernel)}),
      ],
      adaptiveavg: () => ["AdaptiveAvgPool2d", pair(layer.size)],
      adaptivemax: () => ["AdaptiveMaxPool2d", pair(layer.size)],
      flatten: () => ["Flatten"],
      dropout: () => ["Dropout", layer.percent / 100],
      zeros: () => ["ZeroChannels", layer.out],
      channelslast: () => ["Permute", 0, 2, 3, 1],
      channelsfirst: () => ["Permute", 0, 3, 1, 2],
    }[layer.type]();
  }

  // The code of a network and its profile, or null while the layers do not fit.
  explorer.pytorch = (network, {rows, problem}) => {
    if (problem) return null;
    const rowOf = new Map(rows.map((row) => [row.layer, row]));
    const used = new Set();

    function block(name, layers, indent) {
      if (!layers.length) return [`${indent}${name}(),`];
      const inner = layers.flatMap((layer) => one(layer, `${indent}    `));
      return [`${indent}${name}(`, ...inner, `${indent}),`];
    }

    function one(layer, indent) {
      if (layer.branches) {
        const name = JOINS[layer.type];
        used.add(name);
        const inner = layer.branches.flatMap((branch) => {
          const deeper = `${indent}    `;
          if (!branch.length) return [`${deeper}nn.Identity(),`];
          if (branch.length === 1) return one(branch[0], deeper);
          return block("nn.Sequential", branch, deeper);
        });
        return [`${indent}${name}(`, ...inner, `${indent}),`];
      }
      const [name, ...args] = call(rowOf.get(layer));
      const isOurs = name in HELPERS;
      if (isOurs) used.add(name);
      return [`${indent}${isOurs ? "" : "nn."}${name}(${args.join(", ")}),`];
    }

    const body = block("nn.Sequential", network.layers, "");
    body[0] = `network = ${body[0]}`;
    body[body.length - 1] = body[body.length - 1].replace(/,$/, "");
    const helpers = Object.keys(HELPERS).filter((name) => used.has(name));
    return [
      ...(used.has("Product") ? ["from functools import reduce", ""] : []),
      "import torch",
      "from torch import nn",
      "",
      ...helpers.flatMap((name) => ["", ...HELPERS[name], ""]),
      ...(helpers.length ? [""] : []),
      ...body,
      "",
      `images = torch.zeros(2, ${network.input.join(", ")})`,
      "print(tuple(network(images).shape))",
      "",
    ].join("\n");
  };
})(window.cnnbookExplorer);
