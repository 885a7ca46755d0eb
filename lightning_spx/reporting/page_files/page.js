"use strict";
const { gallery, colors } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
document.documentElement.classList.add("scripted");

/* ---- numbers: one table at a time, sortable, controls on demand ---- */

function showTable() {
  for (const box of document.querySelectorAll(".table")) {
    box.classList.toggle("shown", box.dataset.number === byId("number").value);
  }
}

function showControls() {
  for (const row of document.querySelectorAll("tr.control")) row.classList.toggle("hidden", !byId("controls").checked);
}

function compare(first, second) {
  const [a, b] = [first, second].map((text) => (text === "" ? NaN : Number(text.replace("inf", "Infinity"))));
  if (Number.isNaN(a) || Number.isNaN(b)) return first.localeCompare(second);
  return a - b;
}

function sortBy(heading) {
  const column = [...heading.parentElement.children].indexOf(heading);
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = heading.closest("table").tBodies[0];
  const key = (row) => row.children[column].dataset.sort;
  const rows = [...body.rows].sort((a, b) => {
    // what is missing stays last in both directions
    const missing = (key(a) === "inf") - (key(b) === "inf");
    return missing || (descending ? -1 : 1) * compare(key(a), key(b));
  });
  body.append(...rows);
}

function prepareTables() {
  if (!byId("number")) return;
  for (const heading of document.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(heading));
    heading.append(button);
  }
  byId("number").addEventListener("change", showTable);
  byId("controls").addEventListener("change", showControls);
  showTable();
  showControls();
}

/* ---- gallery: a photo, and the maps of all models beside it ---- */

const PIXEL = "pixel";
const ALL = "all models";
let photo = 0;
let cursor = null; // where the keyboard is, in pixels of the photo
const decoded = new Map();

/* Pixels of a PNG in a data address: {width, height, data}. */
function pixelsOf(address) {
  if (!decoded.has(address)) {
    const picture = new Image();
    decoded.set(address, new Promise((resolve) => {
      picture.onload = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(picture, 0, 0);
        resolve(context.getImageData(0, 0, canvas.width, canvas.height));
      };
    }));
    picture.src = address;
  }
  return decoded.get(address);
}

const palette = colors.map((hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16)));
const segmentOf = (ids, place) => ids.data[4 * place] + 256 * ids.data[4 * place + 1];

function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map((text) => new Option(text, text)));
  if (options.includes(before)) select.value = before;
}

/* The choices that exist depend on one another: not every method has two orders. */
function updateChoices() {
  const pooled = gallery.pooled[byId("method").value] || {};
  fill(byId("partition"), [PIXEL, ...Object.keys(pooled)]);
  const orders = Object.keys(pooled[byId("partition").value] || {});
  fill(byId("order"), orders);
  byId("order").disabled = orders.length < 2;
}

/* What a model's map is at each pixel: a function from a place to its segment (or null) and its value. */
async function readMap(model) {
  const [method, partition, order] = ["method", "partition", "order"].map((id) => byId(id).value);
  if (partition === PIXEL) {
    const map = await pixelsOf(gallery.pixel[method][model][photo]);
    return { ids: null, at: (place) => ({ segment: null, value: map.data[4 * place] / 255 }) };
  }
  const ids = await pixelsOf(gallery.segments[partition][photo]);
  const values = gallery.pooled[method][partition][order][model][photo];
  return { ids, at: (place) => ({ segment: segmentOf(ids, place), value: values[segmentOf(ids, place)] }) };
}

function paint(canvas, picture, map) {
  const { width, height } = picture;
  const factor = Math.max(1, Math.floor(320 / Math.max(width, height)));
  [canvas.width, canvas.height] = [width * factor, height * factor];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const share = map ? byId("opacity").value / 100 : 0;
  for (let place = 0; place < width * height; place++) {
    const color = map ? palette[Math.round(255 * map.at(place).value)] : [0, 0, 0];
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * place + channel] = share * color[channel] + (1 - share) * picture.data[4 * place + channel];
    }
    image.data[4 * place + 3] = 255;
  }
  const small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  if (byId("borders").checked && map && map.ids) drawBorders(context, map.ids, width, height, factor);
}

