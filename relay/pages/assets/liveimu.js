import { address, follow, Rate, save, show, split, stamp, status } from './live.js';

const by = (id) => document.getElementById(id);
const keep = 5000; // lines kept for CSV
const visible = 40;
const titles = ['Roll', 'Pitch', 'Heading', 'Altitude', 'Pressure', 'Temperature'];

const rate = new Rate();
const lines = []; // {at, channel, cells}, the newest last
let names = new Map();
let lost = 0;
let received = 0;
let paused = false;
let state = 'waiting';
let columns = 0;
let asked = false;
let stop = () => {};

function setState(next) {
  state = next;
  show(by('state'), paused ? 'paused' : state);
}

function begin() {
  stop();
  stop = follow(address('/relay/lines', { channels: by('device').value }), {
    line(text) {
      const { channel, at, text: line } = split(text);
      received++;
      rate.add();
      lines.push({ channel, at, cells: line.split(',') });
      if (lines.length > keep * 1.2) lines.splice(0, lines.length - keep);
      draw();
    },
    lost(n) {
      lost += n;
    },
    state: setState,
  });
}

/** draw shows the newest lines; many in one frame are one. */
function draw() {
  if (asked || paused) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    paint();
  });
}

function paint() {
  const newest = lines.slice(-visible).reverse();
  const wide = Math.max(titles.length, ...newest.map((l) => l.cells.length));
  if (wide !== columns) {
    columns = Math.min(wide, 32);
    by('head').replaceChildren(cell('th', 'Time'), cell('th', 'Device'), ...Array.from({ length: columns }, (_, i) => cell('th', titles[i] ?? `Column ${i + 1}`, 'number')));
  }
  by('rows').replaceChildren(
    ...newest.map((l) => {
      const row = document.createElement('tr');
      row.append(cell('td', new Date(l.at).toTimeString().slice(0, 8), 'mono'), cell('td', called(l.channel)));
      for (const value of l.cells.slice(0, columns)) row.append(cell('td', value, 'number'));
      return row;
    }),
  );
  by('none').hidden = lines.length > 0;
}

/** cell makes a cell of a device's text, which stays text. */
function cell(kind, text, look = '') {
  const element = document.createElement(kind);
  element.textContent = text;
  if (look) element.className = look;
  return element;
}

function called(channel) {
  const [device, stream] = channel.split('/');
  const name = names.get(device) || device.slice(0, 8);
  return stream ? `${name}/${stream}` : name;
}

async function devices() {
  const now = await status();
  if (!now) return;
  names = new Map(now.channels.map((c) => [c.device, c.name]));
  const known = new Set([...by('device').options].map((o) => o.value));
  for (const c of now.channels) {
    const value = c.stream ? `${c.device}/${c.stream}` : c.device;
    if (!known.has(value)) by('device').add(new Option(called(value), value));
  }
}

function csv() {
  const quote = (text) => `"${(/^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const rows = [['time', 'device', ...titles.map((t) => t.toLowerCase())].join(',')];
  for (const l of lines) rows.push([new Date(l.at).toISOString(), quote(called(l.channel)), ...l.cells.map(quote)].join(','));
  return new Blob([rows.join('\r\n'), '\r\n'], { type: 'text/csv' });
}

by('device').addEventListener('change', () => {
  lines.length = 0;
  received = lost = 0;
  paint();
  begin();
});
by('pause').addEventListener('click', () => {
  paused = !paused;
  by('pause').setAttribute('aria-pressed', String(paused));
  setState(state);
  draw();
});
by('csv').addEventListener('click', () => save(`liveimu-${stamp()}.csv`, csv()));
setInterval(() => {
  by('rate').textContent = `${rate.perSecond().toFixed(1)} lines/s`;
  by('count').textContent = `${received} lines`;
  by('lost').textContent = lost ? `${lost} lost` : 'nothing lost';
}, 250);
paint();
devices();
setInterval(devices, 5000);
begin();
