// The page of a listening test. TEST, WORDS and QUESTION stand before this script.
const STORE = "listening_test:" + TEST.id;
const HEARD_SHARE = 0.9; // of a sample's length that counts as listened to its end
const MIDDLE = 50; // where a slider stands before it is moved
const $ = (id) => document.getElementById(id);

// ---- orders: the same for the same listener, whenever the page is opened ----

function hash(text) { // FNV-1a, 32 bits
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

function generator(seed) { // mulberry32: floats in [0, 1)
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, draw) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

// Listeners numbered 1, 2, 3... fill the squares evenly; any other name falls somewhere.
function listenerNumber(name) {
  return /^\d{1,9}$/.test(name) ? Number(name) : hash(name);
}

function arrange(listener) {
  const number = listenerNumber(listener);
  const draw = generator(hash(TEST.id + " " + listener));
  const steps = TEST.check.map((id) => ({ type: "check", id }));
  for (const section of TEST.sections) {
    const part = section.parts[number % section.parts.length];
    const group = part.groups[Math.floor(number / section.parts.length) % part.groups.length];
    let entries = [];
    for (const block of shuffled(group, draw)) {
      if (!block.shuffle) entries.push(...block.trials);
      else for (const entry of shuffled(block.trials, draw))
        entries.push({ trial: entry.trial, samples: shuffled(entry.samples, draw) });
    }
    for (const entry of part.extra) entries.splice(Math.floor(draw() * (entries.length + 1)), 0, entry);
    steps.push({ type: "intro", kind: section.kind });
    for (const entry of section.practice) steps.push({ type: "trial", practice: true, ...entry });
    for (const entry of entries) steps.push({ type: "trial", practice: false, ...entry });
  }
  steps.push({ type: "end" });
  return steps;
}

// ---- state, kept across reloads ----

let state = null;
let steps = [];
let stored = true;

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
  } catch {
    if (stored) say(WORDS.no_storage, true);
    stored = false;
  }
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    return kept && kept.test === TEST.id && kept.listener ? kept : null;
  } catch {
    return null;
  }
}

function results() {
  const trials = steps.filter((step) => step.type === "trial" && !step.practice).length;
  return {
    format: "espnet2_ext.listening_test.results", version: 1, test: TEST.id,
    listener: state.listener, number: state.number, language: document.documentElement.lang,
    headphones: state.headphones, headphones_check: state.check,
    started: state.started, finished: state.finished,
    complete: state.answers.length === trials, comment: state.comment, answers: state.answers,
  };
}

function download() {
  const safe = state.listener.replace(/[^\p{L}\p{N}_-]+/gu, "_");
  const name = `listening_${TEST.id}_${safe}.json`;
  const blob = new Blob([JSON.stringify(results(), null, 1) + "\n"], { type: "application/json" });
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(WORDS.saved.replace("{name}", name));
}

// ---- building blocks ----

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

const paragraphs = (texts) => texts.map((text) => el("p", {}, text));

function keyLine(text, others = []) {
  const names = [...others, ["enter", WORDS.next_key]];
  const line = el("p", { class: "keys" }, `${WORDS.keys}: ${text}`);
  for (const [key, does] of names) line.append("; ", el("kbd", {}, WORDS.key_names[key]), " " + does);
  return line;
}

let screen = null; // what the current screen lets keys do: players, choose, next

