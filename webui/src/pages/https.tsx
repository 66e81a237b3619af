import { useEffect, useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import type { Status } from '../api/types';
import { t } from '../texts';
import { Button, Command, Failure, useAction } from '../ui/parts';
import { Section } from '../ui/section';

const authority = '/v1/localcloud/ca';

/** Whether this cloud has an authority of its own; null: not known yet. */
async function hasAuthority(): Promise<boolean> {
  const answer = await fetch(authority, { method: 'HEAD', cache: 'no-store' });
  return answer.ok;
}

/** Encrypted connections: whether there are any, and the certificate that browsers and programs have to trust. */
export function HTTPS() {
  const [status, setStatus] = useState<Status | null>(null);
  const [made, setMade] = useState<boolean | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    Promise.all([api<Status>('GET', '/v1/localcloud/status'), hasAuthority()]).then(
      ([s, has]) => {
        setStatus(s);
        setMade(has);
      },
      (err) => setError(asError(err)),
    );
  }, []);
  const make = useAction(async () => {
    await fetchText('POST', authority);
    setMade(await hasAuthority());
  });
  const served = status?.addresses?.https ?? [];
  return (
    <Section title={t.settings.https} term={t.settings.httpsTerm}>
      {(error ?? make.error) && <Failure error={(error ?? make.error)!} />}
      {status && served.length === 0 && (
        <>
          <p class="soft">{t.settings.httpsOff}</p>
          <Command text="localcloud serve --https :8443" />
        </>
      )}
      {served.length > 0 && (
        <>
          <p class="soft">{t.settings.httpsOn}</p>
          <ul class="row wrap">
            {served.map((a) => (
              <li key={a}>
                <a href={`https://${a}/console/`}>
                  <code>https://{a}</code>
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
      {made !== null && (
        <>
          <p class="soft">{made ? t.settings.caText : t.settings.caNone}</p>
          <div class="row wrap">
            {made ? (
              <a class="btn" href={authority} download>
                {t.settings.caGet}
              </a>
            ) : (
              <Button busy={make.busy} onClick={() => void make.run()}>
                {t.settings.caMake}
              </Button>
            )}
          </div>
        </>
      )}
      {made && <Help />}
    </Section>
  );
}

async function fetchText(method: 'GET' | 'POST', path: string): Promise<string> {
  const answer = await fetch(path, { method, headers: { 'X-Localcloud-Csrf': '1' }, credentials: 'same-origin', cache: 'no-store' });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

/** Where the certificate has to go, as the cloud itself says it. */
function Help() {
  const [text, setText] = useState('');
  return (
    <details class="help" onToggle={(e) => e.currentTarget.open && !text && void fetchText('GET', `${authority}/help`).then(setText, (err) => setText(String(err)))}>
      <summary>{t.settings.caHelp}</summary>
      <pre class="wrapped small">{text || t.loading}</pre>
    </details>
  );
}
