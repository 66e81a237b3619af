import type { ComponentChildren } from 'preact';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Parses text that may be JSON with something to fold in it. */
export function structured(text: string): Json | undefined {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const maxEntries = 200; // of one object or list that are shown

/** Shows JSON that can be folded. Its text is text, whatever it holds. */
export function JsonView({ value, depth = 0 }: { value: Json; depth?: number }): ComponentChildren {
  if (value === null) return <span class="j-null">null</span>;
  switch (typeof value) {
    case 'string':
      return <span class="j-text">{JSON.stringify(value)}</span>;
    case 'number':
      return <span class="j-number">{String(value)}</span>;
    case 'boolean':
      return <span class="j-number">{String(value)}</span>;
  }
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = list ? '[]' : '{}';
  if (entries.length === 0) return <span>{`${open}${close}`}</span>;
  return (
    <details class="j" open={depth < 2}>
      <summary>
        {open}
        <span class="folded">
          <span class="faint"> {entries.length} </span>
          {close}
        </span>
      </summary>
      <ul>
        {entries.slice(0, maxEntries).map(([key, v]) => (
          <li key={key}>
            {!list && <span class="j-key">{key}: </span>}
            <JsonView value={v} depth={depth + 1} />
          </li>
        ))}
        {entries.length > maxEntries && <li class="faint">… {entries.length - maxEntries}</li>}
      </ul>
      {close}
    </details>
  );
}
