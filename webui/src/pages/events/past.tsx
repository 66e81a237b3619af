import { useEffect, useState } from 'preact/hooks';
import { asError, type ApiError } from '../../api/client';
import type { Event } from '../../api/types';
import { dateOf } from '../../format';
import { matches, View, type Filter } from '../../state/log';
import { t } from '../../texts';
import { FormDialog } from '../../ui/dialog';
import { Button, Failure, TextField, Waiting } from '../../ui/parts';
import { LogList } from './index';
import { idAt, readLog } from './history';

function localInput(at: number): string {
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Asks from when on the log shall be shown. */
export function LookBack({ onChoose, onClose }: { onChoose: (at: number) => void; onClose: () => void }) {
  const [when, setWhen] = useState(localInput(Date.now() - 3_600_000));
  const choose = async () => onChoose(Date.parse(when));
  return (
    <FormDialog title={t.events.earlierTitle} submit={t.events.lookBack} disabled={!Date.parse(when)} onSubmit={choose} onClose={onClose}>
      <p class="soft">{t.events.earlierText}</p>
      <TextField label={t.events.from2} type="datetime-local" value={when} onValue={setWhen} required />
    </FormDialog>
  );
}

const page = 1_000; // events read at a time

/** The log from a moment on, read from the cloud. */
export function Past({ from, filter, onOpen, onBack }: { from: number; filter: Filter; onOpen: (e: Event) => void; onBack: () => void }) {
  const [events, setEvents] = useState<Event[]>([]);
  const [state, setState] = useState<'reading' | 'more' | 'end'>('reading');
  const [error, setError] = useState<ApiError | null>(null);
  const [after, setAfter] = useState(idAt(from));
  useEffect(() => {
    const control = new AbortController();
    setState('reading');
    setError(null);
    readLog(after, filter, page, control.signal).then(
      (list) => {
        setEvents((before) => (after === idAt(from) ? list : before.concat(list)));
        setState(list.length === page ? 'more' : 'end');
      },
      (err) => !control.signal.aborted && setError(asError(err)),
    );
    return () => control.abort();
  }, [after, filter.name, filter.device]);
  useEffect(() => setAfter(idAt(from)), [filter.name, filter.device]);
  const chosen = filter.text ? events.filter((e) => matches(e, filter)) : events;
  return (
    <div class="card plain fill">
      <div class="log-bar">
        <span class="small">{t.events.history(dateOf(from))}</span>
        <span class="right row tight-row">
          {state === 'more' && (
            <Button small onClick={() => setAfter(events.at(-1)!.id)}>
              {t.events.more}
            </Button>
          )}
          <Button small kind="primary" onClick={onBack}>
            {t.events.live}
          </Button>
        </span>
      </div>
      {error && <Failure error={error} />}
      {state === 'reading' && events.length === 0 && !error ? <Waiting /> : <LogList view={new View(chosen, chosen.length)} filtered onOpen={onOpen} />}
    </div>
  );
}
