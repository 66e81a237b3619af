import { useState } from 'preact/hooks';
import { api } from '../../api/client';
import { t } from '../../texts';
import { Dialog } from '../../ui/dialog';
import { Button, Failure, Field, TextField, useAction } from '../../ui/parts';
import { toast } from '../../ui/toast';

export function Publish({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [data, setData] = useState('');
  const [own, setOwn] = useState(true);
  const { busy, error, run } = useAction(async () => {
    await api('POST', '/v1/devices/events', { body: { name, private: own, ...(data ? { data } : {}) } });
    toast(t.publish.sent(name));
    onClose();
  });
  return (
    <Dialog title={t.publish.title} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          void run();
        }}
      >
        <TextField label={t.publish.name} hint={t.publish.nameHint} value={name} onValue={setName} maxlength={64} required autofocus autocapitalize="none" spellcheck={false} />
        <Field label={t.publish.data}>
          {(id) => <textarea id={id} class="input mono" value={data} onInput={(e) => setData(e.currentTarget.value)} spellcheck={false} />}
        </Field>
        <label class="check">
          <input type="checkbox" checked={own} onChange={(e) => setOwn(e.currentTarget.checked)} />
          <span>
            {t.publish.private} <span class="term">{t.publish.privateTerm}</span>
          </span>
        </label>
        {error && <Failure error={error} />}
        <div class="buttons">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={!name}>
            {t.publish.submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
