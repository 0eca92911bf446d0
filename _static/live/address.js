// The page's state in its address: network, image, layer, unit, and what is switched off.
((live) => {
  "use strict";

  /** @param {{net, image, layer, unit, off, maps}} state @returns {string} the part after # */
  function write({net, image, layer, unit, off = [], maps = []}) {
    const parts = [
      ["net", net],
      ["image", image],
      ["layer", layer],
      ["unit", unit?.join(",")],
      ["off", off.join("|")],
      ["maps", maps.join("|")],
    ];
    const text = (value) => encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%20", "+");
    return parts
      .filter(([, value]) => value !== undefined && value !== "" && value !== null)
      .map(([name, value]) => `${name}=${text(value)}`)
      .join("&");
  }

  /** The fields of an address as text; what they name is for others to judge. */
  function read(hash) {
    const given = new URLSearchParams(hash.replace(/^#/, "").slice(0, 4000));
    const list = (name) => (given.get(name) ?? "").split("|").filter(Boolean).slice(0, 200);
    const unit = given.get("unit");
    return {
      net: given.get("net"),
      image: given.get("image"),
      layer: given.get("layer"),
      unit: unit && /^\d{1,6}(,\d{1,4},\d{1,4})?$/.test(unit) ? unit.split(",").map(Number) : null,
      off: list("off"),
      maps: list("maps"),
    };
  }

  live.address = {write, read};
})(((window.cnnbook ??= {}).live ??= {}));
