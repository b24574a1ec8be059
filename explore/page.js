"use strict"
// Helpers of every tab: the page's data, questions to the library, texts, elements.
const DATA = JSON.parse(document.getElementById("data").textContent)
const FROZEN = DATA.frozen
let language = DATA.language, tab = "lenet"
const TABS = {}

/** The library's answer to a question, or in a page kept in a file the stored answer; null if there is none. */
async function ask(...question) {
  const text = JSON.stringify(question)
  if (FROZEN) return FROZEN.answers[text] ?? null
  const headers = { "Content-Type": "application/json", "Accept-Language": language }
  const response = await fetch("ask", { method: "POST", body: text, headers })
    .catch(() => null)
  const answer = response && await response.json().catch(() => null)
  const failed = !response ? say("gone") : !response.ok ? answer?.error ?? String(response.status) : ""
  const box = document.getElementById("error")
  box.hidden = !failed
  box.textContent = failed
  return failed ? null : answer
}

/** A text of words.toml in the page's language, {names} filled in. */
function say(key, values = {}) {
  return DATA.words[key][language].replace(/\{(\w+)\}/g, (_, name) => values[name])
}

/** An element with attributes, listeners (functions) and children. */
function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "circle", "text", "rect", "path"].includes(tag)
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag)
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value)
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value)
  }
  made.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined))
  return made
}

/** Six significant digits, as the library rounded them. */
const text = value => Number(value.toPrecision(6)).toString().replace("-", "−")
/** Four significant digits, for many values side by side. */
const brief = value => Math.abs(value) > 0 && Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5
  ? value.toExponential(1).replace(/-/g, "−") : Number(value.toPrecision(3)).toString().replace("-", "−")

/** The equation of the shown value, its number in docs/equations.md, and its line of code. */
function equation(key) {
  const { number, html, place, line } = DATA.equations[key]
  const formula = el("div", { class: "formula" })
  formula.innerHTML = html
  return el("div", { class: "equation" }, formula,
    el("div", { class: "soft" }, [number, place].filter(Boolean).join(" · ")), el("code", {}, line))
}

/** A button that shows whether it is the chosen one of several. */
function choice(label, chosen, click, more = {}) {
  return el("button", { type: "button", "aria-pressed": String(chosen), click, ...more }, label)
}

/** The attributes that make a drawn element such a button. */
function drawnChoice(chosen, choose) {
  return { role: "button", tabindex: 0, "aria-pressed": String(chosen), click: () => { choose(); reveal() },
    keydown: event => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), choose()) }
}

/** A labelled field for a number; told is called with the entered value. */
function field(label, value, told, more = {}) {
  return el("label", {}, label + " ", el("input", { type: "number", step: "any", value, class: "number", ...more,
    change: event => Number.isFinite(event.target.valueAsNumber) && told(event.target.valueAsNumber) }))
}

/** Redraw the tab; the focus returns to its element, or if that is gone, to the details that replaced it. */
function render() {
  const key = document.activeElement?.dataset?.key
  document.documentElement.lang = language === "zh" ? "zh-CN" : language
  document.title = say("title")
  const other = language === "en" ? "zh" : "en"
  document.getElementById("language").textContent = { en: "English", zh: "中文" }[other]
  document.getElementById("tabs").replaceChildren(...Object.keys(TABS).map(name => el("button", {
    type: "button", role: "tab", id: "tab-" + name, "aria-selected": String(name === tab), "aria-controls": "main",
    click: () => open(name), "data-key": "tab-" + name }, say("tab_" + name))))
  const note = document.getElementById("note")
  note.hidden = !FROZEN
  note.textContent = say("frozen")
  const main = document.getElementById("main")
  main.setAttribute("aria-labelledby", "tab-" + tab)
  const kept = document.querySelector(".detail")?.scrollTop
  main.replaceChildren(...TABS[tab].show())
  if (kept) document.querySelector(".detail").scrollTop = kept
  if (key) (document.querySelector(`[data-key="${key}"]`) ?? document.querySelector(".detail"))?.focus({ preventScroll: true })
}

/** On a narrow screen, where the details are below, scroll them into view after a click, but not after a key. */
function reveal() {
  const detail = document.querySelector(".detail")
  if (detail && detail.getBoundingClientRect().top > 0.8 * innerHeight) detail.scrollIntoView()
}

async function open(name) {
  tab = name
  await TABS[name].begin()
  render()
}

function start() {
  document.getElementById("language").addEventListener("click", () => {
    language = language === "en" ? "zh" : "en"
    render()
  })
  document.getElementById("tabs").addEventListener("keydown", event => {
    const names = Object.keys(TABS), move = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (move) open(names[(names.indexOf(tab) + move + names.length) % names.length])
      .then(() => document.getElementById("tab-" + tab).focus())
  })
  open(tab)
}
