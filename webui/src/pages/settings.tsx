import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import type { Clock, Policies } from '../api/types';
import { dateOf, span } from '../format';
import { useStore } from '../store';
import { t } from '../texts';
import { useLoaded } from '../ui/load';
import { Button, Failure, Page, Segments, useAction } from '../ui/parts';
import { PolicyEditor } from '../ui/policy';
import { Section } from '../ui/section';
import { toast } from '../ui/toast';
import { Account } from './account';
import { HTTPS } from './https';
import { SwitchSections } from './keep';
import { Names } from './names';

export function SettingsPage() {
  const who = useStore(session.current);
  const admin = who.kind === 'in' && who.admin;
  return (
    <Page title={t.settings.title} kind="narrow">
      <Account />
      <Look />
      {admin ? (
        <>
          <Limits />
          <SwitchSections />
          <ClockSettings />
          <HTTPS />
          <Names />
        </>
      ) : (
        <p class="soft">{t.settings.adminsOnly}</p>
      )}
    </Page>
  );
}

type Theme = 'auto' | 'light' | 'dark';

const themeKey = 'localcloud.theme'; // theme.js reads it before the first paint

function Look() {
  const [theme, setTheme] = useState<Theme>((localStorage.getItem(themeKey) as Theme | null) ?? 'auto');
  const choose = (next: Theme) => {
    setTheme(next);
    if (next === 'auto') {
      localStorage.removeItem(themeKey);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(themeKey, next);
      document.documentElement.dataset.theme = next;
    }
  };
  return (
    <Section title={t.settings.look} term={t.settings.lookText}>
      <div>
        <Segments<Theme>
          label={t.settings.theme}
          value={theme}
          onValue={choose}
          options={[
            ['auto', t.settings.themeAuto],
            ['light', t.settings.themeLight],
            ['dark', t.settings.themeDark],
          ]}
        />
      </div>
    </Section>
  );
}

function Limits() {
  const { value, error, set } = useLoaded<Policies>('/v1/localcloud/policy');
  const save = (which: 'device' | 'server') => async (policy: string | null) => {
    set(await api<Policies>('PUT', '/v1/localcloud/policy', { body: { [which]: policy } }));
    toast(t.settings.saved);
  };
  return (
    <Section title={t.settings.limits} term={t.settings.limitsTerm}>
      <p class="soft">{t.settings.limitsText}</p>
      {error && <Failure error={error} />}
      {value && (
        <div class="columns">
          <div class="stack">
            <h3>{t.settings.eachDevice}</h3>
            <PolicyEditor label={t.settings.eachDevice} key={value.device} value={value.device} onSave={save('device')} />
          </div>
          <div class="stack">
            <h3>{t.settings.allDevices}</h3>
            <PolicyEditor label={t.settings.allDevices} key={value.server} value={value.server} onSave={save('server')} />
          </div>
        </div>
      )}
    </Section>
  );
}

const worthAWord = 5_000; // ms between the clocks

function ClockSettings() {
  const { value, error, set } = useLoaded<Clock>('/v1/localcloud/clock');
  const [difference, setDifference] = useState(0);
  useEffect(() => {
    if (value) setDifference(Math.abs(Date.parse(value.time) - Date.now()));
  }, [value]);
  const change = useAction(async () => {
    set(await api<Clock>('PUT', '/v1/localcloud/clock', { body: { time: new Date().toISOString() } }));
    toast(t.settings.clockSet);
  });
  const doubt = value?.doubt === 'behind' ? t.settings.clockBehind : value?.doubt === 'ahead' ? t.settings.clockAhead : t.settings.clockOK;
  return (
    <Section title={t.settings.clock}>
      {(error ?? change.error) && <Failure error={(error ?? change.error)!} />}
      {value && (
        <>
          <dl class="facts">
            <dt>{t.settings.clockTime}</dt>
            <dd class="num">{dateOf(value.time)}</dd>
          </dl>
          <p class="soft">
            {doubt} {difference > worthAWord && t.settings.clockDiffers(span(Math.round(difference / 1000)))}
          </p>
          <div>
            <Button busy={change.busy} onClick={() => void change.run()}>
              {t.settings.clockUse}
            </Button>
          </div>
        </>
      )}
    </Section>
  );
}
