import type { Browser, CDPSession } from 'playwright-core';

/** How long the tasks of pages' main threads took, in ms: on the clock, and of the processor's time. */
export interface Tasks {
  clock: number; // the longest
  processor: number; // the longest: what it would take on a machine that has nothing else to do
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  dur?: number; // µs
  tdur?: number; // µs
  args?: { name?: string };
}

/** Watches the tasks of all pages while work goes on. */
export async function tasksDuring(browser: Browser, work: () => Promise<void>): Promise<Tasks> {
  const session = await browser.newBrowserCDPSession();
  try {
    return longestOf(await trace(session, work));
  } finally {
    await session.detach();
  }
}

async function trace(session: CDPSession, work: () => Promise<void>): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const e of value as unknown as TraceEvent[]) if (e.ph === 'M' || (e.dur ?? 0) > 10_000) events.push(e);
  });
  const ended = new Promise<void>((done) => session.once('Tracing.tracingComplete', () => done()));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['toplevel', '__metadata'], excludedCategories: ['*'] } });
  await work();
  await session.send('Tracing.end');
  await ended;
  return events;
}

function longestOf(events: TraceEvent[]): Tasks {
  const main = new Set(events.filter((e) => e.name === 'thread_name' && e.args?.name === 'CrRendererMain').map((e) => `${e.pid} ${e.tid}`));
  const tasks = { clock: 0, processor: 0 };
  for (const e of events) {
    if (e.ph !== 'X' || !main.has(`${e.pid} ${e.tid}`)) continue;
    tasks.clock = Math.max(tasks.clock, Math.round((e.dur ?? 0) / 1000));
    tasks.processor = Math.max(tasks.processor, Math.round((e.tdur ?? e.dur ?? 0) / 1000));
  }
  return tasks;
}
