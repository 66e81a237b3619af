import { useState } from 'preact/hooks';
import { api } from '../../api/client';
import { t } from '../../texts';
import { Dialog } from '../../ui/dialog';
import { Button, Failure, useAction } from '../../ui/parts';
import { toast } from '../../ui/toast';
import { PublishDialog } from './publish';
import { LinkWithCode } from './qr';
import { keyOf, root, titleOf, type Channel, type Publication, type Relay } from './types';

interface PublicProps {
  relay: Partial<Relay>;
  channels: readonly Channel[];
  onChange: () => Promise<void>;
}

/** What everybody on the network may see, under which names. */
export function Public({ relay, channels, onChange }: PublicProps) {
  const [making, setMaking] = useState(false);
  const list = Object.entries(relay.public ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <section class="card plain" aria-labelledby="public">
      <div class="head inset">
        <h2 id="public">{t.relay.public}</h2>
        <span class="right">
          <Button small icon="plus" onClick={() => setMaking(true)}>
            {t.relay.publicNew}
          </Button>
        </span>
      </div>
      <p class="soft small inset">{t.relay.publicText}</p>
      <ul class="lines">
        {list.map(([name, p]) => (
          <Row key={name} name={name} publication={p} channels={channels} port={relay.port} onChange={onChange} />
        ))}
        {list.length === 0 && <li class="faint">{t.relay.publicNone}</li>}
      </ul>
      {making && <PublishDialog channels={channels} events port={relay.port} onClose={() => setMaking(false)} onDone={onChange} />}
    </section>
  );
}

interface RowProps {
  name: string;
  publication: Publication;
  channels: readonly Channel[];
  port: number | undefined;
  onChange: () => Promise<void>;
}

function Row({ name, publication: p, channels, port, onChange }: RowProps) {
  const [code, setCode] = useState(false);
  const what = p.events ? t.relay.publicEventsOf(p.events) : titleOf(channels.find((c) => keyOf(c) === keyOf(p)) ?? { ...p, name: channels.find((c) => c.device === p.device)?.name ?? '' });
  const { busy, error, run } = useAction(async () => {
    await api('DELETE', `${root}/public/${name}`);
    await onChange();
    toast(t.relay.unpublished(name), () => void api('PUT', `${root}/public/${name}`, { body: p }).then(onChange));
  });
  return (
    <li class="wrap">
      <span class="grow">
        <a class="block cut" href={`http://${window.location.hostname}:${port}/p/${name}`} target="_blank" rel="noopener noreferrer">
          {name}
        </a>
        <span class="faint small block">
          {what}
          {p.fields?.length ? ` · ${p.fields.join(', ')}` : ''}
        </span>
      </span>
      <span class="row wrap tight-row">
        <Button small icon="qr" onClick={() => setCode(true)} aria-label={t.relay.qrOf(name)}>
          {t.relay.qr}
        </Button>
        <Button small busy={busy} onClick={() => void run()}>
          {t.relay.unpublish}
        </Button>
      </span>
      {error && <Failure error={error} />}
      {code && (
        <Dialog title={t.relay.qrOf(name)} onClose={() => setCode(false)}>
          <LinkWithCode name={name} port={port} />
          <div class="buttons">
            <Button onClick={() => setCode(false)}>{t.close}</Button>
          </div>
        </Dialog>
      )}
    </li>
  );
}
