// LeNet-5: a picture on its way through the network, and the gradient on its way back.
const lenet = { sample: FROZEN ? FROZEN.samples[0] : 0, backward: false, layer: 0, at: null, channel: 0 }

async function pass() {
  lenet.passed = await ask("pass", lenet.sample) ?? lenet.passed
  if (!lenet.at) lenet.at = lenet.passed.layers[lenet.layer + 1].strongest
  await look(lenet.layer, lenet.at)
}

/** Choose an element of a layer's output; in a page kept in a file, the only one that it has. */
async function look(layer, at) {
  const row = lenet.passed.layers[layer + 1]
  if (row.kind === "flatten") return
  if (FROZEN) at = row.strongest
  const unit = await ask("unit", lenet.sample, layer, ...at)
  if (!unit) return
  if (layer !== lenet.layer || at[0] !== lenet.at?.[0]) lenet.channel = 0
  Object.assign(lenet, { layer, at, unit, weight: null, taken: null })
  render()
}

async function weigh(at) {
  const row = lenet.passed.layers[lenet.layer + 1]
  if (FROZEN) at = row.steepest
  const weight = await ask("weight", lenet.sample, lenet.layer, ...at)
  if (weight) Object.assign(lenet, { weight, weightAt: at, taken: null })
  render()
}

async function take() {
  const row = lenet.passed.layers[lenet.layer + 1]
  const layer = row.steepest ? lenet.layer : 0
  const at = lenet.weightAt && lenet.weight ? lenet.weightAt : lenet.passed.layers[layer + 1].steepest
  const taken = await ask("step", lenet.sample, lenet.rate ?? DATA.rate, layer, ...at)
  if (taken && !FROZEN) await pass()
  if (taken) Object.assign(lenet, { taken, takenAt: at, takenLayer: layer })
  render()
}

const shape = values => Array.isArray(values) ? [values.length, ...shape(values[0])] : []
const place = (name, at) => say(at.length > 1 ? "place_map" : "place", { name, map: at[0], row: at[1], column: at[2] })

/** The maps of one layer, or its vector in rows. */
function layerMaps(row, index) {
  const values = lenet.backward ? row.delta : row.x, size = shape(values), most = largest(values)
  const here = index === lenet.layer && lenet.at
  const label = number => say("map_label", { name: row.name, number })
  const common = { most, grey: false }
  if (size.length === 1 || size[1] * size[2] === 1) {
    const columns = size[0] > 20 ? 20 : size[0], rows = folded(values.flat(Infinity), columns)
    const many = size.length > 1, chosen = here && [Math.floor(here[0] / columns), here[0] % columns]
    return [map(rows, chosen, (i, j) => i * columns + j < size[0] && look(index, many ? [i * columns + j, 0, 0]
      : [i * columns + j]), { ...common, size: 12, "aria-label": label(0), "data-key": `map-${index}` })]
  }
  const field = lenet.unit?.field, from = lenet.unit?.from
  return values.map((rows, d) => {
    const marked = []
    if (index === -1 && field) marked.push([field[0][0], field[1][0], field[0][1] - field[0][0],
      field[1][1] - field[1][0]])
    if (index >= 0 && index === lenet.layer - 1 && from?.length === 3 && from[0][0] <= d && d < from[0][1])
      marked.push([from[1][0], from[2][0], from[1][1] - from[1][0], from[2][1] - from[2][0]])
    const options = { ...common, marked, size: size[1] > 20 ? 3 : size[1] > 12 ? 4 : 5, "aria-label": label(d),
      "data-key": `map-${index}-${d}` }
    if (index < 0) return picture(rows, { ...options, size: 5 })
    return map(rows, here && here[0] === d ? here.slice(1) : null, (i, j) => look(index, [d, i, j]), options)
  })
}

function layers() {
  return lenet.passed.layers.map((row, i) => {
    if (row.kind === "flatten") return null
    const size = shape(row.x).join("×"), what = lenet.backward ? say("gradient_of", { name: row.name || say("input") }) : ""
    return el("section", {}, el("h3", {}, `${row.name || say("input")} `,
      el("span", { class: "soft" }, `${size} ${row.layer ?? ""} ${what}`)), el("div", { class: "maps" },
      layerMaps(row, i - 1)))
  })
}

/** The probability of each class, and the network's prediction. */
function chances() {
  const { p, predicted, loss } = lenet.passed, names = DATA.about.classes
  return el("div", { role: "status" }, el("p", { class: "result", id: "verdict" }, say("verdict",
    { name: names[predicted], share: (100 * p[predicted]).toFixed(1), loss: text(loss) })),
  el("div", { class: "chances" }, p.map((share, k) => [el("span", {}, names[k]),
    el("i", { style: `width:${100 * share}%`, "aria-hidden": "true" }), el("span", {}, `${(100 * share).toFixed(1)}%`)])))
}

function samples() {
  const shown = FROZEN ? FROZEN.samples : DATA.about.pictures.map((_, i) => i)
  return el("div", { class: "maps", role: "group", "aria-label": say("samples") }, shown.map(i => {
    const rows = DATA.about.pictures[i], size = Math.max(1, Math.round(32 / (rows?.length ?? 8)))
    const label = rows ? say("sample_label", { number: i, name: DATA.about.classes[DATA.about.labels[i]] }) : String(i)
    return choice(rows ? picture(rows, { grey: true, size, "aria-hidden": "true" }) : `${i}`, lenet.sample === i,
      () => { lenet.sample = i; lenet.at = null; pass() },
      { class: rows ? "sample" : "", "aria-label": label, "data-key": `sample-${i}` })
  }))
}

