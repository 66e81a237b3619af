import { useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Token } from '../api/types';
import { t } from '../texts';
import { PickDevice } from '../ui/pickdevice';
import { Dialog, FormDialog } from '../ui/dialog';
import { Button, Check, Command, SelectField, TextField } from '../ui/parts';

type Can = 'read-only' | 'events' | 'all' | 'choose';
type Life = '86400' | '2592000' | '7776000' | '31536000' | '0'; // seconds

// What may be chosen one by one, in the words of the API.
const scopes = ['events:get', 'events:send', 'devices:list', 'devices:get', 'devices:update', 'devices:ping', 'devices.function:call', 'devices.variable:get', 'relay:get', 'relay:send'];

const lives: ReadonlyArray<readonly [Life, string]> = [
  ['0', t.tokens.never],
  ['86400', t.tokens.day],
  ['2592000', t.tokens.month],
  ['7776000', t.tokens.quarter],
  ['31536000', t.tokens.year],
];

/** Makes a token, and shows it once. */
export function NewToken({ onClose }: { onClose: () => void }) {
  const [note, setNote] = useState('');
  const [can, setCan] = useState<Can>('read-only');
  const [chosen, setChosen] = useState<string[]>(['events:get']);
  const [device, setDevice] = useState('');
  const [life, setLife] = useState<Life>('0');
  const [made, setMade] = useState<Token | null>(null);
  const make = async () => {
    const deeds = can === 'choose' ? chosen : can === 'all' ? (device ? ['*:*'] : []) : [can];
    const rights = device ? [...deeds, `device:${device}`] : deeds;
    setMade(await api<Token>('POST', '/v1/access_tokens', { body: { note, scopes: rights, expires_in: Number(life) } }));
  };
  if (made) {
    return (
      <Dialog firm title={t.tokens.made} onClose={onClose}>
        <p class="soft">{t.tokens.madeText}</p>
        <Command text={made.token ?? ''} />
        <p class="small soft">{t.tokens.useIt}</p>
        <Command text={`curl -H "Authorization: Bearer ${made.token}" ${window.location.origin}/v1/devices`} />
        <div class="buttons">
          <Button kind="primary" onClick={onClose}>
            {t.tokens.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <FormDialog title={t.tokens.make} submit={t.tokens.submit} disabled={can === 'choose' && chosen.length === 0} onSubmit={make} onClose={onClose}>
        <TextField label={t.tokens.note} hint={t.tokens.noteHint} value={note} onValue={setNote} maxlength={100} required autofocus />
        <SelectField<Can>
          label={t.tokens.can}
          value={can}
          onValue={setCan}
          options={[
            ['read-only', `${t.tokens.readOnly} (${t.tokens.readOnlyTerm})`],
            ['events', `${t.tokens.events} (${t.tokens.eventsTerm})`],
            ['all', t.tokens.all],
            ['choose', t.tokens.choose],
          ]}
        />
        {can === 'choose' && (
          <fieldset class="stack tight">
            <legend class="sr">{t.tokens.scopes}</legend>
            {scopes.map((s) => (
              <Check key={s} checked={chosen.includes(s)} onChecked={(on) => setChosen(on ? [...chosen, s] : chosen.filter((x) => x !== s))}>
                <code>{s}</code>
              </Check>
            ))}
          </fieldset>
        )}
        <PickDevice label={t.tokens.device} none={t.tokens.everyDevice} value={device} onValue={setDevice} />
        <SelectField<Life> label={t.tokens.expires} value={life} onValue={setLife} options={lives} />
    </FormDialog>
  );
}
