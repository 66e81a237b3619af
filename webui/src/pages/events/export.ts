import type { Event } from '../../api/types';

/** One JSON object a line. */
export function jsonLines(events: readonly Event[]): string {
  return events.map((e) => JSON.stringify({ id: e.id, published_at: new Date(e.at).toISOString(), coreid: e.device, name: e.name, data: e.data }) + '\n').join('');
}

/** A cell of a table for spreadsheets, which take some beginnings for formulas: those get an apostrophe before them. */
export function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A table for spreadsheets. */
export function csv(events: readonly Event[]): string {
  const rows = events.map((e) => [new Date(e.at).toISOString(), e.device, e.name, e.data ?? '', e.id].map(cell).join(','));
  return ['published_at,coreid,name,data,id', ...rows].join('\r\n') + '\r\n';
}

/** Lets the browser save a text as a file. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
