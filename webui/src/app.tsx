import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { session } from './api/session';
import { DevicePage } from './pages/device';
import { DevicesPage } from './pages/devices';
import { LoginPage, RefusedPage, UnreachablePage } from './pages/login';
import { SetupPage } from './pages/setup';
import { go, match, place, Link } from './router';
import { Shell } from './shell';
import { loadDevices } from './state/devices';
import { loadKnocks } from './state/waiting';
import { useRepeated, useStore } from './store';
import { openFeed } from './stream/feed';
import { t } from './texts';
import { Toasts } from './ui/toast';
import { Page, Waiting } from './ui/parts';

type Params = Record<string, string>;
type PageType = ComponentType<{ params: Params }>;
type Load = () => Promise<PageType>;

/** A page that is fetched when it is first opened. */
function later(load: Load): PageType {
  let loaded: PageType | null = null;
  return function Later({ params }) {
    const [page, setPage] = useState<PageType | null>(() => loaded);
    useEffect(() => {
      if (loaded) return;
      let here = true;
      void load().then((p) => {
        loaded = p;
        if (here) setPage(() => p);
      }, () => window.location.reload()); // the server has another version now
      return () => {
        here = false;
      };
    }, []);
    const Ready = page ?? loaded;
    return Ready ? <Ready params={params} /> : <Waiting />;
  };
}

// All pages, in the order in which they are tried.
const pages: ReadonlyArray<readonly [pattern: string, page: PageType]> = [
  ['devices', DevicesPage],
  ['devices/:id', DevicePage],
  ['connect', later(async () => (await import('./pages/connect')).ConnectPage)],
  ['waiting', later(async () => (await import('./pages/waiting')).WaitingPage)],
  ['events', later(async () => (await import('./pages/events')).EventsPage)],
  ['relay', later(async () => (await import('./pages/relay')).RelayPage)],
  ['relay/full', later(async () => (await import('./pages/relay/full')).FullPage)],
  ['integrations', later(async () => (await import('./pages/hooks')).HooksPage)],
  ['tokens', later(async () => (await import('./pages/tokens')).TokensPage)],
  ['users', later(async () => (await import('./pages/users')).UsersPage)],
  ['settings', later(async () => (await import('./pages/settings')).SettingsPage)],
  ['health', later(async () => (await import('./pages/health')).HealthPage)],
  ['glossary', later(async () => (await import('./pages/glossary')).GlossaryPage)],
];

// Pages without the frame, for screens that nobody touches.
const bare = new Set(['relay/full']);

function find(path: string): { Page: PageType; params: Params } | null {
  for (const [pattern, Page] of pages) {
    const params = match(pattern, path);
    if (params) return { Page, params };
  }
  return null;
}

export function App() {
  const who = useStore(session.current);
  useEffect(() => {
    void session.load();
  }, []);
  switch (who.kind) {
    case 'unknown':
      return null;
    case 'unreachable':
      return <UnreachablePage />;
    case 'refused':
      return <RefusedPage reason={who.reason} />;
    case 'out':
      return who.setup ? <SetupPage /> : <LoginPage signUp={who.signUp} />;
    case 'in':
      return <Inside key={who.user} />;
  }
}

/** The console of somebody who is logged in. */
function Inside() {
  const { path } = useStore(place);
  const first = useRef(true);
  useEffect(openFeed, []);
  useRepeated(loadDevices, 60_000);
  useRepeated(loadKnocks, 5_000);
  useEffect(() => {
    if (path === '') go('devices', { replace: true });
    if (!first.current) document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  const found = find(path);
  if (found && bare.has(path)) return <found.Page key={path} params={found.params} />;
  return (
    <>
      <Shell path={path}>{found ? <found.Page key={path} params={found.params} /> : path === '' ? null : <NotFound />}</Shell>
      <Toasts />
    </>
  );
}

function NotFound() {
  return (
    <Page title={t.notFound.title} lead={t.notFound.text} kind="narrow">
      <div>
        <Link class="btn" to="devices">
          {t.notFound.home}
        </Link>
      </div>
    </Page>
  );
}
