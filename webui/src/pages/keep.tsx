import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { bytes, span } from '../format';
import { t } from '../texts';
import { useLoaded } from '../ui/load';
import { Button, Check, Failure, Segments, SelectField, useAction } from '../ui/parts';
import { Section } from '../ui/section';
import { toast } from '../ui/toast';

/** What can be switched while the cloud runs. */
interface Switches {
  trust_first_use: boolean;
  sign_up: boolean;
  log_level: string;
  events_max_age: number; // seconds; 0: for ever
  events_max_bytes: number; // 0: no bound
  given: string[]; // those that the next start sets again
}

const path = '/v1/localcloud/settings';

/** Who gets in, how long events are kept, how much is logged. */
export function SwitchSections() {
  const { value, error, set } = useLoaded<Switches>(path);
  const change = useAction(async (what: Partial<Switches>, said: string, back?: Partial<Switches>) => {
    if (!value) return;
    set({ ...value, ...what }); // at once, so that a switch stays where it was put
    try {
      set(await api<Switches>('PUT', path, { body: what }));
    } catch (err) {
      set(value);
      throw err;
    }
    toast(said, back && (() => void change.run(back, t.settings.undone)));
  });
  const failure = error ?? change.error;
  const save = (what: Partial<Switches>, said: string, back?: Partial<Switches>) => void change.run(what, said, back);
  return (
    <>
      {failure && <Failure error={failure} />}
      <Section title={t.settings.door}>
        <Check
          checked={value?.trust_first_use ?? false}
          disabled={!value}
          onChecked={(on) => save({ trust_first_use: on }, on ? t.settings.trustOn : t.settings.trustOff, { trust_first_use: !on })}
        >
          {t.settings.trust} <span class="term">{t.settings.trustTerm}</span>
          <span class="faint small block">{t.settings.trustText}</span>
        </Check>
        <Check checked={value?.sign_up ?? false} disabled={!value} onChecked={(on) => save({ sign_up: on }, on ? t.settings.signUpOn : t.settings.signUpOff, { sign_up: !on })}>
          {t.settings.signUp} <span class="term">{t.settings.signUpTerm}</span>
          <span class="faint small block">{t.settings.signUpText}</span>
        </Check>
      </Section>
      {value && <Keep key={`${value.events_max_age} ${value.events_max_bytes}`} value={value} busy={change.busy} onSave={save} />}
      {value && <LogLevel value={value} busy={change.busy} onSave={save} />}
    </>
  );
}

interface PartProps {
  value: Switches;
  busy: boolean;
  onSave: (what: Partial<Switches>, said: string, back?: Partial<Switches>) => void;
}

function Given({ value, name }: { value: Switches; name: keyof Switches }) {
  return value.given.includes(name) ? <p class="faint small">{t.settings.given}</p> : null;
}

const day = 86_400;
const ages = [day, 3 * day, 7 * day, 30 * day, 90 * day, 365 * day, 0];
const sizes = [100e6, 500e6, 1e9, 2e9, 5e9, 20e9, 0];

/** The choices, and the one that counts now where it is none of them. */
export function choices(list: readonly number[], now: number, words: (n: number) => string): Array<readonly [string, string]> {
  const all = list.includes(now) ? list : [...list.filter((n) => n), now].sort((a, b) => a - b).concat(0);
  return all.map((n) => [String(n), words(n)] as const);
}

function Keep({ value, busy, onSave }: PartProps) {
  const [age, setAge] = useState(String(value.events_max_age));
  const [size, setSize] = useState(String(value.events_max_bytes));
  const next = { events_max_age: Number(age), events_max_bytes: Number(size) };
  const before = { events_max_age: value.events_max_age, events_max_bytes: value.events_max_bytes };
  const changed = next.events_max_age !== before.events_max_age || next.events_max_bytes !== before.events_max_bytes;
  const less = (a: number, b: number) => a !== 0 && (b === 0 || a < b);
  const shorter = less(next.events_max_age, before.events_max_age) || less(next.events_max_bytes, before.events_max_bytes);
  return (
    <Section title={t.settings.log} term={t.settings.logTerm}>
      <p class="soft">{t.settings.logText}</p>
      <div class="pair">
        <SelectField label={t.settings.keepAge} value={age} onValue={setAge} options={choices(ages, value.events_max_age, (n) => (n ? span(n) : t.settings.forEver))} />
        <SelectField label={t.settings.keepSize} value={size} onValue={setSize} options={choices(sizes, value.events_max_bytes, (n) => (n ? bytes(n) : t.settings.noBound))} />
      </div>
      <Given value={value} name="events_max_age" />
      {changed && shorter && <p class="small bad-text">{t.settings.keepLess}</p>}
      {changed && (
        <div class="row">
          <Button kind={shorter ? 'bad primary' : 'primary'} busy={busy} onClick={() => onSave(next, t.settings.keepSaved, shorter ? undefined : before)}>
            {shorter ? t.settings.keepShorter : t.save}
          </Button>
          <Button
            onClick={() => {
              setAge(String(value.events_max_age));
              setSize(String(value.events_max_bytes));
            }}
          >
            {t.cancel}
          </Button>
        </div>
      )}
    </Section>
  );
}

const levels = [
  ['error', t.settings.levelError],
  ['warn', t.settings.levelWarn],
  ['info', t.settings.levelInfo],
  ['debug', t.settings.levelDebug],
] as const;

function LogLevel({ value, onSave }: PartProps) {
  return (
    <Section title={t.settings.level} term={t.settings.levelTerm}>
      <p class="soft">{t.settings.levelText}</p>
      <div>
        <Segments label={t.settings.level} value={value.log_level} options={levels} onValue={(log_level) => onSave({ log_level }, t.settings.levelSaved, { log_level: value.log_level })} />
      </div>
      <Given value={value} name="log_level" />
    </Section>
  );
}
