import { api } from '../../api/client';
import { ago, bytes } from '../../format';
import { t } from '../../texts';
import { Button, Failure, useAction } from '../../ui/parts';
import { toast } from '../../ui/toast';
import { root, titleOf, type Channel, type Recording } from './types';

interface RecordingsProps {
  list: readonly Recording[];
  channels: readonly Channel[];
  onReplay: (channel: string) => void;
}

const shown = 50; // the newest
const speeds = [1, 10] as const;

/** The files of the recorder: to keep, and to see again. */
export function Recordings({ list, channels, onReplay }: RecordingsProps) {
  return (
    <section class="card plain" aria-labelledby="recordings">
      <div class="head inset">
        <h2 id="recordings">{t.relay.recordings}</h2>
      </div>
      <ul class="lines">
        {list.toReversed().slice(0, shown).map((r) => (
          <Row key={r.file} recording={r} name={titleOf({ ...r, name: channels.find((c) => c.device === r.device)?.name ?? '' })} onReplay={onReplay} />
        ))}
      </ul>
      <p class="faint small inset pad">{list.length ? t.relay.recordingsText : t.relay.recordingsNone}</p>
    </section>
  );
}

function Row({ recording: r, name, onReplay }: { recording: Recording; name: string; onReplay: (channel: string) => void }) {
  const file = `${root}/recordings/${encodeURIComponent(r.file)}`;
  const { busy, error, run } = useAction(async (speed: number) => {
    const { channel } = await api<{ channel: string }>('POST', `${file}/replay`, { body: { speed } });
    onReplay(channel);
    toast(t.relay.replayed(`${name} · replay`));
    window.scrollTo(0, 0);
  });
  return (
    <li class="wrap">
      <span class="grow">
        <span class="block cut">{name}</span>
        <span class="faint small num block">{t.relay.recordingOf(bytes(r.bytes), ago(r.began))}</span>
      </span>
      <span class="row wrap tight-row">
        {speeds.map((n) => (
          <Button key={n} small icon="play" busy={busy} aria-label={t.relay.replay(n)} title={t.relay.replayTerm} onClick={() => void run(n)}>
            {n}×
          </Button>
        ))}
        <a class="btn small" href={`${file}?format=csv`} download={r.file.replace(/ndjson$/, 'csv')} aria-label={t.relay.downloadCSV(name)}>
          CSV
        </a>
        <a class="btn small" href={file} download={r.file} aria-label={t.relay.downloadNDJSON(name)}>
          NDJSON
        </a>
      </span>
      {error && <Failure error={error} />}
    </li>
  );
}
