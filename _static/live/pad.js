// Pictures of the reader's own: drawn on a pad of 28 × 28, or from a file, made to fit.
((live) => {
  "use strict";

  const SIDE = 28;
  const UNIT = 9; // page pixels of one of the pad's
  const MOST_BYTES = 20e6;
  const LEAST_SIDE = 8;
  const BRUSH = 1.4; // radius, in the pad's pixels

  /**
   * A pad to draw on with mouse, finger and keys.
   * @param {HTMLCanvasElement} canvas
   * @param {(pixels: number[]) => void} changed called after each stroke or key
   */
  live.pad = (canvas, changed, say) => {
    const pixels = new Uint8ClampedArray(SIDE * SIDE);
    const context = live.drawing.sized(canvas, SIDE * UNIT, SIDE * UNIT);
    let erases = false;
    let last = null;
    let cursor = null; // of the keys

    function show() {
      context.fillStyle = "#000";
      context.fillRect(0, 0, SIDE * UNIT, SIDE * UNIT);
      for (let i = 0; i < pixels.length; i++)
        if (pixels[i]) {
          context.fillStyle = `rgb(${pixels[i]}, ${pixels[i]}, ${pixels[i]})`;
          context.fillRect((i % SIDE) * UNIT, Math.floor(i / SIDE) * UNIT, UNIT, UNIT);
        }
      if (cursor && document.activeElement === canvas) {
        context.strokeStyle = "#ff9d3c";
        context.lineWidth = 2;
        context.strokeRect(cursor[0] * UNIT + 1, cursor[1] * UNIT + 1, UNIT - 2, UNIT - 2);
      }
    }

    function dab(x, y) {
      for (let j = Math.floor(y - 2); j <= y + 2; j++)
        for (let i = Math.floor(x - 2); i <= x + 2; i++) {
          if (i < 0 || j < 0 || i >= SIDE || j >= SIDE) continue;
          const near = Math.max(0, Math.min(1, BRUSH + 0.3 - Math.hypot(i + 0.5 - x, j + 0.5 - y)));
          const at = j * SIDE + i;
          if (erases) pixels[at] = Math.min(pixels[at], 255 * (1 - near));
          else pixels[at] = Math.max(pixels[at], 255 * near);
        }
    }

    function stroke(to) {
      const from = last ?? to;
      const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
      for (let i = 0; i <= steps; i++)
        dab(from[0] + ((to[0] - from[0]) * i) / steps, from[1] + ((to[1] - from[1]) * i) / steps);
      last = to;
      show();
    }

    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * SIDE,
        ((event.clientY - box.top) / box.height) * SIDE,
      ];
    };
    let told = 0;
    const tell = (now = true) => {
      if (!now && performance.now() - told < 120) return;
      told = performance.now();
      changed(Array.from(pixels));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
      canvas.focus({preventScroll: true});
      last = null;
      stroke(place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      stroke(place(event));
      tell(false);
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => {
        last = null;
        tell();
      });
    canvas.addEventListener("keydown", (event) => {
      const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
      const move = moves[event.key];
      const draws = event.key === " " || event.key === "Enter";
      const clears = event.key === "Delete" || event.key === "Backspace";
      if (!move && !draws && !clears) return;
      event.preventDefault();
      cursor = cursor ?? [13, 13];
      if (move) cursor = cursor.map((v, i) => Math.max(0, Math.min(SIDE - 1, v + move[i])));
      if (draws || clears || (move && event.shiftKey)) {
        const was = erases;
        erases = clears || was;
        dab(cursor[0] + 0.5, cursor[1] + 0.5);
        erases = was;
        tell();
      }
      say(`row ${cursor[1]}, column ${cursor[0]}`);
      show();
    });
    canvas.addEventListener("focus", show);
    canvas.addEventListener("blur", show);
    show();
    return {
      clear() {
        pixels.fill(0);
        show();
        tell();
      },
      set(others) {
        pixels.set(others);
        show();
      },
      erase(on) {
        erases = on;
      },
    };
  };

  /**
   * A picture from a file: grey, fitted into 28 × 28, inverted if its border is light.
   * @param {Blob} file
   * @returns {Promise<{pixels: number[], said: string, inverted: boolean}>}
   */
  live.picture = async (file, invert = null) => {
    if (!/^image\//.test(file.type))
      throw new Error("that is no picture: choose a PNG, JPEG, GIF or WebP file");
    if (file.size > MOST_BYTES)
      throw new Error(
        `that picture has ${Math.round(file.size / 1e6)} MB: choose one of 20 MB at most`,
      );
    let image;
    try {
      image = await createImageBitmap(file);
    } catch {
      throw new Error(
        "your browser cannot read that picture: save it as PNG or JPEG and try again",
      );
    }
    const {width, height} = image;
    if (Math.min(width, height) < LEAST_SIDE)
      throw new Error(
        `that picture is ${width}×${height}: it needs at least ${LEAST_SIDE}×${LEAST_SIDE} pixels`,
      );
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", {willReadFrequently: true});
    // Halved until it is nearly there, so that every pixel of a large picture has its share.
    const [wide, high] = [width, height].map((n) =>
      Math.max(1, Math.round((n * SIDE) / Math.max(width, height))),
    );
    let source = image;
    let [w, h] = [width, height];
    while (w > 2 * wide || h > 2 * high) {
      const half = document.createElement("canvas");
      [half.width, half.height] = [
        Math.max(wide, Math.ceil(w / 2)),
        Math.max(high, Math.ceil(h / 2)),
      ];
      const brush = half.getContext("2d");
      brush.fillStyle = "#fff"; // what is transparent is as white as paper
      brush.fillRect(0, 0, half.width, half.height);
      brush.drawImage(source, 0, 0, half.width, half.height);
      source = half;
      [w, h] = [half.width, half.height];
    }
    canvas.width = wide;
    canvas.height = high;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, wide, high);
    context.drawImage(source, 0, 0, wide, high);
    const data = context.getImageData(0, 0, wide, high).data;
    const grey = Array.from(
      {length: wide * high},
      (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2],
    );
    const edge = grey.filter(
      (_, i) => i < wide || i >= wide * (high - 1) || i % wide === 0 || i % wide === wide - 1,
    );
    edge.sort((a, b) => a - b);
    const border = edge[edge.length >> 1];
    const inverted = invert ?? border > 127;
    const turned = (v) => Math.round(Math.max(0, Math.min(255, inverted ? 255 - v : v)));
    const pixels = new Array(SIDE * SIDE).fill(turned(border));
    const [left, top] = [(SIDE - wide) >> 1, (SIDE - high) >> 1];
    grey.forEach((v, i) => {
      pixels[(top + Math.floor(i / wide)) * SIDE + left + (i % wide)] = turned(v);
    });
    const said =
      `Your picture of ${width}×${height}, made grey and fitted into 28×28` +
      (inverted ? ", and inverted: the networks know things on black." : ".");
    return {pixels, said, inverted};
  };
})(((window.cnnbook ??= {}).live ??= {}));
