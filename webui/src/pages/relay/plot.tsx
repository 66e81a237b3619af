import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { t } from '../../texts';
import { columns, stretched, type Row, type Series } from './series';
import { brief, pan, pause, range, zoom, type Scale, type View } from './view';

interface PlotProps {
  series: readonly Series[]; // those that are drawn
  version: () => number; // grows when there is something new
  newest: () => number; // ms since 1970
  view: View;
  onView: (change: (v: View) => View) => void;
  scale: Scale;
  label: string;
  onCursor: (at: number | null) => void;
  big?: boolean;
}

const pace = 30; // ms between two pictures
const load = 4; // pauses are so many times as long as drawing took: a small computer has more to do

/** How many colours there are; --s0 and so on, in relay.css. */
const colours = 8;

export function colourOf(index: number): string {
  return `s${index % colours}`;
}

/** Lines over time: the wheel and + - zoom, dragging and the arrows look back, space stops. */
export function Plot(props: PlotProps) {
  const { series, view, onView, scale, label, onCursor, big } = props;
  const box = useRef<HTMLDivElement>(null);
  const now = useRef(props);
  now.current = props;
  const dirty = useRef(true);
  dirty.current = true; // whatever made it render

  useLayoutEffect(() => {
    const element = box.current!;
    let plot = make(element, now);
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(() => {
      plot.setSize(size());
      dirty.current = true;
    });
    observer.observe(element);
    const repaint = () => {
      plot.destroy();
      plot = make(element, now);
      dirty.current = true;
    };
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', repaint);
    let seen = -1;
    let next = 0; // ms; not before
    let frame = requestAnimationFrame(function tick() {
      const version = now.current.version();
      const began = performance.now();
      if (began >= next && (dirty.current || version !== seen)) {
        seen = version;
        dirty.current = false;
        draw(plot, now.current);
        next = began + Math.max(pace, load * (performance.now() - began));
      }
      frame = requestAnimationFrame(tick);
    });
    return () => {
      cancelAnimationFrame(frame);
      dark.removeEventListener('change', repaint);
      observer.disconnect();
      plot.destroy();
    };
  }, [series.map((s) => s.index).join(), big, scale === 'own']);

  useEffect(() => {
    const element = box.current!;
    const wheel = (e: WheelEvent) => {
      if (!e.ctrlKey && now.current.view.end === null) return; // the page scrolls
      e.preventDefault();
      onView((v) => zoom(v, e.deltaY > 0 ? 1.25 : 0.8, place(element, e.clientX)));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, []);

  const dragged = useRef<{ x: number; moved: boolean } | null>(null);
  return (
    <div
      class={big ? 'plot big' : 'plot'}
      ref={box}
      tabIndex={0}
      role="application"
      aria-roledescription={t.relay.graph}
      aria-label={label}
      data-state={view.end === null ? 'live' : 'paused'}
      onPointerDown={(e) => {
        if (e.button === 0) dragged.current = { x: e.clientX, moved: false };
      }}
      onPointerMove={(e) => {
        const from = dragged.current;
        if (!from || e.buttons === 0) return;
        if (!from.moved && Math.abs(e.clientX - from.x) < 6) return;
        if (!from.moved) e.currentTarget.setPointerCapture(e.pointerId);
        from.moved = true;
        const part = (from.x - e.clientX) / e.currentTarget.clientWidth;
        from.x = e.clientX;
        onView((v) => pan(v, part, now.current.newest()));
      }}
      onPointerUp={() => (dragged.current = null)}
      onPointerCancel={() => (dragged.current = null)}
      onPointerLeave={() => onCursor(null)}
      onKeyDown={(e) => {
        const change = keys(e.key, now.current.newest());
        if (!change || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        onView(change);
      }}
    />
  );
}

function keys(key: string, newest: number): ((v: View) => View) | null {
  switch (key) {
    case ' ':
      return (v) => pause(v, v.end === null, newest);
    case '+':
      return (v) => zoom(v, 0.5);
    case '-':
      return (v) => zoom(v, 2);
    case 'ArrowLeft':
      return (v) => pan(v, -0.1, newest);
    case 'ArrowRight':
      return (v) => pan(v, 0.1, newest);
    case 'End':
      return (v) => pause(v, false, newest);
  }
  return null;
}

function place(element: HTMLElement, x: number): number {
  const { left, width } = element.getBoundingClientRect();
  return Math.min(1, Math.max(0, (x - left) / width));
}

/** The while that is seen. */
function bounds({ view, newest }: PlotProps): [number, number] {
  const end = view.end ?? (newest() || Date.now());
  return [end - view.span, end];
}

function draw(plot: uPlot, p: PlotProps): void {
  const [begin, end] = bounds(p);
  const n = Math.min(1_500, Math.max(100, Math.round(plot.bbox.width / (devicePixelRatio || 1))));
  const { times, rows: measured } = columns(p.series, begin, end, n);
  const rows = p.scale === 'own' ? measured.map(stretched) : measured;
  plot.batch(() => {
    plot.setData([times, ...(rows.length ? rows : [new Array<undefined>(times.length).fill(undefined)])] as [number[], ...Row[]], false);
    plot.setScale('x', { min: begin, max: end });
  });
}

function make(element: HTMLElement, now: { current: PlotProps }): uPlot {
  const p = now.current;
  const look = getComputedStyle(element);
  const colour = (name: string) => look.getPropertyValue(`--${name}`).trim();
  const font = `${p.big ? 16 : 12}px ${look.fontFamily}`;
  const axis = { stroke: colour('ink-3'), font, grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } };
  const lines = p.series.map((s) => ({ stroke: colour(colourOf(s.index)), width: p.big ? 3 : 1.75, points: { show: false } }));
  return new uPlot(
    {
      width: element.clientWidth,
      height: element.clientHeight,
      ms: 1,
      legend: { show: false },
      padding: [10, p.big ? 36 : 28, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: { x: { time: true }, y: { range: (_: uPlot, low: number | null, high: number | null) => range(low, high, now.current.scale) } },
      axes: [
        { ...axis, space: p.big ? 150 : 90, size: p.big ? 40 : 30, values: (_: uPlot, at: number[], __: number, ___: number, step: number) => at.map((x) => clock(x, step)) },
        { ...axis, space: p.big ? 70 : 42, size: (_: uPlot, values: string[] | null) => 16 + (p.big ? 10 : 7.2) * Math.max(3, ...(values ?? []).map((v) => v.length)), values: (_: uPlot, at: number[]) => (p.scale === 'own' ? at.map(() => '') : at.map(brief)) },
      ],
      series: [{}, ...(lines.length ? lines : [{ show: false }])],
      hooks: {
        setCursor: [
          (u: uPlot) => {
            const x = u.cursor.left ?? -1;
            now.current.onCursor(x < 0 ? null : u.posToVal(x, 'x'));
          },
        ],
      },
    },
    [[], []],
    element,
  );
}

/** The time of day, with parts of a second where the grid is that fine. */
function clock(at: number, step: number): string {
  const d = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  if (step >= 1000) return text;
  const fraction = String(d.getMilliseconds()).padStart(3, '0');
  return `${two(d.getSeconds())}.${step >= 100 ? fraction[0] : fraction}`;
}