function drawBorders(context, ids, width, height, factor) {
  context.fillStyle = "#ffd900";
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const own = segmentOf(ids, y * width + x);
      if (x + 1 < width && segmentOf(ids, y * width + x + 1) !== own) context.fillRect((x + 1) * factor - 1, y * factor, 1, factor);
      if (y + 1 < height && segmentOf(ids, (y + 1) * width + x) !== own) context.fillRect(x * factor, (y + 1) * factor - 1, factor, 1);
    }
  }
}

/* Say what all models have at a place of the photo. */
function readOut(place, shown) {
  const first = shown[0].map;
  const { segment } = first.at(place);
  let text = "one pixel";
  if (segment !== null) {
    let size = 0;
    for (let other = 0; other < first.ids.data.length / 4; other++) size += segmentOf(first.ids, other) === segment;
    text = `segment ${segment} (${size} pixels)`;
  }
  const values = shown.map(({ name, map }) => `${name} ${map.at(place).value.toFixed(2)}`);
  byId("readout").textContent = `${text}: ${values.join(", ")}`;
}

function follow(canvas, picture, shown) {
  const { width, height } = picture;
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.min(width - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * width)));
    const y = Math.min(height - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * height)));
    cursor = [x, y];
    readOut(y * width + x, shown);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [x, y] = cursor || [Math.floor(width / 2), Math.floor(height / 2)];
    cursor = [Math.min(width - 1, Math.max(0, x + step[0])), Math.min(height - 1, Math.max(0, y + step[1]))];
    readOut(cursor[1] * width + cursor[0], shown);
  });
}

function figureOf(canvas, caption) {
  const figure = document.createElement("figure");
  const text = document.createElement("figcaption");
  text.textContent = caption;
  figure.append(canvas, text);
  return figure;
}

let latest = 0;
async function draw() {
  const turn = ++latest;
  const picture = await pixelsOf(gallery.photos[photo]);
  const wanted = byId("model").value;
  const models = gallery.models.map((name, model) => ({ name, model })).filter(({ name }) => wanted === ALL || name === wanted);
  const shown = await Promise.all(models.map(async ({ name, model }) => ({ name, map: await readMap(model) })));
  if (turn !== latest) return; // another choice was made while the pictures were decoded
  const plain = document.createElement("canvas");
  paint(plain, picture, null);
  const figures = [figureOf(plain, "photo")];
  for (const { name, map } of shown) {
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `map of ${name}`);
    paint(canvas, picture, map);
    follow(canvas, picture, shown);
    figures.push(figureOf(canvas, name));
  }
  follow(plain, picture, shown);
  byId("maps").replaceChildren(...figures);
  byId("maps").dataset.drawn = String(turn);
}

function prepareThumbnails() {
  const buttons = gallery.photos.map((address, position) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `photo ${position + 1}`);
    const picture = document.createElement("img");
    picture.src = address;
    picture.alt = "";
    button.append(picture);
    button.addEventListener("click", () => choosePhoto(position, buttons));
    return button;
  });
  byId("thumbnails").append(...buttons);
  choosePhoto(0, buttons);
}

function choosePhoto(position, buttons) {
  photo = position;
  buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === position)));
  draw();
}

function prepareGallery() {
  if (!gallery) return;
  fill(byId("method"), Object.keys(gallery.pixel));
  fill(byId("model"), [ALL, ...gallery.models]);
  updateChoices();
  const partitions = byId("partition").options;
  if (partitions.length > 1) byId("partition").selectedIndex = 1;
  updateChoices();
  for (const id of ["method", "partition", "order", "model"]) {
    byId(id).addEventListener("change", () => { updateChoices(); draw(); });
  }
  for (const id of ["opacity", "borders"]) byId(id).addEventListener("input", draw);
  const scale = byId("scale").getContext("2d");
  colors.forEach((color, place) => { scale.fillStyle = color; scale.fillRect(place, 0, 1, 1); });
  prepareThumbnails();
}

prepareTables();
prepareGallery();
