import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../texts';
import { Button, Failure, useAction } from './parts';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A window over the page. Escape, and a click beside it, close it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onMouseDown={(e) => e.target === ref.current && onClose()}
    >
      <div class="inside">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: ComponentChildren;
  action: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, text, action, onConfirm, onClose }: ConfirmProps) {
  const { busy, error, run } = useAction(onConfirm);
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="soft">{text}</p>
      {error && <Failure error={error} />}
      <div class="buttons">
        <Button onClick={onClose}>{t.cancel}</Button>
        <Button kind="bad primary" busy={busy} onClick={() => void run().then((ok) => ok && onClose())}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
