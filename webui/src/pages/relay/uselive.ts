import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { session } from '../../api/session';
import { Connection, type State } from '../../stream/connection';
import { linesOf, Live, type Line } from './live';
import type { Form } from './parse';

/**
 * The lines of channels, of all when there is none, as long as the page can be
 * seen: a browser has few connections for one server, and a page that nobody
 * looks at catches up when it is seen again. It comes back by itself for ever.
 */
export function useLive(channels: readonly string[], form: Form): { live: Live; state: State } {
  const key = channels.join(',');
  const live = useMemo(() => new Live(form), [key]);
  const [state, setState] = useState<State>({ kind: 'connecting' });
  const shown = useRef(form);
  if (shown.current !== form) {
    shown.current = form;
    live.read(form);
  }
  useEffect(() => {
    const receiver = {
      events: (list: Line[]) => live.take(list),
      state(now: State) {
        setState(now);
        if (now.kind === 'refused' && now.status === 401) session.lost();
      },
    };
    const connection = new Connection<Line>(receiver, linesOf(channels));
    const follow = () => (document.visibilityState === 'visible' ? connection.start(session.headers()) : connection.stop());
    document.addEventListener('visibilitychange', follow);
    follow();
    return () => {
      document.removeEventListener('visibilitychange', follow);
      connection.stop();
    };
  }, [live]);
  return { live, state };
}
