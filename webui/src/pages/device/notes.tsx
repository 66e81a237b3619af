import { useState } from 'preact/hooks';
import { api, path } from '../../api/client';
import type { Device } from '../../api/types';
import { loadDevice } from '../../state/devices';
import { t } from '../../texts';
import { Button, Failure, Form, TextArea, useAction } from '../../ui/parts';
import { toast } from '../../ui/toast';

export function Notes({ device }: { device: Device }) {
  const [text, setText] = useState(device.notes ?? '');
  const changed = text !== (device.notes ?? '');
  const { busy, error, run } = useAction(async () => {
    await api('PUT', path('devices', device.id), { body: { notes: text } });
    await loadDevice(device.id);
    toast(t.device.notesSaved);
  });
  return (
    <section class="card">
      <Form onSubmit={run}>
        <TextArea label={<span class="as-h2">{t.device.notes}</span>} hint={t.device.notesHint} value={text} onValue={setText} />
        {error && <Failure error={error} />}
        {changed && (
          <div class="row">
            <Button kind="primary" type="submit" busy={busy}>
              {t.save}
            </Button>
            <Button onClick={() => setText(device.notes ?? '')}>{t.cancel}</Button>
          </div>
        )}
      </Form>
    </section>
  );
}
