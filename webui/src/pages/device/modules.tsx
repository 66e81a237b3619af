import type { Device, Module } from '../../api/types';
import { t } from '../../texts';
import { CopyButton } from '../../ui/parts';
import { Section } from '../../ui/section';

const order = ['user', 'system', 'monolithic', 'bootloader', 'ncp', 'radio', 'settings', 'resource', 'asset'];

function byOrder(a: Module, b: Module): number {
  return (a.place ? 1 : 0) - (b.place ? 1 : 0) || order.indexOf(a.function) - order.indexOf(b.function) || (a.index ?? 0) - (b.index ?? 0);
}

/** What firmware a board has: its parts, each with its version. */
export function Modules({ device }: { device: Device }) {
  const modules = [...(device.modules ?? [])].sort(byOrder);
  return (
    <Section title={t.device.firmware} term={t.device.firmwareTerm}>
      <ul class="vitals">
        <li>
          <span>
            {t.device.os} <span class="term">{t.device.osTerm}</span>
          </span>
          <span class="num">{device.system_firmware_version ?? '–'}</span>
        </li>
        {modules.map((m) => (
          <li key={`${m.function} ${m.index} ${m.place}`}>
            <span>
              {t.device.modules[m.function] ?? m.function} {m.function === 'system' ? m.index : ''} <span class="term">{m.function}</span>
              {m.place && <span class="pill">{t.device.places[m.place] ?? m.place}</span>}
              {m.damaged && (
                <span class="pill bad" title={t.device.damagedText}>
                  {t.device.damaged}
                </span>
              )}
            </span>
            <span class="num">{t.device.version(m.version)}</span>
          </li>
        ))}
        {device.app_hash && (
          <li>
            <span>
              {t.device.appHash} <span class="term">{t.device.appHashTerm}</span>
            </span>
            <span class="row tight-row">
              <code>{device.app_hash.slice(0, 12).toLowerCase()}</code>
              <CopyButton text={device.app_hash} label={t.device.copyHash} />
            </span>
          </li>
        )}
      </ul>
      {modules.length === 0 && <p class="soft small">{t.device.modulesNone}</p>}
    </Section>
  );
}
