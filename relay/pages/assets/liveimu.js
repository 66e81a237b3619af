import { address, follow, save, split, stamp, status } from './live.js';
import { by, choose, chosen, csv, Mark, nameOf, Names, Tally } from './page.js';

const keep = 5000; // lines kept for CSV
const visible = 40;
const titles = ['Roll', 'Pitch', 'Heading', 'Altitude', 'Pressure', 'Temperature'];

const tally = new Tally();
const names = new Names();
const mark = new Mark(draw);
const lines = []; // {at, channel, cells}, the newest last
let columns = 0;
let asked = false;
let stop = () => {};

function begin() {
  stop();
  stop = follow(address('/relay/lines', { channels: by('device').value, history: 200 }), {
    line(tagged) {
      const { channel, at, text } = split(tagged);
      tally.line(at);
      lines.push({ channel, at, cells: text.split(',') });
      if (lines.length > keep * 1.2) lines.splice(0, lines.length - keep);
      draw();
    },
    lost: (n) => tally.miss(n),
    state: (state) => mark.set(state),
  });
}

/** draw shows the newest lines; many in one frame are one. */
function draw() {
  if (asked || mark.paused) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    paint();
  });
}

function paint() {
  const newest = lines.slice(-visible).reverse();
  const wide = Math.min(Math.max(titles.length, ...newest.map((l) => l.cells.length)), 32);
  if (wide !== columns) {
    columns = wide;
    by('head').replaceChildren(cell('th', 'Time'), cell('th', 'Device'), ...Array.from({ length: columns }, (_, i) => cell('th', titles[i] ?? `Column ${i + 1}`, 'number')));
  }
  by('rows').replaceChildren(
    ...newest.map((l) => {
      const row = document.createElement('tr');
      row.append(cell('td', new Date(l.at).toTimeString().slice(0, 8), 'mono'), cell('td', names.called(l.channel)));
      for (let i = 0; i < columns; i++) row.append(cell('td', l.cells[i] ?? '', 'number'));
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

/** devices keeps the list of channels to choose from. */
async function devices() {
  const now = await status();
  if (!now) return;
  names.learn(now.channels);
  for (const c of now.channels) offer(nameOf(c));
}

function offer(channel) {
  let option = [...by('device').options].find((o) => o.value === channel);
  if (!option) by('device').add((option = new Option('', channel)));
  option.textContent = names.called(channel);
}

function rows() {
  const cells = lines.map((l) => [new Date(l.at).toISOString(), names.called(l.channel), ...l.cells]);
  return [['time', 'device', ...titles.map((t) => t.toLowerCase())], ...cells];
}

by('device').addEventListener('change', () => {
  choose([by('device').value].filter(Boolean));
  lines.length = 0;
  tally.clear();
  paint();
  begin();
});
by('csv').addEventListener('click', () => save(`liveimu-${stamp()}.csv`, csv(rows())));

const [first] = chosen();
if (first) {
  offer(first);
  by('device').value = first;
}
paint();
devices();
setInterval(devices, 5000);
begin();
