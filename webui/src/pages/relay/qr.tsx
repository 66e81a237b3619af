import { useEffect, useState } from 'preact/hooks';
import { api } from '../../api/client';
import type { Status } from '../../api/types';
import { t } from '../../texts';
import { Button, CopyButton, SelectField } from '../../ui/parts';
import { download } from '../events/export';

const quiet = 4; // modules of white around a code, as ISO/IEC 18004 wants them

/** The outline of the dark modules of a code, one unit each. */
export function modulesPath(data: ReadonlyArray<readonly boolean[]>): string {
  return data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x + quiet} ${y + quiet}h1v1h-1z`] : []))).join('');
}

interface Code {
  size: number; // with the quiet zone
  path: string;
}

/** A QR code, made in the browser: nobody else is asked. */
export function QR({ url, onCode }: { url: string; onCode?: (code: Code) => void }) {
  const [code, setCode] = useState<Code | null>(null);
  useEffect(() => {
    let here = true;
    void import('uqr').then(({ encode }) => {
      const { data, size } = encode(url, { ecc: 'M', border: 0 });
      const made = { size: size + 2 * quiet, path: modulesPath(data) };
      if (!here) return;
      setCode(made);
      onCode?.(made);
    });
    return () => {
      here = false;
    };
  }, [url]);
  return (
    <svg class="qr" viewBox={`0 0 ${code?.size ?? 37} ${code?.size ?? 37}`} role="img" aria-label={t.relay.qrAlt(url)} shape-rendering="crispEdges">
      <rect width="100%" height="100%" fill="#fff" />
      {code && <path d={code.path} fill="#000" />}
    </svg>
  );
}

const loopback = /^(localhost|127\.|\[?::1)/;

/** The hosts by which others reach this cloud: the one of this page first, unless only this machine knows it. */
export function hostsFor(here: string, addresses: readonly string[]): string[] {
  const hosts = addresses.map((a) => a.replace(/:\d+$/, '')).filter((h) => !loopback.test(h) && h !== here);
  return loopback.test(here) ? (hosts.length ? hosts : [here]) : [here, ...hosts];
}

/** The address of a public name, to copy and to point a phone at. */
export function LinkWithCode({ name, port }: { name: string; port: number | undefined }) {
  const here = window.location.hostname;
  const [hosts, setHosts] = useState<string[]>([here]);
  const [host, setHost] = useState(here);
  const [code, setCode] = useState<Code | null>(null);
  useEffect(() => {
    void api<Status>('GET', '/v1/localcloud/status').then(
      ({ addresses }) => {
        const found = hostsFor(here, addresses?.relay ?? []);
        setHosts(found);
        setHost(found[0]!);
      },
      () => undefined, // then the address of this page it is
    );
  }, []);
  const url = `http://${host}:${port ?? 8070}/p/${name}`;
  return (
    <>
      <p class="soft small">{t.relay.qrText}</p>
      <QR url={url} onCode={setCode} />
      <p class="qr-link">
        <a href={url} target="_blank" rel="noopener noreferrer">
          {url}
        </a>
      </p>
      {loopback.test(host) && <p class="note warn small">{t.relay.qrHere}</p>}
      {hosts.length > 1 && <SelectField label={t.relay.qrAddress} value={host} options={hosts.map((h): [string, string] => [h, h])} onValue={setHost} />}
      <div class="row wrap centered">
        <CopyButton text={url} label={t.relay.link} words />
        <Button small icon="down" disabled={!code} onClick={() => code && download(`${name}.svg`, 'image/svg+xml', svgOf(code))}>
          {t.relay.qrSave}
        </Button>
      </div>
    </>
  );
}

/** The code as a file of its own, to print. It holds nothing but numbers. */
export function svgOf({ size, path }: Code): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size * 8}" height="${size * 8}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>\n`;
}
