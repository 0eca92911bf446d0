// The live network's page: what the reader chooses, and what is shown after it.
((live) => {
  "use strict";

  const {element, number, signed, percent, times, drawing} = live;
  const find = (id) => document.getElementById(`live-${id}`);
  const page = find("page");
  if (!page) return;

  const FIRST = "resnet20";
  const MAP = 280; // page pixels of the chosen map
  const IMAGE = 224; // and of the image
  const COUNTED_AT_A_TIME = 10;
  const Z95 = 1.959964;
  const COMPUTING = "Computing …";
  const SLOWER =
    "Your browser starts no worker for this page, so it computes in short pieces and takes " +
    "longer. Another browser, or the book from a web server, is faster.";

  const state = {
    name: null,
    network: null,
    image: 0,
    own: null,
    pixels: null,
    values: null,
    whole: null,
    column: 1,
    at: null,
    channel: 0,
    parts: new Set(),
    maps: new Map(),
    back: [],
  };
  const images = {pixels: null, labels: [], classes: [], shown: 0};

  const say = (text) => (find("said").textContent = text);

  // The images

  function readImages() {
    const {pixels, labels, classes, shown} = live.images;
    const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
    Object.assign(images, {
      labels,
      classes,
      shown,
      pixels: labels.map((_, i) => bytes.subarray(784 * i, 784 * (i + 1))),
    });
  }

  function grey(canvas, pixels, side, size) {
    const small = element("canvas", {width: side, height: side});
    const brush = small.getContext("2d");
    const data = brush.createImageData(side, side);
    pixels.forEach((p, i) => data.data.set([p, p, p, 255], 4 * i));
    brush.putImageData(data, 0, 0);
    const context = drawing.sized(canvas, size, size);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, size, size);
    return context;
  }

  function showThumbnails() {
    const buttons = images.pixels.slice(0, images.shown).map((pixels, i) => {
      const canvas = element("canvas", {"aria-hidden": "true"});
      grey(canvas, pixels, 28, 40);
      return element(
        "button",
        {
          type: "button",
          class: "live-thumbnail",
          data: {image: i},
          "aria-label": `image ${i + 1}: ${images.classes[images.labels[i]]}`,
          onclick: () => setImage(i),
        },
        canvas,
      );
    });
    find("images").replaceChildren(...buttons);
    live.roving(find("images"), "button");
  }

  function setImage(i) {
    Object.assign(state, {image: i, own: null, pixels: images.pixels[i]});
    say("");
    refresh();
  }

  function setOwn(pixels, name) {
    Object.assign(state, {image: null, own: name, pixels});
    refresh();
  }

  // The network

  const columns = () => state.network.columns;
  const shown = (i) => live.shown(state.network, columns()[i]);

  async function setNetwork(name, then = () => {}) {
    say(`Loading ${name} …`);
    const before = state.name;
    state.name = name;
    find("networks").value = name;
    let network;
    try {
      network = await live.engine.load(name);
    } catch (error) {
      if (state.name !== name) return;
      state.name = before;
      find("networks").value = before ?? name;
      say(
        `${name} cannot be loaded (${error.message}). Reload the page, or choose another network.`,
      );
      return;
    }
    if (state.name !== name) return; // another was chosen meanwhile
    say(COMPUTING);
    Object.assign(state, {network, values: null, column: 1, at: null, channel: 0, back: []});
    state.parts.clear();
    state.maps.clear();
    find("columns").replaceChildren(
      ...network.columns.map((column, i) =>
        element("option", {value: i}, `${i}. ${live.title(network, column)} — ${column.steps[0]}`),
      ),
    );
    strip.open(network);
    then();
    showLesions();
    await refresh();
    if (find("said").textContent === COMPUTING) say(live.engine.way === "pieces" ? SLOWER : "");
    strip.reveal(state.column);
  }

  // What is switched off

  function off() {
    const changes = {};
    for (const part of state.network.parts)
      if (state.parts.has(part.name)) Object.assign(changes, part.changes);
    const channels = {};
    for (const [name, maps] of state.maps) if (maps.size) channels[name] = [...maps];
    return {changes, channels};
  }
  const isOff = () => state.parts.size + [...state.maps.values()].some((maps) => maps.size) > 0;

  function offIn(i) {
    const {changes} = off();
    const steps = columns()[i].steps;
    return {
      whole: steps.some((name) => Object.hasOwn(changes, name)),
      maps: [...(state.maps.get(shown(i).name) ?? [])],
    };
  }

  function toggle(part, on = !state.parts.has(part)) {
    if (on) state.parts.add(part);
    else state.parts.delete(part);
    refresh();
  }

  function toggleMap(step, c) {
    const maps = state.maps.get(step) ?? new Set();
    if (maps.has(c)) maps.delete(c);
    else maps.add(c);
    state.maps.set(step, maps);
    refresh();
  }

  // Running it

  let runs = 0;

  async function refresh() {
    const mine = ++runs;
    if (!state.network) return;
    const {name, pixels} = state;
    live.engine.forget();
    let values;
    let whole = null;
    try {
      if (isOff())
        whole = (await live.engine.run(name, pixels, {keep: [state.network.output]})).get(
          state.network.output,
        );
      if (mine !== runs) return;
      values = await live.engine.run(name, pixels, {off: off()});
    } catch (error) {
      if (mine === runs) say(`The network stopped: ${error.message}. Reload the page.`);
      return;
    }
    if (mine !== runs) return;
    Object.assign(state, {values, whole});
    show();
    if (isOff()) count(mine);
  }

  function show() {
    showImage(null);
    showPrediction();
    showOffs();
    showLayer();
    strip.select(state.column);
    strip.show(state.values, offIn);
    for (const each of find("images").children)
      each.setAttribute("aria-pressed", String(Number(each.dataset.image) === state.image));
    writeAddress();
  }

  const softmax = (logits) => {
    const most = Math.max(...logits);
    const powers = Array.from(logits, (v) => Math.exp(v - most));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / total);
  };
  const largest = (values) => values.indexOf(Math.max(...values));

  function showImage(field) {
    const {size} = state.network;
    const [mean, std] = [state.network.mean[0], Math.max(state.network.std[0], 1 / 255)];
    const input = state.values.get("input");
    const context = grey(
      find("input"),
      Array.from(input, (v) => 255 * (v * std + mean)),
      size,
      IMAGE,
    );
    if (field) drawing.frame(context, field, IMAGE / size, "#ff8a1f");
    const what =
      state.own ??
      `test image ${state.image + 1} of ${images.shown}: ${images.classes[images.labels[state.image]]}`;
    find("image-name").textContent = size === 28 ? what : `${what} (resized to ${size}×${size})`;
  }

  function showPrediction() {
    const now = softmax(state.values.get(state.network.output));
    const was = state.whole && softmax(state.whole);
    const best = largest(now);
    const truth = state.own === null ? images.labels[state.image] : null;
    const order = now.map((_, i) => i).sort((a, b) => now[b] - now[a]);
    const rows = order.map((i) =>
      element(
        "tr",
        {class: i === best ? "live-best" : ""},
        element(
          "th",
          {scope: "row"},
          state.network.classes[i],
          i === truth ? element("span", {class: "live-truth"}, " ✓ label") : "",
        ),
        element(
          "td",
          {},
          element("span", {
            class: "live-bar",
            style: `--share: ${now[i]}; --was: ${was ? was[i] : 0}`,
          }),
        ),
        element("td", {data: {exact: now[i], class: i}}, percent(now[i])),
        was ? element("td", {class: "live-was"}, `was ${percent(was[i])}`) : null,
      ),
    );
    find("prediction").replaceChildren(
      element(
        "table",
        {},
        element(
          "caption",
          {},
          element(
            "span",
            {role: "status"},
            `It says: ${state.network.classes[best]}, ${percent(now[best])}`,
          ),
        ),
        element("tbody", {}, ...rows),
      ),
    );
  }

  // What is off, and what that costs

  const describe = (part) =>
    `${part.label}${part.how === "its input" ? " (its input passes on)" : ""}`;

  function showOffs() {
    const box = find("offs");
    const parts = state.network.parts.filter(({name}) => state.parts.has(name));
    const maps = [...state.maps].flatMap(([step, its]) => [...its].map((c) => [step, c]));
    if (!parts.length && !maps.length) {
      const about = live.index[state.name];
      box.replaceChildren(
        element(
          "p",
          {},
          element("b", {}, state.name),
          ` has ${state.network.parameters.toLocaleString("en-GB")} parameters` +
            (about.accuracy
              ? ` and is right about ${percent(about.accuracy)} of the 10,000 test images.`
              : "."),
        ),
        element(
          "p",
          {},
          "Nothing is switched off. Choose a layer below: its parts and maps have switches.",
        ),
      );
      return;
    }
    const one = (text, remove) =>
      element(
        "li",
        {},
        text,
        " ",
        element(
          "button",
          {type: "button", "aria-label": `switch on: ${text}`, onclick: remove},
          "on",
        ),
      );
    box.replaceChildren(
      element("p", {}, element("b", {}, "Switched off:")),
      element(
        "ul",
        {},
        ...parts.map((part) => one(describe(part), () => toggle(part.name, false))),
        ...maps.map(([step, c]) =>
          one(`map ${c} of ${live.whence(state.network, step)}`, () => toggleMap(step, c)),
        ),
      ),
      element("button", {type: "button", onclick: allOn}, "All on again"),
      element("p", {id: "live-known"}),
      element("p", {id: "live-counted", role: "status"}),
    );
    const rows = state.network.lesions?.rows;
    const row =
      parts.length === 1 && !maps.length && rows?.find((each) => each.part === parts[0].name);
    if (row) {
      const half = (row.high - row.low) / 2;
      find("known").textContent =
        `On all ${state.network.lesions.n.toLocaleString("en-GB")} test images, without this alone: ` +
        `${percent(state.network.lesions.accuracy)} → ${percent(row.accuracy)}, ${signed(100 * row.difference, 1)} ± ${number(100 * half, 1)} points.`;
    }
  }

  function allOn() {
    state.parts.clear();
    state.maps.clear();
    refresh();
  }

  const rightOf = new Map(); // by network: whether the whole one is right about each image

  async function count(mine) {
    const {name, network} = state;
    const n = images.labels.length;
    const right = async (i, how) => {
      const logits = await live.engine.run(name, images.pixels[i], {
        ...how,
        keep: [network.output],
        later: true,
      });
      return largest(Array.from(logits.get(network.output))) === images.labels[i];
    };
    if (!rightOf.has(name)) rightOf.set(name, []);
    const whole = rightOf.get(name);
    const how = {off: off()};
    let sum = 0;
    let squares = 0;
    let before = 0;
    try {
      for (let i = 0; i < n; i++) {
        whole[i] ??= await right(i, {});
        const now = await right(i, how);
        if (mine !== runs) return;
        const d = Number(now) - Number(whole[i]);
        sum += d;
        squares += d * d;
        before += Number(whole[i]);
        const m = i + 1;
        if (m % COUNTED_AT_A_TIME && m < n) continue;
        const mean = sum / m;
        const half =
          m > 1 ? Z95 * Math.sqrt(Math.max(0, (squares - m * mean * mean) / (m - 1) / m)) : 1;
        const box = find("counted");
        if (!box) return;
        box.textContent =
          `Counted here, n = ${m} images: ${percent(before / m)} → ${percent((before + sum) / m)}, ` +
          `${signed(100 * mean, 1)} points (95 %: ${signed(100 * (mean - half), 1)} to ${signed(100 * (mean + half), 1)})${m < n ? " …" : "."}`;
      }
    } catch {
      // forgotten: the reader went on
    }
  }

  function showLesions() {
    const box = find("lesions");
    const {lesions} = state.network;
    const kinds = ["block", "branch", "shortcut", "layer"].filter((kind) =>
      lesions?.rows.some((row) => row.kind === kind),
    );
    // The first is open.
    box.replaceChildren(
      ...kinds.map((kind, i) => {
        const its = lesionsOf(kind);
        const framed = i
          ? element("details", {}, element("summary", {}, `${state.name} without one ${kind}`), its)
          : its;
        return element(
          "div",
          {
            class: "live-lesions-box",
            tabindex: 0,
            role: "region",
            "aria-label": `Accuracy without one ${kind}`,
          },
          framed,
        );
      }),
    );
    box.dispatchEvent(new Event("toggle")); // at which cut.js looks for boxes anew
  }

  function lesionsOf(kind) {
    const {lesions, parts} = state.network;
    const made = lesions.rows
      .filter((row) => row.kind === kind)
      .map((row) => {
        const part = parts.find((each) => each.name === row.part);
        return element(
          "tr",
          {},
          element(
            "th",
            {scope: "row"},
            element(
              "button",
              {
                type: "button",
                data: {part: row.part},
                onclick: () => {
                  allParts([row.part]);
                },
              },
              describe(part),
            ),
          ),
          element(
            "td",
            {},
            element("span", {
              class: "live-bar",
              style: `--share: ${row.accuracy}; --was: ${lesions.accuracy}`,
            }),
          ),
          element("td", {}, percent(row.accuracy)),
          element(
            "td",
            {},
            `${signed(100 * row.difference, 1)} ± ${number(50 * (row.high - row.low), 1)}`,
          ),
        );
      });
    return element(
      "table",
      {},
      element(
        "caption",
        {},
        `${state.name} without one ${kind}, on all ${lesions.n.toLocaleString("en-GB")} test images ` +
          `(with all: ${percent(lesions.accuracy)})`,
      ),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", {scope: "col"}, "without"),
          element("td", {}),
          element("th", {scope: "col"}, "accuracy"),
          element("th", {scope: "col"}, "difference, points"),
        ),
      ),
      element("tbody", {}, ...made),
    );
  }

  function allParts(names) {
    state.parts.clear();
    state.maps.clear();
    for (const name of names) state.parts.add(name);
    refresh();
  }

  // The chosen layer, its maps, its chosen place

  let mapsAt = () => null;

  function showLayer() {
    const {network, values} = state;
    const i = Math.min(state.column, columns().length - 1);
    const column = columns()[i];
    const step = shown(i);
    const data = values.get(step.name);
    const isMap = step.shape.length === 3;
    if (
      !state.at ||
      state.at.length !== step.shape.length ||
      state.at.some((v, axis) => v >= step.shape[axis])
    )
      state.at = live.placeOf(step.shape, strongest(data));
    find("columns").value = i;
    const then = column.steps
      .slice(1)
      .map((name) => network.byName.get(name).label)
      .filter((label) => label !== "flatten" && label !== "dropout");
    const notes = network.byName.get(column.steps[0]).notes;
    find("layer-name").replaceChildren(
      element("b", {}, [live.title(network, column), ...notes, ...then].join(", ")),
      " ",
      element("code", {}, column.steps[0]),
      ` ${times(step.shape)}`,
    );
    const most = drawing.most(data);
    drawing.scaleBar(find("scale"), 120, 12);
    find("least").textContent = number(-most, 2);
    find("most").textContent = `+${number(most, 2)}`;
    const tile = !isMap || step.shape[1] === 1 ? 16 : Math.max(24, Math.min(56, step.shape[1] * 2));
    const wide = find("maps").parentElement.clientWidth - 2;
    const across = Math.max(1, Math.floor(wide / (tile + 3)));
    const down = Math.ceil(step.shape[0] / across);
    mapsAt = drawing.tiles(find("maps"), data, step.shape, {
      across,
      down,
      tile,
      off: offIn(i).maps,
    });
    mark(step, tile, across);
    showSwitches(column, step);
    showMap(step, data, most);
    showUnit(column, step);
    showImage(live.field(network, step.name, state.at));
  }

  /** Where the largest value is, but not at the border, where the padding has its say. */
  function strongest(values) {
    let best = 0;
    for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
    return best;
  }

  function mark(step, tile, across) {
    const context = find("maps").getContext("2d");
    if (step.shape.length !== 3 || step.shape[1] * step.shape[2] === 1) return;
    const [c] = state.at;
    context.strokeStyle = "#ff8a1f";
    context.lineWidth = 2.5;
    context.strokeRect(
      (c % across) * (tile + 3) + 1,
      Math.floor(c / across) * (tile + 3) + 1,
      tile - 2,
      tile - 2,
    );
  }

  function showSwitches(column, step) {
    const {parts, byName} = state.network;
    const first = byName.get(column.steps[0]);
    const near = parts.filter(
      (part) =>
        Object.keys(part.changes).some(
          (name) => column.steps.includes(name) || first.inputs.includes(name),
        ) ||
        (first.block && part.kind === "block" && part.name === `block ${first.block}`),
    );
    const box = (text, checked, change) =>
      element(
        "label",
        {},
        element("input", {type: "checkbox", checked, onchange: change}),
        ` ${text}`,
      );
    const [c] = state.at;
    const focused = document.activeElement?.closest?.("#live-switches label")?.textContent;
    const map =
      step.kind === "input"
        ? []
        : [
            box(`map ${c} off`, Boolean(state.maps.get(step.name)?.has(c)), () =>
              toggleMap(step.name, c),
            ),
          ];
    find("switches").replaceChildren(
      ...map,
      ...near.map((part) =>
        box(`${describe(part)} off`, state.parts.has(part.name), () => toggle(part.name)),
      ),
    );
    // The reader's place among the switches is kept.
    for (const label of find("switches").children)
      if (label.textContent === focused) label.querySelector("input").focus({preventScroll: true});
  }

  let unit = 1;

  function showMap(step, data, most) {
    const canvas = find("map");
    const isMap = step.shape.length === 3 && step.shape[1] * step.shape[2] > 1;
    canvas.hidden = !isMap;
    if (!isMap) return;
    const [c, y, x] = state.at;
    const [, height, width] = step.shape;
    const size = Math.min(MAP, Math.max(120, canvas.parentElement.clientWidth - 8));
    unit = size / width;
    const context = drawing.sized(canvas, size, unit * height);
    drawing.map(
      context,
      data.subarray(c * height * width, (c + 1) * height * width),
      height,
      width,
      most,
      0,
      0,
      size,
      unit * height,
    );
    drawing.frame(context, {top: y, bottom: y + 1, left: x, right: x + 1}, unit, "#ff8a1f");
  }

  function showUnit(column, step) {
    const {network, values, at} = state;
    const isMap = step.shape.length === 3;
    const places = ["c", "y", "x"].map(find);
    places.forEach((input, axis) => {
      input.closest(".live-places").querySelector(`[for=${input.id}]`).hidden = input.hidden =
        axis > 0 && !isMap;
      if (axis < step.shape.length) {
        input.max = step.shape[axis] - 1;
        input.value = at[axis];
      }
    });
    find("c-name").textContent = isMap ? "map" : "value";
    page.querySelector("[data-action=back]").disabled = !state.back.length;
    const value = values.get(step.name)[live.indexOf(step.shape, at)];
    const field = live.field(network, step.name, at);
    find("value").replaceChildren(
      element("b", {data: {exact: value, role: "unit"}}, number(value)),
      ` — sees ${field.bottom - field.top}×${field.right - field.left} pixels of the image, framed there.`,
    );
    live.products(find("products"), {
      network,
      values,
      column,
      at,
      channel: state.channel,
      pixels: state.pixels,
      go,
      turn,
    });
  }

  function turn(channel) {
    state.channel = channel;
    const focused = document.activeElement?.className;
    showUnit(columns()[state.column], shown(state.column));
    if (focused === "live-sum")
      find("products").querySelector(".live-sum[aria-pressed=true]")?.focus();
  }

  function choose(i, at = null, {keep = true} = {}) {
    const moved = i !== state.column;
    if (keep && moved) state.back = [];
    state.column = i;
    if (at) state.at = at;
    else if (moved) state.at = null;
    state.channel = bestChannel(i);
    if (!state.values) return;
    strip.select(i);
    showLayer();
    state.channel = bestChannel(i);
    showUnit(columns()[i], shown(i));
    writeAddress();
  }

  /** The map of the input whose sum is largest in size. */
  function bestChannel(i) {
    const first = state.network.byName.get(columns()[i].steps[0]);
    if (first.operation !== "conv" || !state.values || !state.at || state.at.length !== 3) return 0;
    const made = live.explain(state.network, state.values, first.name, state.at);
    const sizes = made.sums.map(Math.abs);
    return made.first + largest(sizes);
  }

  /** To the place of a step's output that another's value was made of. */
  function go(name, at) {
    const {network} = state;
    state.back.push({column: state.column, at: state.at});
    let step = network.byName.get(name);
    while (!network.columns.some(({steps}) => steps.includes(step.name))) {
      step = network.byName.get(step.inputs[0]); // a direct way has its input's numbers
    }
    const i = network.columns.findIndex(({steps}) => steps.includes(step.name));
    const its = shown(i);
    const place =
      its.shape.length === at.length ? at : live.placeOf(its.shape, live.indexOf(step.shape, at));
    choose(i, place, {keep: false});
    strip.reveal(i);
    (
      find("products").querySelector(".live-term") ?? page.querySelector("[data-action=back]")
    ).focus({preventScroll: true});
  }

  function back() {
    const before = state.back.pop();
    if (!before) return;
    choose(before.column, before.at, {keep: false});
    strip.reveal(before.column);
  }

  function hover(i, at) {
    if (!state.values) return;
    if (i === null) {
      showImage(live.field(state.network, shown(state.column).name, state.at));
      return;
    }
    const step = shown(i);
    const middle = step.shape.map((n) => n >> 1);
    showImage(live.field(state.network, step.name, at ?? middle));
  }

  const strip = live.strip(find("network"), (i, at) => choose(i, at), hover);

  // The address

  function writeAddress() {
    const maps = [...state.maps]
      .filter(([, its]) => its.size)
      .map(([name, its]) => `${name}:${[...its].join(".")}`);
    const hash = live.address.write({
      net: state.name,
      image: state.own === null ? state.image + 1 : undefined,
      layer: columns()[state.column].steps[0],
      unit: state.at,
      off: [...state.parts],
      maps,
    });
    if (location.hash !== `#${hash}`) history.replaceState(null, "", `#${hash}`);
  }

  function open() {
    const asked = live.address.read(location.hash);
    const known = live.engine.names();
    const name = known.includes(asked.net) ? asked.net : known.includes(FIRST) ? FIRST : known[0];
    const i = /^\d{1,4}$/.test(asked.image ?? "") ? Number(asked.image) - 1 : 0;
    state.image = i >= 0 && i < images.shown ? i : 0;
    Object.assign(state, {own: null, pixels: images.pixels[state.image]});
    return setNetwork(name, () => {
      const at = columns().findIndex((column) => column.steps.includes(asked.layer));
      state.column = at >= 0 ? at : Math.min(1, columns().length - 1);
      const {shape} = shown(state.column);
      state.at =
        asked.unit?.length === shape.length && asked.unit.every((v, axis) => v < shape[axis])
          ? asked.unit
          : null;
      const names = new Set(state.network.parts.map((part) => part.name));
      for (const part of asked.off) if (names.has(part)) state.parts.add(part);
      for (const text of asked.maps) {
        const cut = text.lastIndexOf(":");
        const step = state.network.byName.get(text.slice(0, cut));
        const its = text
          .slice(cut + 1)
          .split(".")
          .filter((c) => /^\d{1,5}$/.test(c))
          .map(Number);
        if (step && step.kind !== "input")
          state.maps.set(step.name, new Set(its.filter((c) => c < step.shape[0])));
      }
    }).then(() => {
      if (state.values) {
        state.channel = bestChannel(state.column);
        showUnit(columns()[state.column], shown(state.column));
      }
      if (asked.net && asked.net !== name)
        say(`This page has no network “${asked.net.slice(0, 40)}”; here is ${name}.`);
    });
  }

  // What the reader does

  let pad = null;

  const actions = {
    draw(button) {
      const box = find("draw");
      box.hidden = !box.hidden;
      button.setAttribute("aria-expanded", String(!box.hidden));
      if (box.hidden) return;
      pad ??= live.pad(find("pad"), (pixels) => setOwn(pixels, "your drawing"), say);
      pad.set(state.pixels);
      find("pad").focus();
    },
    clear: () => pad.clear(),
    picture: () => find("file").click(),
    async link() {
      try {
        await navigator.clipboard.writeText(location.href);
        say(
          state.own === null
            ? "The link is copied."
            : `The link is copied; it has everything but ${state.own}.`,
        );
      } catch {
        say("The link is in the address bar: copy it there.");
      }
    },
    back,
  };

  async function take(file) {
    if (!file) return;
    try {
      const {pixels, said, inverted} = await live.picture(file);
      setOwn(pixels, "your picture");
      const other = element(
        "button",
        {
          type: "button",
          onclick: async () => {
            const again = await live.picture(file, !inverted);
            setOwn(again.pixels, "your picture");
            say(again.inverted ? "Inverted." : "Not inverted.");
          },
        },
        inverted ? "Do not invert" : "Invert",
      );
      find("said").replaceChildren(said, " ", other);
    } catch (error) {
      say(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
    }
  }

  function listen() {
    page.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) actions[button.dataset.action]?.(button);
    });
    find("networks").addEventListener("change", (event) =>
      setNetwork(event.target.value, () => {
        state.column = Math.min(1, columns().length - 1);
      }),
    );
    find("columns").addEventListener("change", (event) => {
      choose(Number(event.target.value));
      strip.reveal(state.column);
    });
    find("erase").addEventListener("change", (event) => pad?.erase(event.target.checked));
    find("file").addEventListener("change", (event) => {
      take(event.target.files[0]);
      event.target.value = "";
    });
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (file) {
        event.preventDefault();
        take(file);
      }
    });
    page.addEventListener("dragover", (event) => event.preventDefault());
    page.addEventListener("drop", (event) => {
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    });
    find("maps").addEventListener("click", (event) => {
      const at = mapsAt(event.offsetX, event.offsetY);
      if (at) choose(state.column, at);
    });
    /** The cell of a map, along a side of `n`, that lies `v` pixels from its edge. */
    const inside = (v, n) => Math.max(0, Math.min(n - 1, Math.floor(v / unit)));
    find("map").addEventListener("click", (event) => {
      const [, height, width] = shown(state.column).shape;
      choose(state.column, [
        state.at[0],
        inside(event.offsetY, height),
        inside(event.offsetX, width),
      ]);
    });
    find("map").addEventListener("pointermove", (event) => {
      const [, height, width] = shown(state.column).shape;
      hover(state.column, [
        state.at[0],
        inside(event.offsetY, height),
        inside(event.offsetX, width),
      ]);
    });
    find("map").addEventListener("pointerleave", () => hover(null, null));
    find("map").addEventListener("keydown", (event) => {
      const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const {shape} = shown(state.column);
      const [c, y, x] = state.at;
      choose(state.column, [
        c,
        Math.max(0, Math.min(shape[1] - 1, y + move[0])),
        Math.max(0, Math.min(shape[2] - 1, x + move[1])),
      ]);
    });
    for (const [axis, id] of ["c", "y", "x"].entries())
      find(id).addEventListener("change", (event) => {
        const wanted = Math.round(Number(event.target.value));
        const {shape} = shown(state.column);
        const at = [...state.at];
        if (Number.isFinite(wanted)) at[axis] = Math.max(0, Math.min(shape[axis] - 1, wanted));
        choose(state.column, at);
      });
    window.addEventListener("hashchange", open);
    new MutationObserver(() => state.values && show()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    let resized = 0;
    window.addEventListener("resize", () => {
      clearTimeout(resized);
      resized = setTimeout(() => state.values && showLayer(), 150);
    });
  }

  function start() {
    if (!live.engine.names().length) {
      page.hidden = false;
      page.replaceChildren(
        element("p", {}, "No trained network comes with this copy of the book."),
      );
      return;
    }
    readImages();
    page.hidden = false;
    find("networks").append(
      ...live.engine
        .names()
        .map((name) => element("option", {value: name}, live.index[name].title)),
    );
    showThumbnails();
    listen();
    live.ready = open();
  }

  start();
})(((window.cnnbook ??= {}).live ??= {}));
