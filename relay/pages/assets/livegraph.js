import { address, follow, save, split, stamp, status } from './live.js';
import { brief, Graph } from './graph.js';
import { by, choose, chosen, csv, Mark, nameOf, Names, Tally } from './page.js';
import { forms, parse, shown } from './parse.js';

const published = location.pathname.match(/^\/p\/([^/]+)$/)?.[1]; // the page shows what is public, and nothing else

const graph = new Graph(by('canvas'), legend);
const tally = new Tally();
const names = new Names();
const mark = new Mark((paused) => graph.pause(paused));
let only = chosen();
let stop = () => {};

/** begin opens the stream of what is chosen. */
function begin() {
  stop();
  const answer = { lost: (n) => tally.miss(n), state: (state) => mark.set(state) };
  stop = published
    ? follow(new URL(`/public/${published}`, location.href), {
        ...answer,
        line(line) {
          const { name, at, text } = shown(line);
          take(name, at, text);
        },
      })
    : follow(address('/relay/lines', { channels: only.join(','), history: 3000 }), {
        ...answer,
        line(tagged) {
          const { channel, at, text } = split(tagged);
          take(only.length === 1 ? '' : names.called(channel), at, text);
        },
      });
}

/** take shows the numbers of a line; who says whose they are, where there may be several. */
function take(who, at, text) {
  tally.line(at);
  by('last').textContent = text.length > 400 ? `${text.slice(0, 400)} …` : text;
  for (const [name, value] of parse(text, by('form').value)) {
    graph.add(who ? (name === 'value' ? who : `${who}: ${name}`) : name, at, value);
  }
}

function legend() {
  by('legend').replaceChildren(
    ...[...graph.series.values()].map((s) => {
      const item = document.createElement('li');
      item.className = `series${s.index % 8}`;
      const line = document.createElement('i');
      const name = document.createElement('span');
      name.textContent = s.name;
      const value = document.createElement('b');
      value.className = 'mono';
      value.dataset.series = s.name;
      item.append(line, name, value);
      return item;
    }),
  );
  by('window').value = [...by('window').options].some((o) => Number(o.value) === graph.span) ? String(graph.span) : '';
}

/** refresh shows the values under the cursor, or the newest. */
function refresh() {
  for (const value of by('legend').querySelectorAll('b')) {
    const reading = graph.readings?.get(value.dataset.series);
    value.textContent = reading ? brief(reading.value) : '';
  }
  const more = graph.dropped.size;
  by('dropped').textContent = more ? `${more} more ${more === 1 ? 'series is' : 'series are'} not drawn: show only some devices` : '';
  const series = [...graph.series.keys()];
  by('canvas').setAttribute('aria-label', series.length ? `Graph of ${series.join(', ')}` : 'Graph without data');
}

/** channels keeps the list of channels to choose from. */
async function channels() {
  const now = await status();
  if (!now) return;
  const before = now.channels.map((c) => names.called(nameOf(c)));
  names.learn(now.channels);
  now.channels.forEach((c, i) => graph.rename(before[i], names.called(nameOf(c))));
  const known = new Set([...by('channels').querySelectorAll('input')].map((box) => box.value));
  for (const c of now.channels) {
    const channel = nameOf(c);
    if (known.has(channel)) continue;
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.value = channel;
    box.checked = only.includes(channel) || only.includes(c.name);
    box.addEventListener('change', narrow);
    label.append(box, names.called(channel));
    by('channels').append(label);
  }
  by('none').hidden = now.channels.length > 0;
}

/** narrow shows only the channels that are checked; none: all. */
function narrow() {
  only = [...by('channels').querySelectorAll('input:checked')].map((box) => box.value);
  choose(only);
  graph.clear();
  tally.clear();
  begin();
}

function setScale() {
  const low = Number(by('low').value);
  const high = Number(by('high').value);
  const fixed = by('scale').value === 'fixed';
  for (const id of ['low', 'high']) by(id).hidden = !fixed;
  graph.scale = fixed && low < high ? [low, high] : null;
  graph.draw();
}

const form = new URLSearchParams(location.search).get('form');
for (const [value, text] of Object.entries(forms)) by('form').add(new Option(text, value));
by('form').value = form in forms ? form : 'auto';
by('form').addEventListener('change', () => graph.clear());
by('in').addEventListener('click', () => graph.zoom(0.5, 0.5));
by('out').addEventListener('click', () => graph.zoom(2, 0.5));
by('window').addEventListener('change', (e) => {
  if (Number(e.target.value)) graph.zoom(Number(e.target.value) / graph.span);
});
for (const id of ['scale', 'low', 'high']) by(id).addEventListener('input', setScale);
by('csv').addEventListener('click', () => save(`livegraph-${stamp()}.csv`, csv(graph.rows())));
by('png').addEventListener('click', async () => save(`livegraph-${stamp()}.png`, await graph.png()));
addEventListener('keydown', (e) => {
  if (e.target.closest('input, select, button, a') || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === ' ') {
    e.preventDefault();
    mark.toggle();
  } else if (e.key === '+') graph.zoom(0.5, 0.5);
  else if (e.key === '-') graph.zoom(2, 0.5);
});

if (!published) {
  channels();
  setInterval(channels, 5000);
}
setScale();
legend();
begin();
setInterval(refresh, 250);
