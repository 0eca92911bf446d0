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
  };

  const pair = ([height, width]) => (height === width ? `${height}` : `(${height}, ${width})`);

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

  function call(layer, channels, isVector) {
    const args = {
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
      relu6: () => ["ReLU6"],
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
    }[layer.type]();
    return `nn.${args[0]}(${args.slice(1).join(", ")})`;
  }

  // The code of a network and its profile, or null while the layers do not fit.
  explorer.pytorch = (network, {rows, problem}) => {
    if (problem) return null;
    const inputs = new Map(rows.map((row) => [row.layer, row.inputShape]));
    const used = new Set();

    function block(name, layers, indent) {
      if (!layers.length) return [`${indent}${name}(),`];
      const inner = layers.flatMap((layer) => one(layer, `${indent}    `));
      return [`${indent}${name}(`, ...inner, `${indent}),`];
    }

    function one(layer, indent) {
      if (layer.branches) {
        const name = layer.type === "sum" ? "Sum" : "Concat";
        used.add(name);
        const inner = layer.branches.flatMap((branch) => {
          const deeper = `${indent}    `;
          if (!branch.length) return [`${deeper}nn.Identity(),`];
          if (branch.length === 1) return one(branch[0], deeper);
          return block("nn.Sequential", branch, deeper);
        });
        return [`${indent}${name}(`, ...inner, `${indent}),`];
      }
      if (layer.type === "zeros") {
        used.add("ZeroChannels");
        return [`${indent}ZeroChannels(${layer.out}),`];
      }
      const shape = inputs.get(layer);
      return [`${indent}${call(layer, shape[0], shape.length === 1)},`];
    }

    const body = block("nn.Sequential", network.layers, "");
    body[0] = `network = ${body[0]}`;
    body[body.length - 1] = body[body.length - 1].replace(/,$/, "");
    const helpers = Object.keys(HELPERS).filter((name) => used.has(name));
    return [
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
