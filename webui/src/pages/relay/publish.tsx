import { useState } from 'preact/hooks';
import { api } from '../../api/client';
import { t } from '../../texts';
import { Dialog } from '../../ui/dialog';
import { Button, Failure, SelectField, TextField, useAction } from '../../ui/parts';
import { LinkWithCode } from './qr';
import { keyOf, root, titleOf, type Channel, type Publication } from './types';

const fields = ['data', 'time', 'name', 'device'] as const;
type Field = (typeof fields)[number];

export const publicName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

interface PublishProps {
  channels: readonly Channel[]; // to choose from; with one, that one
  events?: boolean; // whether events may be chosen, too
  port: number | undefined;
  onClose: () => void;
  onDone: () => Promise<void>;
}

/** Gives a channel, or events, a name under which everybody on the network sees it. */
export function PublishDialog({ channels, events, port, onClose, onDone }: PublishProps) {
  const [name, setName] = useState('');
  const [what, setWhat] = useState(channels[0] ? keyOf(channels[0]) : '');
  const [prefix, setPrefix] = useState('');
  const [title, setTitle] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<Field>>(new Set(['data']));
  const [made, setMade] = useState(false);
  const { busy, error, run } = useAction(async () => {
    const c = channels.find((c) => keyOf(c) === what);
    const about: Publication = c ? { device: c.device, ...(c.stream ? { stream: c.stream } : {}) } : { events: prefix };
    await api('PUT', `${root}/public/${name}`, { body: { ...about, title, fields: fields.filter((f) => chosen.has(f)) } });
    await onDone();
    setMade(true);
  });
  const good = publicName.test(name);
  if (made) {
    return (
      <Dialog title={t.relay.publicDone(name)} onClose={onClose}>
        <LinkWithCode name={name} port={port} />
        <div class="buttons">
          <Button kind="primary" onClick={onClose}>
            {t.close}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t.relay.publicNew} onClose={onClose}>
      <p class="soft small">{t.relay.publicText}</p>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (good) void run();
        }}
      >
        <TextField label={t.relay.publicName} hint={name && !good ? t.relay.publicNameBad : t.relay.publicNameHint} aria-invalid={!!name && !good} value={name} onValue={setName} maxLength={64} spellcheck={false} />
        {(channels.length !== 1 || events) && (
          <SelectField
            label={t.relay.publicWhat}
            value={what}
            options={[...channels.map((c): [string, string] => [keyOf(c), titleOf(c)]), ...(events ? [['', t.relay.publicEvents] as [string, string]] : [])]}
            onValue={setWhat}
          />
        )}
        {what === '' && <TextField label={t.relay.publicPrefix} value={prefix} onValue={setPrefix} maxLength={64} />}
        <TextField label={t.relay.publicTitle} value={title} onValue={setTitle} maxLength={100} />
        <fieldset class="stack tight">
          <legend class="small">{t.relay.publicFields}</legend>
          {fields.map((f) => (
            <label class="check" key={f}>
              <input
                type="checkbox"
                checked={chosen.has(f)}
                onChange={(e) => {
                  const next = new Set(chosen);
                  if (e.currentTarget.checked) next.add(f);
                  else next.delete(f);
                  setChosen(next);
                }}
              />
              <span>
                {t.relay.fields[f]} <span class="term">{f}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {error && <Failure error={error} />}
        <div class="buttons">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={!good || chosen.size === 0 || (what === '' && !prefix)}>
            {t.relay.publicSubmit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
