import { api } from '../../api/client';
import { t } from '../../texts';
import { useLoaded } from '../../ui/load';
import { Check, Failure, useAction } from '../../ui/parts';
import { Section } from '../../ui/section';
import { toast } from '../../ui/toast';
import { root } from './types';

/** What the owner may change while the relay runs. */
interface Settings {
  read: 'open' | 'token';
  legacy: boolean;
  by_address: boolean;
}

const path = `${root}/settings`;

/** Who may watch, and what may stream: switches that work at once, with a way back. */
export function RelaySettings() {
  const { value, error, set } = useLoaded<Settings>(path);
  const change = useAction(async (what: Partial<Settings>, said: string, back?: Partial<Settings>) => {
    if (!value) return;
    set({ ...value, ...what }); // at once, so that a switch stays where it was put
    try {
      set(await api<Settings>('PUT', path, { body: what }));
    } catch (err) {
      set(value);
      throw err;
    }
    toast(said, back && (() => void change.run(back, t.settings.undone)));
  });
  const failure = error ?? change.error;
  const disabled = !value;
  const texts = t.relay.doors;
  return (
    <Section title={texts.title} term={texts.term}>
      {failure && <Failure error={failure} />}
      <Check
        checked={value?.read === 'open'}
        disabled={disabled}
        onChecked={(on) => void change.run({ read: on ? 'open' : 'token' }, on ? texts.openNow : texts.tokenNow, { read: on ? 'token' : 'open' })}
      >
        {texts.open} <span class="term">{texts.openTerm}</span>
        <span class="faint small block">{texts.openText}</span>
      </Check>
      <Check
        checked={value?.legacy ?? false}
        disabled={disabled}
        onChecked={(on) => void change.run({ legacy: on }, on ? texts.legacyOn : texts.legacyOff, { legacy: !on })}
      >
        {texts.legacy} <span class="term">{texts.legacyTerm}</span>
        <span class="faint small block">{texts.legacyText}</span>
      </Check>
      <Check
        checked={value?.by_address ?? false}
        disabled={disabled}
        onChecked={(on) => void change.run({ by_address: on }, on ? texts.byAddressOn : texts.byAddressOff, { by_address: !on })}
      >
        {texts.byAddress} <span class="term">{texts.byAddressTerm}</span>
        <span class="faint small block">{texts.byAddressText}</span>
      </Check>
    </Section>
  );
}
