import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { asError, type ApiError } from '../api/client';
import { t } from '../texts';
import { Icon, type IconName } from './icons';
import { toast } from './toast';

type ButtonProps = Omit<JSX.HTMLAttributes<HTMLButtonElement>, 'icon'> & {
  kind?: 'primary' | 'quiet' | 'bad' | 'bad primary' | '';
  small?: boolean;
  icon?: IconName;
  busy?: boolean;
  type?: 'button' | 'submit';
  disabled?: boolean;
  pressed?: boolean;
};

const ignore = (e: Event) => e.preventDefault();

/** A button. While it is busy it does nothing, but keeps the focus, which browsers take from one that is disabled. */
export function Button({ kind = '', small, icon, busy, pressed, children, type = 'button', onClick, ...rest }: ButtonProps) {
  const bare = icon && !children ? ' icon' : '';
  return (
    <button
      type={type}
      class={`btn ${kind}${small ? ' small' : ''}${bare}`}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      aria-pressed={pressed}
      onClick={busy ? ignore : onClick}
      {...rest}
    >
      {icon && !busy && <Icon name={icon} size={small ? 16 : 18} />}
      {children}
    </button>
  );
}

interface FieldProps {
  label: ComponentChildren;
  hint?: ComponentChildren;
  children: (id: string, describedBy: string | undefined) => ComponentChildren;
}

export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, hint ? `${id}-hint` : undefined)}
      {hint && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}

type InputProps = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, 'value' | 'onInput' | 'label'> & {
  label: ComponentChildren;
  hint?: ComponentChildren;
  value: string;
  onValue: (value: string) => void;
};

export function TextField({ label, hint, value, onValue, ...rest }: InputProps) {
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (rest.autofocus) ref.current?.focus(); // browsers do it only while a page loads
  }, []);
  return (
    <Field label={label} hint={hint}>
      {(id, described) => (
        <input ref={ref} id={id} aria-describedby={described} class="input" value={value} onInput={(e) => onValue(e.currentTarget.value)} autocomplete="off" {...rest} />
      )}
    </Field>
  );
}

type AreaProps = Omit<JSX.TextareaHTMLAttributes<HTMLTextAreaElement>, 'value' | 'onInput' | 'label'> & {
  label: ComponentChildren;
  hint?: ComponentChildren;
  value: string;
  onValue: (value: string) => void;
};

export function TextArea({ label, hint, value, onValue, ...rest }: AreaProps) {
  return (
    <Field label={label} hint={hint}>
      {(id, described) => <textarea id={id} aria-describedby={described} class="input" value={value} onInput={(e) => onValue(e.currentTarget.value)} {...rest} />}
    </Field>
  );
}

export function SearchField({ label, value, onValue }: { label: string; value: string; onValue: (value: string) => void }) {
  return (
    <div class="search grow">
      <Icon name="search" size={18} />
      <input class="input" type="search" aria-label={label} placeholder={label} value={value} onInput={(e) => onValue(e.currentTarget.value)} autocomplete="off" spellcheck={false} />
    </div>
  );
}

interface SelectProps<T extends string> {
  label: ComponentChildren;
  hint?: ComponentChildren;
  value: T;
  options: ReadonlyArray<readonly [T, string]>;
  onValue: (value: T) => void;
}

export function SelectField<T extends string>({ label, hint, value, options, onValue }: SelectProps<T>) {
  return (
    <Field label={label} hint={hint}>
      {(id, described) => (
        <select id={id} aria-describedby={described} class="input" value={value} onChange={(e) => onValue(e.currentTarget.value as T)}>
          {options.map(([v, text]) => (
            <option key={v} value={v}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckProps {
  checked: boolean;
  onChecked: (checked: boolean) => void;
  disabled?: boolean;
  children: ComponentChildren;
}

export function Check({ checked, onChecked, disabled, children }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(e) => onChecked(e.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}

/** A form that a script sends. */
export function Form({ kind = 'stack', onSubmit, children }: { kind?: string; onSubmit: () => unknown; children: ComponentChildren }) {
  return (
    <form
      class={kind}
      onSubmit={(e) => {
        e.preventDefault();
        void onSubmit();
      }}
    >
      {children}
    </form>
  );
}

/** A choice of a few that are all visible. */
export function Segments<T extends string>({ label, value, options, onValue }: { label: string; value: T; options: ReadonlyArray<readonly [T, string]>; onValue: (value: T) => void }) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map(([v, text]) => (
        <button key={v} type="button" aria-pressed={v === value} onClick={() => onValue(v)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function Dot({ online }: { online: boolean }) {
  return <span class={online ? 'dot on' : 'dot'} role="img" aria-label={online ? t.device.online : t.device.offline} />;
}

export function Failure({ error, onRetry }: { error: ApiError; onRetry?: () => void }) {
  return (
    <div class="note bad" role="alert">
      <Icon name="warn" />
      <div class="grow">
        <strong>{error.what}</strong> {error.next}
      </div>
      {onRetry && (
        <Button small onClick={onRetry}>
          {t.again}
        </Button>
      )}
    </div>
  );
}

export function Empty({ icon, title, children, actions }: { icon: IconName; title: string; children?: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} size={36} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}

export function Waiting() {
  return (
    <div class="wait" role="status">
      {t.loading}
    </div>
  );
}

interface PageProps {
  title: ComponentChildren;
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  kind?: 'narrow' | 'full' | '';
  before?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, lead, actions, kind = '', before, children }: PageProps) {
  return (
    <div class={`page ${kind}`}>
      <header>
        {before}
        <h1 tabIndex={-1}>{title}</h1>
        {actions && <div class="actions">{actions}</div>}
        {lead && (typeof lead === 'string' ? <p class="lead">{lead}</p> : <div class="lead">{lead}</div>)}
      </header>
      {children}
    </div>
  );
}

/** Copies text; where the page is not a secure context, browsers have only the old way. */
export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // the old way may be allowed all the same
    }
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('readonly', '');
  area.className = 'sr';
  const holder = document.querySelector('dialog[open]') ?? document.body; // what is behind a dialog cannot be selected
  holder.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

/** Copies a text. With words, its label can be read beside the icon. */
export function CopyButton({ text, label, words }: { text: string; label: string; words?: boolean }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(text))) return toast(t.copyFailed);
    setCopied(true);
    setTimeout(() => setCopied(false), 1600);
  };
  const said = copied ? t.copied : label;
  return (
    <Button kind="quiet" small={!words} icon={copied ? 'check' : 'copy'} aria-label={said} title={label} onClick={() => void copy()}>
      {words && said}
    </Button>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <pre>{text}</pre>
      <CopyButton text={text} label={t.copyCommand(text.split('\n')[0]!)} />
    </div>
  );
}

/** Runs something for a button: busy while it runs, an error is kept to be shown. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<unknown>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const run = async (...args: A): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await work(...args);
      return true;
    } catch (err) {
      setError(asError(err));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run, clear: () => setError(null) };
}