function unitShown() {
  const row = lenet.passed.layers[lenet.layer + 1], { unit, at } = lenet, kind = row.kind
  const head = [el("h2", {}, place(row.name, at)), equation(kind)]
  if (kind === "activation") return [...head, el("p", { class: "result", id: "sum" }, say("activation",
    { z: text(unit.o.flat(Infinity)[0]), x: text(unit.x), slope: text(unit.w.flat(Infinity)[0]) })), deltaShown(unit, row)]
  const flat = kind === "dense" || kind === "rbf"
  const channels = flat ? 1 : unit.o.length, c = Math.min(lenet.channel, channels - 1)
  const rows = values => flat ? folded(values, 6) : values[c]
  const pick = channels > 1 ? el("label", {}, say("channel") + " ", el("select", { "data-key": "channel",
    change: event => { lenet.channel = Number(event.target.value); lenet.weight = null; render() } },
  unit.o.map((_, k) => el("option", { value: k, selected: k === c }, say("channel_sum",
    { k, sum: brief(unit.products[k].flat().reduce((a, b) => a + b)) }))))) : null
  const click = row.steepest && ((i, j) => weigh({ dense: [at[0], i * 6 + j], subsample: [at[0]] }[kind] ?? [at[0], c, i, j]))
  const of = lenet.weight && lenet.weightAt
  const chosen = of && of[0] === at[0] && (kind === "dense" ? [Math.floor(of[1] / 6), of[1] % 6] : of[1] === c && of.slice(2))
  return [...head, pick, table(rows(unit.o), say("reads")),
    table(rows(unit.w), kind === "rbf" ? say("code") : row.steepest ? say("kernel") : say("slopes"), { click, chosen: chosen || undefined }),
    table(rows(unit.products), kind === "rbf" ? say("squares") : say("products")),
    el("p", { class: "result", id: "sum" }, say("sum", { count: unit.products.flat(Infinity).length,
      bias: text(unit.bias), sum: text(unit.sum), x: text(unit.x) })), deltaShown(unit, row)]
}

function deltaShown(unit, row) {
  if (!lenet.backward) return null
  const key = { conv: "conv_delta", dense: "dense_delta" }[row.kind]
  return el("div", {}, el("p", { class: "result" }, say("delta", { value: text(unit.delta) })), key ? equation(key) : null)
}

function weightShown() {
  const { weight, weightAt } = lenet, row = lenet.passed.layers[lenet.layer + 1]
  if (!weight) return row.steepest ? [el("p", { class: "soft" }, say("click_weight"),
    " ", el("button", { type: "button", "data-key": "steepest", click: () => weigh(row.steepest) }, say("steepest")))] : []
  const many = weight.delta.length > 1, size = Math.max(4, Math.floor(112 / weight.delta.length))
  const pictures = many ? el("div", { class: "maps" }, ["delta", "o", "products"].map(key => el("figure", {},
    el("figcaption", {}, say("sum_" + key)), picture(weight[key], { size, "aria-label": say("sum_" + key) })))) : null
  const terms = weight.products.flatMap((row, i) => row.map((product, j) => [product, i, j]))
    .sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 5)
  return [el("h2", {}, say("weight", { index: weightAt.join(", "), value: text(weight.w) })),
    equation(row.kind + "_weight"), pictures, el("p", { class: "soft" }, say("largest_terms", { count: weight.products.flat().length })),
    ...terms.map(([product, i, j]) => el("p", { class: "result" }, `${many ? `(${i}, ${j}): ` : ""}δ ${text(weight.delta[i][j])} × o ${text(weight.o[i][j])} = ${text(product)}`)),
    el("p", { class: "result", id: "gradient" }, say("gradient", { sum: text(weight.sum), gradient: text(weight.gradient),
      difference: text(weight.difference) }))]
}

function stepShown() {
  const { taken } = lenet
  const reset = async () => { await ask("reset"); lenet.taken = null; pass() }
  return [el("h2", {}, say("step")), equation("step"), el("div", { class: "row" },
    FROZEN ? null : field(say("rate"), lenet.rate ?? DATA.rate, value => { lenet.rate = value }, { min: 0, max: 10, "data-key": "rate" }),
    el("button", { type: "button", click: take, "data-key": "take" }, say("take")),
    FROZEN ? null : el("button", { type: "button", click: reset, "data-key": "reset" }, say("reset"))),
  ...(taken ? [el("p", { class: "result", id: "stepped", role: "status" }, say("stepped", { before: text(taken.loss[0]), after: text(taken.loss[1]),
    p: (100 * taken.p[0]).toFixed(2), q: (100 * taken.p[1]).toFixed(2), index: `${lenet.passed.layers[lenet.takenLayer + 1].name} (${lenet.takenAt.join(", ")})`, w: text(taken.weight[0]), v: text(taken.weight[1]) })),
  ...["before", "after"].map((when, i) => table(Array.isArray(taken.kernel[i][0]) ? taken.kernel[i] : folded(taken.kernel[i], 6), say("kernel_" + when)))] : [])]
}

TABS.lenet = {
  begin: async () => lenet.passed || pass(),
  show: () => [el("p", {}, say("lenet")), samples(), FROZEN ? null : drawing(), chances(),
    el("div", { class: "row", role: "group", "aria-label": say("direction") },
      choice(say("forward"), !lenet.backward, () => { lenet.backward = false; render() }, { "data-key": "forward" }),
      choice(say("backward"), lenet.backward, () => { lenet.backward = true; render() }, { "data-key": "backward" }),
      el("span", { class: "soft" }, say("colours"))),
    el("div", { class: "columns" }, el("div", {}, layers()),
      el("div", { class: "detail", tabindex: -1, "aria-live": "polite" }, unitShown(), weightShown(), stepShown()))].filter(Boolean),
}
