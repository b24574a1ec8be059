// A recurrent network of two units, unrolled through time, and the norm of the gradient on its way back.
const rnn = { scale: 1, edits: {}, step: 0, now: null }

async function unroll() {
  rnn.now = await ask("rnn", rnn.scale, rnn.edits) ?? rnn.now
  render()
}

function unrolled() {
  const { now } = rnn, width = 96, parts = [], most = Math.max(...now.norms)
  const logs = now.norms.map(norm => Math.log10(norm || 1e-300)), top = Math.ceil(Math.max(...logs)), low = Math.min(top - 1, Math.floor(Math.min(...logs)))
  now.h.forEach((h, t) => {
    const x = 60 + t * width, choose = () => { rnn.step = t; render() }
    if (t) parts.push(el("path", { d: `M${x - width + 34} 60 H${x - 34} m-8 -5 l8 5 l-8 5`, fill: "none", stroke: "currentColor" }))
    parts.push(el("path", { d: `M${x} 124 V100 m-5 8 l5 -8 l5 8`, fill: "none", stroke: "currentColor" }))
    h.forEach((value, i) => {
      const shade = colour(value, 1)
      parts.push(el("rect", { x: x - 34, y: 22 + 39 * i, width: 68, height: 37, fill: `rgb(${shade})`, class: rnn.step === t ? "chosen" : "", "stroke-width": 3, stroke: "#888" }),
        el("text", { x, y: 46 + 39 * i, style: `stroke:none;fill:${inkOn(shade)}` }, brief(value)))
    })
    const height = 6 + 94 * (logs[t] - low) / (top - low)
    parts.push(el("text", { x, y: 140 }, `x ${brief(now.x[t])}`), el("text", { x, y: 16 }, `h${t + 1}`),
      el("rect", { x: x - 20, y: 290 - height, width: 40, height, fill: now.norms[t] === most ? "#cc5500" : "#2166ac" }),
      el("text", { x, y: 282 - height }, brief(now.norms[t])), el("text", { x, y: 308 }, `t = ${t + 1}`),
      el("rect", { x: x - 44, y: 2, width: 88, height: 310, fill: "transparent", "data-key": `t-${t}`, ...drawnChoice(rnn.step === t, choose),
        "aria-label": say("step_label", { t: t + 1, h: h.map(text).join(", "), norm: text(now.norms[t]) }) }))
  })
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("unrolled") },
    el("svg", { viewBox: "0 0 800 320", role: "group", "aria-label": say("unrolled"), style: "min-width: 40rem" }, parts),
    el("p", { class: "soft" }, say("norms")))
}

function stepOfTime() {
  const { now, step: t } = rnn, h = now.h[t], before = t ? now.h[t - 1] : [0, 0], { W_x, W_h, b } = now.params
  const sum = i => `tanh(${text(W_x[i][0])} × ${text(now.x[t])} + ${text(W_h[i][0])} × ${text(before[0])} + ${text(W_h[i][1])} × ${text(before[1])} + ${text(b[i])}) = ${text(h[i])}`
  return el("div", { class: "detail", tabindex: -1, "aria-live": "polite" }, el("h2", {}, `t = ${t + 1}`), equation("rnn"),
    h.map((_, i) => el("p", { class: "result" }, `h${i + 1} = ${sum(i)}`)), equation("rnn_delta"),
    el("p", { class: "result", id: "deltas" }, `∂E/∂h = (${now.dh[t].map(text).join(", ")}), δ = (${now.delta[t].map(text).join(", ")})`),
    equation("rnn_weight"), table(now.grads.W_h, say("sum_over_time")),
    el("p", { class: "result", id: "rnn-loss" }, `E = ½ |h${now.h.length} − (${now.target.map(text).join(", ")})|² = ${text(now.loss)}`),
    FROZEN ? null : [el("h3", {}, say("weights")), Object.entries({ W_x, W_h, b }).map(([name, rows]) => el("div", { class: "row" },
      rows.flatMap((row, i) => [row].flat().map((value, j) => field(name === "b" ? `b ${i + 1}` : `${name} ${i + 1},${j + 1}`,
        name === "W_h" ? Number((value / (rnn.scale || 1)).toPrecision(6)) : value, entered => {
          rnn.edits = { ...rnn.edits, [name === "b" ? `b.${i}` : `${name}.${i}.${j}`]: entered }
          unroll()
        }, { "data-key": `${name}-${i}-${j}` }))))), field(`x ${t + 1}`, now.x[t], entered => { rnn.edits = { ...rnn.edits, [`x.${t}.0`]: entered }; unroll() }, { "data-key": "x-edit" }),
    el("button", { type: "button", "data-key": "reset", click: () => { rnn.edits = {}; rnn.scale = 1; unroll() } }, say("reset"))])
}

TABS.rnn = {
  begin: async () => rnn.now || unroll(),
  show: () => rnn.now ? [el("p", {}, say("rnn")), el("div", { class: "row", role: "group", "aria-label": say("scale") }, say("scale"),
    DATA.scales.map(scale => choice(`× ${scale}`, rnn.scale === scale, () => { rnn.scale = scale; unroll() }, { "data-key": `scale-${scale}` }))),
  el("div", { class: "columns" }, unrolled(), stepOfTime())] : [],
}
