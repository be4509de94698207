/* What a page is asked about itself. Each question returns a list of complaints, empty when the page is good;
 * a complaint names the element and what is wrong with it. `looking.py` puts them; they run in the page.
 */
(() => {
  "use strict";

  // What is seen, what can be reached, and how an element is called in a complaint.
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isHidden = (element) => element.closest(".visually-hidden, .skip, [hidden], template") !== null
    || !element.checkVisibility({ visibilityProperty: true });
  const called = (element) => {
    const words = (element.getAttribute("aria-label") || element.textContent || element.name || "").trim();
    const place = element.id ? `#${element.id}` : `.${String(element.className.baseVal ?? element.className)}`;
    return `<${element.tagName.toLowerCase()} ${place}> "${words.replace(/\s+/g, " ").slice(0, 40)}"`;
  };
  const reachable = () => all("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")
    .filter((element) => !isHidden(element) && element.tabIndex >= 0);
  const rowsOfText = (element) => {
    const rows = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (!node.data.trim() || isHidden(node.parentElement) || node.parentElement.closest("option, script, style")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) if (box.width > 1) rows.push({ box, node });
    }
    return rows;
  };

  const sideways = () => {
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide`);
    for (const table of all("main table")) {
      const region = table.closest("[role=region][tabindex='0']");
      const label = region && document.getElementById(region.getAttribute("aria-labelledby"));
      if (!label?.textContent.trim()) found.push(`${called(table)} has no focusable, named region`);
    }
    return found;
  };

  const smallTargets = () => {
    const found = [];
    for (const element of reachable()) {
      if (element.matches("[role=region]")) continue;
      // A label is as good as its box.
      const label = element.closest("label") ?? (element.id && document.querySelector(`label[for="${CSS.escape(element.id)}"]`));
      const boxes = [element, label].filter(Boolean).map((each) => each.getBoundingClientRect());
      if (!boxes.some((box) => box.width >= 24 && box.height >= 24)) {
        found.push(`${called(element)} ${Math.round(boxes[0].width)} by ${Math.round(boxes[0].height)}`);
      }
    }
    return found;
  };

  // Text that its own box hides, and lines of text that lie upon each other.
  const cutOrOverlapping = () => {
    const found = [];
    for (const element of all("body *")) {
      const style = getComputedStyle(element);
      // A name in the header is shortened; the menu below it says it whole.
      if (isHidden(element) || element.closest("svg, select, .menu-name")) continue;
      for (const [axis, size, room] of [["x", element.scrollWidth, element.clientWidth], ["y", element.scrollHeight, element.clientHeight]]) {
        const clips = ["hidden", "clip"].includes(style[`overflow${axis.toUpperCase()}`]);
        if (clips && room && size > room + 1) found.push(`${called(element)} is cut`);
      }
    }
    const rows = rowsOfText(document.body).sort((a, b) => a.box.top - b.box.top);
    for (let first = 0; first < rows.length; first += 1) {
      const a = rows[first];
      for (let second = first + 1; second < rows.length && rows[second].box.top < a.box.bottom - 4; second += 1) {
        const b = rows[second];
        const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
        const outside = [a, b].some((one) => isScrolledAway(one));
        if (wide > 2 && high > 4 && a.node !== b.node && !outside) {
          found.push(`"${a.node.data.trim().slice(0, 30)}" lies on "${b.node.data.trim().slice(0, 30)}"`);
        }
      }
    }
    function isScrolledAway(row) {
      const region = row.node.parentElement.closest(".table-region, .selection-bar");
      if (!region) return false;
      const box = region.getBoundingClientRect();
      return region.matches(".selection-bar") && getComputedStyle(region).position === "sticky"
        || row.box.left > box.right - 1 || row.box.right < box.left + 1;
    }
    return found;
  };

  // Reading order: downwards, and from the start of a line to its end; another column may begin higher.
  const outOfOrder = () => {
    const found = [];
    const stops = reachable();
    for (const element of all("[tabindex]")) {
      if (element.tabIndex > 0) found.push(`${called(element)} has tabindex ${element.tabIndex}`);
    }
    // There the order is what is seen (reading-flow) or follows the edge of the window; a real Tab shows it.
    const isElsewhere = (element) => element.closest(".site-header-row, .selection-bar") !== null;
    for (let at = 1; at < stops.length; at += 1) {
      const [before, after] = [stops[at - 1], stops[at]];
      if (before.contains(after) || isElsewhere(before) || isElsewhere(after)) continue;
      const [a, b] = [before.getBoundingClientRect(), after.getBoundingClientRect()];
      const isAbove = b.bottom <= a.top + 2;
      const isBesideBefore = b.right <= a.left + 2 && b.top < a.bottom - 2 && b.bottom > a.top + 2;
      if ((isAbove && b.left < a.right) || isBesideBefore) found.push(`${called(after)} comes after ${called(before)}`);
    }
    return found;
  };

  const withoutRing = () => {
    const found = [];
    const before = document.activeElement;
    for (const element of reachable()) {
      element.focus({ focusVisible: true, preventScroll: true });
      const style = getComputedStyle(element);
      if (document.activeElement !== element) found.push(`${called(element)} takes no focus`);
      else if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) found.push(`${called(element)} has no ring`);
    }
    before?.focus({ preventScroll: true });
    return found;
  };

  // In a small window: whatever has the focus can be seen, and nothing sticks over it.
  const hiddenWhenFocused = () => {
    const found = [];
    for (const element of all("*")) {
      if (!isHidden(element) && ["sticky", "fixed"].includes(getComputedStyle(element).position)) found.push(`${called(element)} sticks`);
    }
    for (const element of reachable()) {
      element.focus();
      const box = element.getBoundingClientRect();
      const seen = { left: Math.max(box.left, 0), right: Math.min(box.right, innerWidth), top: Math.max(box.top, 0), bottom: Math.min(box.bottom, innerHeight) };
      if (seen.right - seen.left < 1 || seen.bottom - seen.top < 1) {
        found.push(`${called(element)} is out of the window`);
        continue;
      }
      const hit = document.elementFromPoint((seen.left + seen.right) / 2, (seen.top + seen.bottom) / 2);
      const label = element.closest("label");
      if (hit && !(element.contains(hit) || hit.contains(element) || label?.contains(hit))) found.push(`${called(element)} is under ${called(hit)}`);
    }
    document.activeElement?.blur();
    scrollTo(0, 0);
    return found;
  };

  const moving = () => {
    const found = document.getAnimations().map((each) => `an animation of ${called(each.effect.target)}`);
    for (const element of all("body *")) {
      for (const part of [null, "::before", "::after"]) {
        const style = getComputedStyle(element, part);
        const lasts = style.transitionDuration.split(",").some((each) => parseFloat(each) > 0);
        if (lasts || style.animationName !== "none") found.push(`${called(element)}${part ?? ""} moves`);
      }
    }
    return found;
  };

  // Colours are the reader's own: a state must be seen by its edge, its word and its icon.
  const lostWithoutColour = () => {
    const found = [];
    for (const pill of all(".pill")) {
      if (isHidden(pill)) continue;
      if (!parseFloat(getComputedStyle(pill).borderTopWidth)) found.push(`${called(pill)} has no edge`);
      if (!pill.textContent.trim() || !pill.querySelector("svg")) found.push(`${called(pill)} has no word or icon`);
    }
    for (const row of all("tr:has([data-tick]:checked)")) {
      if (getComputedStyle(row).outlineStyle === "none") found.push(`${called(row)} is ticked and has no edge`);
    }
    for (const chosen of all("[aria-pressed=true]:not(.button-link), .pager [aria-current]")) {
      if (!isHidden(chosen) && getComputedStyle(chosen).outlineStyle === "none") found.push(`${called(chosen)} is chosen and has no edge`);
    }
    return found;
  };

  const wrongTimes = () => {
    const found = [];
    const zone = document.documentElement.dataset.timeZone;
    const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
    for (const time of all("time")) {
      const machine = time.getAttribute("datetime") ?? "";
      const shown = time.textContent.match(/\d\d:\d\d/)?.[0];
      if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(machine)) found.push(`${called(time)} for machines: ${machine}`);
      else if (shown && shown !== clock.format(new Date(machine))) found.push(`${called(time)} is not ${machine}`);
    }
    return found;
  };

  const codes = () => {
    const found = [];
    const wrong = [
      /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-/i, /Traceback|Exception|\bHTTP \d|\b[45]\d\d (?:error|status)/i,
      /\b(?:null|undefined|NaN|None,|True|False)\b/, /[{[]"/, /\b[a-z]+(?:_[a-z]+)+\b/,
    ];
    for (const { node } of rowsOfText(document.body)) {
      // Names are other people's words.
      if (node.parentElement.closest("details.technical, bdi")) continue;
      if (wrong.some((each) => each.test(node.data))) found.push(node.data.trim().slice(0, 80));
    }
    return found;
  };

  const bareNames = () => {
    const found = [];
    for (const { node } of rowsOfText(document.body)) {
      if (/[\u0590-\u08FF]/.test(node.data) && !node.parentElement.closest("bdi, .btn, button, h1, title, dd")) {
        found.push(`"${node.data.trim().slice(0, 40)}" in ${called(node.parentElement)} is not set apart`);
      }
    }
    return found;
  };

  // A third more of every text, as other languages need it.
  const lengthen = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    for (const node of nodes) {
      if (node.parentElement.closest("script, style, template, time, bdi, .numeric") || !/[a-z]{2}/i.test(node.data)) continue;
      const more = Math.ceil(node.data.trim().length * 0.35);
      // Long words become longer words, sentences get more of them.
      node.data = node.data.replace(/\s*$/, (end) => `${node.data.includes(" ") && more > 6 ? " " : ""}${"ëxtra ".repeat(Math.ceil(more / 6)).slice(0, more).trim()}${end}`);
    }
    return [];
  };

  return { sideways, smallTargets, cutOrOverlapping, outOfOrder, withoutRing, hiddenWhenFocused, moving, lostWithoutColour, wrongTimes, codes, bareNames, lengthen };
})()
