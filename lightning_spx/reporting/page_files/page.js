"use strict";
const { gallery, colors } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
document.documentElement.classList.add("scripted");

/* ---- numbers: one table at a time, sortable, controls on demand ---- */

function showTable() {
  for (const box of document.querySelectorAll("#others .table")) {
    box.classList.toggle("shown", box.dataset.number === byId("number").value);
  }
}

function showControls(box) {
  for (const row of box.closest("section").querySelectorAll("tr.control")) row.classList.toggle("hidden", !box.checked);
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
  const key = (row) => row.children[column].dataset.sort ?? row.children[column].textContent;
  const rows = [...body.rows].sort((a, b) => {
    // what is missing stays last in both directions
    const missing = (key(a) === "inf") - (key(b) === "inf");
    return missing || (descending ? -1 : 1) * compare(key(a), key(b));
  });
  body.append(...rows);
}

/* A table on a phone is shown as cards, and such a table is no table to a screen reader unless each part says so. */
function nameParts(table) {
  const labels = [...table.tHead.rows[0].cells].map((heading) => heading.textContent);
  table.setAttribute("role", "table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, column) => {
      const role = { col: "columnheader", row: "rowheader" }[cell.scope] || "cell";
      cell.setAttribute("role", role);
      if (role === "cell") cell.dataset.label = labels[column];
    });
  }
}

function prepareTables() {
  for (const table of document.querySelectorAll("table")) nameParts(table);
  for (const heading of document.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(heading));
    heading.append(button);
  }
  for (const box of [byId("controls"), byId("controls-too")].filter(Boolean)) {
    box.addEventListener("change", () => showControls(box));
    showControls(box);
  }
  if (!byId("number")) return;
  byId("number").addEventListener("change", showTable);
  showTable();
}

/* ---- gallery: a photo, and the maps of all models beside it ---- */

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
  fill(byId("partition"), [gallery.given[byId("method").value], ...Object.keys(pooled)]);
  const orders = Object.keys(pooled[byId("partition").value] || {});
  fill(byId("order"), orders);
  byId("order").disabled = orders.length < 2;
}

/* How far the models' maps of a photo agree, of the kind that is chosen; null where it is not known. */
function agreementOf(position) {
  const [method, partition, order] = ["method", "partition", "order"].map((id) => byId(id).value);
  const kinds = (gallery.agreement[method] || {})[partition] || {};
  return (kinds[order || "either"] || [])[position] ?? null;
}

/* What a model's map is at each pixel: a function from a place to its segment (or null) and its value. */
async function readMap(model) {
  const [method, partition, order] = ["method", "partition", "order"].map((id) => byId(id).value);
  const kind = partition === gallery.given[method] ? gallery.pixel[method] : gallery.pooled[method][partition][order];
  const values = kind[model][photo];
  if (!(partition in gallery.segments) || partition === gallery.given[method]) {
    const map = await pixelsOf(values); // a filter has no segments
    return { ids: null, at: (place) => ({ segment: null, value: map.data[4 * place] / 255 }) };
  }
  const ids = await pixelsOf(gallery.segments[partition][photo]);
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
  plain.setAttribute("role", "img");
  plain.setAttribute("aria-label", `photo ${gallery.numbers[photo]}`);
  const figures = [figureOf(plain, `photo ${gallery.numbers[photo]}`)];
  for (const { name, map } of shown) {
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `map of ${byId("method").value} for ${name}, photo ${gallery.numbers[photo]}; arrow keys read its values`);
    paint(canvas, picture, map);
    follow(canvas, picture, shown);
    figures.push(figureOf(canvas, name));
  }
  follow(plain, picture, shown);
  byId("maps").replaceChildren(...figures);
  byId("maps").dataset.drawn = String(turn);
}

let thumbnails = [];
function prepareThumbnails() {
  thumbnails = gallery.photos.map((address, position) => {
    const button = document.createElement("button");
    button.type = "button";
    const picture = document.createElement("img");
    picture.src = address;
    picture.alt = "";
    button.append(picture, document.createElement("span"));
    button.addEventListener("click", () => choosePhoto(position));
    return button;
  });
  choosePhoto(sortThumbnails()[0]);
}

/* Show the photos whose chosen maps agree least first; photos of unknown agreement stay last. */
function sortThumbnails() {
  const known = thumbnails.map((_, position) => agreementOf(position));
  const order = known.map((_, position) => position).sort((a, b) => (known[a] ?? Infinity) - (known[b] ?? Infinity) || a - b);
  thumbnails.forEach((button, position) => {
    const value = known[position] === null ? "" : known[position].toFixed(2);
    button.lastChild.textContent = value;
    button.setAttribute("aria-label", `photo ${gallery.numbers[position]}${value && `, SSIM ${value}`}`);
  });
  byId("thumbnails").replaceChildren(...order.map((position) => thumbnails[position]));
  return order;
}

function choosePhoto(position) {
  photo = position;
  thumbnails.forEach((button, other) => button.setAttribute("aria-pressed", String(other === position)));
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
    byId(id).addEventListener("change", () => { updateChoices(); sortThumbnails(); draw(); });
  }
  for (const id of ["opacity", "borders"]) byId(id).addEventListener("input", draw);
  const scale = byId("scale").getContext("2d");
  colors.forEach((color, place) => { scale.fillStyle = color; scale.fillRect(place, 0, 1, 1); });
  prepareThumbnails();
}

prepareTables();
prepareGallery();
