// The explorer's page: what the reader does, and what is shown after it.
((explorer) => {
  "use strict";

  const {KINDS, cross} = explorer;
  const START = "alexnet";
  // What "a network of your own" begins with: small, and with something of every kind.
  const OWN = "net=c32k3p1.b.r.m2s2.c64k3p1.b.r.m2s2.c128k3p1.b.r.g1.f.l10&in=3x32x32";
  const MANY = 200; // rows; of more, those in sight alone are in the page
  const BEYOND = 20; // rows kept ready above and below them
  const MOST_UNDO = 200;
  const find = (id) => document.getElementById(`explorer-${id}`);
  // Made once: to make one is slow.
  const WHOLE = new Intl.NumberFormat("en-GB");
  const DECIMAL = new Intl.NumberFormat("en-GB", {
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  });
  const SHORT = new Intl.NumberFormat("en-GB", {maximumSignificantDigits: 3});
  const whole = (n) => WHOLE.format(n);
  const decimal = (n) => DECIMAL.format(n);
  const inUnits = (bytes) => {
    const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1024)) / 10), 4);
    return `${SHORT.format(bytes / 1024 ** power)} ${["", "KB", "MB", "GB", "TB"][power]}`;
  };

  let network = null;
  let profile = null;
  let training = null; // null while the layers do not fit
  let written = ""; // the address of the network as it is shown
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
  explorer.fromAddress = (hash) => {
    const given = new Map(
      hash
        .replace(/^#/, "")
        .split("&")
        .map((part) => {
          const [key, ...value] = part.split("=");
          return [key, decodeURIComponent(value.join("="))];
        }),
    );
    if (given.has("net"))
      return {
        input: explorer.readInput(given.get("in") ?? "3x224x224"),
        layers: explorer.read(given.get("net")),
      };
    if (!given.has("preset")) return null;
    const name = given.get("preset");
    if (!Object.hasOwn(explorer.presets, name))
      throw new Error(`the book has no network “${name}”`);
    const preset = explorer.presets[name];
    return {
      input: explorer.readInput(given.get("in") ?? preset.in),
      layers: explorer.read(preset.net),
    };
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
    selectLargest();
    show();
  }

  // The layer with the most parameters is where a network is looked at first.
  function selectLargest() {
    const rows = explorer
      .profile(network)
      .rows.filter((row) => row.branch === undefined && row.kind);
    const largest = rows.reduce(
      (most, row) => (most && most.params >= row.params ? most : row),
      null,
    );
    selected = largest ? largest.path : "input";
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

  const rowOf = (text) => profile.rows.find((row) => row.path === text);

  function change(edit) {
    const before = [written, selected];
    say("");
    edit();
    if (explorer.count(network.layers) > explorer.MOST_LAYERS) {
      network = explorer.fromAddress(before[0]);
      selected = before[1];
      show();
      say(`No more than ${whole(explorer.MOST_LAYERS)} layers and branches. Nothing was changed.`);
      return;
    }
    undone.push(before[0]);
    if (undone.length > MOST_UNDO) undone.shift();
    show();
    history.replaceState(null, "", written);
  }

  // What can be inserted, given the channels that arrive there

  const conv = (out, side, bias = true) => ({
    type: "conv",
    out,
    kernel: [side, side],
    stride: [1, 1],
    padding: [side >> 1, side >> 1],
    dilation: [1, 1],
    groups: 1,
    bias,
  });
  const plain = (type) => ({type});
  const pool = (type, side, stride, padding) => ({
    type,
    kernel: [side, side],
    stride: [stride, stride],
    padding: [padding, padding],
    ...(type === "maxpool" ? {dilation: [1, 1]} : {}),
    ceil: false,
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
    sum: (c) => ({
      type: "sum",
      branches: [
        [
          conv(c, 3, false),
          plain("batchnorm"),
          plain("relu"),
          conv(c, 3, false),
          plain("batchnorm"),
        ],
        [],
      ],
    }),
    product: (c) => ({
      type: "product",
      branches: [
        [],
        [
          {type: "adaptiveavg", size: [1, 1]},
          conv(Math.max(1, Math.floor(c / 16)), 1),
          plain("relu"),
          conv(c, 1),
          plain("sigmoid"),
        ],
      ],
    }),
    concat: (c) => {
      const quarter = Math.max(1, Math.floor(c / 4));
      const layers = (side) => [conv(quarter, side), plain("relu")];
      return {
        type: "concat",
        branches: [
          layers(1),
          [...layers(1), ...layers(3)],
          [...layers(1), ...layers(5)],
          [pool("maxpool", 3, 1, 1), ...layers(1)],
        ],
      };
    },
  };
  const NEW_LABELS = {
    adaptiveavg: "global average pool",
    adaptivemax: "global max pool",
    sum: "residual block (a sum)",
    product: "squeeze and excitation (a product)",
    concat: "Inception module (a concatenation)",
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
      change(() => (selected = [...path, layers[index].branches.push([]) - 1].join()));
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
        selected = layers.length
          ? [...parent, Math.min(index, layers.length - 1)].join()
          : previous;
      });
    },
    undo() {
      network = explorer.fromAddress(undone.pop());
      show();
      history.replaceState(null, "", written);
    },
    link() {
      history.replaceState(null, "", written);
      copy(
        location.href,
        "The link is copied.",
        "The browser does not let this page copy. The address bar has the link.",
      );
    },
    code() {
      const text = explorer.pytorch(network, profile);
      copy(
        text,
        "The PyTorch code is copied.",
        "The browser does not let this page copy. Copy the code below the table.",
      );
    },
    fault() {
      select(profile.rows.find((row) => row.problem).path);
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
      branch: !layer?.branches,
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
    written = address();
    profile = explorer.profile(network);
    training = profile.problem ? null : explorer.training(network, profile);
    if (!rowOf(selected)) selected = "input";
    showTable(); // first: it asks for the box's size, which is laid out as long as nothing is changed
    showSetUp();
    showSummary();
    showTraining();
    showCode();
    showSelection();
  }

  function showCode() {
    const code = find("code");
    if (code.closest("details").open)
      code.value = explorer.pytorch(network, profile) ?? "The layers do not fit yet.";
  }

  function showSetUp() {
    const name = /^#preset=(\w+)/.exec(written);
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
    find("summary").toggleAttribute("data-partial", Boolean(problem));
    const fault = problem && profile.rows.find((row) => row.problem);
    find("fault").hidden = !problem;
    find("fault-text").textContent = problem ? `${explorer.describe(fault.layer)}: ${problem}` : "";
  }

  function showTraining() {
    find("training").hidden = !training;
    if (!training) return;
    const optimizer = find("optimizer").value;
    const batch = explorer.largestBatch(training, optimizer, Number(find("gpu").value));
    find("weights").textContent = inUnits(explorer.weightsInTraining(training, optimizer));
    find("kept").textContent = inUnits(training.kept);
    find("batch").textContent = batch
      ? `${whole(batch)} image${batch === 1 ? "" : "s"}`
      : "not even one image";
  }

  function cells(row) {
    const {total} = profile;
    const share = (part, all) =>
      row.kind || part ? `${explorer.share(part, all).toFixed(1)}` : "";
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

  // The rows of the table from the first to the last, whether they are in the page or not.
  let list = [];
  let shown = [0, 0]; // those in the page
  let height = 0; // pixels of a row

  function labelOf(row) {
    if (row === null) return "input";
    if (row.branch === undefined) return explorer.describe(row.layer);
    const empty = !row.layer.branches[row.branch].length;
    return `branch ${row.branch + 1} of ${row.of}${empty ? ": passes its input on" : ""}`;
  }

  const pathText = (row) => (row === null ? "input" : row.path);

  function made(row, i) {
    const values = row === null ? [cross(network.input), "", "", "", "", "", "", ""] : cells(row);
    const depth = row === null ? 0 : (row.path.split(",").length - 1) >> 1;
    const line = tableRow(pathText(row), labelOf(row), values, depth, row?.problem);
    line.setAttribute("aria-rowindex", i + 2);
    if (row?.branch !== undefined) line.classList.add("explorer-branch");
    return line;
  }

  function showTable() {
    list = [null, ...profile.rows];
    const hadFocus = find("rows").contains(document.activeElement);
    showRows();
    find("rows")
      .closest("table")
      .setAttribute("aria-rowcount", list.length + 2);
    const {total, problem} = profile;
    const hundred = (n) => (n ? "100.0" : "");
    const sums = [
      "",
      decimal(explorer.kilobytes(total.elements)),
      hundred(total.elements),
      whole(total.params),
      hundred(total.params),
      whole(total.flops),
      hundred(total.flops),
      "",
    ];
    find("total").replaceChildren(
      make("th", {scope: "row"}, problem ? "sum up to there" : "total"),
      ...sums.map((value) => make("td", {}, value)),
    );
    if (hadFocus) buttonOf(selected)?.focus({preventScroll: true});
  }

  // Puts the rows in sight into the page, with room for the others above and below.
  function showRows() {
    const box = find("box");
    let [first, last] = [0, list.length];
    if (list.length > MANY) {
      height ||= find("rows").querySelector("tr[aria-rowindex]")?.offsetHeight || 24;
      const most = Math.ceil(box.clientHeight / height) + 2 * BEYOND;
      first = Math.min(
        Math.max(0, Math.floor(box.scrollTop / height) - BEYOND),
        list.length - most,
      );
      first = Math.max(first, 0);
      last = Math.min(list.length, first + most);
    }
    shown = [first, last];
    const room = (rows) =>
      rows > 0
        ? [
            make(
              "tr",
              {"aria-hidden": "true"},
              make("td", {colspan: "9", style: `height: ${rows * height}px; padding: 0`}),
            ),
          ]
        : [];
    find("rows").replaceChildren(
      ...room(first),
      ...list.slice(first, last).map((row, i) => made(row, first + i)),
      ...room(list.length - last),
    );
  }

  const buttonOf = (path) => find("rows").querySelector(`button[data-path="${path}"]`);
  const placeOf = (path) => list.findIndex((row) => pathText(row) === path);

  function mark() {
    for (const old of find("rows").querySelectorAll("[aria-current]")) {
      old.removeAttribute("aria-current");
      old.setAttribute("tabindex", "-1");
    }
    const button = buttonOf(selected);
    button?.setAttribute("aria-current", "true");
    button?.setAttribute("tabindex", "0");
    return button;
  }

  function showSelection() {
    const place = placeOf(selected);
    if (list.length > MANY && (place < shown[0] + 1 || place >= shown[1] - 1)) {
      find("box").scrollTop = Math.max(0, place * height - find("box").clientHeight / 2);
      showRows();
    }
    const button = mark();
    const row = rowOf(selected);
    find("selected").textContent = button.textContent;
    const gets = selected === "input" ? "" : row.inputShape ? `gets ${cross(row.inputShape)}` : "";
    const gives = row?.shape ? `gives ${cross(row.shape)}` : "";
    find("shapes").textContent = [gets, gives].filter(Boolean).join(", ");
    showFields(row && row.branch === undefined ? row.layer : null);
    for (const [name, cannot] of Object.entries(impossible()))
      for (const each of document.querySelectorAll(`[data-action="${name}"]`))
        each.setAttribute("aria-disabled", cannot);
    draw();
    reveal(button.closest("tr")); // last, for it asks where things are
  }

  // Scrolls the table's box alone, never the page.
  function reveal(row) {
    const box = find("box");
    const head = box.querySelector("thead").offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    const below = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  let width = 0; // pixels of the drawing

  function draw() {
    explorer.draw(find("drawing"), profile, width, selected, select);
  }

  let shownLayer = null;

  function showFields(layer) {
    const fields = layer ? KINDS[layer.type].fields : [];
    const box = find("fields");
    if (layer === shownLayer && box.contains(document.activeElement)) return;
    shownLayer = layer;
    box.replaceChildren(
      ...fields.map((field) => {
        const id = `explorer-field-${field.name}`;
        const input = make("input", {id, autocomplete: "off"});
        if (field.kind === "flag") {
          input.type = "checkbox";
          input.checked = layer[field.name];
        } else {
          input.inputMode = "numeric";
          input.setAttribute("aria-describedby", "explorer-field-problem");
          input.value =
            field.kind === "pair"
              ? cross(
                  layer[field.name][0] === layer[field.name][1]
                    ? [layer[field.name][0]]
                    : layer[field.name],
                )
              : layer[field.name];
        }
        input.addEventListener("input", () => entered(layer, field, input));
        return make(
          "div",
          {class: `explorer-field explorer-${field.kind}`},
          make("label", {for: id}, field.label),
          input,
        );
      }),
    );
    find("field-problem").textContent = "";
  }

  function entered(layer, field, input) {
    const read =
      field.kind === "flag" ? {value: input.checked} : explorer.readValue(field, input.value);
    find("field-problem").textContent = read.problem ? `${read.problem}.` : "";
    if (field.kind !== "flag") input.setAttribute("aria-invalid", Boolean(read.problem));
    if (!read.problem) change(() => (layer[field.name] = read.value));
  }

  function enteredSize(input, i) {
    const [least, most] = explorer.INPUT_LIMITS[i];
    const n = /^\s*\d+\s*$/.test(input.value) ? Number(input.value) : NaN;
    const fits = n >= least && n <= most;
    input.setAttribute("aria-invalid", !fits);
    say(
      fits ? "" : `The ${input.name} of an image must be a whole number from ${least} to ${most}.`,
    );
    if (fits) change(() => (network.input[i] = n));
  }

  function focusPanel() {
    (find("fields").querySelector("input") || find("new")).focus();
  }

  // Start

  function onKey(event) {
    const at = placeOf(selected);
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1}[event.key];
    if (to >= 0 && to < list.length) {
      event.preventDefault();
      select(pathText(list[to]));
      buttonOf(selected).focus({preventScroll: true});
    }
  }

  // One step from the top of the page to the explorer, past the book's contents.
  function addSkipLink() {
    const link = make("a", {href: "#explorer-page"}, "Skip to the explorer");
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the address holds the network
      find("page").scrollIntoView();
      find("preset").focus();
    });
    document.getElementById("pst-skip-link")?.append(link);
  }

  function start() {
    const presets = Object.keys(explorer.presets).map((name) =>
      make("option", {value: name}, name),
    );
    find("preset").append(...presets);
    find("new").append(
      ...Object.keys(KINDS).map((type) =>
        make("option", {value: type}, NEW_LABELS[type] || KINDS[type].label),
      ),
    );
    find("preset").addEventListener("change", (event) => {
      const name = event.target.value;
      change(() => {
        network = explorer.fromAddress(name ? `preset=${name}` : OWN);
        selectLargest();
      });
    });
    ["channels", "height", "width"].forEach((side, i) =>
      find(side).addEventListener("input", (event) => enteredSize(event.target, i)),
    );
    find("page").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-action]");
      if (button && button.getAttribute("aria-disabled") !== "true")
        actions[button.dataset.action]();
    });
    find("rows").addEventListener("click", (event) => {
      const button = event.target.closest("tr[aria-rowindex]")?.querySelector("button");
      if (!button) return;
      select(button.dataset.path);
      // A click of the keyboard, or a second one, goes on to the numbers.
      if (event.detail !== 1) focusPanel();
    });
    find("rows").addEventListener("keydown", onKey);
    find("box").addEventListener("scroll", () => {
      const first = Math.floor(find("box").scrollTop / (height || 1));
      if (list.length <= MANY || (first >= shown[0] && first + 2 * BEYOND <= shown[1])) return;
      const hadFocus = find("rows").contains(document.activeElement);
      showRows();
      mark();
      if (hadFocus) buttonOf(selected)?.focus({preventScroll: true});
    });
    find("code").closest("details").addEventListener("toggle", showCode);
    addSkipLink();
    find("panel").addEventListener("keydown", (event) => {
      if (event.key === "Escape") buttonOf(selected)?.focus();
    });
    window.addEventListener("hashchange", () => open(location.hash));
    for (const name of ["optimizer", "gpu"]) find(name).addEventListener("change", showTraining);
    find("page").hidden = false;
    const picture = find("drawing").parentElement;
    width = picture.clientWidth;
    new ResizeObserver(() => {
      width = picture.clientWidth;
      draw();
    }).observe(picture);
    open(location.hash);
  }
  start();
})(window.cnnbookExplorer);
