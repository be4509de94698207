/* What the pages gain from script. Everything works without it; nothing here is needed to get work done.
 *
 *   1 Polling: when a panel asks, when it waits, and what it says when no answer comes
 *   2 The end of the session
 *   3 Ticks: ranges, the header box, one post for many, and ticks that could not be saved
 *   4 Buttons: busy words, no second press, Show password, Copy, menus
 *
 * htmx does the asking. Its events are listened to in both spellings, so that templates may move between its lines.
 */
(() => {
  "use strict";

  const BACK_OFF_SECONDS = [5, 10, 30, 60];
  const WORDS = {
    stale: (time) => `Not updating. Last updated ${time}.`,
    offline: (time) => `You are offline. This page was last updated at ${time}.`,
    tryNow: "Try now",
    notSaved: "Not saved. Try again",
    notSavedOffline: "Not saved. You are offline.",
    failed: "That did not work. Try again.",
    failedOffline: "You are offline. Try again later.",
    copied: "Copied",
  };

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const clock = new Intl.DateTimeFormat(root.lang || "en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZone: root.dataset.timeZone,
  });

  const onHtmx = (names, handle) => {
    for (const name of names) document.addEventListener(`htmx:${name}`, handle);
  };
  // Who asked. After a swap that element is gone and the event comes from its parent: only the request remembers it.
  const asker = (event) =>
    event.detail?.requestConfig?.elt ?? event.detail?.ctx?.sourceElement ?? event.detail?.elt ?? event.target;
  const answered = (event) => {
    const status = event.detail?.xhr?.status ?? event.detail?.ctx?.response?.status ?? 0;
    return status >= 200 && status < 300;
  };
  // The sentence of a refusal (a client that is taken meanwhile); empty for trouble of any other kind.
  const refusalOf = (event) => {
    const request = event.detail?.xhr;
    if (request?.status !== 409 && request?.status !== 422) return "";
    return new DOMParser().parseFromString(request.responseText, "text/html").body.textContent.trim();
  };
  const isPoller = (element) => element instanceof Element && element.hasAttribute("data-poll");

  /* ---- 1 Polling ---- */

  const states = new Map();
  let sessionEnded = false;

  const stateOf = (id) => {
    if (!states.has(id)) states.set(id, { failures: 0, notBefore: 0, good: new Date(), asked: false });
    return states.get(id);
  };

  const lineOf = (id) =>
    byId(id)?.querySelector("[data-live-line]") ?? document.querySelector(`[data-live-line-for="${CSS.escape(id)}"]`);

  const mayAsk = (id) =>
    !document.hidden && !sessionEnded && root.dataset.live !== "paused" && Date.now() >= stateOf(id).notBefore;

  const askNow = () => {
    for (const state of states.values()) state.notBefore = 0;
    document.body.dispatchEvent(new CustomEvent("live:now"));
  };

  const freshen = (id) => {
    const line = lineOf(id);
    // Taking away a class that is not there counts as a change too; a poll that says nothing new makes none.
    if (!line?.classList.contains("is-stale")) return;
    line.classList.remove("is-stale");
    line.querySelector(".stale-text")?.remove();
  };

  const showStale = (id) => {
    const line = lineOf(id);
    const state = stateOf(id);
    if (!line || (state.failures < Number(line.dataset.staleAfter ?? 1) && navigator.onLine && !sessionEnded)) return;
    const time = clock.format(state.good);
    const note = line.querySelector(".stale-text") ?? line.appendChild(document.createElement("span"));
    note.className = "stale-text";
    line.classList.add("is-stale");
    const own = line.dataset.staleWords;
    const words = own ? own.replace("{time}", time) : (navigator.onLine ? WORDS.stale : WORDS.offline)(time);
    // The button stays the same element from one failure to the next, so that it keeps the focus.
    const button = note.querySelector("button");
    if (button && !sessionEnded) note.firstChild.textContent = `${words} `;
    else note.replaceChildren(`${words} `);
    if (!own && !sessionEnded && !button) note.append(tryNowButton(id));
  };

  const tryNowButton = (id) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-link";
    button.textContent = WORDS.tryNow;
    button.addEventListener("click", () => {
      stateOf(id).asked = true;
      askNow();
    });
    return button;
  };

  const pollWorked = (id) => {
    const state = stateOf(id);
    const line = lineOf(id);
    states.set(id, { failures: 0, notBefore: 0, good: new Date(), asked: false });
    if (line) freshen(id);
    // Only after a person's own "Try now": its button is gone, so the focus goes to what replaced it.
    if (state.asked) (byId(`${id}-h`) ?? line)?.focus({ preventScroll: true });
  };

  const pollFailed = (id) => {
    const state = stateOf(id);
    state.failures += 1;
    const stops = lineOf(id)?.dataset.staleWords ? 60 : Infinity;
    state.notBefore = Date.now() + 1000 * (BACK_OFF_SECONDS[state.failures - 1] ?? stops);
    showStale(id);
  };

  onHtmx(["beforeRequest", "before:request"], (event) => {
    const element = asker(event);
    if (isPoller(element)) {
      if (!mayAsk(element.id)) event.preventDefault();
      return;
    }
    setBusy(element, true);
  });

  onHtmx(["afterRequest", "after:request"], (event) => {
    const element = asker(event);
    if (isPoller(element)) {
      if (answered(event)) pollWorked(element.id);
      else if (!sessionEnded) pollFailed(element.id);
      return;
    }
    setBusy(element, false);
    if (element === document.body) ticksAnswered(answered(event));
    else actionAnswered(element, answered(event), refusalOf(event));
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) askNow();
  });
  window.addEventListener("online", askNow);
  window.addEventListener("offline", () => {
    for (const poller of document.querySelectorAll("[data-poll]")) showStale(poller.id);
  });

  /* ---- 2 The end of the session ---- */

  // A background poll that finds no session answers 401 with this event and nothing to swap.
  document.addEventListener("session-ended", () => {
    if (sessionEnded) return;
    sessionEnded = true;
    const template = byId("session-ended-banner");
    const place = byId("banner");
    if (!template || !place) return;
    const banner = template.content.cloneNode(true);
    const back = encodeURIComponent(window.location.pathname + window.location.search);
    for (const link of banner.querySelectorAll("a")) link.href = `/sign-in?next=${back}`;
    place.replaceChildren(banner);
    for (const poller of document.querySelectorAll("[data-poll]")) showStale(poller.id);
  });

  /* ---- 3 Ticks ---- */

  // `defaultChecked` is what the server last confirmed; `checked` is what the person wants.
  const waiting = new Set();
  let inFlight = null;
  let lastTick = null;
  let shiftHeld = false;

  const ticksOf = (form) => [...form.querySelectorAll("[data-tick]")];

  const showHeaderBox = (form) => {
    const header = form.querySelector("[data-tick-all]");
    if (!header) return;
    const boxes = ticksOf(form);
    const ticked = boxes.filter((box) => box.checked).length;
    header.checked = boxes.length > 0 && ticked === boxes.length;
    header.indeterminate = ticked > 0 && ticked < boxes.length;
  };

  const showHeaderBoxes = () => document.querySelectorAll("form[data-range]").forEach(showHeaderBox);

  const setNote = (place, words) => {
    const note = place?.querySelector("[data-note]");
    if (note) note.textContent = words;
  };

  const saveTicks = (boxes) => {
    for (const box of boxes) {
      waiting.add(box);
      setNote(box.closest("tr"), "");
    }
    sendTicks();
  };

  const tickValues = (boxes) => ({
    shown: boxes.map((box) => box.value),
    ticked: boxes.filter((box) => box.checked).map((box) => box.value),
  });

  // One post at a time: two quick changes of one row can then never arrive in the wrong order.
  const sendTicks = () => {
    const form = [...waiting][0]?.form;
    if (inFlight || !form) return;
    const boxes = [...waiting].filter((box) => box.form === form);
    for (const box of boxes) waiting.delete(box);
    inFlight = new Map(boxes.map((box) => [box, box.checked]));
    window.htmx.ajax("POST", form.getAttribute("action"), { source: document.body, swap: "none", values: tickValues(boxes) }).catch(() => {
      // No answer at all; htmx has told ticksAnswered() already.
    });
  };

  const ticksAnswered = (saved) => {
    if (!inFlight) return;
    const forms = new Set();
    for (const [box, wanted] of inFlight) {
      forms.add(box.form);
      if (saved) {
        box.defaultChecked = wanted;
      } else if (!waiting.has(box)) {
        box.checked = box.defaultChecked;
        setNote(box.closest("tr"), navigator.onLine ? WORDS.notSaved : WORDS.notSavedOffline);
      }
    }
    inFlight = null;
    for (const form of forms) if (form) showHeaderBox(form);
    sendTicks();
  };

  const range = (form, from, to) => {
    const boxes = ticksOf(form);
    const ends = [boxes.indexOf(from), boxes.indexOf(to)].sort((a, b) => a - b);
    return ends[0] < 0 ? [to] : boxes.slice(ends[0], ends[1] + 1);
  };

  for (const name of ["keydown", "keyup", "mousedown", "click"]) {
    document.addEventListener(name, (event) => { shiftHeld = event.shiftKey; }, true);
  }

  document.addEventListener("mousedown", (event) => {
    // A shift-click ticks a range; without this it would also mark the text between as selected.
    if (event.shiftKey && event.target.closest("[data-range] .tick")) event.preventDefault();
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    const form = box.closest("form[data-range]");
    if (!form || !box.matches("[data-tick], [data-tick-all]")) return;
    const all = box.matches("[data-tick-all]");
    const changed = all ? ticksOf(form) : shiftHeld && lastTick ? range(form, lastTick, box) : [box];
    for (const one of changed) one.checked = box.checked;
    if (!all) lastTick = box;
    showHeaderBox(form);
    saveTicks(changed);
  });

  // Leaving with ticks that still wait: the browser sends them after the page is gone.
  window.addEventListener("pagehide", () => {
    const form = [...waiting][0]?.form;
    if (!form) return;
    const body = new URLSearchParams();
    for (const [name, values] of Object.entries(tickValues([...waiting]))) for (const value of values) body.append(name, value);
    const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
    fetch(form.getAttribute("action"), { method: "POST", body, keepalive: true, headers: { "X-CSRFToken": token, "HX-Request": "true" } });
    waiting.clear();
  });

  onHtmx(["afterSwap", "after:swap"], showHeaderBoxes);

  /* ---- 4 Buttons ---- */

  const buttonOf = (element) =>
    element.matches("button") ? element : element.querySelector("button[type=submit]:not([formaction])");

  const setBusy = (element, busy) => {
    if (!(element instanceof Element) || element === document.body) return;
    const button = buttonOf(element);
    if (!button?.dataset.busy) return;
    const text = button.querySelector(".button-text") ?? button;
    if (busy && !button.dataset.idle) {
      button.dataset.idle = text.textContent;
      text.textContent = button.dataset.busy;
      button.setAttribute("aria-busy", "true");
    } else if (!busy && button.dataset.idle) {
      text.textContent = button.dataset.idle;
      delete button.dataset.idle;
      button.removeAttribute("aria-busy");
    }
  };

  const actionAnswered = (element, worked, refusal) => {
    const radios = element.matches("fieldset") ? element.querySelectorAll("input[type=radio]") : [];
    for (const radio of radios) {
      if (worked) radio.defaultChecked = radio.checked;
      else radio.checked = radio.defaultChecked;
    }
    if (worked) {
      setNote(element, "");
      if (element.nextElementSibling?.matches("[data-note]")) element.nextElementSibling.remove();
      return;
    }
    if (element.querySelector("[data-note]")) {
      setNote(element, refusal || (navigator.onLine ? WORDS.notSaved : WORDS.notSavedOffline));
      return;
    }
    const after = element.nextElementSibling?.matches("[data-note]") ? element.nextElementSibling : document.createElement("span");
    after.className = "row-note";
    after.dataset.note = "";
    after.setAttribute("role", "status");
    element.after(after);
    after.textContent = navigator.onLine ? WORDS.failed : WORDS.failedOffline;
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setBusy(event.submitter ?? form, true);
  });

  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      setBusy(form, false);
    }
    showHeaderBoxes();
  });

  const togglePassword = (button) => {
    const input = byId(button.dataset.showPassword);
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
  };

  const copy = async (button) => {
    const source = byId(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.innerText);
    } catch {
      // Not allowed here (http, or refused): mark the text, so that the keyboard can copy it.
      window.getSelection().selectAllChildren(source);
      return;
    }
    const before = button.dataset.before ?? button.textContent;
    button.dataset.before = before;
    button.textContent = WORDS.copied;
    byId("live").textContent = WORDS.copied;
    window.setTimeout(() => { button.textContent = before; }, 2000);
  };

  document.addEventListener("click", (event) => {
    const password = event.target.closest("[data-show-password]");
    if (password) togglePassword(password);
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" ? document.querySelector("details.menu[open]") : null;
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // A message that came by the address is said once: the parameter goes, so that a reload does not repeat it.
  for (const element of document.querySelectorAll("[data-forget-query]")) {
    const address = new URL(window.location.href);
    address.searchParams.delete(element.dataset.forgetQuery);
    window.history.replaceState(window.history.state, "", address);
  }

  // htmx keeps the last address for its history cache, which we do not use; an address may hold a client's name.
  const forgetAddress = () => {
    try {
      window.sessionStorage.removeItem("htmx-current-path-for-history");
    } catch {
      // Storage is closed here, so nothing was kept either.
    }
  };
  onHtmx(["pushedIntoHistory", "replacedInHistory", "historyRestore"], forgetAddress);
  forgetAddress();

  for (const poller of document.querySelectorAll("[data-poll]")) stateOf(poller.id);
  showHeaderBoxes();
})();
