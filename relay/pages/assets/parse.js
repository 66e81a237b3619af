// From a device's line to numbers with names. A line that is none gives nothing.

const number = /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/;

/** forms are the ways to read a line; auto finds out. */
export const forms = {
  auto: 'as it comes',
  number: 'one number',
  csv: 'numbers between commas',
  json: 'JSON',
  u8: 'binary, 8 bits',
  i16: 'binary, 16 bits',
  f32: 'binary, 32-bit float',
};

/** parse returns [[name, value], ...]; a binary line gives several values of one name. */
export function parse(text, form = 'auto') {
  switch (form) {
    case 'number':
      return plain(text);
    case 'csv':
      return csv(text);
    case 'json':
      return json(text);
    case 'u8':
    case 'i16':
    case 'f32':
      return binary(text, form);
  }
  if (number.test(text)) return plain(text);
  const first = text.trimStart()[0];
  if (first === '{' || first === '[') return json(text);
  return text.includes(',') || text.includes(';') ? csv(text) : [];
}

/** shown takes a line of what is public apart: data alone, or an object with what the owner shows beside it. */
export function shown(line) {
  const alone = { name: '', at: Date.now(), text: line };
  if (line[0] !== '{') return alone;
  try {
    const object = JSON.parse(line);
    if (typeof object.data !== 'string') return alone;
    return { name: object.name || object.device || '', at: Date.parse(object.time) || alone.at, text: object.data };
  } catch {
    return alone;
  }
}

const plain = (text) => (number.test(text) ? [['value', Number(text)]] : []);

function csv(text) {
  const out = [];
  text.split(/[,;]/).forEach((cell, i) => {
    if (number.test(cell)) out.push([`column ${i + 1}`, Number(cell)]);
  });
  return out;
}

function json(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const out = [];
  collect(out, '', value, 0);
  return out;
}

function collect(out, name, value, depth) {
  if (out.length >= 16 || depth > 3) return;
  if (typeof value === 'boolean') value = Number(value);
  if (typeof value === 'string' && number.test(value)) value = Number(value);
  if (typeof value === 'number') {
    if (Number.isFinite(value)) out.push([name || 'value', value]);
  } else if (value && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) collect(out, name ? `${name}.${key}` : key, inner, depth + 1);
  }
}

function binary(text, form) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return [];
  }
  const view = new DataView(bytes.buffer);
  const size = { u8: 1, i16: 2, f32: 4 }[form];
  const read = {
    u8: (at) => view.getUint8(at),
    i16: (at) => view.getInt16(at, true),
    f32: (at) => view.getFloat32(at, true),
  }[form];
  const out = [];
  for (let at = 0; at + size <= bytes.length && out.length < 8192; at += size) {
    const value = read(at);
    if (Number.isFinite(value)) out.push(['value', value]);
  }
  return out;
}
