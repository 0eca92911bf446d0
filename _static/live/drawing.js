// Drawing: numbers as colours, maps as tiles, the network as columns in their places.
((live) => {
  "use strict";

  const TONES = {
    // of the scale's two ends, and of zero, by the page's theme; as in the figures
    light: {zero: [255, 255, 255], more: [196, 88, 4], less: [16, 88, 160]},
    dark: {zero: [20, 24, 31], more: [255, 160, 60], less: [110, 190, 255]},
  };
  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
  const BEND = 0.7; // small values can be told from zero; the scale's bar bends in the same way

  /** The colour of a value on a scale from −`most` to `most`. @returns {number[]} */
  function colour(value, most, tones = TONES[theme()]) {
    const part = most > 0 ? Math.min(1, Math.abs(value) / most) ** BEND : 0;
    const end = value < 0 ? tones.less : tones.more;
    return tones.zero.map((zero, i) => Math.round(zero + (end[i] - zero) * part));
  }

  // The scale in steps, as bytes of red, green and blue; made once for each theme.
  const STEPS = 1024;
  const scales = {};
  function steps() {
    const tones = theme();
    scales[tones] ??= Uint8ClampedArray.from(
      {length: 3 * STEPS},
      (_, i) => colour((2 * Math.floor(i / 3)) / (STEPS - 1) - 1, 1, TONES[tones])[i % 3],
    );
    return scales[tones];
  }

  const spare = document.createElement("canvas");

  /** One map, `values` of `height` × `width`, into a rectangle of a canvas. */
  function map(context, values, height, width, most, x, y, wide, high) {
    const scale = steps();
    spare.width = width;
    spare.height = height;
    const brush = spare.getContext("2d");
    const image = brush.createImageData(width, height);
    const {data} = image;
    const half = (STEPS - 1) / 2;
    const part = most > 0 ? half / most : 0;
    for (let i = 0; i < height * width; i++) {
      const at = 3 * Math.round(half + values[i] * part);
      data[4 * i] = scale[at];
      data[4 * i + 1] = scale[at + 1];
      data[4 * i + 2] = scale[at + 2];
      data[4 * i + 3] = 255;
    }
    brush.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(spare, x, y, wide, high);
  }

  /** The largest absolute value. */
  function most(values) {
    let found = 0;
    for (let i = 0; i < values.length; i++) {
      const size = values[i] < 0 ? -values[i] : values[i];
      if (size > found) found = size;
    }
    return found;
  }

  /** A canvas of this size on the page, sharp on every screen; its context counts page pixels. */
  function sized(canvas, wide, high) {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(high * scale);
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    return context;
  }

  /**
   * Maps as tiles, row by row; a vector's values as small squares.
   * @returns {(x: number, y: number) => number[] | null} the place that a point of the canvas shows
   */
  function tiles(canvas, values, shape, {across, down, tile, gap = 3, off = []}) {
    const scale = most(values);
    if (shape.length === 1 || shape[1] * shape[2] === 1) {
      const count = shape[0];
      const wide = across * (tile + gap) - gap;
      const high = down * (tile + gap) - gap;
      const side = Math.max(3, Math.min(16, Math.floor(Math.sqrt((wide * high) / count))));
      const inRow = Math.max(1, Math.floor(wide / side));
      const rows = Math.min(Math.ceil(count / inRow), Math.floor(high / side));
      const context = sized(canvas, wide, Math.max(side, rows * side));
      for (let i = 0; i < Math.min(count, inRow * rows); i++) {
        context.fillStyle = `rgb(${colour(values[i], scale)})`;
        context.fillRect((i % inRow) * side, Math.floor(i / inRow) * side, side - 1, side - 1);
      }
      return (x, y) => {
        const i = Math.floor(y / side) * inRow + Math.floor(x / side);
        return i < count && x < inRow * side ? [i, 0, 0].slice(0, shape.length) : null;
      };
    }
    const [count, height, width] = shape;
    const shown = Math.min(count, across * down);
    const rows = Math.ceil(shown / across);
    const context = sized(canvas, across * (tile + gap) - gap, rows * (tile + gap) - gap);
    const high = height === width ? tile : Math.round((tile * height) / width);
    for (let c = 0; c < shown; c++) {
      const x = (c % across) * (tile + gap);
      const y = Math.floor(c / across) * (tile + gap);
      const its = values.subarray(c * height * width, (c + 1) * height * width);
      map(context, its, height, width, scale, x, y, tile, high);
      context.strokeStyle = theme() === "dark" ? "#3c4450" : "#d3d8df";
      context.strokeRect(x + 0.5, y + 0.5, tile - 1, high - 1);
      if (off.includes(c)) {
        context.beginPath();
        context.moveTo(x + 3, y + 3);
        context.lineTo(x + tile - 3, y + high - 3);
        context.stroke();
      }
    }
    return (x, y) => {
      const column = Math.floor(x / (tile + gap));
      const row = Math.floor(y / (tile + gap));
      const c = row * across + column;
      if (column >= across || c >= shown || c < 0) return null;
      const inside = (value, length) => Math.max(0, Math.min(length - 1, Math.floor(value)));
      return [
        c,
        inside(((y - row * (tile + gap)) / high) * height, height),
        inside(((x - column * (tile + gap)) / tile) * width, width),
      ];
    };
  }

  /** A frame around places `top` to `bottom`, `left` to `right` of a map of `side` places. */
  function frame(context, {top, left, bottom, right}, unit, tone, thick = 2) {
    context.strokeStyle = tone;
    context.lineWidth = thick;
    context.strokeRect(
      left * unit + thick / 2,
      top * unit + thick / 2,
      Math.max(unit, (right - left) * unit) - thick,
      Math.max(unit, (bottom - top) * unit) - thick,
    );
    context.lineWidth = 1;
  }

  /** The scale itself: its two ends, and zero in the middle. */
  function scaleBar(canvas, wide, high) {
    const context = sized(canvas, wide, high);
    for (let x = 0; x < wide; x++) {
      context.fillStyle = `rgb(${colour((2 * x) / (wide - 1) - 1, 1)})`;
      context.fillRect(x, 0, 1, high);
    }
  }

  live.drawing = {colour, map, most, sized, tiles, frame, scaleBar, theme};
})(((window.cnnbook ??= {}).live ??= {}));
