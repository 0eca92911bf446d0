// The report of a profile: its drawing, its details, its bars and its tables. All text that comes
// from the profile is set as text, never as markup.
((report, explorer) => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 208; // of a box
  const AT_FIRST = 90; // the most steps that are shown before a reader unfolds any

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  function shape(tag, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // Numbers

  const whole = (n) => n.toLocaleString("en-US");
  const kilobytes = (kb) =>
    kb.toLocaleString("en-US", {minimumFractionDigits: 2, maximumFractionDigits: 2});
  function short(n) {
    for (const [unit, size] of [
      ["T", 1e12],
      ["G", 1e9],
      ["M", 1e6],
      ["k", 1e3],
    ])
      if (n >= size) return `${Number((n / size).toPrecision(3))} ${unit}`;
    return `${Math.round(n)} `;
  }
  const times = (sides) => sides.join("×");
  function field(row) {
    if (!row.field) return row.sees;
    const side = row.field[0] === row.field[1] ? `${row.field[0]}` : times(row.field);
    return row.sees === "whole image" ? `${side}, whole image` : side;
  }
  const trains = data.rows.some((row) => "kept" in row);
  const MEASURES = [
    ["memory", "memory", "KB", kilobytes],
    ["params", "parameters", "", whole],
    ["flops", "multiply-adds", "", whole],
    ...(trains ? [["kept", "kept for training", "KB", kilobytes]] : []),
  ];
  const sumOf = (rows, measure) => rows.reduce((sum, row) => sum + (row[measure] ?? 0), 0);
  const total = Object.fromEntries(
    MEASURES.map(([measure]) => [measure, sumOf(data.rows, measure)]),
  );
  total.params = data.total.params;

  // The tree of modules: a group is {path, kind, members, first, last, parent, open}

  const groups = [];
  function group([path, kind, members], parent) {
    const made = {path, kind, parent, open: false, id: groups.length};
    groups.push(made);
    made.members = members.map((each) => (Array.isArray(each) ? group(each, made) : each));
    const ends = made.members.flatMap((each) =>
      each.first === undefined ? [each] : [each.first, each.last],
    );
    made.first = Math.min(...ends);
    made.last = Math.max(...ends);
    return made;
  }
  const root = group(["", data.name, data.tree], null);
  root.open = true;
  const holder = data.nodes.map(() => root); // the innermost group of each node
  for (const each of groups)
    for (const member of each.members) if (typeof member === "number") holder[member] = each;

  const measured = data.nodes.map((node) => {
    const row = node.row === null ? {} : data.rows[node.row];
    return {
      memory: row.memory ?? 0,
      flops: row.flops ?? 0,
      kept: row.kept ?? 0,
      params: (row.params ?? 0) + node.extra,
    };
  });
  const measuredIn = (first, last, measure) => {
    let sum = 0;
    for (let i = first; i <= last; i += 1) sum += measured[i][measure];
    return sum;
  };

  /** What is seen: nodes and folded groups in execution order, and the frames of open groups. */
  function visible() {
    const items = [];
    const frames = [];
    (function walk(members, depth) {
      for (const each of members) {
        if (typeof each === "number") items.push({node: each, first: each, last: each});
        else if (!each.open) items.push({group: each, first: each.first, last: each.last});
        else {
          const frame = {group: each, first: items.length, depth};
          frames.push(frame);
          walk(each.members, depth + 1);
          frame.last = items.length - 1;
        }
      }
    })(root.members, 1);
    const at = data.nodes.map(() => 0);
    items.forEach((item, i) => at.fill(i, item.first, item.last + 1));
    items.forEach((item, i) => {
      const reads = new Set();
      for (let n = item.first; n <= item.last; n += 1)
        for (const source of data.nodes[n].reads) if (at[source] !== i) reads.add(at[source]);
      item.reads = [...reads];
    });
    return {items, frames, at};
  }

  function unfoldLevel() {
    const closed = groups.filter((each) => !each.open && each.parent?.open);
    for (const each of closed) each.open = true;
    return closed;
  }
  const shown = () => visible().items.length;
  for (;;) {
    const opened = unfoldLevel();
    if (!opened.length) break;
    if (shown() > AT_FIRST) {
      for (const each of opened) each.open = false;
      break;
    }
  }
  // One of each kind that is folded, to show what is in it.
  for (;;) {
    const known = new Set(groups.filter((each) => each.open).map((each) => each.kind));
    const next = groups.find((each) => !each.open && each.parent.open && !known.has(each.kind));
    if (!next) break;
    next.open = true;
    if (shown() > AT_FIRST) {
      next.open = false;
      break;
    }
  }

  // The drawing

  let measure = total.flops ? "flops" : "memory";
  let zoom = 1;
  let chosen = null; // a key: "n12" or "g3"
  let query = "";
  let seen = visible();
  const key = (item) => (item.group ? `g${item.group.id}` : `n${item.node}`);
  const drawing = find("drawing");

  function matches(item) {
    if (!query) return false;
    for (let n = item.first; n <= item.last; n += 1) if (hits.has(n)) return true;
    return false;
  }
  let hits = new Set();

  function clip(text, most) {
    return text.length > most ? `${text.slice(0, most - 1)}…` : text;
  }

  const inParent = ({path, parent}) =>
    path.startsWith(`${parent.path}.`) ? path.slice(parent.path.length + 1) : path;

  function looks(item) {
    if (item.group) {
      const {group} = item;
      const last = data.nodes[group.last];
      return {
        title: `▸ ${inParent(group)} · ${group.kind}`,
        more: times(last.shape),
        kind: "module",
        height: 46,
        said: `${group.path}, ${group.kind}, folded`,
      };
    }
    const node = data.nodes[item.node];
    const small = node.row === null;
    const words = [node.label, ...node.notes].join(", ");
    const follow = node.follow.join(", ");
    return {
      title: small && follow ? `${words}, ${follow}` : words,
      more: follow && !small ? `${times(node.shape)} · ${follow}` : times(node.shape),
      kind: node.kind,
      small,
      height: small ? 28 : 46,
      said: `${node.name}: ${[words, ...node.follow].join(", ")}, ${times(node.shape)}`,
    };
  }

  function draw() {
    const focused = drawing.contains(document.activeElement);
    seen = visible();
    const {items, frames} = seen;
    const look = items.map(looks);
    items.forEach((item, i) => (item.height = look[i].height));
    const plan = report.layout(items, WIDTH, frames);
    const svg = shape("svg", {
      viewBox: `0 0 ${plan.width} ${plan.height}`,
      width: plan.width * zoom,
      height: plan.height * zoom,
      role: "group",
      "aria-label": `The steps of ${data.name}`,
    });
    const most = Math.max(...items.map((item) => measuredIn(item.first, item.last, measure)), 0);
    const [, label, unit, written] = MEASURES.find(([name]) => name === measure);
    frames.forEach((frame, k) => {
      const {x, y, width, height} = plan.regions[k];
      svg.append(shape("rect", {x, y, width, height, rx: 6, class: "region"}));
    });
    for (const {from, to, path, far} of plan.edges) {
      const edge = shape("path", {d: path, class: far ? "edge rail" : "edge"});
      edge.dataset.from = key(items[from]);
      edge.dataset.to = key(items[to]);
      svg.append(edge);
    }
    frames.forEach((frame, k) => {
      const {x, y, width} = plan.regions[k];
      const {group} = frame;
      const words = clip(`▾ ${inParent(group)} · ${group.kind}`, Math.floor(width / 6.6));
      const title = shape(
        "g",
        {
          class: "title",
          role: "button",
          tabindex: -1,
          "aria-expanded": "true",
          "aria-label": `${group.path}, ${group.kind}`,
        },
        shape("rect", {x, y, width, height: 18, fill: "transparent"}),
        shape("text", {x: x + 6, y: y + 13}, words),
      );
      title.addEventListener("click", () => fold(group));
      svg.append(title);
    });
    items.forEach((item, i) => {
      const box = plan.boxes[i];
      const its = look[i];
      const part = measuredIn(item.first, item.last, measure);
      const share = total[measure] ? (100 * part) / total[measure] : 0;
      const classes = ["step", its.kind];
      if (query) classes.push(matches(item) ? "found" : "dim");
      if (key(item) === chosen) classes.push("chosen");
      const step = shape("g", {
        class: classes.join(" "),
        role: "button",
        tabindex: -1,
        transform: `translate(${box.x} ${box.y})`,
        "aria-label": `${its.said}; ${label} ${written(part)} ${unit}, ${share.toFixed(1)} %`,
      });
      if (item.group) step.setAttribute("aria-expanded", "false");
      step.dataset.key = key(item);
      const h = its.height;
      step.append(
        shape("title", {}, its.said),
        shape("rect", {class: "box", width: WIDTH, height: h, rx: its.small ? 14 : 5}),
      );
      if (its.small) {
        const words = its.kind === "image" ? `image, ${its.more}` : `${its.title}  →  ${its.more}`;
        step.append(shape("text", {x: WIDTH / 2, y: 19, "text-anchor": "middle"}, clip(words, 28)));
      } else {
        step.append(
          shape("text", {x: 8, y: 17}, clip(its.title, 29)),
          shape("text", {x: 8, y: 33, class: "more"}, clip(its.more, 26)),
          shape(
            "text",
            {x: WIDTH - 8, y: 33, class: "more", "text-anchor": "end"},
            part ? `${share < 0.05 ? "<0.1" : share.toFixed(1)} %` : "",
          ),
          shape("rect", {class: "track", x: 8, y: h - 8, width: WIDTH - 16, height: 4, rx: 2}),
          shape("rect", {
            class: "bar",
            x: 8,
            y: h - 8,
            height: 4,
            rx: 2,
            width: most ? ((WIDTH - 16) * part) / most : 0,
          }),
        );
      }
      step.addEventListener("click", () => (item.group ? unfold(item.group) : choose(key(item))));
      svg.append(step);
    });
    drawing.replaceChildren(svg);
    const first =
      svg.querySelector(chosen ? `[data-key="${chosen}"]` : ".step") ?? svg.querySelector(".step");
    if (first) {
      first.setAttribute("tabindex", 0);
      if (focused) first.focus({preventScroll: false});
    }
    light();
  }

  function light() {
    // what the chosen step reads, and what reads it
    for (const edge of drawing.querySelectorAll(".edge"))
      edge.classList.toggle(
        "lit",
        chosen !== null && (edge.dataset.from === chosen || edge.dataset.to === chosen),
      );
  }

  function choose(its, scroll = false) {
    chosen = its;
    for (const step of drawing.querySelectorAll(".step")) {
      const is = step.dataset.key === its;
      step.classList.toggle("chosen", is);
      step.setAttribute("tabindex", is ? 0 : -1);
      if (is && scroll) show(step);
    }
    light();
    details();
    mark();
  }
  function show(step) {
    // within the drawing's own window, which leaves the page where it is
    const [its, frame] = [step.getBoundingClientRect(), drawing.getBoundingClientRect()];
    drawing.scrollTop += its.top - frame.top - frame.height / 2 + its.height / 2;
    drawing.scrollLeft += its.left - frame.left - frame.width / 2 + its.width / 2;
  }
  function unfold(group) {
    group.open = true;
    const first = group.members[0];
    chosen = typeof first === "number" ? `n${first}` : `g${first.id}`;
    if (typeof first !== "number" && first.open) chosen = `n${first.first}`;
    draw();
    choose(chosen, true);
  }
  function fold(group) {
    if (group === root) return;
    group.open = false;
    chosen = `g${group.id}`;
    draw();
    choose(chosen, true);
  }
  function reveal(node) {
    let folded = false;
    for (let each = holder[node]; each; each = each.parent) {
      folded ||= !each.open;
      each.open = true;
    }
    if (folded) draw();
    choose(`n${node}`, true);
  }

  const wanted = (its) => seen.items.findIndex((item) => key(item) === its);
  drawing.addEventListener("keydown", (event) => {
    const title = event.target.closest(".title");
    const step = event.target.closest(".step");
    if ((event.key === "Enter" || event.key === " ") && (title || step)) {
      event.preventDefault();
      (title ?? step).dispatchEvent(new MouseEvent("click"));
      return;
    }
    if (!step) return;
    const at = wanted(step.dataset.key);
    const item = seen.items[at];
    const go = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: seen.items.length - 1}[event.key];
    if (go !== undefined) {
      event.preventDefault();
      const next = seen.items[Math.max(0, Math.min(seen.items.length - 1, go))];
      choose(key(next), true);
      drawing.querySelector(`[data-key="${chosen}"]`).focus({preventScroll: true});
    } else if (event.key === "ArrowRight" && item.group) {
      event.preventDefault();
      unfold(item.group);
    } else if (event.key === "ArrowLeft") {
      event.preventDefault();
      fold(item.group ? item.group.parent : holder[item.node]);
    }
  });

  // What is known of a step

  const list = (pairs) =>
    element(
      "dl",
      {},
      ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    );
  const goTo = (places, title) => {
    if (!places.length) return [];
    const links = places.map((i) => {
      const node = data.nodes[i];
      const link = element("button", {type: "button"}, `${node.name} (${node.label})`);
      link.addEventListener("click", () => reveal(i));
      return element("li", {}, link);
    });
    return [
      title,
      element("ul", {}, ...links.slice(0, 12)),
      ...(links.length > 12 ? [`and ${links.length - 12} more`] : []),
    ];
  };

  function details() {
    const aside = find("details");
    const item = seen.items[wanted(chosen)];
    if (!item) {
      aside.replaceChildren(element("p", {}, "Choose a step to see its figures."));
      return;
    }
    const measures = MEASURES.filter(([name]) => name !== "kept" || trains).map(
      ([name, label, unit, written]) => {
        const part = measuredIn(item.first, item.last, name);
        const share = total[name] ? ` (${((100 * part) / total[name]).toFixed(1)} %)` : "";
        return [label, `${written(part)} ${unit}${share}`.replace("  ", " ")];
      },
    );
    const inside = (i) => i >= item.first && i <= item.last;
    const reads = new Set();
    const readers = new Set();
    data.nodes.forEach((node, i) =>
      node.reads.forEach((j) => {
        if (inside(i) && !inside(j)) reads.add(j);
        if (inside(j) && !inside(i)) readers.add(i);
      }),
    );
    const order = (set) => [...set].sort((a, b) => a - b);
    const links = [...goTo(order(reads), "reads"), ...goTo(order(readers), "is read by")];
    if (item.group) {
      const {group} = item;
      const count = data.nodes
        .slice(group.first, group.last + 1)
        .filter((node) => node.row !== null).length;
      aside.replaceChildren(
        element("h3", {}, group.path),
        element("p", {}, `${group.kind}, ${count} layers`),
        list([...measures, ["output", times(data.nodes[group.last].shape)]]),
        ...links,
      );
      return;
    }
    const node = data.nodes[item.node];
    const row = node.row === null ? null : data.rows[node.row];
    const kinds = [node.label, ...node.notes, ...node.follow].join(", ");
    const holds = node.extra ? [["of these, in norms", whole(node.extra)]] : [];
    const input = order(reads)
      .map((j) => times(data.nodes[j].shape))
      .join(", ");
    aside.replaceChildren(
      element("h3", {}, node.name),
      element("p", {}, kinds),
      list([
        ...(input ? [["input", input]] : []),
        ["output", times(node.shape)],
        ...(row
          ? [...measures, ...holds, ["receptive field", `${field(row)}${row.field ? " px" : ""}`]]
          : measures.filter(([label]) => label === "parameters" && node.extra)),
      ]),
      ...links,
    );
  }

  // The bars

  const bars = find("bars");
  explorer.describe = (layer) => layer;
  const barRows = data.rows.map((row, i) => ({
    ...row,
    path: String(i),
    layer: row.name,
    kind: ["conv", "pool", "linear"].includes(row.kind) ? row.kind : "other",
  }));
  const nodeOf = new Map(
    data.nodes.flatMap((node, i) => (node.row === null ? [] : [[node.row, i]])),
  );
  const rowChosen = () => (chosen?.[0] === "n" ? data.nodes[Number(chosen.slice(1))].row : null);
  function plot() {
    const row = rowChosen();
    explorer.draw(
      bars,
      {
        rows: barRows,
        total: {...total, flops: total.flops},
        measures: MEASURES.map(([name, label]) => [name, label]),
      },
      bars.parentElement.clientWidth,
      row === null ? "" : String(row),
      (path) => chooseRow(Number(path)),
    );
  }
  function chooseRow(row) {
    if (nodeOf.has(row)) reveal(nodeOf.get(row));
  }

  // The tables

  const COLUMNS = [
    ["layer", (row) => row.name, "text"],
    ["kind", (row) => row.kind, "text"],
    ["output", (row) => times(row.shape), "text", (row) => row.shape.reduce((a, b) => a * b, 1)],
    ["memory (KB)", (row) => kilobytes(row.memory), "", (row) => row.memory],
    ["parameters", (row) => whole(row.params), "", (row) => row.params],
    ["multiply-adds", (row) => whole(row.flops), "", (row) => row.flops],
    ...(trains ? [["kept (KB)", (row) => kilobytes(row.kept), "", (row) => row.kept]] : []),
    ["receptive field (px)", field, "", (row) => (row.field ? row.field[0] * row.field[1] : -1)],
  ];
  const rest = {other: Object.values(data.other), "not run": Object.values(data.notRun)};
  const add = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const order = {column: -1, down: true};
  const table = find("table");
  const lines = data.rows.map((row, i) => {
    const name = element("button", {type: "button"}, row.name);
    name.addEventListener("click", () => {
      chooseRow(i);
      drawing.scrollIntoView({block: "center"});
    });
    const line = element(
      "tr",
      {},
      element("th", {scope: "row"}, name),
      ...COLUMNS.slice(1).map(([, written, kind]) =>
        element("td", kind ? {class: kind} : {}, written(row)),
      ),
    );
    line.dataset.row = i;
    return line;
  });
  const heads = COLUMNS.map(([label, , kind], i) => {
    const sort = element("button", {type: "button"}, label);
    sort.addEventListener("click", () => {
      order.down = order.column === i ? !order.down : !kind;
      order.column = i;
      sorted();
    });
    return element("th", {scope: "col", "aria-sort": "none", ...(kind ? {class: kind} : {})}, sort);
  });
  const body = element("tbody");
  function sorted() {
    const [, written, , by = written] = COLUMNS[Math.max(order.column, 0)];
    const places = data.rows.map((_, i) => i);
    if (order.column >= 0) {
      const values = data.rows.map(by);
      places.sort(
        (a, b) =>
          (order.down ? -1 : 1) *
            (typeof values[a] === "string"
              ? values[a].localeCompare(values[b], "en", {numeric: true})
              : values[a] - values[b]) || a - b,
      );
    }
    heads.forEach((head, i) =>
      head.setAttribute(
        "aria-sort",
        i !== order.column ? "none" : order.down ? "descending" : "ascending",
      ),
    );
    body.replaceChildren(...places.map((i) => lines[i]));
  }
  const sums = (label, cells) =>
    element(
      "tr",
      {},
      element("th", {scope: "row"}, label),
      ...COLUMNS.slice(1).map(([name]) => element("td", {}, cells[name] ?? "")),
    );
  table.append(
    element("caption", {}, `${data.title}, per image; a column's head sorts by it`),
    element("thead", {}, element("tr", {}, ...heads)),
    body,
    element(
      "tfoot",
      {},
      ...Object.entries(rest)
        .filter(([, each]) => each.length)
        .map(([name, each]) => sums(`(${name})`, {parameters: whole(add(each))})),
      sums("total", {
        "memory (KB)": kilobytes(total.memory),
        parameters: whole(total.params),
        "multiply-adds": whole(total.flops),
        ...(trains ? {"kept (KB)": kilobytes(total.kept)} : {}),
      }),
    ),
  );
  sorted();

  const kinds = [...new Set(data.rows.map((row) => row.kind))];
  const kindLines = [
    ...kinds.map((kind) => [kind, data.rows.filter((row) => row.kind === kind)]),
  ].map(([kind, rows]) =>
    element(
      "tr",
      {},
      element("th", {scope: "row"}, `${kind} (${rows.length})`),
      ...MEASURES.map(([name, , , written]) => element("td", {}, written(sumOf(rows, name)))),
    ),
  );
  for (const [name, each] of Object.entries(rest)) {
    if (!each.length) continue;
    kindLines.push(
      element(
        "tr",
        {},
        element("th", {scope: "row"}, name),
        ...MEASURES.map(([measure]) =>
          element("td", {}, measure === "params" ? whole(add(each)) : ""),
        ),
      ),
    );
  }
  find("kinds").append(
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", {scope: "col", class: "text"}, "kind"),
        ...MEASURES.map(([, label, unit]) =>
          element("th", {scope: "col"}, unit ? `${label} (${unit})` : label),
        ),
      ),
    ),
    element("tbody", {}, ...kindLines),
  );

  function mark() {
    const row = rowChosen();
    lines.forEach((line, i) => line.classList.toggle("chosen", i === row));
    plot();
  }

  // The head of the page

  const bold = (text) => element("b", {}, text);
  const said = [
    bold(short(total.params)),
    " parameters · ",
    bold(short(total.flops)),
    ` multiply-adds = ${short(2 * total.flops)}FLOP where a multiply and an add are two · `,
    bold(`${short(total.memory * 1024)}B`),
    " of activations",
  ];
  if (data.training) {
    const t = data.training;
    said.push(
      ` · training, on a ${t.device} in ${t.precision}, keeps `,
      bold(`${short(t.kept_kb * 1024)}B`),
      " an image, beside ",
      bold(`${short((t.weights_kb + t.gradients_kb + t.optimizer_kb) * 1024)}B`),
      " of weights, gradients and optimiser; a step of one image needs ",
      bold(`${short(t.peak_kb * 1024)}B`),
      `, in the ${t.peak_moment}`,
    );
  }
  find("sums").append(...said);
  const select = find("measure");
  select.append(...MEASURES.map(([name, label]) => element("option", {value: name}, label)));
  select.value = measure;
  select.addEventListener("change", () => {
    measure = select.value;
    draw();
  });
  find("unfold").addEventListener("click", () => {
    unfoldLevel();
    draw();
    details();
  });
  find("fold").addEventListener("click", () => {
    // the innermost level that is open
    const level = (each) => (each.parent ? 1 + level(each.parent) : 0);
    const open = groups.filter((each) => each.open && each !== root);
    const deepest = Math.max(...open.map(level));
    for (const each of open) if (level(each) === deepest) each.open = false;
    chosen = null;
    draw();
    details();
    mark();
  });
  const scale = (by) => {
    zoom = Math.max(0.25, Math.min(2, zoom * by));
    draw();
  };
  find("smaller").addEventListener("click", () => scale(0.8));
  find("larger").addEventListener("click", () => scale(1.25));

  const search = find("search");
  search.addEventListener("input", () => {
    query = search.value.trim().toLowerCase();
    const text = (node) =>
      [node.name, node.module, node.label, node.kind, ...node.notes, ...node.follow]
        .join(" ")
        .toLowerCase();
    hits = new Set(
      query ? data.nodes.flatMap((node, i) => (text(node).includes(query) ? [i] : [])) : [],
    );
    let count = 0;
    lines.forEach((line, i) => {
      const row = data.rows[i];
      line.hidden =
        Boolean(query) &&
        !hits.has(nodeOf.get(i)) &&
        !`${row.name} ${row.kind}`.toLowerCase().includes(query);
      count += !line.hidden;
    });
    find("found").textContent = query ? `${count} of ${data.rows.length} layers` : "";
    draw();
    const first = drawing.querySelector(".step.found");
    if (first) show(first);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && hits.size) reveal(Math.min(...hits));
    if (event.key === "Escape") {
      search.value = "";
      search.dispatchEvent(new Event("input"));
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });

  // Light and dark, as the reader's system is until a reader says otherwise

  const page = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let own = null;
  function theme() {
    const now = own ?? (dark.matches ? "dark" : "light");
    page.dataset.theme = now;
    find("theme").textContent = now === "dark" ? "Light" : "Dark";
  }
  find("theme").addEventListener("click", () => {
    own = page.dataset.theme === "dark" ? "light" : "dark";
    theme();
  });
  dark.addEventListener("change", theme);
  theme();

  draw();
  details();
  plot();
  new ResizeObserver(plot).observe(bars.parentElement);
})((window.cnnbookReport ??= {}), (window.cnnbookExplorer ??= {}));
