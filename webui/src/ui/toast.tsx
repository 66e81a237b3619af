import { Store, useStore } from '../store';
import { t } from '../texts';

interface Toast {
  id: number;
  text: string;
  undo?: (() => void) | undefined;
}

const toasts = new Store<Toast[]>([]);
let next = 0;

const shown = 6_000; // ms; twice as long with a way back

/** Says something in passing. With undo, there is a way back. */
export function toast(text: string, undo?: () => void): void {
  const id = next++;
  toasts.set([...toasts.value.slice(-2), { id, text, undo }]);
  setTimeout(() => remove(id), undo ? 2 * shown : shown);
}

function remove(id: number): void {
  toasts.set(toasts.value.filter((x) => x.id !== id));
}

export function Toasts() {
  const list = useStore(toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {list.map(({ id, text, undo }) => (
        <div class="toast" key={id}>
          <span>{text}</span>
          {undo && (
            <button
              type="button"
              class="btn small"
              onClick={() => {
                remove(id);
                undo();
              }}
            >
              {t.undo}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
