import { useState } from 'preact/hooks';
import { api } from '../../api/client';
import { bytes, count } from '../../format';
import { t } from '../../texts';
import { Button, Dot, Failure, Segments, useAction } from '../../ui/parts';
import { Spark } from '../../ui/spark';
import { toast } from '../../ui/toast';
import { PublishDialog } from './publish';
import { keyOf, root, titleOf, type Channel } from './types';

interface ChannelsProps {
  list: readonly Channel[];
  curves: Record<string, number[]>;
  admin: boolean;
  port: number | undefined;
  onChange: () => Promise<void>;
}

/** The boards that stream, with what can be done with each. */
export function Channels({ list, curves, admin, port, onChange }: ChannelsProps) {
  return (
    <section class="stack" aria-labelledby="channels">
      <h2 id="channels">
        {t.relay.channels} <span class="term">{t.relay.channelsTerm}</span>
      </h2>
      <div class="channels">
        {list.map((c) => (
          <section class="card" key={keyOf(c)} aria-label={titleOf(c)}>
            <div class="head">
              <Dot online={c.streaming} />
              <h3 class="cut as-h2">{titleOf(c)}</h3>
              {c.recording && <span class="pill bad">{t.relay.recording}</span>}
            </div>
            <div class="row">
              <div class="grow">
                <div class="big-number num">{c.lines_per_second >= 10 ? count(Math.round(c.lines_per_second)) : c.lines_per_second.toFixed(1)}</div>
                <div class="faint small">{t.relay.perSecond}</div>
              </div>
              <div class="grow">
                <Spark values={curves[keyOf(c)] ?? []} />
              </div>
            </div>
            <p class="faint small num">
              {t.relay.figures(count(c.lines), bytes(c.bytes))}
              {c.lost > 0 && ` · ${t.relay.lost(count(c.lost))}`}
            </p>
            {admin && <Controls channel={c} port={port} onChange={onChange} />}
          </section>
        ))}
      </div>
    </section>
  );
}

function Controls({ channel: c, port, onChange }: { channel: Channel; port: number | undefined; onChange: () => Promise<void> }) {
  const [publishing, setPublishing] = useState(false);
  return (
    <>
      <Record channel={c} onChange={onChange} />
      <Send channel={c} />
      <div class="row wrap">
        <Button small onClick={() => setPublishing(true)}>
          {t.relay.makePublic}
        </Button>
      </div>
      {publishing && <PublishDialog channels={[c]} port={port} onClose={() => setPublishing(false)} onDone={onChange} />}
    </>
  );
}

type Recorded = 'off' | 'on' | 'always';

/** Records a channel: not, from now on until it is stopped, or whenever there are lines. */
function Record({ channel: c, onChange }: { channel: Channel; onChange: () => Promise<void> }) {
  const now: Recorded = c.recording_always ? 'always' : c.recording ? 'on' : 'off';
  const { error, run } = useAction(async (to: Recorded) => {
    const where = `${root}/recordings/${c.device}`;
    const stream = c.stream ? { stream: c.stream } : {};
    if (now === 'always' || to === 'off') await api('DELETE', where, { body: stream });
    if (to !== 'off') await api('PUT', where, { body: { ...stream, always: to === 'always' } });
    await onChange();
  });
  return (
    <>
      <div class="row wrap">
        <span class="small soft">{t.relay.record}</span>
        <Segments
          label={`${t.relay.record}: ${titleOf(c)}`}
          value={now}
          options={[['off', t.relay.recordOff], ['on', t.relay.recordOn], ['always', t.relay.recordAlways]]}
          onValue={(to) => to !== now && void run(to)}
        />
        {now === 'always' && <span class="faint tiny">{t.relay.recordAlwaysText}</span>}
      </div>
      {c.recording_failed && <p class="note warn small">{t.relay.recordFailed(c.recording_failed)}</p>}
      {error && <Failure error={error} />}
    </>
  );
}

/** Sends the board a line over its own connection. */
function Send({ channel: c }: { channel: Channel }) {
  const [text, setText] = useState('');
  const { busy, error, run } = useAction(async () => {
    await api('POST', `${root}/channels/${c.device}/send`, { body: { data: text, ...(c.stream ? { stream: c.stream } : {}) } });
    setText('');
    toast(t.relay.sent(titleOf(c)));
  });
  return (
    <details class="help">
      <summary>
        {t.relay.send} <span class="term">{t.relay.sendTerm}</span>
      </summary>
      {c.by === 'websocket' ? (
        <form
          class="row"
          onSubmit={(e) => {
            e.preventDefault();
            void run();
          }}
        >
          <input class="input small grow" aria-label={t.relay.sendLabel(titleOf(c))} value={text} maxLength={1024} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
          <Button small type="submit" icon="send" busy={busy} disabled={!text}>
            {t.relay.sendButton}
          </Button>
        </form>
      ) : (
        <p class="faint small">{c.streaming ? t.relay.sendOneWay : t.relay.sendOffline}</p>
      )}
      {error && <Failure error={error} />}
    </details>
  );
}
