import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface ListProps<T> {
  label: string;
  items: { length: number; at(i: number): T | undefined };
  rowHeight: number; // px, the same for all
  keyOf: (item: T) => string;
  row: (item: T, index: number) => ComponentChildren;
  onTop?: (atTop: boolean) => void; // whether the beginning of the list can be seen
}

const spare = 6; // rows outside of what can be seen

/** A list that draws only the rows that can be seen, however many there are. */
export function List<T>({ label, items, rowHeight, keyOf, row, onTop }: ListProps<T>) {
  const ref = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = ref.current!;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    look();
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.min(Math.floor(view.top / rowHeight) - spare, items.length - 1));
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + spare);
  const rows: ComponentChildren[] = [];
  for (let i = first; i < last; i++) {
    const item = items.at(i);
    if (item === undefined) continue;
    rows.push(
      <div class="at" role="listitem" key={keyOf(item)} style={{ top: i * rowHeight, height: rowHeight }} aria-setsize={items.length} aria-posinset={i + 1}>
        {row(item, i)}
      </div>,
    );
  }
  return (
    <div
      class="list"
      style={{ flexBasis: items.length * rowHeight }}
      ref={ref}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={(e) => {
        const { scrollTop, clientHeight } = e.currentTarget;
        setView({ top: scrollTop, height: clientHeight });
        onTop?.(scrollTop < rowHeight / 2);
      }}
    >
      <div role="list" style={{ height: items.length * rowHeight }}>
        {rows}
      </div>
    </div>
  );
}
