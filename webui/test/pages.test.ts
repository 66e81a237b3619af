import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, logIn, owner, watch } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import { Board, Cloud } from './support/program';
import { stream } from './support/sketch';

// Every page, on a phone and on a desk, in light and in dark. With SHOTS set, pictures go there.
const shots = process.env.SHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;
let furnished: Furnished;
let fresh: Cloud;
let stranger: Board;
const streams: Array<() => void> = [];
let session: Awaited<ReturnType<BrowserContext['storageState']>>;

beforeAll(async () => {
  [browser, furnished, fresh] = await Promise.all([launch(), furnish(), Cloud.start()]);
  const [one, two] = furnished.boards.map((b) => b.id);
  await ask(furnished, 'PUT', `/v1/devices/${one}`, { name: 'greenhouse', notes: 'North bench, behind the tomatoes.' });
  await ask(furnished, 'PUT', `/v1/devices/${two}`, { name: 'front-door' });
  await ask(furnished, 'POST', '/v1/localcloud/devices', { id: '3d0030001147353138383138', name: 'attic' });
  await ask(furnished, 'POST', '/v1/localcloud/users', { name: 'ben', password: 'battery staple' });
  await ask(furnished, 'POST', '/v1/localcloud/tokens', { user: owner.name, note: 'Node-RED in the workshop', scopes: ['events'] });
  await ask(furnished, 'POST', '/v1/localcloud/tokens', { user: owner.name, note: 'hallway display', scopes: ['read-only', `device:${one}`], expires_in: 86_400 * 3 });
  await ask(furnished, 'POST', '/v1/integrations', { event: 'workshop/', url: 'https://hooks.example/log', name: 'workshop log' });
  stranger = await Board.start(furnished.cloud, [], { id: '2b0021000c47363330353437' });
  const context = await browser.newContext();
  const { page } = await watch(context, furnished.cloud.url);
  await logIn(page);
  session = await context.storageState();
  await context.close();
});

afterAll(async () => {
  for (const stop of streams) stop();
  await browser?.close();
  await stranger?.end();
  await furnished?.end();
  await fresh?.remove();
});

interface View {
  name: string;
  path: string;
  ready: string; // text that is there when the page is complete
  cloud?: 'fresh';
  out?: boolean; // seen before somebody has logged in
  act?: (page: Page) => Promise<unknown>;
}

const publish = (page: Page) =>
  page.evaluate(async () => {
    const events = [
      ['greenhouse/climate', '{"temperature":21.4,"humidity":58,"window":{"open":true,"percent":80}}'],
      ['door/opened', 'front'],
      ['heartbeat', ''],
      ['greenhouse/climate', '{"temperature":21.5,"humidity":57,"window":{"open":true,"percent":80}}'],
      ['a/rather/long/event/name/that/does/not/fit/anywhere/on/a/phone', 'a long text without any blank in it: '.padEnd(300, 'x')],
    ];
    for (let i = 0; i < 40; i++) {
      const [name, data] = events[i % events.length]!;
      await fetch('/v1/devices/events', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Localcloud-Csrf': '1' },
        body: JSON.stringify({ name, ...(data ? { data } : {}) }),
      });
    }
  });

/** Lets two boards stream from now on, and records one. */
async function streaming(page: Page): Promise<void> {
  const [one, two] = furnished.boards.map((b) => b.id) as [string, string];
  streams.push(await stream(furnished, one, (n) => JSON.stringify({ wind: 4 + 3 * Math.sin(n / 40), gusts: 6 + 4 * Math.sin(n / 40) ** 2 })));
  streams.push(await stream(furnished, two, (n) => (8 * Math.cos(n / 25)).toFixed(2)));
  await page.getByText('greenhouse: wind').waitFor();
  await page.getByLabel('Scale').selectOption('fixed');
  await page.locator('.channels .card').first().getByRole('button', { name: 'always' }).click();
  await page.getByRole('button', { name: 'Replay 10×' }).waitFor();
  for (const summary of await page.getByText('Send it a line').all()) await summary.click();
  if (shots) await new Promise((done) => setTimeout(done, 11_000)); // a whole picture of it
  else for (const stop of streams) stop(); // what was sent stays to be seen
}

