import { useEffect, useReducer, useState } from 'preact/hooks';

/** Renders again every period ms, for times that are shown as "5 s ago". */
export function useNow(period: number): number {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && again(0), period);
    return () => clearInterval(timer);
  }, [period]);
  return Date.now();
}

const phone = window.matchMedia('(max-width: 720px)');

/** Whether the window is as narrow as a phone. */
export function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(phone.matches);
  useEffect(() => {
    const look = () => setNarrow(phone.matches);
    phone.addEventListener('change', look);
    return () => phone.removeEventListener('change', look);
  }, []);
  return narrow;
}
