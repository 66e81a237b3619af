// From a board's line to numbers with names. A line that holds none gives nothing.

export type Form = 'auto' | 'number' | 'csv' | 'json' | 'u8' | 'i16' | 'f32';

/** The name of a value, empty where the line has none, and the value. */
export type Reading = readonly [name: string, value: number];

const number = /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/;
const most = 16; // values of one line
const mostBinary = 8192;
const deepest = 3; // objects within objects

/** Reads a line; auto finds out how. A binary line gives several values of one name. */
export function parse(text: string, form: Form): Reading[] {
  switch (form) {
    case 'number':
      return plain(text);
    case 'csv':
      return cells(text);
    case 'json':
      return json(text);
    case 'u8':
    case 'i16':
    case 'f32':
      return binary(text, form);
  }
  if (number.test(text)) return plain(text);
  const first = text.trimStart()[0];
  return first === '{' || first === '[' ? json(text) : /[,;\t]/.test(text) ? cells(text) : named(text);
}

function plain(text: string): Reading[] {
  return number.test(text) ? [['', Number(text)]] : [];
}

/** Numbers between commas, semicolons or tabs; a cell may name its own: "t:21.5, h=40". */
function cells(text: string): Reading[] {
  return text.split(/[,;\t]/).slice(0, most).flatMap((cell, i): Reading[] => (number.test(cell) ? [[String(i + 1), Number(cell)]] : named(cell)));
}

/** One number behind its name, "speed: 4" or "speed=4". */
function named(text: string): Reading[] {
  const cut = text.search(/[:=]/);
  const name = text.slice(0, cut).trim();
  const value = text.slice(cut + 1);
  return cut > 0 && name.length <= 40 && number.test(value) ? [[name, Number(value)]] : [];
}

function json(text: string): Reading[] {
  const out: Reading[] = [];
  try {
    collect(out, '', JSON.parse(text), 0);
  } catch {
    return [];
  }
  return out;
}

function collect(out: Reading[], name: string, value: unknown, depth: number): void {
  if (out.length >= most || depth > deepest) return;
  if (typeof value === 'boolean') value = Number(value);
  if (typeof value === 'string' && number.test(value)) value = Number(value);
  if (typeof value === 'number') {
    if (Number.isFinite(value)) out.push([name, value]);
  } else if (value && typeof value === 'object') {
    const list = Array.isArray(value);
    for (const [key, inner] of Object.entries(value)) {
      const own = list ? String(Number(key) + 1) : key;
      collect(out, name ? `${name}.${own}` : own, inner, depth + 1);
    }
  }
}

const sizes = { u8: 1, i16: 2, f32: 4 } as const;

/** A binary message, which comes as base64; its numbers are little-endian. */
function binary(text: string, form: keyof typeof sizes): Reading[] {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return [];
  }
  const view = new DataView(bytes.buffer);
  const read = {
    u8: (at: number) => view.getUint8(at),
    i16: (at: number) => view.getInt16(at, true),
    f32: (at: number) => view.getFloat32(at, true),
  }[form];
  const out: Reading[] = [];
  for (let at = 0; at + sizes[form] <= bytes.length && out.length < mostBinary; at += sizes[form]) {
    const value = read(at);
    if (Number.isFinite(value)) out.push(['', value]);
  }
  return out;
}
