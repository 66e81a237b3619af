import { t } from '../texts';

const steps = [10, 35, 60, 80] as const; // percent from which each bar is full

/** How well a radio hears, as four bars; quality is in percent. */
export function Bars({ quality }: { quality: number }) {
  const text = t.device.signalQuality(Math.round(quality));
  return (
    <svg class="bars" width="18" height="16" viewBox="0 0 18 16" role="img" aria-label={text}>
      <title>{text}</title>
      {steps.map((from, i) => (
        <rect key={from} class={quality >= from ? 'full' : ''} x={i * 4.6} y={11 - i * 3.4} width="3.2" height={5 + i * 3.4} rx="1" />
      ))}
    </svg>
  );
}
