import { useState } from 'preact/hooks';
import { api, path } from '../../api/client';
import type { Device } from '../../api/types';
import { useRepeated } from '../../store';
import { t } from '../../texts';
import { Spark } from '../../ui/spark';
import { Button, CopyButton, Failure, useAction } from '../../ui/parts';
import { Section } from '../../ui/section';
import { Nothing } from './functions';

type Value = string | number | boolean | null;

export function Variables({ device }: { device: Device }) {
  const names = Object.keys(device.variables).sort();
  const [live, setLive] = useState(false);
  return (
    <Section
      title={t.device.variables}
      term={t.device.variablesTerm}
      right={
        names.length > 0 && (
          <Button small icon={live ? 'pause' : 'play'} pressed={live} disabled={!device.online} title={t.device.liveHint} onClick={() => setLive(!live)}>
            {t.device.live}
          </Button>
        )
      }
    >
      {names.length === 0 && (
        <Nothing device={device} what={t.device.noVariables} example={t.device.noVariablesText} />
      )}
      {names.map((name) => (
        <VariableRow key={name} device={device} name={name} type={device.variables[name] ?? ''} live={live && device.online} />
      ))}
    </Section>
  );
}

function textOf(value: Value | undefined): string {
  return value === undefined ? '–' : value === null ? 'NaN' : String(value);
}

const samples = 60; // values that the curve shows

function VariableRow({ device, name, type, live }: { device: Device; name: string; type: string; live: boolean }) {
  const [value, setValue] = useState<Value | undefined>(undefined);
  const [curve, setCurve] = useState<number[]>([]);
  const [said, setSaid] = useState(''); // to those who do not see it, what they asked for
  const { busy, error, run } = useAction(async (asked: boolean) => {
    const { result } = await api<{ result: Value }>('GET', path('devices', device.id, name));
    setValue(result);
    if (asked) setSaid(`${name}: ${textOf(result)}`);
    if (typeof result === 'number') setCurve((before) => [...before, result].slice(-samples));
  });
  const repeated = async () => {
    if (device.online) await run(false);
  };
  useRepeated(repeated, live ? 1_000 : 1 << 30, [live, device.online]);
  const text = textOf(value);
  return (
    <div class="variable">
      <div class="grow">
        <div class="row">
          <code class="cut">{name}</code>
          <span class="term">{type}</span>
        </div>
        <div class={typeof value === 'string' ? 'value text' : 'value num'}>{text}</div>
      </div>
      {curve.length > 1 && (
        <div class="curve">
          <Spark values={curve} />
        </div>
      )}
      <div class="row tight-row">
        <CopyButton text={text} label={`${t.copy} ${name}`} />
        <Button small kind="quiet" icon="refresh" busy={busy && !live} disabled={!device.online} aria-label={`${t.device.read} ${name}`} title={t.device.read} onClick={() => void run(true)} />
      </div>
      <span class="sr" role="status">
        {said}
      </span>
      {error && (
        <div class="after">
          <Failure error={error} />
        </div>
      )}
    </div>
  );
}
