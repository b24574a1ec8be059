// Arrays as pictures and as tables. Blue is below 0, orange above: colour-blind people can tell them apart, too.
const BLUE = [33, 102, 172], ORANGE = [204, 85, 0]

/** The colour of a value, where `most` is the largest absolute value; 0 is white. */
function colour(value, most) {
  const share = most ? Math.min(1, Math.abs(value) / most) : 0, end = value < 0 ? BLUE : ORANGE
  return end.map(channel => Math.round(255 + (channel - 255) * share))
}
/** The ink that is legible on a colour. */
const inkOn = ([red, green, blue]) => red * .3 + green * .59 + blue * .11 < 140 ? "#fff" : "#111"
const largest = values => values.flat(Infinity).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** Rows of values on a canvas, grey from 0 to 255 or in colours; `marked` is [row, column, rows, columns, colour]. */
function picture(rows, { grey = false, most = largest(rows), size = 4, marked = [], ...attributes } = {}) {
  const H = rows.length, W = rows[0].length
  const canvas = el("canvas", { width: W * size, height: H * size, role: "img", ...attributes })
  const pen = canvas.getContext("2d")
  rows.forEach((row, i) => row.forEach((value, j) => {
    pen.fillStyle = `rgb(${grey ? [value, value, value] : colour(value, most)})`
    pen.fillRect(j * size, i * size, size, size)
  }))
  for (const [i, j, rows, columns, stroke = "#d81b60"] of marked) {
    pen.strokeStyle = stroke
    pen.lineWidth = 2
    pen.strokeRect(j * size + 1, i * size + 1, columns * size - 2, rows * size - 2)
  }
  return canvas
}

/** A picture of which one element can be chosen, by a click or by arrow keys. */
function map(rows, chosen, choose, options) {
  const H = rows.length, W = rows[0].length, size = options.size ?? 4
  const canvas = picture(rows, { ...options, role: "application", class: "map", tabindex: 0,
    marked: [...(options.marked ?? []), ...(chosen ? [[chosen[0], chosen[1], 1, 1]] : [])] })
  const at = (i, j) => choose(Math.max(0, Math.min(H - 1, i)), Math.max(0, Math.min(W - 1, j)))
  canvas.addEventListener("click", async event => {
    canvas.focus({ preventScroll: true })
    await at(Math.floor(event.offsetY / size), Math.floor(event.offsetX / size))
    reveal()
  })
  canvas.addEventListener("keydown", event => {
    const [i, j] = chosen ?? [0, 0], moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
      ArrowRight: [0, 1], Enter: [0, 0], " ": [0, 0] }
    if (!moves[event.key]) return
    event.preventDefault()
    at(i + moves[event.key][0], j + moves[event.key][1])
  })
  return canvas
}

/** Rows of values as a table; `click` makes each a button. */
function table(rows, caption, { most = largest(rows), chosen, click } = {}) {
  const cell = (value, i, j) => {
    const shade = colour(value, most)
    return el("td", { style: `background:rgb(${shade});color:${inkOn(shade)}`, title: text(value),
      "data-chosen": chosen && chosen[0] === i && chosen[1] === j },
    click ? el("button", { type: "button", "data-key": `cell-${i}-${j}`, click: () => click(i, j) }, brief(value))
      : brief(value))
  }
  return el("figure", {}, el("figcaption", {}, caption),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, el("table", { "aria-label": caption },
      rows.map((row, i) => el("tr", {}, row.map((value, j) => cell(value, i, j)))))))
}

/** A vector in rows of a given length. */
function folded(values, columns) {
  const rows = []
  for (let i = 0; i < values.length; i += columns) rows.push(values.slice(i, i + columns))
  return rows
}
