// Which while of the graph is seen, and between which values.

export interface View {
  span: number; // ms
  end: number | null; // ms since 1970 at the right edge; null: what is newest
}

export const spans = [2_000, 10_000, 30_000, 60_000, 300_000, 1_800_000] as const; // to choose from
const least = 100;
const most = 3_600_000;

export const first: View = { span: 10_000, end: null };

/** Stops the picture where it is, or lets it go on. */
export function pause(v: View, on: boolean, newest: number): View {
  if (on === (v.end !== null)) return v;
  return { ...v, end: on ? newest : null };
}

/** Shows more or less time. at is the place, from 0 at the left to 1, that stays where it is. */
export function zoom(v: View, factor: number, at = 0.5): View {
  const span = Math.min(Math.max(v.span * factor, least), most);
  return { span, end: v.end === null ? null : v.end + (span - v.span) * (1 - at) };
}

/** Moves the while by a part of its length; to the future only as far as there is something. */
export function pan(v: View, part: number, newest: number): View {
  return { ...v, end: Math.min((v.end ?? newest) + part * v.span, Math.max(newest, v.end ?? newest)) };
}

/** Between which values the graph reaches: as it fits, each line as it fits by itself, or as somebody said. */
export type Scale = 'auto' | 'own' | readonly [low: number, high: number];

/** Reads a scale as it stands in an address: "own", "LOW,HIGH", or nothing. */
export function parseScale(text: string | null): Scale {
  if (text === 'own') return 'own';
  const [low, high] = (text ?? '').split(',').map(Number);
  return low !== undefined && high !== undefined && low < high ? [low, high] : 'auto';
}

/** The range of values, with some room around them; one that is fixed is taken as it is. */
export function range(low: number | null, high: number | null, scale: Scale = 'auto'): [number, number] {
  if (typeof scale !== 'string' && scale[0] < scale[1]) return [scale[0], scale[1]];
  if (low === null || high === null || !(low <= high)) return [0, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

/** A number as short as it can be read. */
export function brief(v: number): string {
  const size = Math.abs(v);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return v.toExponential(3);
  return String(Number(v.toPrecision(6)));
}
