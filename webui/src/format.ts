import { t } from './texts';

const locale = navigator.language || 'en';
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const whole = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' } as Intl.DateTimeFormatOptions);
const numbers = new Intl.NumberFormat(locale);

/** How long ago a moment is, in words. */
export function ago(when: string | number | null | undefined, now = Date.now()): string {
  const at = typeof when === 'string' ? Date.parse(when) : (when ?? 0);
  if (!at) return t.never;
  const s = Math.max(0, Math.round((now - at) / 1000));
  if (s < 5) return t.justNow;
  if (s < 60) return t.secondsAgo(s);
  if (s < 3600) return t.minutesAgo(Math.floor(s / 60));
  if (s < 86_400) return t.hoursAgo(Math.floor(s / 3600));
  if (s < 7 * 86_400) return t.daysAgo(Math.floor(s / 86_400));
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? day.format(at) : dayYear.format(at);
}

/** The time of day with milliseconds. */
export function timeOf(at: number): string {
  return `${clock.format(at)}.${String(at % 1000).padStart(3, '0')}`;
}

export function dateOf(when: string | number | null | undefined): string {
  const at = typeof when === 'string' ? Date.parse(when) : (when ?? 0);
  return at ? whole.format(at) : '–';
}

export function shortDate(when: string): string {
  return dayYear.format(Date.parse(when));
}

export function count(n: number): string {
  return numbers.format(n);
}

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  let value = n;
  while (value >= 1000 && i < units.length - 1) {
    value /= 1000;
    i++;
  }
  return `${value < 10 && i > 0 ? value.toFixed(1) : Math.round(value)} ${units[i]}`;
}

/** How long something lasts. */
export function span(seconds: number): string {
  if (seconds < 60) return t.seconds(seconds);
  if (seconds < 3600) return t.minutes(Math.floor(seconds / 60));
  if (seconds < 86_400) return t.hours(Math.floor(seconds / 3600));
  return t.days(Math.floor(seconds / 86_400));
}

const platforms: Record<number, string> = {
  0: 'Core', 3: 'Linux', 6: 'Photon', 8: 'P1', 10: 'Electron', 12: 'Argon', 13: 'Boron', 14: 'Xenon', 15: 'E SoM X', 22: 'A SoM',
  23: 'B SoM', 25: 'B5 SoM', 26: 'Tracker', 28: 'Tracker M', 31: 'Raspberry Pi', 32: 'Photon 2 / P2', 35: 'M SoM', 37: 'Electron 2',
  82: 'Oak', 88: 'Duo', 103: 'Bluz',
};

export function platform(id: number | null): string {
  return id === null ? t.device.unknownPlatform : (platforms[id] ?? t.device.platformNumber(id));
}

const browsers = ['Firefox', 'Edg', 'OPR', 'SamsungBrowser', 'Chrome', 'Safari'] as const;
const shortNames: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', SamsungBrowser: 'Samsung Internet' };
const systems = ['Android', 'iPhone', 'iPad', 'CrOS', 'Windows', 'Mac OS', 'Linux'] as const;

/** What a browser says of itself, as people call it: "Firefox, Linux"; empty for what is none. */
export function browserName(agent: string): string {
  const browser = browsers.find((b) => agent.includes(`${b}/`));
  if (!browser) return '';
  const system = systems.find((s) => agent.includes(s));
  return [shortNames[browser] ?? browser, system].filter(Boolean).join(', ');
}
