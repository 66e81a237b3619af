import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api } from './api/client';
import { session } from './api/session';
import { Link } from './router';
import { knocks } from './state/waiting';
import { useStore } from './store';
import { stopFeed, streamState } from './stream/feed';
import { t } from './texts';
import { Dialog } from './ui/dialog';
import { Icon, Mark, type IconName } from './ui/icons';
import { timeOf } from './format';

interface Item {
  to: string;
  icon: IconName;
  text: string;
  admin?: boolean;
}

const groups: ReadonlyArray<readonly [string, readonly Item[]]> = [
  [
    t.nav.boards,
    [
      { to: 'devices', icon: 'devices', text: t.nav.devices },
      { to: 'waiting', icon: 'bell', text: t.nav.waiting, admin: true },
      { to: 'connect', icon: 'plus', text: t.nav.connect },
    ],
  ],
  [
    t.nav.data,
    [
      { to: 'events', icon: 'events', text: t.nav.events },
      { to: 'relay', icon: 'relay', text: t.nav.relay },
      { to: 'integrations', icon: 'hooks', text: t.nav.hooks },
    ],
  ],
  [
    t.nav.access,
    [
      { to: 'tokens', icon: 'tokens', text: t.nav.tokens },
      { to: 'users', icon: 'users', text: t.nav.users, admin: true },
    ],
  ],
  [
    t.nav.cloud,
    [
      { to: 'health', icon: 'health', text: t.nav.health, admin: true },
      { to: 'settings', icon: 'settings', text: t.nav.settings },
      { to: 'glossary', icon: 'glossary', text: t.nav.glossary },
    ],
  ],
];

const tabs: readonly Item[] = [
  { to: 'devices', icon: 'devices', text: t.nav.devices },
  { to: 'events', icon: 'events', text: t.nav.events },
  { to: 'waiting', icon: 'bell', text: t.nav.waiting, admin: true },
];

async function logOut(): Promise<void> {
  stopFeed();
  session.began(await api('DELETE', '/v1/localcloud/session'));
}

function isAt(path: string, item: Item): 'page' | undefined {
  return path === item.to || path.startsWith(item.to + '/') ? 'page' : undefined;
}

function ItemLink({ item, path, onClick }: { item: Item; path: string; onClick?: () => void }) {
  const waiting = useStore(knocks)?.length ?? 0;
  return (
    <Link class="item" to={item.to} aria-current={isAt(path, item)} onClickCapture={onClick}>
      <Icon name={item.icon} />
      <span class="cut">{item.text}</span>
      {item.to === 'waiting' && waiting > 0 && <span class="count">{waiting}</span>}
    </Link>
  );
}

/** The frame around every page. */
export function Shell({ path, children }: { path: string; children: ComponentChildren }) {
  const who = useStore(session.current);
  const [more, setMore] = useState(false);
  const admin = who.kind === 'in' && who.admin;
  const user = who.kind === 'in' ? who.user : '';
  const visible = (item: Item) => admin || !item.admin;
  const all = groups.map(([title, items]) => ({ title, items: items.filter(visible) })).filter((g) => g.items.length > 0);
  const waiting = useStore(knocks)?.length ?? 0;
  return (
    <>
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <div class="shell">
        <nav class="side" aria-label={t.nav.label}>
          <Link class="brand" to="devices">
            <Mark />
            {t.product}
          </Link>
          {all.map(({ title, items }) => (
            <div key={title}>
              <h2>{title}</h2>
              {items.map((item) => (
                <ItemLink key={item.to} item={item} path={path} />
              ))}
            </div>
          ))}
          <div class="foot">
            <button class="item" type="button" onClick={() => void logOut()} title={t.nav.loggedInAs(user)}>
              <Icon name="out" />
              <span class="cut">{t.nav.logOut}</span>
            </button>
          </div>
        </nav>
        <main id="content" tabIndex={-1}>
          <Stale />
          {children}
        </main>
      </div>
      <nav class="tabs" aria-label={t.nav.label}>
        {tabs.filter(visible).map((item) => (
          <Link key={item.to} to={item.to} aria-current={isAt(path, item)}>
            <Icon name={item.icon} />
            {item.text}
            {item.to === 'waiting' && waiting > 0 && <span class="count">{waiting}</span>}
          </Link>
        ))}
        <button type="button" onClick={() => setMore(true)} aria-haspopup="dialog">
          <Icon name="more" />
          {t.nav.more}
        </button>
      </nav>
      {more && (
        <Dialog title={t.nav.loggedInAs(user)} onClose={() => setMore(false)}>
          <div class="more">
            {all.flatMap(({ items }) =>
              items.map((item) => <ItemLink key={item.to} item={item} path={path} onClick={() => setMore(false)} />),
            )}
            <button class="item" type="button" onClick={() => void logOut()}>
              <Icon name="out" />
              {t.nav.logOut}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

const patience = 1_500; // ms; a shorter break is not worth a word

/** Says that what the page shows may be old; and that it no longer is, to those who do not see the words go. */
function Stale() {
  const state = useStore(streamState);
  const [late, setLate] = useState(false);
  const [back, setBack] = useState(false);
  useEffect(() => {
    if (state.kind === 'live' && late) setBack(true);
    if (state.kind !== 'lost') return setLate(false);
    const timer = setTimeout(() => {
      setLate(true);
      setBack(false);
    }, Math.max(0, state.since + patience - Date.now()));
    return () => clearTimeout(timer);
  }, [state.kind]);
  return (
    <div role="status" aria-live="polite">
      {late && state.kind === 'lost' && (
        <div class="banner">
          <Icon name="warn" size={18} />
          <span>{t.stale.lost(timeOf(state.since).slice(0, 8))}</span>
        </div>
      )}
      {back && <span class="sr">{t.stale.back}</span>}
    </div>
  );
}

