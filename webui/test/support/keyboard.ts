import type { Page } from 'playwright-core';

/** What came of a walk through a page by the Tab key. */
export interface Tour {
  reached: number; // controls
  missed: string[]; // could be seen, and were never reached
  back: string[]; // stand before the one that had the focus before them
  unseen: string[]; // had the focus without an outline, or outside of what can be seen
}

interface Stop {
  at: number; // among all controls in the order of the page; -1: the browser itself has the focus
  what: string;
  seen: boolean;
}

const most = 250; // controls of a page

/** Walks through a page by the Tab key, from its beginning to its end. */
export async function tour(page: Page): Promise<Tour> {
  await page.evaluate(() => {
    (document.activeElement as HTMLElement | null)?.blur();
    window.scrollTo(0, 0);
    getSelection()?.removeAllRanges();
  });
  const stops: Stop[] = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(stopHere);
    if (stop.at < 0 || stops.some((s) => s.at === stop.at)) break;
    stops.push(stop);
  }
  const all = await page.evaluate(controls);
  const reached = new Set(stops.map((s) => s.what));
  return {
    reached: stops.length,
    missed: all.filter((what) => !reached.has(what)),
    back: stops.filter((s, i) => i > 0 && s.at < stops[i - 1]!.at).map((s) => s.what),
    unseen: stops.filter((s) => !s.seen).map((s) => s.what),
  };
}

/** Names the controls that the Tab key has to reach; of radio buttons of one name, the one that is on. */
function controls(): string[] {
  const selector = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
  return [...document.querySelectorAll<HTMLElement>(selector)]
    .filter((e) => !e.matches(':disabled') && e.checkVisibility({ visibilityProperty: true }))
    .filter((e) => !e.matches('input[type="radio"]:not(:checked)'))
    .map((e) => e.outerHTML.replace(/<path.*/s, '').slice(0, 200));
}

/** Says where the focus is, once that is drawn. */
async function stopHere(): Promise<Stop> {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const e = document.activeElement as HTMLElement;
  const what = e.outerHTML.replace(/<path.*/s, '').slice(0, 200);
  if (e === document.body) return { at: -1, what, seen: true };
  const at = [...document.querySelectorAll('*')].indexOf(e);
  const style = getComputedStyle(e);
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const box = e.getBoundingClientRect();
  const inView = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth && box.width > 0 && box.height > 0;
  const x = Math.min(Math.max(box.left + Math.min(box.width / 2, 20), 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + Math.min(box.height / 2, 20), 0), innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  const uncovered = top !== null && (e.contains(top) || top.contains(e));
  return { at, what, seen: outlined && inView && uncovered };
}

/** A control as a screen reader knows it. */
export interface Control {
  role: string;
  name: string;
}

interface Node {
  ignored: boolean;
  role?: { value?: string };
  name?: { value?: string };
}

const roles = new Set(['button', 'link', 'textbox', 'searchbox', 'combobox', 'checkbox', 'radio', 'spinbutton', 'application', 'region', 'dialog', 'DisclosureTriangle', 'progressbar', 'Date']);

/** The controls and regions of a page as the browser tells them to a screen reader. */
export async function named(page: Page): Promise<Control[]> {
  const session = await page.context().newCDPSession(page);
  try {
    const { nodes } = (await session.send('Accessibility.getFullAXTree')) as unknown as { nodes: Node[] };
    return nodes.filter((n) => !n.ignored && roles.has(n.role?.value ?? '')).map((n) => ({ role: n.role!.value!, name: (n.name?.value ?? '').trim() }));
  } finally {
    await session.detach();
  }
}