function show(title, nodes, { players = {}, choose = null, next = null } = {}) {
  if (screen) for (const player of Object.values(screen.players)) player.audio.pause();
  screen = { players, choose, next };
  const heading = el("h1", { tabindex: "-1" }, title);
  $("main").replaceChildren(heading, ...nodes);
  say("");
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

class Player {
  constructor(id, label, key, draft, { resume = false, changed = () => {} } = {}) {
    Object.assign(this, { id, label, draft, resume, changed });
    this.audio = new Audio(`audio/${id}.wav`);
    this.audio.preload = "auto";
    this.fill = el("span", { class: "fill" });
    this.mark = el("span", { class: "done", "aria-hidden": "true" }, "✓");
    this.button = el(
      "button",
      { type: "button", class: "player", "aria-keyshortcuts": key, onclick: () => this.toggle() },
      this.fill, el("span", { class: "icon", "aria-hidden": "true" }), el("b", {}, label), this.mark,
    );
    for (const event of ["play", "pause", "ended"]) this.audio.addEventListener(event, () => this.paint());
    this.audio.addEventListener("timeupdate", () => this.moved());
    this.audio.addEventListener("ended", () => this.wasHeard());
    this.audio.addEventListener("error", () => say(WORDS.no_sound, true));
    this.paint();
  }
  get heard() { return this.draft.heard.includes(this.id); }
  get playing() { return !this.audio.paused && !this.audio.ended; }
  toggle() {
    if (this.playing) return this.audio.pause();
    const other = Object.values(screen.players).find((player) => player.playing);
    if (other) {
      this.audio.currentTime = this.resume ? other.audio.currentTime : 0;
      other.audio.pause();
    }
    this.draft.plays[this.id] = (this.draft.plays[this.id] || 0) + 1;
    this.audio.play().catch((error) => { if (error.name !== "AbortError") say(WORDS.no_sound, true); });
  }
  moved() {
    const { currentTime, duration } = this.audio;
    this.fill.style.width = duration ? `${(100 * currentTime) / duration}%` : 0;
    if (duration && currentTime >= HEARD_SHARE * duration) this.wasHeard();
  }
  wasHeard() {
    if (this.heard) return;
    this.draft.heard.push(this.id);
    this.paint();
    this.changed();
  }
  paint() {
    this.button.classList.toggle("playing", this.playing);
    this.button.classList.toggle("heard", this.heard);
    const does = this.playing ? WORDS.pause : WORDS.play;
    this.button.setAttribute("aria-label", `${does}: ${this.label}${this.heard ? ", " + WORDS.heard : ""}`);
    if (!this.playing && this.audio.ended) this.fill.style.width = 0;
  }
}

// Radio buttons in a row; `choose(i)` picks one as a key does.
function choiceRow(legend, labels, chosen, onchoice) {
  const inputs = labels.map((_, i) =>
    el("input", { type: "radio", name: "choice", value: i, onchange: () => onchoice(i) }));
  if (chosen !== null) inputs[chosen].checked = true;
  const boxes = labels.map(([big, small], i) =>
    el("label", { class: "choice" }, inputs[i],
      el("span", {}, el("b", { class: small ? null : "word" }, big), el("small", {}, small))));
  const choose = (i) => { if (inputs[i]) { inputs[i].checked = true; onchoice(i); } };
  return { choose, node: el("fieldset", {}, el("legend", {}, legend), el("div", { class: "choices" }, ...boxes)) };
}

// ---- screens ----

function welcome() {
  const asked = new URLSearchParams(location.search).get("listener") || "";
  const name = el("input", { type: "text", id: "listener", autocomplete: "off", maxlength: "40",
    value: asked, "aria-describedby": "listener_hint" });
  const kinds = Object.entries(WORDS.headphones_options);
  let headphones = null;
  const worn = choiceRow(WORDS.headphones, kinds.map(([, text]) => [text, ""]), null, (i) => { headphones = kinds[i][0]; });
  const draft = { heard: [], plays: {} };
  const first = TEST.sections[0].practice[0].samples[0];
  const player = new Player(first, WORDS.play, "p", draft);
  const start = () => {
    const listener = name.value.trim();
    if (!/^[\p{L}\p{N}_-]+$/u.test(listener)) {
      say(WORDS.listener_needed, true);
      return name.focus();
    }
    state = { test: TEST.id, listener, number: listenerNumber(listener), headphones, check: {}, step: 0,
      started: new Date().toISOString(), finished: null, comment: "", answers: [], draft: null };
    steps = arrange(listener);
    keep();
    render();
  };
  name.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) start(); });
  show($("name").textContent, [
    $("instructions").content.cloneNode(true),
    el("label", { class: "title", for: "listener" }, WORDS.listener), name,
    el("p", { class: "note", id: "listener_hint" }, WORDS.listener_hint),
    worn.node,
    el("h2", {}, WORDS.volume), el("div", { class: "players" }, player.button),
    el("div", { class: "actions" }, el("span"), el("button", { type: "button", class: "main", id: "next", onclick: start }, WORDS.start)),
  ], { players: { p: player } });
}

function newDraft() {
  return { heard: [], plays: {}, ratings: {}, choice: null, seconds: 0 };
}

function advance() {
  state.step += 1;
  state.draft = null;
  if (steps[state.step].type === "end" && !state.finished) state.finished = new Date().toISOString();
  keep();
  render();
}

