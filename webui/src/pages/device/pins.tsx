import { useState } from 'preact/hooks';
import type { Device } from '../../api/types';
import { t } from '../../texts';
import { Button, Failure, useAction } from '../../ui/parts';
import { Section } from '../../ui/section';
import { callFunction } from './functions';

/** The functions of Particle's starter program. */
export const tinkerFunctions = ['digitalread', 'digitalwrite', 'analogread', 'analogwrite'];

export function hasPins(device: Device): boolean {
  return tinkerFunctions.every((f) => device.functions.includes(f));
}

const digital = ['D7', 'D6', 'D5', 'D4', 'D3', 'D2', 'D1', 'D0'];
const analog = ['A0', 'A1', 'A2', 'A3', 'A4', 'A5'];

/** Switches and readings for the pins of a board that runs Tinker. */
export function Pins({ device }: { device: Device }) {
  const [on, setOn] = useState<Record<string, boolean>>({});
  const [read, setRead] = useState<Record<string, number>>({});
  const [said, setSaid] = useState(''); // to those who do not see it
  const { error, run } = useAction(async (work: () => Promise<void>) => work());
  const toggle = (pin: string) =>
    run(async () => {
      const next = !on[pin];
      await callFunction(device.id, 'digitalwrite', `${pin},${next ? 'HIGH' : 'LOW'}`);
      setOn((before) => ({ ...before, [pin]: next }));
      setSaid(next ? t.device.pinIsOn(pin) : t.device.pinIsOff(pin));
    });
  const measure = (pin: string) =>
    run(async () => {
      const value = await callFunction(device.id, 'analogread', pin);
      setRead((before) => ({ ...before, [pin]: value }));
      setSaid(`${pin}: ${value}`);
    });
  return (
    <Section title={t.device.pins} term={t.device.pinsTerm}>
      <p class="soft small">{t.device.pinsText}</p>
      <div class="pins">
        {digital.map((pin) => (
          <Button key={pin} pressed={!!on[pin]} disabled={!device.online} aria-label={on[pin] ? t.device.pinOff(pin) : t.device.pinOn(pin)} onClick={() => void toggle(pin)}>
            {pin}
          </Button>
        ))}
        {analog.map((pin) => (
          <Button key={pin} kind="quiet" disabled={!device.online} aria-label={t.device.pinRead(pin)} onClick={() => void measure(pin)}>
            {pin}
            <span class="num faint small">{read[pin] ?? '–'}</span>
          </Button>
        ))}
      </div>
      <span class="sr" role="status">
        {said}
      </span>
      {error && <Failure error={error} />}
    </Section>
  );
}
