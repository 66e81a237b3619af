import type { Device } from '../../api/types';
import { ago, dateOf, platform } from '../../format';
import { heard } from '../../state/devices';
import { t } from '../../texts';
import { useNow } from '../../ui/hooks';
import { Command } from '../../ui/parts';
import { type Fact, Facts, Section } from '../../ui/section';

export function About({ device: d }: { device: Device }) {
  useNow(5_000);
  const at = Math.max(heard.get(d.id) ?? 0, Date.parse(d.last_heard ?? '') || 0);
  const facts: Fact[] = [
    [t.device.platform, platform(d.platform_id)],
    [t.device.heard, <span title={dateOf(at)}>{ago(at)}</span>],
    d.online && d.since ? [t.device.since, dateOf(d.since)] : [t.device.handshake, dateOf(d.last_handshake_at)],
    [t.device.owner, d.owner ?? t.device.nobody],
  ];
  if (d.key_fingerprint !== undefined) facts.push([t.device.key, <code>{d.key_fingerprint || t.device.noKey}</code>]);
  const held = t.serverKeys.held[d.server_key ?? ''];
  if (held) facts.push([t.serverKeys.heldLabel, <span class="warn-text">{held}</span>]);
  if (d.iccid) facts.push([t.device.iccid, <code>{d.iccid}</code>]);
  if (d.imei) facts.push([t.device.imei, <code>{d.imei}</code>]);
  return (
    <Section title={t.device.about}>
      <Facts facts={facts} />
      <details class="help">
        <summary>
          {t.device.rekey} <span class="term">{t.device.rekeyTerm}</span>
        </summary>
        <p class="soft small">{t.device.rekeyText}</p>
        <Command text="localcloud device connect" />
      </details>
    </Section>
  );
}
