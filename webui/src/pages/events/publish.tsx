import { useState } from 'preact/hooks';
import { api } from '../../api/client';
import { t } from '../../texts';
import { FormDialog } from '../../ui/dialog';
import { Check, TextArea, TextField } from '../../ui/parts';
import { toast } from '../../ui/toast';

export function Publish({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [data, setData] = useState('');
  const [own, setOwn] = useState(true);
  const publish = async () => {
    await api('POST', '/v1/devices/events', { body: { name, private: own, ...(data ? { data } : {}) } });
    toast(t.publish.sent(name));
    onClose();
  };
  return (
    <FormDialog title={t.publish.title} submit={t.publish.submit} disabled={!name} onSubmit={publish} onClose={onClose}>
      <TextField label={t.publish.name} hint={t.publish.nameHint} value={name} onValue={setName} maxlength={64} required autofocus autocapitalize="none" spellcheck={false} />
      <TextArea label={t.publish.data} class="input mono" value={data} onValue={setData} spellcheck={false} />
      <Check checked={own} onChecked={setOwn}>
        {t.publish.private} <span class="term">{t.publish.privateTerm}</span>
      </Check>
    </FormDialog>
  );
}
