import { address, follow, Rate, save, show, split, stamp, status } from './live.js';
import { brief, Graph } from './graph.js';
import { forms, parse } from './parse.js';

const by = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.search);
const published = location.pathname.match(/^\/p\/([^/]+)$/)?.[1];

const graph = new Graph(by('canvas'), legend);
const rate = new Rate();
let lost = 0;
let received = 0;
let state = 'waiting';
let stop = () => {};
let names = new Map(); // of devices, by id
let chosen = new Set((wanted.get('channels') ?? '').split(',').filter(Boolean));

function setState(next) {
  state = next;
  show(by('state'), graph.paused ? 'paused' : state);
}

/** begin opens the stream of what is chosen. */
function begin() {
  stop();
  stop = published
    ? follow(new URL(`/public/${published}`, location.href), { line: (text) => take('', Date.now(), publishedText(text)), lost: miss, state: setState })
    : follow(address('/relay/lines', { channels: [...chosen].join(',') }), {
        line(text) {
          const { channel, at, text: line } = split(text);
          take(channel, at, line);
        },
        lost: miss,
        state: setState,
      });
}

function miss(n) {
  lost += n;
}

/** publishedText is the data of a line that is published with more fields. */
function publishedText(text) {
  if (text[0] !== '{') return text;
  try {
    const object = JSON.parse(text);
    return typeof object.data === 'string' ? object.data : text;
  } catch {
    return text;
  }
}

function take(channel, at, text) {
  received++;
  rate.add();
  by('last').textContent = text.length > 400 ? `${text.slice(0, 400)} …` : text;
  const values = parse(text, by('form').value);
  const several = chosen.size !== 1 && !published;
  const [device, stream] = channel.split('/');
  const who = several ? called({device, stream}) : '';
  for (const [name, value] of values) {
    graph.add(who ? (name === 'value' ? who : `${who}: ${name}`) : name, at, value);
  }
}

/** called is what a channel is called: the device's name, or as long as that is not known the beginning of its id. */
function called({device, stream}) {
  const name = names.get(device) || device.slice(0, 8);
  return stream ? `${name}/${stream}` : name;
}

function legend() {
  const list = by('legend');
  list.replaceChildren(
    ...[...graph.series.values()].map((s) => {
      const item = document.createElement('li');
      item.className = `series${s.index % 8}`;
      const mark = document.createElement('i');
      const name = document.createElement('span');
      name.textContent = s.name;
      const value = document.createElement('b');
      value.className = 'mono';
      value.dataset.series = s.name;
      item.append(mark, name, value);
      return item;
    }),
  );
  by('window').value = [...by('window').options].some((o) => Number(o.value) === graph.span) ? String(graph.span) : '';
}

function refresh() {
  by('rate').textContent = `${rate.perSecond().toFixed(1)} lines/s`;
  by('count').textContent = `${received} lines`;
  by('lost').textContent = lost ? `${lost} lost` : 'nothing lost';
  for (const value of by('legend').querySelectorAll('b')) {
    const reading = graph.readings?.get(value.dataset.series);
    value.textContent = reading ? brief(reading.value) : '';
  }
  by('canvas').setAttribute('aria-label', [...graph.series.keys()].length ? `Graph of ${[...graph.series.keys()].join(', ')}` : 'Graph without data');
}

/** channels keeps the list of channels to choose from. */
async function channels() {
  const now = await status();
  if (!now) return;
  const before = now.channels.map(called);
  names = new Map(now.channels.map((c) => [c.device, c.name]));
  now.channels.forEach((c, i) => graph.rename(before[i], called(c)));
  const list = by('channels');
  const known = new Set([...list.querySelectorAll('input')].map((i) => i.value));
  for (const c of now.channels) {
    const value = c.stream ? `${c.device}/${c.stream}` : c.device;
    if (known.has(value)) continue;
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.value = value;
    box.checked = chosen.has(value) || chosen.has(c.name);
    box.addEventListener('change', choose);
    label.append(box, called(c));
    list.append(label);
  }
  by('none').hidden = now.channels.length > 0;
}

function choose() {
  chosen = new Set([...by('channels').querySelectorAll('input:checked')].map((i) => i.value));
  const next = new URL(location.href);
  if (chosen.size) next.searchParams.set('channels', [...chosen].join(','));
  else next.searchParams.delete('channels');
  history.replaceState(null, '', next);
  graph.clear();
  lost = received = 0;
  begin();
}

function togglePause() {
  graph.pause(!graph.paused);
  by('pause').setAttribute('aria-pressed', String(graph.paused));
  setState(state);
}

function setScale() {
  const low = Number(by('low').value);
  const high = Number(by('high').value);
  const fixed = by('scale').value === 'fixed';
  for (const id of ['low', 'high']) by(id).hidden = !fixed;
  graph.scale = fixed && low < high ? [low, high] : null;
  graph.draw();
}

for (const [value, text] of Object.entries(forms)) by('form').add(new Option(text, value));
by('form').value = wanted.get('form') in forms ? wanted.get('form') : 'auto';
by('form').addEventListener('change', () => graph.clear());
by('pause').addEventListener('click', togglePause);
by('in').addEventListener('click', () => graph.zoom(0.5, 0.5));
by('out').addEventListener('click', () => graph.zoom(2, 0.5));
by('window').addEventListener('change', (e) => {
  if (Number(e.target.value)) graph.zoom(Number(e.target.value) / graph.span);
});
for (const id of ['scale', 'low', 'high']) by(id).addEventListener('input', setScale);
by('csv').addEventListener('click', () => save(`livegraph-${stamp()}.csv`, graph.csv()));
by('png').addEventListener('click', async () => save(`livegraph-${stamp()}.png`, await graph.png()));
addEventListener('keydown', (e) => {
  if (e.target.closest('input, select, button, a') || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === ' ') {
    e.preventDefault();
    togglePause();
  } else if (e.key === '+') graph.zoom(0.5, 0.5);
  else if (e.key === '-') graph.zoom(2, 0.5);
});

if (published) {
  for (const element of document.querySelectorAll('.inside')) element.hidden = true;
  by('title').textContent = decodeURIComponent(published).replaceAll('-', ' ');
  document.title = by('title').textContent;
} else {
  channels();
  setInterval(channels, 5000);
}
setScale();
legend();
begin();
setInterval(refresh, 250);
