/* The questions of a page as forms. Without this script each is its words above a folded answer.

   Nothing leaves the browser. What was answered is kept in its own storage, under one key, and
   forgotten on demand; where there is no storage the forms work and forget by themselves. */
"use strict";
(() => {
  const {judge} = window.cnnbookQuestions;
  const KEY = "cnnbook.questions";
  const WORDS = {
    empty: "Write your answer first.",
    unread: "That is no number that can be read. Write one such as 61 M, 6.1e7 or 61,100,840.",
    choose: "Choose an answer first.",
    large: "Not yet: that is too large.",
    small: "Not yet: that is too small.",
    wrong: "Not yet.",
    place: "Not yet: place {} is the first that is not right.",
  };

  /* What was answered, by question: {variant, given}. */
  const memory = {
    all() {
      try {
        return JSON.parse(localStorage.getItem(KEY)) || {};
      } catch {
        return {};
      }
    },
    write(all) {
      try {
        if (Object.keys(all).length) localStorage.setItem(KEY, JSON.stringify(all));
        else localStorage.removeItem(KEY);
      } catch {
        /* private windows have none, or it is full */
      }
    },
    keep(id, kept) {
      memory.write({...memory.all(), [id]: kept});
    },
    forget(ids) {
      const all = memory.all();
      for (const id of ids) delete all[id];
      memory.write(all);
    },
  };

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  /* Plain text, with what stands between backquotes as code. */
  function inline(text) {
    return text
      .split("`")
      .map((part, i) => (i % 2 ? element("code", {}, part) : document.createTextNode(part)));
  }

  /* A way to give an answer: {parts, given(), put(given), focus()}. */
  const inputs = {
    number(asked, name) {
      const input = element("input", {
        id: `${name}-input`,
        type: "text",
        autocomplete: "off",
        spellcheck: "false",
        autocapitalize: "off",
        "aria-describedby": `${name}-status`,
      });
      const unit = asked.unit ? ` (${asked.unit})` : "";
      const label = element("label", {for: input.id}, `Your answer${unit}`);
      return {
        parts: [label, input],
        given: () => input.value,
        put: (given) => (input.value = given),
        mark: (wrong) => {
          if (wrong) input.setAttribute("aria-invalid", "true");
          else input.removeAttribute("aria-invalid");
        },
        focus: () => input.focus(),
      };
    },
    choice(asked, name) {
      const radios = asked.options.map((option, i) => {
        const id = `${name}-${i}`;
        const radio = element("input", {id, type: "radio", name, value: option});
        return [radio, element("label", {for: id}, ...inline(option))];
      });
      const rows = radios.map((pair) => element("div", {}, ...pair));
      const legend = element("legend", {}, "Your answer");
      return {
        parts: [element("fieldset", {"aria-describedby": `${name}-status`}, legend, ...rows)],
        given: () => radios.find(([radio]) => radio.checked)?.[0].value || "",
        put: (given) => radios.forEach(([radio]) => (radio.checked = radio.value === given)),
        mark: () => {},
        focus: () => (radios.find(([radio]) => radio.checked) || radios[0])[0].focus(),
      };
    },
    order(asked, name) {
      const list = element("ol", {"aria-label": "Your order, the largest first"});
      const moved = element("span", {class: "question-moved", role: "status"});
      const items = () => [...list.children];
      function move(item, step, button) {
        const place = items().indexOf(item) + step;
        if (place < 0 || place >= items().length) return;
        if (step < 0) list.children[place].before(item);
        else list.children[place].after(item);
        moved.textContent = `${item.dataset.value} is at place ${place + 1}`;
        ends();
        const other = item.querySelector("button:not(:disabled)");
        (button.disabled ? other : button).focus();
      }
      function ends() {
        items().forEach((item, i) => {
          const [up, down] = item.querySelectorAll("button");
          up.disabled = i === 0;
          down.disabled = i === items().length - 1;
        });
      }
      for (const option of asked.options) {
        const item = element("li", {"data-value": option}, ...inline(option));
        const button = (words, sign, step) =>
          element(
            "button",
            {
              type: "button",
              "aria-label": `Move ${option.replaceAll("`", "")} ${words}`,
              onclick: (event) => move(item, step, event.currentTarget),
            },
            sign,
          );
        item.append(
          element("span", {class: "question-moves"}, button("up", "↑", -1), button("down", "↓", 1)),
        );
        list.append(item);
      }
      ends();
      return {
        parts: [list, moved],
        given: () => items().map((item) => item.dataset.value),
        put: (given) => {
          if (!Array.isArray(given)) return;
          for (const value of given)
            list.append(...items().filter((i) => i.dataset.value === value));
          ends();
        },
        mark: () => {},
        focus: () => list.querySelector("button:not(:disabled)").focus(),
      };
    },
  };

  /* Make the question a form. `changed` is called when what is right has changed. */
  function enhance(box, changed) {
    const {id, variants} = JSON.parse(box.dataset.question);
    const name = box.id;
    const prompt = box.querySelector(".question-prompt");
    const lead = prompt.querySelector("strong");
    const details = box.querySelector("details");
    box.querySelector(".question-options")?.remove();
    prompt.id = `${name}-prompt`;
    const form = element("form", {
      class: "question-form",
      "aria-labelledby": prompt.id,
      novalidate: true,
    });
    const status = element("p", {id: `${name}-status`, class: "question-status", role: "status"});
    details.before(form, status);
    const question = {id, state: "empty", variant: 0, input: null};

    function say(state, reply) {
      question.state = state;
      box.dataset.state = state;
      status.replaceChildren();
      if (state === "right") status.append(element("strong", {}, "Right. "));
      if (reply) status.append(...inline(reply));
      question.input.mark(["slip", "wrong", "unread"].includes(state));
      changed();
    }
    function check() {
      const asked = variants[question.variant];
      const given = question.input.given();
      const {state, reply} = judge(asked, given, WORDS);
      if (state !== "empty") memory.keep(id, {variant: question.variant, given});
      say(state, reply);
    }
    function show(variant) {
      const asked = variants[variant];
      question.variant = variant;
      prompt.replaceChildren(lead, " ", ...inline(asked.prompt));
      question.input = inputs[asked.kind](asked, name);
      const buttons = [element("button", {type: "submit"}, "Check")];
      if (variants.length > 1)
        buttons.push(element("button", {type: "button", onclick: another}, "Another one"));
      form.replaceChildren(
        ...question.input.parts,
        element("span", {class: "question-buttons"}, ...buttons),
      );
      details.open = false;
      details
        .querySelector("p")
        .replaceChildren(
          element("strong", {}, ...inline(asked.solution)),
          " ",
          ...inline(asked.why),
        );
      say("empty", "");
    }
    function another() {
      show((question.variant + 1) % variants.length);
      memory.forget([id]);
      status.textContent = variants[question.variant].prompt.replaceAll("`", "");
      status.classList.add("question-unseen"); // it is read out, and stands above already
      question.input.focus();
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      status.classList.remove("question-unseen");
      check();
    });
    question.reset = () => show(0);
    show(0);
    const kept = memory.all()[id];
    if (kept && variants[kept.variant]) {
      if (kept.variant) show(kept.variant);
      question.input.put(kept.given);
      check();
    }
    return question;
  }

  function start() {
    const boxes = [...document.querySelectorAll(".question[data-question]")];
    if (!boxes.length) return;
    const tally = element("span");
    const forget = element("button", {type: "button"}, "Forget my answers");
    const foot = element("p", {class: "question-foot"}, tally, " ", forget);
    const questions = [];
    const count = () => {
      const right = questions.filter((each) => each.state === "right").length;
      const given = questions.some((each) => each.state !== "empty");
      tally.textContent =
        `${right} of ${boxes.length} questions answered right. ` +
        "What you answer stays in this browser.";
      forget.disabled = !given;
    };
    for (const box of boxes) questions.push(enhance(box, count));
    forget.addEventListener("click", () => {
      memory.forget(questions.map((each) => each.id));
      for (const each of questions) each.reset();
      tally.textContent = `Forgotten. ${tally.textContent}`;
      tally.tabIndex = -1;
      tally.focus();
    });
    boxes.at(-1).after(foot);
    count();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
