/** Returns the path of a small curve through values, in a box of the given size. */
export function sparkPath(values: readonly number[], width: number, height: number): string {
  if (values.length < 2) return '';
  const low = Math.min(...values);
  const high = Math.max(...values);
  const range = high - low || 1;
  const x = (i: number) => ((i / (values.length - 1)) * width).toFixed(1);
  const y = (v: number) => (high === low ? height / 2 : height - 2 - ((v - low) / range) * (height - 4)).toFixed(1);
  return values.map((v, i) => `${i ? 'L' : 'M'}${x(i)} ${y(v)}`).join('');
}

/** A curve of the last values, without axes; the value itself stands beside it in text. */
export function Spark({ values }: { values: readonly number[] }) {
  return (
    <svg class="spark" viewBox="0 0 120 34" preserveAspectRatio="none" aria-hidden="true">
      <path d={sparkPath(values, 120, 34)} />
    </svg>
  );
}
