import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../texts';
import { Button, Failure, Form, useAction } from './parts';

interface DialogProps {
  title: string;
  firm?: boolean; // shows what is not seen again: a click beside it does not close it
  onClose: () => void;
  children: ComponentChildren;
}

/** A window over the page. Escape closes it, and so does a click beside it unless it is firm. */
export function Dialog({ title, firm, onClose, children }: DialogProps) {
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
      onMouseDown={(e) => e.target === ref.current && !firm && onClose()}
    >
      <div class="inside">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface FormDialogProps extends DialogProps {
  submit: string;
  disabled?: boolean;
  onSubmit: () => Promise<unknown>; // closes the window itself, or shows something else
}

/** A window with a form in it, and its two buttons. */
export function FormDialog({ submit, disabled, onSubmit, children, ...dialog }: FormDialogProps) {
  const { busy, error, run } = useAction(onSubmit);
  return (
    <Dialog firm {...dialog}>
      <Form onSubmit={run}>
        {children}
        {error && <Failure error={error} />}
        <div class="buttons">
          <Button onClick={dialog.onClose}>{t.cancel}</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={disabled}>
            {submit}
          </Button>
        </div>
      </Form>
    </Dialog>
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
