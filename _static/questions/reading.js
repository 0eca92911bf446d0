/* What a reader means by the number that they type, and whether it is right.

   As cnnbook/teaching/reading.py and asking.py have it; one table of cases tests both. */
"use strict";
(() => {
  const TEXT = new RegExp(
    "^([-+−]?)\\s*(\\d(?:[\\d.,'’_\\s]*\\d)?|[.,]\\d+)[.,]?" +
      "(?:e([-+−]?\\d+)|\\s*[×x*·]\\s*10\\s*(?:\\^|\\*\\*)\\s*([-+−]?\\d+))?\\s*([^]*)$",
    "i",
  );
  const GROUPED = /^\d{1,3}([.,])\d{3}(?:\1\d{3})*$/;
  const SPACED = /^(?:\d{1,3}(?:['’_\s]\d{3})*(?:[.,]\d+)?|\d*[.,]?\d+|\d+[.,]\d*)$/;
  const GAPS = /['’_\s]/g;

  /**
   * The worth of the words after a number; null if one of them is unknown.
   * @param {string} rest @param {string} unit @param {Questions.Units} units
   */
  function factorOf(rest, unit, units) {
    const known = unit
      .toLowerCase()
      .split(/\s+/)
      .map((word) => word.replace(/s+$/, ""));
    let factor = 1;
    for (const word of rest.toLowerCase().replace(/\.+$/, "").split(/\s+/).filter(Boolean)) {
      if (Object.hasOwn(units, word)) factor *= units[word];
      else if (!known.includes(word.replace(/s+$/, "")) && word !== unit.toLowerCase()) return null;
    }
    return factor;
  }

  /** @param {string} digits @returns {number[]} */
  function valuesOf(digits) {
    const plain = digits.replace(GAPS, "");
    if (plain !== digits && !SPACED.test(digits)) return [];
    const signs = [...plain].filter((sign) => ".,".includes(sign));
    if (!signs.length) return [Number(plain)];
    const last = signs[signs.length - 1];
    if (new Set(signs).size === 2) {
      const at = plain.lastIndexOf(last);
      const whole = plain.slice(0, at);
      if (signs.filter((sign) => sign === last).length > 1 || !GROUPED.test(whole)) return [];
      return [Number(`${whole.replace(/[.,]/g, "")}.${plain.slice(at + 1)}`)];
    }
    const thousands = GROUPED.test(plain) ? [Number(plain.replaceAll(last, ""))] : [];
    if (signs.length > 1) return thousands;
    const decimal = Number(plain.replace(",", "."));
    return last === "." ? [decimal, ...thousands] : [...thousands, decimal];
  }

  /**
   * The numbers that `text` can mean; none if it is no number.
   * @param {string} text @param {string} unit @param {Questions.Units} units
   * @returns {number[]}
   */
  function readings(text, unit, units) {
    const match = TEXT.exec(text.trim());
    if (!match) return [];
    const [, sign, digits, power, ten, rest] = match;
    const factor = factorOf(rest, unit, units);
    const exponent = Number((power || ten || "0").replace("−", "-"));
    if (factor === null || Math.abs(exponent) > 99) return [];
    const signed = sign === "-" || sign === "−" ? -factor : factor;
    return valuesOf(digits).map((value) => value * signed * 10 ** exponent);
  }

  /** @param {number} value @param {number} target @param {number} share */
  const near = (value, target, share) =>
    Math.abs(value - target) <= share * Math.abs(target) + 1e-12;

  // A "slip" is a wrong answer that is known.

  /**
   * @param {Questions.AskedNumber} asked @param {string} text @param {Questions.Words} words
   * @returns {Questions.Judgement}
   */
  function judgeNumber(asked, text, words) {
    if (!text.trim()) return {state: "empty", reply: words.empty};
    const found = readings(text, asked.unit, asked.units);
    if (!found.length) return {state: "unread", reply: words.unread};
    /** @param {number} share */
    const slip = (share) =>
      asked.slips.find(([value]) => found.some((each) => near(each, value, share)));
    const exact = found.some((value) => near(value, asked.answer, 1e-7));
    const precise = !exact && slip(1e-7);
    if (precise) return {state: "slip", reply: precise[1]};
    if (found.some((value) => near(value, asked.answer, asked.tolerance)))
      return {state: "right", reply: asked.why};
    const rough = slip(asked.tolerance);
    if (rough) return {state: "slip", reply: rough[1]};
    /** @param {number} value */
    const off = (value) =>
      value * asked.answer > 0 ? Math.abs(Math.log(value / asked.answer)) : Infinity;
    const nearest = found.reduce((a, b) => (off(b) < off(a) ? b : a));
    return {state: "wrong", reply: nearest > asked.answer ? words.large : words.small};
  }

  /**
   * @param {Questions.AskedChoice} asked @param {string} chosen @param {Questions.Words} words
   * @returns {Questions.Judgement}
   */
  function judgeChoice(asked, chosen, words) {
    if (!chosen) return {state: "empty", reply: words.choose};
    if (chosen === asked.answer) return {state: "right", reply: asked.why};
    return {state: "slip", reply: asked.replies[chosen] || words.wrong};
  }

  /**
   * @param {Questions.AskedOrder} asked @param {string[]} items @param {Questions.Words} words
   * @returns {Questions.Judgement}
   */
  function judgeOrder(asked, items, words) {
    const wrong = items.findIndex((item, i) => item !== asked.answer[i]);
    if (wrong < 0) return {state: "right", reply: asked.why};
    return {state: "wrong", reply: words.place.replace("{}", String(wrong + 1))};
  }

  /** @type {Record<string, (asked: any, given: any, words: Questions.Words) => Questions.Judgement>} */
  const judges = {number: judgeNumber, choice: judgeChoice, order: judgeOrder};
  window.cnnbookQuestions = {
    readings,
    /** @param {{kind: string}} asked @param {unknown} given @param {Questions.Words} words */
    judge: (asked, given, words) => judges[asked.kind](asked, given, words),
  };
})();
