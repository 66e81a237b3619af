import { cell } from '../events/export';
import type { Series } from './series';
import type { View } from './view';

/** What the graph shows, as a table for spreadsheets: a row for each moment, a column for each series. */
export function tableOf<S extends Series>(series: readonly S[], name: (s: S) => string, view: View, newest: number): string {
  const end = view.end ?? newest;
  const rows = new Map<number, string[]>();
  for (const [column, s] of series.entries()) {
    for (let i = s.from(end - view.span); i < s.count && s.time(i) <= end; i++) {
      const at = s.time(i);
      const row = rows.get(at) ?? new Array<string>(series.length).fill('');
      row[column] = String(s.value(i));
      rows.set(at, row);
    }
  }
  const head = ['time', ...series.map((s) => cell(name(s)))].join(',');
  const body = [...rows].sort(([a], [b]) => a - b).map(([at, row]) => [new Date(at).toISOString(), ...row].join(','));
  return [head, ...body].join('\r\n') + '\r\n';
}