// A screen that wants sounds heard and something answered before it lets go on.
function task(step, title, head, build, done) {
  const draft = (state.draft ||= newDraft());
  const opened = performance.now() / 1000 - draft.seconds;
  const button = el("button", { type: "button", class: "main", id: "next", onclick: () => next() }, WORDS.next);
  let parts = null;
  const missing = () =>
    !parts ? "" : Object.values(parts.players).some((player) => !player.heard) ? WORDS.listen_first
      : parts.answered() ? "" : WORDS.rate_first;
  const changed = () => {
    draft.seconds = Math.round(10 * (performance.now() / 1000 - opened)) / 10;
    const lacking = missing();
    button.setAttribute("aria-disabled", lacking ? "true" : "false");
    if (parts && !lacking) say(WORDS.ready);
    else if ($("status").classList.contains("bad")) say("");
    keep();
  };
  const next = () => {
    changed();
    const lacking = missing();
    if (lacking) return say(lacking, true);
    done(draft);
    advance();
  };
  parts = build(draft, changed);
  show(title, [...head, ...parts.nodes, el("div", { class: "actions" }, parts.left || el("span"), button), parts.keys],
    { players: parts.players, choose: parts.choose, next });
  changed();
}

function check(step) {
  task(step, WORDS.check_title, [], (draft, changed) => {
    const player = new Player(step.id, WORDS.play, "p", draft, { changed });
    const choices = choiceRow(WORDS.check, WORDS.check_options.map((text, i) => [String(i + 1), text]), draft.choice,
      (i) => { draft.choice = i; changed(); });
    return { players: { p: player }, choose: choices.choose, answered: () => draft.choice !== null,
      nodes: [el("div", { class: "players" }, player.button), choices.node],
      keys: keyLine("1–3", [["space", WORDS.play.toLowerCase()]]) };
  }, (draft) => { state.check[step.id] = draft.choice + 1; });
}

function intro(step) {
  const words = WORDS.kinds[step.kind];
  show(words.title, [...paragraphs(words.intro), keyLine(words.keys, step.kind === "mos" ? [["space", WORDS.play.toLowerCase()]] : []),
    el("div", { class: "actions" }, el("span"), el("button", { type: "button", class: "main", id: "next", onclick: advance }, WORDS.intro_next))],
  { next: advance });
}

const KINDS = {
  mos(step, trial, draft, changed, question) {
    const [sample] = step.samples;
    const player = new Player(sample, WORDS.play, "p", draft, { changed });
    const rated = draft.ratings[sample];
    const choices = choiceRow(question, WORDS.mos_scale.map((text, i) => [String(i + 1), text]),
      rated ? rated - 1 : null, (i) => { draft.ratings[sample] = i + 1; changed(); });
    return { players: { p: player }, choose: choices.choose, answered: () => sample in draft.ratings,
      nodes: [el("div", { class: "players" }, player.button), choices.node] };
  },
  ab(step, trial, draft, changed, question) { return pair(step, null, draft, changed, question); },
  abx(step, trial, draft, changed, question) { return pair(step, trial.x, draft, changed, question); },
  mushra(step, trial, draft, changed, question) {
    const loop = el("input", { type: "checkbox", onchange: () => {
      for (const player of Object.values(players)) player.audio.loop = loop.checked;
    } });
    const options = { resume: true, changed };
    const players = { r: new Player(trial.reference, WORDS.reference, "r", draft, options) };
    const scale = el("div", { class: "scale", "aria-hidden": "true" }, ...WORDS.mushra_scale.map((text) => el("span", {}, text)));
    const rows = step.samples.map((sample, i) => {
      const label = `${WORDS.sample} ${i + 1}`;
      const player = new Player(sample, label, i < 9 ? String(i + 1) : null, draft, options);
      players[i < 9 ? String(i + 1) : `sample ${i + 1}`] = player;
      const shown = el("output", {});
      const slider = el("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": label });
      slider.value = draft.ratings[sample] ?? MIDDLE;
      const paint = () => {
        const set = sample in draft.ratings;
        slider.classList.toggle("unset", !set);
        shown.textContent = set ? slider.value : "–";
        const step20 = Math.min(4, Math.floor(slider.value / 20));
        slider.setAttribute("aria-valuetext", set ? `${slider.value}, ${WORDS.mushra_scale[step20]}` : WORDS.not_rated);
      };
      const rate = () => { draft.ratings[sample] = Number(slider.value); paint(); changed(); };
      slider.addEventListener("input", rate);
      slider.addEventListener("pointerup", rate);
      paint();
      return el("div", { class: "row" }, player.button, slider, shown);
    });
    return { players, choose: null,
      answered: () => step.samples.every((sample) => sample in draft.ratings),
      left: el("label", { class: "loop" }, loop, " " + WORDS.loop),
      nodes: [el("p", {}, question), el("div", { class: "players" }, players.r.button),
        el("div", { class: "row head" }, scale), ...rows] };
  },
};

