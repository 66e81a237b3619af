import { useEffect, useState } from 'preact/hooks';
import { api, asError, path, type ApiError } from '../../api/client';
import { t } from '../../texts';
import { PickDevice } from '../../ui/pickdevice';
import { Dialog, FormDialog } from '../../ui/dialog';
import { Check, Failure, SelectField, TextArea, TextField, Waiting } from '../../ui/parts';
import { toast } from '../../ui/toast';
import { formatHeaders, parseHeaders, type Hook } from './types';

type Method = 'POST' | 'GET' | 'PUT' | 'DELETE';
type Sends = 'default' | 'json' | 'body';

/** Makes a webhook, or changes the one with the id. */
export function EditHook({ id, onClose }: { id?: string; onClose: () => void }) {
  const [hook, setHook] = useState<Hook | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    if (!id) return;
    api<{ integration: Hook }>('GET', path('integrations', id)).then((a) => setHook(a.integration), (err) => setError(asError(err)));
  }, [id]);
  const title = id ? t.hooks.edit : t.hooks.make;
  if (!id || hook) return <HookForm title={title} hook={hook} onClose={onClose} />;
  return (
    <Dialog title={title} onClose={onClose}>
      {error ? <Failure error={error} /> : <Waiting />}
    </Dialog>
  );
}

function HookForm({ title, hook, onClose }: { title: string; hook: Hook | null; onClose: () => void }) {
  const [name, setName] = useState(hook?.name ?? '');
  const [event, setEvent] = useState(hook?.event ?? '');
  const [url, setURL] = useState(hook?.url ?? '');
  const [method, setMethod] = useState<Method>((hook?.requestType as Method | undefined) ?? 'POST');
  const [device, setDevice] = useState(hook?.deviceID ?? '');
  const [sends, setSends] = useState<Sends>(hook?.json !== undefined ? 'json' : hook?.body ? 'body' : 'default');
  const [json, setJSON] = useState(hook?.json === undefined ? t.hooks.jsonExample : typeof hook.json === 'string' ? hook.json : JSON.stringify(hook.json, null, 2));
  const [body, setBody] = useState(hook?.body ?? '{{{PARTICLE_EVENT_VALUE}}}');
  const [headers, setHeaders] = useState(formatHeaders(hook?.headers));
  const [active, setActive] = useState(!hook?.disabled);
  const save = async () => {
    const parsed = parseHeaders(headers);
    if (!parsed) throw new Error(t.hooks.badHeaders);
    const { counts: _, json: _json, body: _body, deviceID: _device, ...kept } = hook ?? ({} as Partial<Hook>);
    const next = {
      ...kept,
      name,
      event,
      url,
      requestType: method,
      headers: parsed,
      disabled: !active,
      noDefaults: sends === 'json' && hook?.json === undefined ? true : !!hook?.noDefaults, // one that was made elsewhere stays as it is
      ...(device ? { deviceID: device } : {}),
      ...(sends === 'json' ? { json: template(json) } : sends === 'body' ? { body } : {}),
    };
    if (hook) await api('PUT', path('integrations', hook.id), { body: next });
    else await api('POST', '/v1/integrations', { body: { integration_type: 'Webhook', ...next } });
    toast(t.hooks.saved);
    onClose();
  };
  return (
    <FormDialog title={title} submit={t.save} onSubmit={save} onClose={onClose}>
      <TextField label={t.hooks.event} hint={t.hooks.eventHint} value={event} onValue={setEvent} required maxlength={64} autofocus autocapitalize="none" spellcheck={false} />
      <div class="pair wide-second">
        <SelectField<Method> label={t.hooks.method} value={method} onValue={setMethod} options={(['POST', 'GET', 'PUT', 'DELETE'] as const).map((m) => [m, m] as const)} />
        <TextField label={t.hooks.url} value={url} onValue={setURL} placeholder="https://example.org" required autocapitalize="none" spellcheck={false} />
      </div>
      <SelectField<Sends>
        label={t.hooks.sends}
        hint={sends === 'default' ? t.hooks.sendsHint : t.hooks.templateHint}
        value={sends}
        onValue={setSends}
        options={[
          ['default', t.hooks.sendsDefault],
          ['json', t.hooks.sendsJSON],
          ['body', t.hooks.sendsBody],
        ]}
      />
      {sends !== 'default' && (
        <TextArea label={t.hooks.template} class="input mono" spellcheck={false} value={sends === 'json' ? json : body} onValue={sends === 'json' ? setJSON : setBody} />
      )}
      <details class="help" open={!!(hook && (name || headers || device))}>
        <summary>{t.hooks.more}</summary>
        <div class="stack">
          <TextField label={t.hooks.name} value={name} onValue={setName} maxlength={100} />
          <PickDevice label={t.hooks.device} none={t.tokens.everyDevice} value={device} onValue={setDevice} />
          <TextArea label={t.hooks.headers} hint={t.hooks.headersHint} class="input mono" spellcheck={false} value={headers} onValue={setHeaders} />
          <Check checked={active} onChecked={setActive}>
            {t.hooks.active}
          </Check>
        </div>
      </details>
    </FormDialog>
  );
}

/** A template that is an object goes as one; what is not JSON before it is filled in goes as its text. */
export function template(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
