import { useId, useState } from 'preact/hooks';
import { formatPolicy, parsePolicy, type Action, type Policy, type Preset } from '../policy';
import { t } from '../texts';
import { Button, Failure, Form, SelectField, TextField, useAction } from './parts';

interface PolicyEditorProps {
  label: string; // what it is the limit of
  value: string | null; // null: the one of this cloud
  inherits?: boolean; // whether null may be chosen
  onSave: (value: string | null) => Promise<unknown>;
}

type Choice = Preset | 'inherit';

const words: Record<Choice, readonly [string, string]> = {
  inherit: [t.device.policyServer, ''],
  off: [t.policy.off, t.policy.offText],
  warn: [t.policy.warn, t.policy.warnText],
  particle: [t.policy.particle, t.policy.particleText],
  own: [t.policy.own, ''],
};

/** A choice of rate limits in everyday words. */
export function PolicyEditor({ label, value, inherits, onSave }: PolicyEditorProps) {
  const [choice, setChoice] = useState<Choice>(value === null ? 'inherit' : parsePolicy(value).preset);
  const [policy, setPolicy] = useState<Policy>(parsePolicy(value ?? 'warn'));
  const [rate, setRate] = useState(String(policy.rate));
  const [burst, setBurst] = useState(String(policy.burst));
  const group = useId();
  const next = choice === 'inherit' ? null : formatPolicy({ ...policy, preset: choice, rate: Number(rate), burst: Number(burst) });
  const wrong = choice === 'own' && next === null;
  const { busy, error, run } = useAction(() => onSave(next));
  const choices: Choice[] = [...(inherits ? (['inherit'] as const) : []), 'off', 'warn', 'particle', 'own'];
  return (
    <Form onSubmit={() => !wrong && run()}>
      <fieldset class="stack tight">
        <legend class="sr">{label}</legend>
        {choices.map((c) => (
          <label class="check" key={c}>
            <input type="radio" name={group} checked={choice === c} onChange={() => setChoice(c)} />
            <span>
              {words[c][0]}
              {words[c][1] && <span class="faint small block">{words[c][1]}</span>}
            </span>
          </label>
        ))}
      </fieldset>
      {choice === 'own' && (
        <div class="pair">
          <TextField label={t.policy.rate} value={rate} onValue={setRate} inputMode="decimal" aria-invalid={wrong || undefined} />
          <TextField label={t.policy.burst} value={burst} onValue={setBurst} inputMode="numeric" aria-invalid={wrong || undefined} />
          <SelectField<Action>
            label={t.policy.action}
            value={policy.action}
            onValue={(action) => setPolicy({ ...policy, action })}
            options={[
              ['warn', t.policy.actionWarn],
              ['drop', t.policy.actionDrop],
              ['reject', t.policy.actionReject],
            ]}
          />
        </div>
      )}
      {wrong && <p class="small bad-text">{t.policy.bad}</p>}
      {error && <Failure error={error} />}
      {next !== value && (
        <div>
          <Button kind="primary" type="submit" busy={busy} disabled={wrong}>
            {t.policy.save}
          </Button>
        </div>
      )}
    </Form>
  );
}
