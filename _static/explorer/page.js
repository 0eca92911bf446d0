// The explorer's page: what the reader does, and what is shown after it.
(function (explorer) {
  "use strict";

  const {KINDS} = explorer;
  const START = "alexnet";
  const MOST_UNDO = 200;
  const find = (id) => document.getElementById(`explorer-${id}`);
  const whole = (n) => n.toLocaleString("en-GB");
  const decimal = (n) => n.toLocaleString("en-GB", {minimumFractionDigits: 2, maximumFractionDigits: 2});
  const cross = (shape) => shape.join("×");

  let network = null;
  let profile = null;
  let selected = "input"; // or the path of a row
  const undone = [];

  // The network in the address

  function address() {
    const images = network.input.join("x");
    const text = explorer.write(network.layers);
    const name = Object.keys(explorer.presets).find((each) => explorer.presets[each].net === text);
    return `#${name ? `preset=${name}` : `net=${text}`}&in=${images}`;
  }

  // The network that an address names, null if it names none. Throws an Error if it cannot be read.
  explorer.fromAddress = function (hash) {
    const given = new Map(hash.replace(/^#/, "").split("&").map((part) => {
      const [key, ...value] = part.split("=");
      return [key, decodeURIComponent(value.join("="))];
    }));
    if (given.has("net"))
      return {input: explorer.readInput(given.get("in") ?? "3x224x224"), layers: explorer.read(given.get("net"))};
    if (!given.has("preset")) return null;
    const name = given.get("preset");
    if (!Object.hasOwn(explorer.presets, name)) throw new Error(`the book has no network “${name}”`);
    const preset = explorer.presets[name];
    return {input: explorer.readInput(given.get("in") ?? preset.in), layers: explorer.read(preset.net)};
  };

  function open(hash) {
    let opened = null;
    say("");
    try {
      opened = explorer.fromAddress(hash);
    } catch (error) {
      say(`This address cannot be read: ${error.message}. Here is ${START} instead.`);
    }
    if (!opened && network) return;
    network = opened || explorer.fromAddress(`preset=${START}`);
    selected = "input";
    show();
  }

  // Places in the network

  const pathOf = (text) => (text === "input" ? [-1] : text.split(",").map(Number));

  // The list of layers that a path is in, and the place in it; a branch's head is before its first.
  function locate(text) {
    const path = pathOf(text);
    let layers = network.layers;
    for (let i = 0; i + 1 < path.length; i += 2) layers = layers[path[i]].branches[path[i + 1]];
    const isBranch = path.length % 2 === 0;
    return {path, layers, index: isBranch ? -1 : path[path.length - 1], isBranch};
  }

  const rowOf = (text) => profile.rows.find((row) => row.path.join() === text);

  function change(edit) {
    undone.push(address());
    if (undone.length > MOST_UNDO) undone.shift();
    edit();
    history.replaceState(null, "", address());
    show();
  }

  // What can be inserted, given the channels that arrive there

  const conv = (out, side, bias = true) => ({
    type: "conv", out, kernel: [side, side], stride: [1, 1], padding: [side >> 1, side >> 1],
    dilation: [1, 1], groups: 1, bias,
  });
  const plain = (type) => ({type});
  const pool = (type, side, stride, padding) => ({
    type, kernel: [side, side], stride: [stride, stride], padding: [padding, padding],
    ...(type === "maxpool" ? {dilation: [1, 1]} : {}), ceil: false,
  });
  const NEW = {
    conv: (c) => conv(c, 3),
    maxpool: () => pool("maxpool", 2, 2, 0),
    avgpool: () => pool("avgpool", 2, 2, 0),
    adaptiveavg: () => ({type: "adaptiveavg", size: [1, 1]}),
    adaptivemax: () => ({type: "adaptivemax", size: [1, 1]}),
    linear: () => ({type: "linear", out: 1000, bias: true}),
    dropout: () => ({type: "dropout", percent: 50}),
    lrn: () => ({type: "lrn", size: 5}),
    zeros: (c) => ({type: "zeros", out: c}),
    sum: (c) => ({type: "sum", branches: [
      [conv(c, 3, false), plain("batchnorm"), plain("relu"), conv(c, 3, false), plain("batchnorm")],
      [],
    ]}),
    concat: (c) => {
      const quarter = Math.max(1, Math.floor(c / 4));
      const layers = (side) => [conv(quarter, side), plain("relu")];
      return {type: "concat", branches: [
        layers(1), [...layers(1), ...layers(3)], [...layers(1), ...layers(5)],
        [pool("maxpool", 3, 1, 1), ...layers(1)],
      ]};
    },
  };
  const NEW_LABELS = {
    adaptiveavg: "global average pool", adaptivemax: "global max pool",
    sum: "residual block (a sum)", concat: "Inception module (a concatenation)",
  };

  const actions = {
    insert() {
      const {path, layers, index, isBranch} = locate(selected);
      const row = rowOf(selected);
      const shape = selected === "input" ? network.input : row.shape || row.inputShape;
      const type = find("new").value;
      const at = index + 1;
      change(() => {
        layers.splice(at, 0, (NEW[type] || (() => plain(type)))(shape ? shape[0] : 64));
        selected = (isBranch ? [...path, at] : [...path.slice(0, -1), at]).join();
      });
    },
    duplicate() {
      const {path, layers, index} = locate(selected);
      change(() => {
        layers.splice(index + 1, 0, structuredClone(layers[index]));
        selected = [...path.slice(0, -1), index + 1].join();
      });
    },
    up: () => move(-1),
    down: () => move(1),
    branch() {
      const {path, layers, index} = locate(selected);
      change(() => selected = [...path, layers[index].branches.push([]) - 1].join());
    },
    delete() {
      const {path, layers, index, isBranch} = locate(selected);
      change(() => {
        if (isBranch) {
          const {layers: outer, index: at} = locate(path.slice(0, -1).join());
          outer[at].branches.splice(path[path.length - 1], 1);
          selected = path.slice(0, -1).join();
          return;
        }
        layers.splice(index, 1);
        const parent = path.slice(0, -1);
        const previous = parent.length ? parent.join() : "input";
        selected = layers.length ? [...parent, Math.min(index, layers.length - 1)].join() : previous;
      });
    },
    undo() {
      network = explorer.fromAddress(undone.pop());
      history.replaceState(null, "", address());
      if (selected !== "input" && !explorer.profile(network).rows.some((row) => row.path.join() === selected))
        selected = "input";
      show();
    },
    link() {
      history.replaceState(null, "", address());
      copy(location.href, "The link is copied.",
        "The browser does not let this page copy. The address bar has the link.");
    },
    code() {
      const text = explorer.pytorch(network);
      copy(text, "The PyTorch code is copied.",
        "The browser does not let this page copy. Copy the code below the table.");
    },
    fault() {
      select(profile.rows.find((row) => row.problem).path.join());
      focusPanel();
    },
  };

  function move(by) {
    const {path, layers, index} = locate(selected);
    change(() => {
      layers.splice(index + by, 0, ...layers.splice(index, 1));
      selected = [...path.slice(0, -1), index + by].join();
    });
  }

  // What cannot be done now
  function impossible() {
    const {path, layers, index, isBranch} = locate(selected);
    const isLayer = selected !== "input" && !isBranch;
    const layer = isLayer ? layers[index] : null;
    const owner = isBranch ? locate(path.slice(0, -1).join()) : null;
    return {
      duplicate: !isLayer,
      up: !isLayer || index === 0,
      down: !isLayer || index === layers.length - 1,
      branch: !(layer && layer.branches),
      delete: selected === "input" || (isBranch && owner.layers[owner.index].branches.length === 1),
      undo: !undone.length,
      code: profile.problem !== null,
    };
  }

  async function copy(text, done, failed) {
    try {
      await navigator.clipboard.writeText(text);
      say(done);
    } catch {
      say(failed);
    }
  }

  function say(text) {
    find("said").textContent = text;
  }

  // What is shown

  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function select(path) {
    selected = path;
    showSelection();
  }

  function show() {
    profile = explorer.profile(network);
    showSetUp();
    showSummary();
    showTable();
    showSelection();
    find("code").value = explorer.pytorch(network) ?? "The layers do not fit yet.";
  }

  function showSetUp() {
    const name = /^#preset=(\w+)/.exec(address());
    find("preset").value = name ? name[1] : "";
    ["channels", "height", "width"].forEach((side, i) => {
      const input = find(side);
      if (document.activeElement === input) return;
      input.value = network.input[i];
      input.removeAttribute("aria-invalid");
    });
  }

  function showSummary() {
    const {total, problem, output} = profile;
    find("memory").textContent = decimal(explorer.kilobytes(total.elements));
    find("params").textContent = whole(total.params);
    find("flops").textContent = whole(total.flops);
    find("output").textContent = output ? cross(output) : "none";
    const fault = problem && profile.rows.find((row) => row.problem);
    find("fault").hidden = !problem;
    find("fault-text").textContent = problem ? `${explorer.describe(fault.layer)}: ${problem}` : "";
  }

  function cells(row) {
    const {total} = profile;
    const share = (part, all) => (row.kind || part ? `${explorer.share(part, all).toFixed(1)}` : "");
    if (row.branch !== undefined || !row.shape) return ["", "", "", "", "", "", "", ""];
    const counted = row.kind || row.params;
    return [
      cross(row.shape),
      row.kind ? decimal(explorer.kilobytes(row.elements)) : "",
      row.kind ? share(row.elements, total.elements) : "",
      counted ? whole(row.params) : "",
      counted ? share(row.params, total.params) : "",
      row.kind ? whole(row.flops) : "",
      row.kind ? share(row.flops, total.flops) : "",
      row.field === undefined ? "" : cross([row.field].flat()),
    ];
  }

  function tableRow(path, label, values, depth, problem) {
    const button = make("button", {type: "button", "data-path": path, tabindex: "-1"}, label);
    const head = make("th", {scope: "row", style: `--depth: ${depth}`}, button);
    const row = make("tr", {}, head);
    if (problem) {
      row.className = "explorer-misfit";
      row.append(make("td", {colspan: "8"}, "does not fit"));
    } else {
      row.append(...values.map((value) => make("td", {}, value)));
    }
    return row;
  }

  function showTable() {
    const input = tableRow("input", "input", [cross(network.input), "", "", "", "", "", "", ""], 0);
    const rows = profile.rows.map((row) => {
      const depth = Math.floor((row.path.length - 1) / 2);
      const empty = row.branch !== undefined && !row.layer.branches[row.branch].length;
      const label = row.branch === undefined ? explorer.describe(row.layer)
        : `branch ${row.branch + 1} of ${row.of}${empty ? ": passes its input on" : ""}`;
      const shown = tableRow(row.path.join(), label, cells(row), depth, row.problem);
      if (row.branch !== undefined) shown.classList.add("explorer-branch");
      return shown;
    });
    const hadFocus = find("rows").contains(document.activeElement);
    find("rows").replaceChildren(input, ...rows);
    const {total} = profile;
    const hundred = (n) => (n ? "100.0" : "");
    const sums = ["", decimal(explorer.kilobytes(total.elements)), hundred(total.elements),
      whole(total.params), hundred(total.params), whole(total.flops), hundred(total.flops), ""];
    find("total").replaceChildren(make("th", {scope: "row"}, "total"),
      ...sums.map((value) => make("td", {}, value)));
    if (hadFocus) buttonOf(selected)?.focus();
  }

  const buttonOf = (path) => find("rows").querySelector(`button[data-path="${path}"]`);

  function showSelection() {
    for (const old of find("rows").querySelectorAll("[aria-current]")) {
      old.removeAttribute("aria-current");
      old.setAttribute("tabindex", "-1");
    }
    const button = buttonOf(selected);
    button.setAttribute("aria-current", "true");
    button.setAttribute("tabindex", "0");
    reveal(button.closest("tr"));
    const row = rowOf(selected);
    find("selected").textContent = button.textContent;
    const gets = selected === "input" ? "" : row.inputShape ? `gets ${cross(row.inputShape)}` : "";
    const gives = row && row.shape ? `gives ${cross(row.shape)}` : "";
    find("shapes").textContent = [gets, gives].filter(Boolean).join(", ");
    showFields(row && row.branch === undefined ? row.layer : null);
    for (const [name, cannot] of Object.entries(impossible()))
      for (const each of document.querySelectorAll(`[data-action="${name}"]`))
        each.setAttribute("aria-disabled", cannot);
    draw();
  }

  // Scrolls the table's box alone, never the page.
  function reveal(row) {
    const box = find("box");
    const head = box.querySelector("thead").offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    const below = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  function draw() {
    const width = find("drawing").parentElement.clientWidth;
    explorer.draw(find("drawing"), profile, width, selected, select);
  }

  let shownLayer = null;

  function showFields(layer) {
    const fields = layer ? KINDS[layer.type].fields : [];
    const box = find("fields");
    if (layer === shownLayer && box.contains(document.activeElement)) return;
    shownLayer = layer;
    box.replaceChildren(...fields.map((field) => {
      const id = `explorer-field-${field.name}`;
      const input = make("input", {id, autocomplete: "off"});
      if (field.kind === "flag") {
        input.type = "checkbox";
        input.checked = layer[field.name];
      } else {
        input.inputMode = "numeric";
        input.setAttribute("aria-describedby", "explorer-field-problem");
        input.value = field.kind === "pair"
          ? cross(layer[field.name][0] === layer[field.name][1] ? [layer[field.name][0]] : layer[field.name])
          : layer[field.name];
      }
      input.addEventListener("input", () => entered(layer, field, input));
      return make("div", {class: `explorer-field explorer-${field.kind}`},
        make("label", {for: id}, field.label), input);
    }));
    find("field-problem").textContent = "";
  }

  function entered(layer, field, input) {
    const read = field.kind === "flag" ? {value: input.checked} : explorer.readValue(field, input.value);
    find("field-problem").textContent = read.problem ? `${read.problem}.` : "";
    if (field.kind !== "flag") input.setAttribute("aria-invalid", Boolean(read.problem));
    if (!read.problem) change(() => layer[field.name] = read.value);
  }

  function enteredSize(input, i) {
    const [least, most] = explorer.INPUT_LIMITS[i];
    const n = /^\s*\d+\s*$/.test(input.value) ? Number(input.value) : NaN;
    const fits = n >= least && n <= most;
    input.setAttribute("aria-invalid", !fits);
    say(fits ? "" : `The ${input.name} of an image must be a whole number from ${least} to ${most}.`);
    if (fits) change(() => network.input[i] = n);
  }

  function focusPanel() {
    (find("fields").querySelector("input") || find("new")).focus();
  }

  // Start

  function onKey(event) {
    const buttons = [...find("rows").querySelectorAll("button")];
    const at = buttons.findIndex((button) => button.dataset.path === selected);
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1}[event.key];
    if (to !== undefined && buttons[to]) {
      event.preventDefault();
      select(buttons[to].dataset.path);
      buttons[to].focus({preventScroll: true});
    }
  }

  function start() {
    const presets = Object.keys(explorer.presets).map((name) => make("option", {value: name}, name));
    find("preset").append(...presets);
    find("new").append(...Object.keys(KINDS).map((type) =>
      make("option", {value: type}, NEW_LABELS[type] || KINDS[type].label)));
    find("preset").addEventListener("change", (event) => {
      if (!event.target.value) return;
      selected = "input";
      change(() => network = explorer.fromAddress(`preset=${event.target.value}`));
    });
    ["channels", "height", "width"].forEach((side, i) =>
      find(side).addEventListener("input", (event) => enteredSize(event.target, i)));
    find("page").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-action]");
      if (button && button.getAttribute("aria-disabled") !== "true") actions[button.dataset.action]();
    });
    find("rows").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      select(button.dataset.path);
      // A click of the keyboard, or a second one, goes on to the numbers.
      if (event.detail !== 1) focusPanel();
    });
    find("rows").addEventListener("keydown", onKey);
    find("panel").addEventListener("keydown", (event) => {
      if (event.key === "Escape") buttonOf(selected).focus();
    });
    window.addEventListener("hashchange", () => open(location.hash));
    new ResizeObserver(draw).observe(find("drawing").parentElement);
    find("page").hidden = false;
    open(location.hash);
  }
  start();
})(window.cnnbookExplorer);
