import { useId, useMemo, useState } from 'preact/hooks';
import type { DeviceRow } from '../api/types';
import { deviceName, devices } from '../state/devices';
import { useStore } from '../store';
import { t } from '../texts';
import { Field, SelectField } from './parts';

const many = 200; // devices from which on a list to choose from is too long
const offered = 20; // of those that fit what is typed

interface PickDeviceProps {
  label: string;
  none: string; // what no device at all is called
  value: string; // id; '' means none
  onValue: (id: string) => void;
}

/** A choice of one device, or none: from a list, or by typing where there are many. */
export function PickDevice({ label, none, value, onValue }: PickDeviceProps) {
  const { list } = useStore(devices);
  if (list.length > many) return <Typed list={list} label={label} none={none} value={value} onValue={onValue} />;
  const known = !value || list.some((d) => d.id === value);
  const names = list.map((d) => [d.id, d.name ?? d.id] as const);
  return <SelectField label={label} value={value} onValue={onValue} options={[['', none], ...names, ...(known ? [] : [[value, value] as const])]} />;
}

/** Which devices fit what was typed: name or id holds it. */
export function offer(list: readonly DeviceRow[], typed: string, most = offered): DeviceRow[] {
  const text = typed.trim().toLowerCase();
  const fit: DeviceRow[] = [];
  for (const d of list) {
    if (fit.length === most) break;
    if (d.id.includes(text) || (d.name?.toLowerCase().includes(text) ?? false)) fit.push(d);
  }
  return fit;
}

function Typed({ list, label, none, value, onValue }: PickDeviceProps & { list: readonly DeviceRow[] }) {
  const [text, setText] = useState(value && deviceName(value));
  const options = useId();
  const fit = useMemo(() => offer(list, text), [list, text]);
  const typed = (next: string) => {
    setText(next);
    const exact = next.trim().toLowerCase();
    onValue(exact ? (list.find((d) => d.id === exact || d.name?.toLowerCase() === exact)?.id ?? value) : '');
  };
  const unknown = text !== '' && !value;
  return (
    <Field label={label} hint={unknown ? t.devices.pickHint : undefined}>
      {(id, described) => (
        <>
          <input class="input" id={id} aria-describedby={described} list={options} placeholder={none} value={text} onInput={(e) => typed(e.currentTarget.value)} autocomplete="off" spellcheck={false} />
          <datalist id={options}>
            {fit.map((d) => (
              <option key={d.id} value={d.name ?? d.id}>
                {d.name ? d.id : ''}
              </option>
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
