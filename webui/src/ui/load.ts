import { useEffect, useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import { useRepeated } from '../store';

/** What the cloud was asked for: a value, an error, or neither before the first answer. */
export interface Loaded<T> {
  value: T | null;
  error: ApiError | null;
  set: (value: T) => void;
}

/** Asks the cloud once. */
export function useLoaded<T>(path: string): Loaded<T> {
  const [value, set] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    const control = new AbortController();
    api<T>('GET', path, { signal: control.signal }).then(set, (err) => !control.signal.aborted && setError(asError(err)));
    return () => control.abort();
  }, [path]);
  return { value, error, set };
}

/** Asks the cloud every period ms while the page is visible. An error leaves the value as it was; again asks at once. */
export function usePolled<T>(load: (signal: AbortSignal) => Promise<T>, period: number, keys: unknown[] = []): Loaded<T> & { again: () => void } {
  const [value, set] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useRepeated(
    async (signal) => {
      try {
        const answer = await load(signal);
        if (signal.aborted) return;
        set(answer);
        setError(null);
      } catch (err) {
        if (!signal.aborted) setError(asError(err));
      }
    },
    period,
    [round, ...keys],
  );
  return { value, error, set, again: () => setRound((n) => n + 1) };
}
