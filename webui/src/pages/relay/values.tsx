import { count, timeOf } from '../../format';
import { t } from '../../texts';
import type { Line } from './live';
import { colourOf } from './plot';
import type { Series } from './series';
import { brief, type View } from './view';

type Name = (s: Series) => string;

interface LegendProps {
  series: readonly Series[];
  name: Name;
  at: number | null; // the moment whose values are shown; null: the newest
  hidden: ReadonlySet<number>;
  onHidden: (hidden: ReadonlySet<number>) => void;
}

/** What each line is and its value; a click hides the line or shows it again. */
export function Legend({ series, name, at, hidden, onHidden }: LegendProps) {
  const toggle = (index: number) => {
    const next = new Set(hidden);
    if (!next.delete(index)) next.add(index);
    onHidden(next);
  };
  return (
    <div class="legend" role="group" aria-label={at === null ? t.relay.newest : t.relay.cursor}>
      {series.map((s) => {
        const value = at === null ? s.value(s.count - 1) : s.valueAt(at);
        return (
          <button key={`${s.channel} ${s.field}`} type="button" aria-pressed={!hidden.has(s.index)} title={t.relay.hide(name(s))} onClick={() => toggle(s.index)}>
            <span class={`mark ${colourOf(s.index)}`} />
            <span class="cut">{name(s)}</span>
            <strong class="num">{value === undefined ? '–' : brief(value)}</strong>
          </button>
        );
      })}
    </div>
  );
}

/** The numbers of what the graph shows. */
export function Table({ series, name, view, newest }: { series: readonly Series[]; name: Name; view: View; newest: number }) {
  const end = view.end ?? newest;
  return (
    <table class="values">
      <thead>
        <tr>
          <th scope="col">{t.relay.value}</th>
          <th scope="col">{t.relay.now}</th>
          <th scope="col">{t.relay.lowest}</th>
          <th scope="col">{t.relay.highest}</th>
          <th scope="col" class="wide">
            {t.relay.mean}
          </th>
        </tr>
      </thead>
      <tbody>
        {series.map((s) => {
          const f = s.figures(end - view.span, end);
          const last = s.valueAt(end);
          return (
            <tr key={`${s.channel} ${s.field}`}>
              <th scope="row">
                <span class={`mark ${colourOf(s.index)}`} />
                {name(s)}
              </th>
              <td class="now">{last === undefined ? '–' : brief(last)}</td>
              <td>{f ? brief(f.low) : '–'}</td>
              <td>{f ? brief(f.high) : '–'}</td>
              <td class="wide">{f ? brief(f.mean) : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

const shown = 100;
const longest = 400; // characters

/** The lines as they came, the newest first. All of it is text, whatever it holds. */
export function Lines({ lines, name }: { lines: readonly Line[]; name: (channel: string) => string }) {
  return (
    <ul class="raw-lines" tabIndex={0} aria-label={t.relay.lines}>
      {lines.slice(0, shown).map((l) => (
        <li key={`${l.id}`}>
          <span class="faint num">{timeOf(l.at)}</span>
          <span class="faint cut">{name(l.channel)}</span>
          <code>{l.text.length > longest ? `${l.text.slice(0, longest)} … (${count(l.text.length)})` : l.text}</code>
        </li>
      ))}
    </ul>
  );
}
