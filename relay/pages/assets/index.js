import { show, status, tokenQuery } from './live.js';

const by = (id) => document.getElementById(id);
const query = tokenQuery();

function link(path, text, channel) {
  const a = document.createElement('a');
  const parameters = new URLSearchParams(query);
  if (channel) parameters.set('channels', channel);
  a.href = `${path}?${parameters}`;
  a.textContent = text;
  return a;
}

function cell(content, look = '') {
  const td = document.createElement('td');
  td.append(content);
  td.className = look;
  return td;
}

async function refresh() {
  const now = await status();
  show(by('state'), now ? 'live' : 'waiting');
  if (!now) return;
  by('none').hidden = now.channels.length > 0;
  by('table').hidden = now.channels.length === 0;
  by('rows').replaceChildren(
    ...now.channels.map((c) => {
      const channel = c.stream ? `${c.device}/${c.stream}` : c.device;
      const row = document.createElement('tr');
      row.append(
        cell(link('/relay/livegraph/', c.stream ? `${c.name || c.device}/${c.stream}` : c.name || c.device, channel)),
        cell(c.streaming ? 'streams' : 'waits'),
        cell(c.lines_per_second.toFixed(1), 'number'),
        cell(String(c.lines), 'number'),
        cell(String(c.viewers), 'number'),
        cell(String(c.lost), 'number'),
      );
      return row;
    }),
  );
}

refresh();
setInterval(refresh, 2000);
