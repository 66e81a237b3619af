import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import { useStore } from '../store';
import { t } from '../texts';
import { FormDialog } from '../ui/dialog';
import { Button, TextField } from '../ui/parts';
import { Section } from '../ui/section';
import { toast } from '../ui/toast';

/** What users may change of their own account. */
export function Account() {
  const who = useStore(session.current);
  const [changing, setChanging] = useState(false);
  if (who.kind !== 'in') return null;
  return (
    <Section title={t.account.title} term={who.user}>
      <div>
        <Button onClick={() => setChanging(true)}>{t.account.change}</Button>
      </div>
      {changing && <OwnPassword onClose={() => setChanging(false)} />}
    </Section>
  );
}

function OwnPassword({ onClose }: { onClose: () => void }) {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const save = async () => {
    await api('PUT', '/v1/user', { body: { password, current_password: current } });
    toast(t.account.changed);
    onClose();
  };
  return (
    <FormDialog title={t.account.change} submit={t.save} onSubmit={save} onClose={onClose}>
      <TextField label={t.account.current} type="password" value={current} onValue={setCurrent} required autofocus autocomplete="current-password" />
      <TextField label={t.account.next} hint={t.account.hint} type="password" value={password} onValue={setPassword} minlength={8} required autocomplete="new-password" />
    </FormDialog>
  );
}