const views: View[] = [
  { name: 'setup', path: '', ready: 'Welcome to your own cloud', cloud: 'fresh', out: true },
  { name: 'login', path: '', ready: 'Log in', out: true },
  { name: 'devices', path: 'devices', ready: 'greenhouse' },
  {
    name: 'device',
    path: 'devices/0a10aced202194944a041c04',
    ready: 'humidity',
    act: async (page) => {
      await page.getByLabel('Argument for led').fill('on');
      await page.getByRole('button', { name: 'Call led' }).click();
      await page.getByText('returned 1').waitFor();
    },
  },
  { name: 'pins', path: 'devices/1c002f000947343432313031', ready: 'D7' },
  { name: 'connect', path: 'connect', ready: 'localcloud device connect' },
  { name: 'waiting', path: 'waiting', ready: 'unknown-device' },
  { name: 'events', path: 'events', ready: 'Publish', act: publish },
  {
    name: 'event',
    path: 'events',
    ready: 'Publish',
    act: async (page) => {
      await publish(page);
      await page.locator('.log').hover(); // rows stand still below the mouse
      await page.getByText('greenhouse/climate', { exact: true }).first().click();
      await page.getByRole('dialog').getByText('percent').waitFor();
    },
  },
  { name: 'tokens', path: 'tokens', ready: 'hallway display' },
  { name: 'new-token', path: 'tokens', ready: 'hallway display', act: (page) => page.getByRole('button', { name: 'New token' }).click() },
  { name: 'relay', path: 'relay', ready: 'No board streams' },
  { name: 'integrations', path: 'integrations', ready: 'workshop log' },
  { name: 'webhook', path: 'integrations', ready: 'workshop log', act: (page) => page.getByRole('button', { name: 'New webhook' }).click() },
  { name: 'deliveries', path: 'integrations', ready: 'workshop log', act: (page) => page.getByRole('button', { name: 'Deliveries' }).click() },
  { name: 'offline', path: 'devices/3d0030001147353138383138', ready: 'Why it does not come' },
  { name: 'users', path: 'users', ready: 'ben' },
  { name: 'health', path: 'health', ready: 'Where it listens' },
  { name: 'settings', path: 'settings', ready: 'Use this browser’s time' },
  { name: 'glossary', path: 'glossary', ready: 'breathing' },
  { name: 'nothing', path: 'no/such/page', ready: 'There is no such page' },
  { name: 'streaming', path: 'relay', ready: 'Public names', act: streaming },
  { name: 'full-screen', path: 'relay/full', ready: 'Back to the console', act: (page) => page.getByText('greenhouse: wind').waitFor() },
  {
    name: 'public-name',
    path: 'relay',
    ready: 'greenhouse: wind',
    act: async (page) => {
      await page.getByRole('button', { name: 'New public name' }).click();
      await page.getByLabel('Name', { exact: true }).fill('wind');
      await page.getByRole('button', { name: 'Make it public' }).click();
      await page.locator('.qr path').waitFor();
    },
  },
];

const looks = [
  { width: 360, height: 780, theme: 'light', deep: true },
  { width: 360, height: 780, theme: 'dark', deep: false },
  { width: 1440, height: 900, theme: 'light', deep: false },
  { width: 1440, height: 900, theme: 'dark', deep: true }, // the same markup again, in the other colours
] as const;

test.each(views)('$name', async (view) => {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...(view.out ? {} : { storageState: session }) });
  try {
    const { page, trouble } = await watch(context, `${view.cloud ? fresh.url : furnished.cloud.url}/console/${view.path}`);
    await page.getByText(view.ready, { exact: false }).first().waitFor();
    await view.act?.(page);
    for (const { width, height, theme, deep } of looks) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForFunction((dark) => (getComputedStyle(document.documentElement).backgroundColor === 'rgb(11, 17, 21)') === dark, theme === 'dark');
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      if (shots) await shoot(page, `${view.name}-${width}-${theme}.png`);
      const look = `${width} px, ${theme}`;
      expect(await overflow(page), look).toEqual([]);
      expect(await page.locator('main, dialog[open]').last().innerText(), look).toMatch(/\w{3}/);
      if (deep || shots) expect(await violations(page), look).toEqual([]);
    }
    expect(trouble).toEqual([]);
  } finally {
    await context.close();
  }
});

/** Takes a picture of the whole page: the window is made as high as that, so that what stands at its lower end does so in the picture. */
async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(shots!, { recursive: true });
  const size = page.viewportSize()!;
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  if (!(await page.locator('.page.full, dialog[open]').count())) await page.setViewportSize({ ...size, height: Math.max(height, size.height) });
  await page.screenshot({ path: join(shots!, name), animations: 'disabled' });
  await page.setViewportSize(size);
}

/** Names what sticks out of the window at its sides. */
async function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const out = document.documentElement.scrollWidth > width ? [`page of ${document.documentElement.scrollWidth} px`] : [];
    for (const e of document.querySelectorAll('main *, nav *, dialog *')) {
      const box = e.getBoundingClientRect();
      const hidden = e.closest('.sr, .skip, .cut, svg') !== null;
      if (!hidden && box.width > 0 && (box.right > width + 1 || box.left < -1)) out.push(`${e.tagName} ${e.className} ${Math.round(box.left)}..${Math.round(box.right)}`);
    }
    return out.slice(0, 5);
  });
}

/** Runs axe, and returns what it finds that is serious or critical. */
async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe); // by the debugger: the policy of the page forbids strangers' scripts
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: object): Promise<{ passes: unknown[]; violations: Array<{ id: string; impact: string; nodes: Array<{ html: string; failureSummary: string }> }> }> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations, passes } = await axe.run({ runOnly: { type: 'tag', values: tags } });
    if (passes.length < 5) return ['axe has looked at nothing'];
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes[0]?.html.slice(0, 160)} ${v.nodes[0]?.failureSummary.slice(0, 200)}`);
  });
}
