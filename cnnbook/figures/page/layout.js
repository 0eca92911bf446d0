// Where the steps of a network stand: rows by the longest way from the image, lanes side by side.
// Parallel ways get lanes of boxes; a value that is read further down runs along in a rail, a
// straight one below its own box where nothing stands there, else in the gap beside its lane.
((report) => {
  "use strict";

  /**
   * @param {{reads: number[], height: number, regions: number[][]}[]} items in execution order;
   *   `reads` are places of earlier ones
   * @param {number} width of a box
   * @param {{first: number, last: number, depth: number}[]} regions runs of items in a frame
   * @returns {{boxes: object[], edges: object[], regions: object[], width: number, height: number}}
   */
  report.layout = (items, width, regions) => {
    const row = items.map(() => 0);
    const readers = items.map(() => []);
    items.forEach((item, i) => {
      for (const j of item.reads) {
        row[i] = Math.max(row[i], row[j] + 1);
        readers[j].push(i);
      }
    });
    const rows = Math.max(0, ...row) + 1;
    const inRow = Array.from({length: rows}, () => []);
    items.forEach((_, i) => inRow[row[i]].push(i));

    // Lanes of boxes.
    const taken = []; // by lane: its rows that are taken
    const free = (lane, from, to) => {
      taken[lane] ??= new Uint8Array(rows);
      for (let r = from; r <= to; r += 1) if (taken[lane][r]) return false;
      return true;
    };
    const lane = items.map(() => 0);
    const straight = items.map(() => false);
    const far = items.map((_, i) => Math.max(row[i], ...readers[i].map((k) => row[k] - 1)));
    for (const here of inRow) {
      const wish = new Map(
        here.map((i) => [
          i,
          items[i].reads.length ? Math.min(...items[i].reads.map((j) => lane[j])) : 0,
        ]),
      );
      here.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
      for (const i of here) {
        let at = wish.get(i);
        while (!free(at, row[i], row[i])) at += 1;
        lane[i] = at;
        taken[at][row[i]] = 1;
      }
      for (const i of here) {
        // nothing goes on below it: its value may run straight down
        if (far[i] === row[i] || readers[i].some((k) => row[k] === row[i] + 1)) continue;
        if (!free(lane[i], row[i] + 1, far[i])) continue;
        straight[i] = true;
        taken[lane[i]].fill(1, row[i] + 1, far[i] + 1);
      }
    }

    // Rails in the gaps, the shortest nearest to the boxes.
    const lanes = taken.length;
    const rail = items.map(() => -1);
    const tracks = Array.from({length: lanes}, () => []);
    items
      .map((_, i) => i)
      .filter((i) => far[i] > row[i] && !straight[i])
      .sort((a, b) => far[a] - row[a] - (far[b] - row[b]) || a - b)
      .forEach((i) => {
        const gap = tracks[lane[i]];
        let at = gap.findIndex((ends) => ends.every(([a, b]) => far[i] + 1 < a || row[i] > b));
        if (at < 0) at = gap.push([]) - 1;
        gap[at].push([row[i], far[i] + 1]);
        rail[i] = at;
      });

    // Pixels.
    const TRACK = 9;
    const PAD = 10;
    const depth = Math.max(0, ...regions.map((region) => region.depth));
    const left = [];
    let x = PAD + 6 * (depth + 1);
    for (let l = 0; l < lanes; l += 1) {
      left.push(x);
      x += width + 22 + 4 * depth + TRACK * tracks[l].length;
    }
    const opens = new Uint16Array(rows);
    const closes = new Uint16Array(rows);
    const spans = regions.map(({first, last}) => {
      let [top, bottom] = [rows, 0];
      for (let i = first; i <= last; i += 1) {
        top = Math.min(top, row[i]);
        bottom = Math.max(bottom, row[i]);
      }
      return {top, bottom};
    });
    // In one row several may open side by side; the room is for those within one another.
    spans.forEach(({top, bottom}, k) => {
      const above = spans.filter(
        (other, j) =>
          other.top === top &&
          regions[j].first <= regions[k].first &&
          regions[j].last >= regions[k].last,
      ).length;
      const below = spans.filter(
        (other, j) =>
          other.bottom === bottom &&
          regions[j].first <= regions[k].first &&
          regions[j].last >= regions[k].last,
      ).length;
      opens[top] = Math.max(opens[top], above);
      closes[bottom] = Math.max(closes[bottom], below);
    });
    const top = [];
    const high = inRow.map((here) => Math.max(0, ...here.map((i) => items[i].height)));
    let y = PAD;
    for (let r = 0; r < rows; r += 1) {
      y += (r ? 24 : 0) + 19 * opens[r];
      top.push(y);
      y += high[r] + 7 * closes[r];
    }
    const boxes = items.map((item, i) => ({
      x: left[lane[i]],
      y: top[row[i]],
      width,
      height: item.height,
      row: row[i],
      lane: lane[i],
    }));
    const middle = (i) => boxes[i].x + width / 2;
    const edges = [];
    items.forEach((item, i) => {
      for (const j of new Set(item.reads)) {
        const from = boxes[j].y + boxes[j].height;
        const to = boxes[i].y;
        const [a, b] = [middle(j), middle(i)];
        const out = top[row[j]] + high[row[j]] + 7 * closes[row[j]] + 6;
        const into = to - 11 - 19 * (row[i] ? opensOf(i) : 0);
        let path;
        const far = row[i] > row[j] + 1;
        if (far && rail[j] >= 0) {
          const at = left[lane[j]] + width + 12 + TRACK * rail[j];
          path = `M${a} ${from}V${out}H${at}V${into}H${b}V${to}`;
        } else if (a === b) path = `M${a} ${from}V${to}`;
        else if (far) path = `M${a} ${from}V${into}H${b}V${to}`;
        else path = `M${a} ${from}V${out + 3}H${b}V${to}`;
        edges.push({from: j, to: i, path, far});
      }
    });
    function opensOf(i) {
      // frames that begin with the row of this step, and are around it
      return regions.filter(
        (region, k) => spans[k].top === row[i] && region.first <= i && i <= region.last,
      ).length;
    }
    const frames = regions.map((region, k) => {
      let [x0, x1] = [Infinity, 0];
      for (let i = region.first; i <= region.last; i += 1) {
        x0 = Math.min(x0, boxes[i].x);
        let right = boxes[i].x + width;
        if (rail[i] >= 0) right += 14 + TRACK * rail[i];
        x1 = Math.max(x1, right);
      }
      const within = (side) =>
        1 +
        Math.max(
          ...spans.map((other, j) =>
            other[side] === spans[k][side] &&
            regions[j].first >= region.first &&
            regions[j].last <= region.last
              ? regions[j].depth - region.depth
              : 0,
          ),
        );
      const inner = depth - region.depth + 1;
      return {
        x: x0 - 5 * inner,
        width: x1 - x0 + 10 * inner,
        y: top[spans[k].top] - 19 * within("top") - 2,
        height:
          top[spans[k].bottom] +
          high[spans[k].bottom] +
          7 * within("bottom") +
          2 -
          (top[spans[k].top] - 19 * within("top")),
      };
    });
    return {boxes, edges, regions: frames, width: x + PAD, height: y + PAD};
  };
})((window.cnnbookReport ??= {}));
