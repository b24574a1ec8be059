// The document's network of 2, 4 and 1 neurons: each weight's value on its edge.
const small = { sample: 0, steps: 0, edits: {}, backward: false, chosen: ["W2", 0, 0] }

async function computed() {
  small.now = await ask("network", small.sample, small.steps, small.edits) ?? small.now
  render()
}

const valueAt = ([name, ...at], of) => at.reduce((array, i) => array[i], of[name])

function drawn() {
  const { now, backward } = small, parts = [], X = [70, 400, 690], from = [[110, 290], [50, 150, 250, 350], [200]]
  const values = backward ? now.grads : now.params
  const most = { W2: largest(values.W2), W3: largest(values.W3) }
  const edge = (name, i, j, x1, y1, x2, y2, share) => {
    const value = valueAt([name, i, j], values), key = `${name}-${i}-${j}`
    const chosen = String(small.chosen) === String([name, i, j])
    const choose = () => { small.chosen = [name, i, j]; render() }
    const [red, green, blue] = value < 0 ? BLUE : ORANGE
    return [el("line", { x1, y1, x2, y2, stroke: `rgb(${red},${green},${blue})`, "stroke-width": 1 + 4 * Math.abs(value) / (most[name] || 1),
      "stroke-dasharray": value < 0 ? "7 4" : undefined, class: chosen ? "chosen" : "" }),
    el("text", { x: x1 + (x2 - x1) * share, y: y1 + (y2 - y1) * share + 4, "data-key": key, ...drawnChoice(chosen, choose),
      "aria-label": `${name} ${i},${j}: ${text(value)}` }, brief(value))]
  }
  const lines = [], labels = []
  const add = ([line, label]) => { lines.push(line); labels.push(label) }
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 2; j++) add(edge("W2", i, j, X[0], from[0][j], X[1], from[1][i], j ? .66 : .38))
    add(edge("W3", 0, i, X[1], from[1][i], X[2], 200, .55))
  }
  const node = (x, y, ...words) => parts.push(el("circle", { cx: x, cy: y, r: 45, class: "node" }),
    ...words.map((word, k) => el("text", { x, y: y + 5 + (k - (words.length - 1) / 2) * 16, class: "inside" }, word)))
  now.x.forEach((x, j) => node(X[0], from[0][j], `x${j + 1}`, brief(x)))
  const neuron = (x, y, l, i) => node(x, y, ...(backward ? [`δ ${brief(now["delta" + l][i])}`, `∂b ${brief(now.grads["b" + l][i])}`]
    : [`b ${brief(now.params["b" + l][i])}`, `z ${brief(now["z" + l][i])}`, `a ${brief(now["a" + l][i])}`]))
  for (let i = 0; i < 4; i++) neuron(X[1], from[1][i], 2, i)
  neuron(X[2], 200, 3, 0)
  parts.push(el("text", { x: X[2], y: 270 }, `y ${brief(now.y[0])}`), el("text", { x: X[2], y: 290 }, `E ${brief(now.loss)}`))
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("diagram") },
    el("svg", { viewBox: "0 0 770 400", role: "group", "aria-label": say("diagram"), style: "min-width: 36rem" }, lines, parts, labels))
}

function chosenWeight() {
  const { now, chosen } = small, [name, i, j] = chosen, l = name[1]
  const w = valueAt(chosen, now.params), g = valueAt(chosen, now.grads), next = valueAt(chosen, now.next)
  const a = l === "2" ? now.x[j] : now.a2[j], delta = now["delta" + l][i]
  const inputs = l === "2" ? now.x : now.a2
  const forward = inputs.map((o, k) => `${text(valueAt([name, i, k], now.params))} × ${text(o)}`).join(" + ")
  const out = el("div", { class: "detail", tabindex: -1, "aria-live": "polite" }, el("h2", {}, say("edge", { name, i: i + 1, j: j + 1, value: text(w) })))
  if (!small.backward) out.append(equation("dense"), el("p", { class: "result", id: "state" },
    `z = ${forward} + ${text(now.params["b" + l][i])} = ${text(now["z" + l][i])}`))
  else {
    out.append(equation(l === "3" ? "output_delta" : "dense_delta"))
    const slope = now["z" + l][i] > 0 ? 1 : .01
    out.append(el("p", { class: "result" }, l === "3"
      ? `δ = −(${text(now.y[0])} − ${text(now.a3[0])}) × ${slope} = ${text(delta)}`
      : `δ = ${text(now.delta3[0])} × ${text(now.params.W3[0][i])} × ${slope} = ${text(delta)}`),
    equation("dense_weight"), el("p", { class: "result", id: "state" }, `∂E/∂w = ${text(delta)} × ${text(a)} = ${text(g)}`))
  }
  out.append(equation("step"), el("p", { class: "result" }, `${text(w)} − 0.1 × ${text(g)} = ${text(next)}`),
    el("p", { class: "result", id: "losses" }, say("losses", { before: text(now.loss), after: text(now.next_loss) })))
  if (!FROZEN) out.append(field(say("edit"), w, value => { small.edits = { ...small.edits, [chosen.join(".")]: value }; small.steps = 0; computed() }, { "data-key": "edit" }))
  return out
}

TABS.network = {
  begin: async () => small.now || computed(),
  show: () => small.now ? [el("p", {}, say("network")),
    el("div", { class: "row", role: "group", "aria-label": say("samples") }, [[1, 1], [1, 0], [0, 1], [1, .5], [1.5, .5]].map((x, i) =>
      choice(`(${x.join(", ")})`, small.sample === i, () => { small.sample = i; small.steps = 0; computed() }, { "data-key": `x-${i}` }))),
    el("div", { class: "row", role: "group", "aria-label": say("direction") },
      choice(say("forward"), !small.backward, () => { small.backward = false; render() }, { "data-key": "forward" }),
      choice(say("backward"), small.backward, () => { small.backward = true; render() }, { "data-key": "backward" }),
      el("button", { type: "button", "data-key": "take", disabled: Boolean(FROZEN) && small.steps >= 5, click: () => { small.steps++; computed() } }, say("take")),
      el("button", { type: "button", "data-key": "reset", click: () => { small.steps = 0; small.edits = {}; computed() } }, say("reset")),
      el("span", { role: "status", id: "steps" }, say("steps", { steps: small.steps, loss: text(small.now.loss) }))),
    el("p", { class: "soft" }, say("lines")), el("div", { class: "columns" }, drawn(), chosenWeight())] : [],
}
