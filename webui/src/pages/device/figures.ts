import { bytes, count, span } from '../../format';
import { t } from '../../texts';

/** What a board told of itself at one moment. */
export interface Vitals {
  updated_at: string;
  payload: { device?: Tree };
}

interface Tree {
  [name: string]: number | Tree;
}

export type Figures = ReadonlyMap<string, number>; // by names such as "system.memory.used"

/** Makes one list of what comes nested. */
export function flatten(tree: Tree | undefined, prefix = '', into = new Map<string, number>()): Figures {
  for (const [name, value] of Object.entries(tree ?? {})) {
    if (typeof value === 'number') into.set(prefix + name, value);
    else if (value && typeof value === 'object') flatten(value, `${prefix}${name}.`, into);
  }
  return into;
}

/** One row of figures in words. */
export interface FigureRow {
  what: string;
  term: string; // the official word
  text: string;
  value: number; // what its curve shows
}

/** A row, made from the figures; null where the board does not tell. */
type Rule = (f: Figures) => FigureRow | null;

function rule(what: string, term: string, key: string, text: (n: number, f: Figures) => string): Rule {
  return (f) => {
    const value = f.get(key);
    return value === undefined ? null : { what, term, text: text(value, f), value };
  };
}

const v = t.vitals;
const whole = (n: number) => count(Math.round(n));
const percent = (n: number) => `${Math.round(n)} %`;

// How it feels: the rows of the vitals, in their order.
const feeling: readonly Rule[] = [
  (f) => {
    const uptime = f.get('system.uptime');
    return uptime === undefined ? null : { what: v.uptime, term: 'uptime', text: span(Math.round(uptime)), value: 0 }; // its curve would say nothing
  },
  (f) => {
    const used = f.get('system.memory.used');
    const total = f.get('system.memory.total');
    if (used === undefined || !total) return null;
    return { what: v.memory, term: 'memory', text: v.of(bytes(used), bytes(total)), value: (100 * used) / total };
  },
  rule(v.battery, 'battery', 'power.battery.charge', percent),
  rule(v.power, 'power source', 'power.source', (n) => v.powers[n] ?? v.unknown),
  rule(v.refused, 'publish rate limited', 'cloud.publish.rate_limited', whole),
  rule(v.repeated, 'CoAP retransmits', 'cloud.coap.retransmit', (n, f) => v.of(whole(n), whole(f.get('cloud.coap.transmit') ?? n))),
  rule(v.cloudLost, 'cloud disconnects', 'cloud.connection.disconnects', (n) => v.times(Math.round(n))),
  rule(v.networkLost, 'network disconnects', 'network.connection.disconnects', (n) => v.times(Math.round(n))),
];

// Its network.
const network: readonly Rule[] = [
  rule(v.radio, 'access technology', 'network.signal.at', (n) => v.radios[n] ?? v.unknown),
  (f) => {
    const quality = f.get('network.signal.quality');
    const noise = f.get('network.signal.qualityv');
    if (quality === undefined) return null;
    return { what: v.quality, term: 'signal quality', text: percent(quality) + (noise ? ` (${Math.round(noise)} dB)` : ''), value: quality };
  },
  (f) => {
    const strength = f.get('network.signal.strength');
    const power = f.get('network.signal.strengthv') ?? f.get('net.rssi');
    if (strength === undefined && power === undefined) return null;
    const words = [strength === undefined ? '' : percent(strength), power === undefined ? '' : `${Math.round(power)} dBm`].filter(Boolean);
    return { what: v.strength, term: 'signal strength', text: words.join(', '), value: power ?? strength ?? 0 };
  },
  rule(v.roundTrip, 'CoAP round trip', 'cloud.coap.round_trip', (n) => (n < 1 ? v.atOnce : `${Math.round(n)} ms`)),
  rule(v.attempts, 'cloud connection attempts', 'cloud.connection.attempts', (n) => v.times(Math.round(n))),
];

function rows(rules: readonly Rule[], f: Figures): FigureRow[] {
  return rules.flatMap((r) => r(f) ?? []);
}

export const feelingRows = (f: Figures): FigureRow[] => rows(feeling, f);
export const networkRows = (f: Figures): FigureRow[] => rows(network, f);

export const kept = 60; // moments that curves show

/** Adds what a board told to what it told before: in order of time, each moment once. */
export function remember(before: readonly Vitals[], more: readonly Vitals[]): Vitals[] {
  const moments = new Map([...before, ...more].map((r) => [r.updated_at, r]));
  return [...moments.values()].sort((a, b) => Date.parse(a.updated_at) - Date.parse(b.updated_at)).slice(-kept);
}
