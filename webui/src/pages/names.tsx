import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { t } from '../texts';
import { useLoaded } from '../ui/load';
import { Button, Failure, Form, TextField, useAction } from '../ui/parts';
import { Section } from '../ui/section';

interface Hosts {
  own: string[];
  added: string[];
}

/** By which names browsers reach this cloud. */
export function Names() {
  const { value, error, set } = useLoaded<Hosts>('/v1/localcloud/hosts');
  const [name, setName] = useState('');
  const change = useAction(async (method: 'POST' | 'DELETE', host: string) => {
    const path = '/v1/localcloud/hosts' + (method === 'DELETE' ? `/${encodeURIComponent(host)}` : '');
    set(await api<Hosts>(method, path, { body: method === 'POST' ? { host } : undefined }));
    if (method === 'POST') setName('');
  });
  if (error?.status === 404) return null;
  return (
    <Section title={t.settings.names} term={t.settings.namesTerm}>
      <p class="soft">{t.settings.namesText}</p>
      {(error ?? change.error) && <Failure error={(error ?? change.error)!} />}
      {value && (
        <>
          <ul class="row wrap" aria-label={t.settings.namesOwn}>
            {value.own.map((h) => (
              <li key={h} class="pill">
                {h}
              </li>
            ))}
            {value.added.map((h) => (
              <li key={h} class="pill accent">
                {h}
                <button type="button" class="pill-x" aria-label={t.settings.namesRemove(h)} onClick={() => void change.run('DELETE', h)}>
                  ×
                </button>
              </li>
            ))}
          </ul>
          <Form kind="row wrap end" onSubmit={() => change.run('POST', name)}>
            <div class="grow">
              <TextField label={t.settings.namesAdd} placeholder={t.settings.namesHint} value={name} onValue={setName} autocapitalize="none" spellcheck={false} required />
            </div>
            <Button type="submit" busy={change.busy}>
              {t.settings.namesAdd}
            </Button>
          </Form>
        </>
      )}
    </Section>
  );
}
