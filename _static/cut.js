// A box whose content is wider than it says on which side the content goes on; the style shows it.
// And the keyboard reaches it, to scroll it.
{
  const BOXES =
    "article :is(pre, .text_html, .profile-box, .figure-box, .explorer-box, " +
    ".pst-scrollable-table-container, .live-lesions-box, #live-images, .live-frame, " +
    "div.cell_output, mjx-container[display='true'])";
  const reached = new WeakSet(); // by us
  const mark = (box) => {
    const hidden = box.scrollWidth - box.clientWidth;
    const left = hidden > 1 && box.scrollLeft > 1;
    const right = hidden > 1 && box.scrollLeft < hidden - 1;
    if (left || right) {
      box.dataset.cut = left && right ? "both" : left ? "left" : "right";
      box.style.setProperty("--fade", `${Math.min(hidden, 40)}px`);
    } else delete box.dataset.cut;
    if (hidden > 1 && box.tabIndex < 0) {
      box.tabIndex = 0;
      reached.add(box);
    } else if (hidden <= 1 && reached.delete(box)) box.removeAttribute("tabindex");
  };
  const scrolls = (box) => /auto|scroll/.test(getComputedStyle(box).overflowX);
  const boxes = () => [...document.querySelectorAll(BOXES)].filter(scrolls);
  addEventListener("scroll", (event) => event.target.matches?.(BOXES) && mark(event.target), true);
  addEventListener("load", () => {
    const seen = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
    const all = () => {
      for (const box of boxes()) {
        seen.observe(box);
        mark(box);
      }
    };
    window.MathJax?.startup?.promise?.then(all);
    all();
    addEventListener("toggle", all, true); // what is folded has no width before
  });
}
