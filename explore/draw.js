// A digit drawn by mouse, finger or keys, then scaled to the size of the network's pictures.
const PAD = 160, strokes = []
let label = null, cursor = [PAD / 2, PAD / 2], penDown = false

function drawing() {
  const pad = el("canvas", { width: PAD, height: PAD, class: "pad", tabindex: 0, role: "application",
    "aria-label": say("pad"), "data-key": "pad" })
  const at = event => [event.offsetX * PAD / pad.clientWidth, event.offsetY * PAD / pad.clientHeight]
  pad.addEventListener("pointerdown", event => {
    pad.setPointerCapture(event.pointerId)
    strokes.push([at(event)])
    ink(pad)
  })
  pad.addEventListener("pointermove", event => {
    if (!pad.hasPointerCapture(event.pointerId)) return
    strokes.at(-1).push(at(event))
    ink(pad)
  })
  pad.addEventListener("pointerup", () => classify())
  pad.addEventListener("keydown", event => {
    const move = { ArrowUp: [0, -8], ArrowDown: [0, 8], ArrowLeft: [-8, 0], ArrowRight: [8, 0] }[event.key]
    if (event.key === " ") {
      penDown = !penDown
      if (penDown) strokes.push([[...cursor]])
      else classify()
    } else if (move) {
      cursor = cursor.map((value, axis) => Math.max(4, Math.min(PAD - 4, value + move[axis])))
      if (penDown) strokes.at(-1).push([...cursor])
    } else return
    event.preventDefault()
    ink(pad)
  })
  ink(pad)
  const names = DATA.about.classes
  return el("details", { open: strokes.length > 0 || lenet.drawing, toggle: event => { lenet.drawing = event.target.open } },
    el("summary", {}, say("draw")), el("div", { class: "row" }, pad, el("div", {},
      el("p", { class: "soft" }, say("keys")),
      el("button", { type: "button", click: () => { strokes.length = 0; penDown = false; render() }, "data-key": "clear" }, say("clear")), " ",
      el("label", {}, say("should_be") + " ", el("select", { "data-key": "label",
        change: event => { label = event.target.value === "" ? null : Number(event.target.value); classify() } },
      el("option", { value: "" }, say("as_taken")),
      names.map((name, k) => el("option", { value: k, selected: k === label }, name)))))))
}

/** The strokes as they are drawn, and the cursor of the keys. */
function ink(pad) {
  const pen = pad.getContext("2d")
  pen.clearRect(0, 0, PAD, PAD)
  trace(pen, strokes, PAD / 9)
  pen.strokeStyle = penDown ? "#e66100" : "#888"
  pen.lineWidth = 2
  if (document.activeElement === pad) pen.strokeRect(cursor[0] - 4, cursor[1] - 4, 8, 8)
}

function trace(pen, lines, width) {
  pen.strokeStyle = "#fff"
  pen.lineWidth = width
  pen.lineCap = pen.lineJoin = "round"
  for (const line of lines) {
    pen.beginPath()
    pen.moveTo(...line[0])
    for (const point of line.length > 1 ? line : [line[0], line[0]]) pen.lineTo(...point)
    pen.stroke()
  }
}

/** The drawing as pixels, centred and scaled to the height of the pictures' ink; each pixel is the mean of its area. */
function pixels(lines) {
  const [, H, W] = DATA.about.shape, fine = 8, canvas = el("canvas", { width: W * fine, height: H * fine })
  const width = H * fine * DATA.about.ink / 8, room = H * fine * DATA.about.ink - width
  const xs = lines.flat().map(point => point[0]), ys = lines.flat().map(point => point[1])
  const [left, top] = [Math.min(...xs), Math.min(...ys)], [w, h] = [Math.max(...xs) - left, Math.max(...ys) - top]
  const scale = room / Math.max(h, w, 1)
  const fitted = lines.map(line => line.map(([x, y]) => [(x - left - w / 2) * scale + W * fine / 2,
    (y - top - h / 2) * scale + H * fine / 2]))
  const pen = canvas.getContext("2d", { willReadFrequently: true })
  trace(pen, fitted, width)
  const data = pen.getImageData(0, 0, W * fine, H * fine).data
  return Array.from({ length: H }, (_, i) => Array.from({ length: W }, (_, j) => {
    let sum = 0
    for (let y = 0; y < fine; y++) for (let x = 0; x < fine; x++) sum += data[4 * ((i * fine + y) * W * fine + j * fine + x) + 3]
    return Math.round(sum / fine ** 2)
  }))
}

/** The drawing becomes the sample; its label, unless the user gives one, is the network's own prediction. */
async function classify() {
  if (!strokes.length) return
  lenet.at = null
  lenet.sample = { pixels: pixels(strokes), label: label ?? 0 }
  if (label === null) {
    const seen = await ask("pass", lenet.sample)
    if (!seen) return
    lenet.sample.label = seen.predicted
  }
  await pass()
}
