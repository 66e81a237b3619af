import { show, status, tokenQuery } from './live.js';
import { by, nameOf } from './page.js';

const query = tokenQuery();

function link(path, text, channel) {
  const a = document.createElement('a');
  const parameters = new URLSearchParams(query);
  parameters.set('channels', channel);
  a.href = `${path}?${parameters}`;
  a.textContent = text;
  return a;
}

const rows = new Map(); // by channel: they stay, so that a link keeps the focus

/** rowOf makes the row of a channel when it has none yet. */
function rowOf(c) {
  const channel = nameOf(c);
  let row = rows.get(channel);
  if (!row) {
    row = document.createElement('tr');
    for (let i = 0; i < 6; i++) row.insertCell().className = i > 1 ? 'number' : '';
    row.insertCell().append(link('/relay/livegraph/', 'graph', channel));
    row.insertCell().append(link('/relay/liveimu/', 'table', channel));
    rows.set(channel, row);
    by('rows').append(row);
  }
  return row;
}

async function refresh() {
  const now = await status();
  show(by('state'), now ? 'live' : 'waiting');
  if (!now) return;
  by('none').hidden = now.channels.length > 0;
  by('table').hidden = now.channels.length === 0;
  for (const c of now.channels) {
    const name = nameOf({ device: c.name || c.device, stream: c.stream });
    const texts = [name, c.streaming ? 'streams' : 'waits', c.lines_per_second.toFixed(1), c.lines, c.viewers, c.lost];
    texts.forEach((text, i) => (rowOf(c).cells[i].textContent = text));
  }
}

refresh();
setInterval(refresh, 2000);
