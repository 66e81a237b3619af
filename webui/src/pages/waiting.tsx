import { useState } from 'preact/hooks';
import { session } from '../api/session';
import type { Knock } from '../api/types';
import { ago } from '../format';
import { Link } from '../router';
import { deviceName } from '../state/devices';
import { adopt, canAdopt, isRenewed, knocks, loadKnocks } from '../state/waiting';
import { useRepeated, useStore } from '../store';
import { t } from '../texts';
import { Confirm } from '../ui/dialog';
import { useNow } from '../ui/hooks';
import { Button, Empty, Failure, Form, Page, TextField, Waiting, useAction } from '../ui/parts';
import { Prose } from '../ui/prose';
import { toast } from '../ui/toast';

export function WaitingPage() {
  const who = useStore(session.current);
  const list = useStore(knocks);
  useNow(5_000);
  useRepeated(loadKnocks, 2_000);
  let body;
  if (who.kind === 'in' && !who.admin) body = <div class="card"><Empty icon="bell" title={t.waiting.title}>{t.waiting.adminsOnly}</Empty></div>;
  else if (!list) body = <Waiting />;
  else if (list.length === 0) {
    body = (
      <div class="card">
        <Empty icon="bell" title={t.waiting.empty} actions={<Link class="btn" to="connect">{t.nav.connect}</Link>}>
          {t.waiting.emptyText}
        </Empty>
      </div>
    );
  } else body = list.map((k) => <KnockCard key={`${k.id} ${k.fingerprint} ${k.reason} ${k.address}`} knock={k} />);
  return (
    <Page title={t.waiting.title} lead={t.waiting.lead} kind="narrow">
      {body}
    </Page>
  );
}

/** A board that knocked: why it was not let in, and what to do. */
export function KnockCard({ knock }: { knock: Knock }) {
  return (
    <section class="card knock" aria-label={knock.id || t.waiting.noID}>
      <div class="row between wrap">
        <code class="cut">{knock.id || t.waiting.noID}</code>
        <span class="faint small">
          {t.waiting.from(knock.address)} · {knock.transport.toUpperCase()} · {t.waiting.times(knock.count)} · {t.waiting.last(ago(knock.last))}
        </span>
      </div>
      <div class="stack tight">
        <h2>{knock.what}</h2>
        <p class="soft">{canAdopt(knock) ? (isRenewed(knock) ? t.waiting.renewedNext : t.waiting.adoptNext) : <Prose text={knock.next} />}</p>
        <p class="faint tiny">
          {t.waiting.step(knock.step)} · {knock.reason}
        </p>
      </div>
      {canAdopt(knock) && (isRenewed(knock) ? <TakeKey knock={knock} /> : <LetIn knock={knock} />)}
    </section>
  );
}

function LetIn({ knock }: { knock: Knock }) {
  const [name, setName] = useState('');
  const { busy, error, run } = useAction(async () => {
    await adopt(knock.id, name.trim());
    toast(t.waiting.adopted(name.trim() || knock.id));
  });
  return (
    <>
      <Form kind="row wrap end" onSubmit={run}>
        <div class="grow">
          <TextField label={t.connect.name} value={name} onValue={setName} maxlength={64} />
        </div>
        <Button kind="primary" type="submit" busy={busy} title={t.connect.adoptTerm}>
          {t.connect.adopt}
        </Button>
      </Form>
      {error && <Failure error={error} />}
    </>
  );
}

/** A board that is known comes with another key: to take that one cannot be undone. */
function TakeKey({ knock }: { knock: Knock }) {
  const [asking, setAsking] = useState(false);
  const take = async () => {
    await adopt(knock.id, '');
    toast(t.waiting.adopted(deviceName(knock.id)));
  };
  return (
    <div>
      <Button onClick={() => setAsking(true)}>{t.waiting.takeKey}</Button>
      {asking && <Confirm title={t.waiting.takeKeyTitle(deviceName(knock.id))} text={t.waiting.takeKeyText} action={t.waiting.takeKey} onConfirm={take} onClose={() => setAsking(false)} />}
    </div>
  );
}