function pair(step, x, draft, changed, question) {
  const [a, b] = step.samples;
  const players = { a: new Player(a, "A", "a", draft, { changed }), b: new Player(b, "B", "b", draft, { changed }) };
  if (x) players.x = new Player(x, "X", "x", draft, { changed });
  let options = x ? [[a, WORDS.abx_choices[0]], [b, WORDS.abx_choices[1]]]
    : [[a, WORDS.ab_choices[0]], ["none", WORDS.ab_choices[1]], [b, WORDS.ab_choices[2]]];
  if (!TEST.no_preference) options = options.filter(([id]) => id !== "none");
  const at = options.findIndex(([id]) => id === draft.choice);
  const choices = choiceRow(question, options.map(([, text], i) => [String(i + 1), text]), at < 0 ? null : at,
    (i) => { draft.choice = options[i][0]; changed(); });
  return { players, choose: choices.choose, answered: () => draft.choice !== null,
    nodes: [el("div", { class: "players" }, ...Object.values(players).map((player) => player.button)), choices.node] };
}

function rateTrial(step) {
  const trial = TEST.trials[step.trial];
  const words = WORDS.kinds[trial.kind];
  const counted = steps.filter((other) => other.type === "trial" && !other.practice);
  const place = WORDS.trial.replace("{n}", counted.indexOf(step) + 1).replace("{total}", counted.length);
  const head = step.practice ? [el("p", {}, el("span", { class: "badge" }, WORDS.practice))]
    : [el("p", { class: "count" }, place)];
  const question = trial.kind === "mos" && QUESTION ? QUESTION : words.question;
  task(step, step.practice ? WORDS.practice_title : words.title, head, (draft, changed) => {
    const parts = KINDS[trial.kind](step, trial, draft, changed, question);
    parts.keys = keyLine(words.keys, trial.kind === "mos" ? [["space", WORDS.play.toLowerCase()]] : []);
    return parts;
  }, (draft) => {
    if (step.practice) return;
    const answer = { trial: step.trial, kind: trial.kind, samples: step.samples, plays: draft.plays, seconds: draft.seconds };
    if (trial.kind === "mos" || trial.kind === "mushra") answer.ratings = draft.ratings;
    else answer.choice = draft.choice;
    state.answers.push(answer);
  });
}

function end() {
  const comment = el("textarea", { id: "comment", rows: 4, maxlength: 4000 });
  const copy = el("textarea", { rows: 5, readonly: true, "aria-label": WORDS.copy_hint });
  const fill = () => { copy.value = JSON.stringify(results()); };
  comment.value = state.comment;
  comment.addEventListener("input", () => { state.comment = comment.value; fill(); keep(); });
  fill();
  show(WORDS.end_title, [
    ...paragraphs([WORDS.end]),
    el("label", { class: "title", for: "comment" }, WORDS.comment), comment,
    el("div", { class: "actions" }, el("span"), el("button", { type: "button", class: "main", id: "save", onclick: download }, WORDS.save)),
    el("details", { class: "note" }, el("summary", {}, WORDS.copy_hint), copy),
  ]);
}

function render() {
  const total = steps.filter((step) => step.type === "trial" && !step.practice).length;
  const bar = $("progress");
  bar.hidden = $("menu").hidden = !state;
  if (!state) return welcome();
  bar.setAttribute("aria-valuemax", total);
  bar.setAttribute("aria-valuenow", state.answers.length);
  bar.firstElementChild.style.width = `${(100 * state.answers.length) / total}%`;
  const step = steps[state.step];
  ({ check, intro, trial: rateTrial, end })[step.type](step);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !screen) return;
  const target = event.target;
  if (target.tagName === "TEXTAREA" || target.type === "text") return;
  const key = event.key.toLowerCase();
  const native = ["BUTTON", "SUMMARY"].includes(target.tagName);
  const player = screen.players[key] || (key === " " && !native && target.type !== "radio" && target.type !== "checkbox" ? screen.players.p : null);
  if (player) {
    event.preventDefault();
    if (!event.repeat) player.toggle();
    player.button.parentElement.querySelector("input[type=range]")?.focus();
  } else if (/^[1-9]$/.test(key) && screen.choose) {
    event.preventDefault();
    screen.choose(Number(key) - 1);
  } else if (key === "enter" && screen.next && !native && !event.repeat) {
    event.preventDefault();
    screen.next();
  }
});

window.addEventListener("beforeunload", (event) => { if (!stored) event.preventDefault(); });
$("save_now").addEventListener("click", download);
$("new_listener").addEventListener("click", () => {
  if (!confirm(WORDS.new_confirm)) return;
  try { localStorage.removeItem(STORE); } catch { /* nothing was kept */ }
  state = null;
  $("menu").open = false;
  render();
});

state = recall();
if (state) steps = arrange(state.listener);
render();
if (state) say(WORDS.back_to);
