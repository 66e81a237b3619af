import type { ComponentChildren, JSX } from 'preact';
import { Store } from './store';

/** The console's pages all lie below this path. */
export const base = '/console/';

export interface Place {
  path: string; // below base, without slashes at its ends
  query: URLSearchParams;
}

function here(): Place {
  const { pathname, search } = window.location;
  const path = pathname.startsWith(base) ? pathname.slice(base.length) : '';
  return { path: path.replace(/\/+$/, ''), query: new URLSearchParams(search) };
}

export const place = new Store<Place>(here());

/** Goes to a page of the console. */
export function go(path: string, how: { replace?: boolean } = {}): void {
  const url = base + path.replace(/^\//, '');
  if (how.replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  place.set(here());
  if (!how.replace) window.scrollTo(0, 0);
}

window.addEventListener('popstate', () => place.set(here()));

/** Replaces the query of the address without a new entry in the history. */
export function setQuery(values: Record<string, string>): void {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) query.set(name, value);
  const text = query.toString();
  go(place.value.path + (text ? `?${text}` : ''), { replace: true });
}

type Anchor = Omit<JSX.HTMLAttributes<HTMLAnchorElement>, 'href'> & { to: string; children?: ComponentChildren; class?: string };

/** A link inside the console. */
export function Link({ to, ...rest }: Anchor) {
  const follow = (e: MouseEvent) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    go(to);
  };
  return <a href={base + to} onClick={follow} {...rest} />;
}

/** Finds what the pattern's ":name" parts stand for, or null when path does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/');
  const have = path.split('/');
  if (want.length !== have.length) return null;
  const found: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    const value = have[i] ?? '';
    if (part.startsWith(':')) {
      try {
        found[part.slice(1)] = decodeURIComponent(value);
      } catch {
        return null;
      }
    } else if (part !== value) return null;
  }
  return found;
}
