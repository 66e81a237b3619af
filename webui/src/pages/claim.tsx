import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { go } from '../router';
import { loadDevices } from '../state/devices';
import { t } from '../texts';
import { Button, Failure, Form, TextField, useAction } from '../ui/parts';
import { Section } from '../ui/section';

/** Makes a board that belongs to nobody one's own. */
export function Claim() {
  const [id, setID] = useState('');
  const { busy, error, run } = useAction(async () => {
    const { id: claimed } = await api<{ id: string }>('POST', '/v1/devices', { body: { id: id.trim() } });
    await loadDevices();
    go(`devices/${claimed}`);
  });
  return (
    <Section title={t.claim.title} term={t.claim.term}>
      <p class="soft">{t.claim.text}</p>
      <Form kind="row wrap end" onSubmit={run}>
        <div class="grow">
          <TextField label={t.claim.id} class="input mono" value={id} onValue={setID} minlength={24} maxlength={24} required autocapitalize="none" spellcheck={false} />
        </div>
        <Button type="submit" busy={busy}>
          {t.claim.submit}
        </Button>
      </Form>
      {error && <Failure error={error} />}
    </Section>
  );
}
