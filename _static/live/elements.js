// Small helpers for the page: elements, numbers as text, and arrow keys over a group of buttons.
((live) => {
  "use strict";

  /** An element with attributes (`on…` listeners, `data` and others) and children. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name === "data") Object.assign(made.dataset, value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined)
        made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** A number to three decimals, with a true minus sign and never a zero below zero. */
  function number(value, decimals = 3) {
    const text = value.toFixed(decimals);
    return /^-0\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "−");
  }

  /** The same with a sign always. */
  const signed = (value, decimals = 3) => {
    const text = number(value, decimals);
    return text.startsWith("−") || Number(value.toFixed(decimals)) === 0 ? text : `+${text}`;
  };
  const percent = (share, decimals = 1) => `${number(100 * share, decimals)} %`;
  const times = (shape) => shape.join("×");

  /** Arrow keys move among the buttons of a group, of which one at a time can be tabbed to. */
  function roving(group, selector, inRow = () => 1) {
    const all = () => [...group.querySelectorAll(selector)].filter((each) => !each.disabled);
    const first = all();
    first.forEach((each, i) => (each.tabIndex = i === 0 ? 0 : -1));
    if (group.dataset.roves) return;
    group.dataset.roves = "yes";
    group.addEventListener("focusin", (event) => {
      const now = event.target.closest(selector);
      if (now) for (const each of all()) each.tabIndex = each === now ? 0 : -1;
    });
    group.addEventListener("keydown", (event) => {
      const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -inRow(), ArrowDown: inRow()};
      const buttons = all();
      const at = buttons.indexOf(event.target.closest(selector));
      let to = at + (steps[event.key] ?? NaN);
      if (event.key === "Home") to = 0;
      if (event.key === "End") to = buttons.length - 1;
      if (at < 0 || Number.isNaN(to)) return;
      event.preventDefault();
      buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
    });
  }

  Object.assign(live, {element, number, signed, percent, times, roving});
})(((window.cnnbook ??= {}).live ??= {}));
