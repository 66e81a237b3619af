import { useEffect, useReducer } from 'preact/hooks';

/** A value that tells its listeners when it was replaced. */
export class Store<T> {
  private listeners = new Set<() => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener();
  }

  /** Calls listener after every change until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** Returns the store's value, and renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const seen = store.value;
    const stop = store.subscribe(() => again(0));
    if (!Object.is(seen, store.value)) again(0);
    return stop;
  }, [store]);
  return store.value;
}

/** Calls work at once and then every period ms, while the page is visible; never two at a time. */
export function useRepeated(work: (signal: AbortSignal) => Promise<unknown>, period: number, keys: unknown[] = []): void {
  useEffect(() => {
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      clearTimeout(timer);
      if (document.visibilityState === 'visible') await work(control.signal).catch(() => undefined);
      if (!control.signal.aborted) timer = setTimeout(run, period);
    };
    const seen = () => {
      if (document.visibilityState === 'visible' && timer !== undefined) void run();
    };
    document.addEventListener('visibilitychange', seen);
    void run();
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [period, ...keys]);
}
