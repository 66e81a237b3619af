import { useState } from 'preact/hooks';
import { api, path } from '../../api/client';
import type { Device } from '../../api/types';
import { timeOf } from '../../format';
import { t } from '../../texts';
import { Button, Failure, Form, useAction } from '../../ui/parts';
import { Section } from '../../ui/section';
import { hasPins, tinkerFunctions } from './pins';

export async function callFunction(id: string, name: string, argument: string): Promise<number> {
  const answer = await api<{ return_value: number }>('POST', path('devices', id, name), { body: { args: argument } });
  return answer.return_value;
}

export function Functions({ device }: { device: Device }) {
  const pins = hasPins(device);
  const names = device.functions.filter((f) => !(pins && tinkerFunctions.includes(f)));
  if (names.length === 0 && pins) return null;
  return (
    <Section title={t.device.functions} term={t.device.functionsTerm}>
      {names.length === 0 && (
        <Nothing device={device} what={t.device.noFunctions} example={t.device.noFunctionsText} />
      )}
      {names.map((name) => (
        <FunctionRow key={name} device={device} name={name} />
      ))}
    </Section>
  );
}

/** Says that a board offers nothing of a kind, and how its program would; or that nobody knows yet. */
export function Nothing({ device, what, example }: { device: Device; what: string; example: string }) {
  if (!device.last_handshake_at) return <p class="soft small">{t.device.notToldYet}</p>;
  return (
    <p class="soft small">
      {what} {t.device.inProgram} <code class="block">{example}</code>
    </p>
  );
}

interface Call {
  argument: string;
  result: number;
  at: number;
}

const kept = 5; // calls that are shown

function FunctionRow({ device, name }: { device: Device; name: string }) {
  const [argument, setArgument] = useState('');
  const [calls, setCalls] = useState<Call[]>([]);
  const { busy, error, run } = useAction(async () => {
    const result = await callFunction(device.id, name, argument);
    setCalls((before) => [{ argument, result, at: Date.now() }, ...before].slice(0, kept));
  });
  return (
    <Form kind="function" onSubmit={run}>
      <code class="name cut" title={name}>
        {name}
      </code>
      <input class="input" aria-label={t.device.argument(name)} placeholder={t.device.argumentHint} value={argument} onInput={(e) => setArgument(e.currentTarget.value)} autocomplete="off" autocapitalize="none" spellcheck={false} />
      <Button type="submit" busy={busy} disabled={!device.online} aria-label={`${t.device.call} ${name}`}>
        {t.device.call}
      </Button>
      <div class="after" aria-live="polite">
        {error && <Failure error={error} />}
        {calls.length > 0 && (
          <ol class="calls" aria-label={t.device.history}>
            {calls.map((c, i) => (
              <li key={c.at} class={i ? 'faint' : ''}>
                <button type="button" class="again mono cut" onClick={() => setArgument(c.argument)}>
                  {name}({c.argument && `"${c.argument}"`})
                </button>
                <span class="num">{t.device.returned(c.result)}</span>
                <span class="faint tiny num">{timeOf(c.at).slice(0, 8)}</span>
              </li>
            ))}
          </ol>
        )}
      </div>
    </Form>
  );
}
