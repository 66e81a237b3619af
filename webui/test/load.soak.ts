import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, logIn, watch } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';

// Many devices and many events: the page has to stay quick, and its memory bounded. `npm run load` runs this; it takes minutes.

const deviceCount = Number(process.env.DEVICES ?? 10_000);
const boards = 200;
const seconds = Number(process.env.SECONDS ?? 30);

let browser: Browser;
let furnished: Furnished;
let page: Page;
let fleet: ChildProcess | undefined;

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  const ids = Array.from({ length: deviceCount }, (_, i) => `aa${i.toString(16).padStart(22, '0')}`);
  const workers = Array.from({ length: 64 }, async () => {
    for (let id = ids.pop(); id; id = ids.pop()) await ask(furnished, 'POST', '/v1/localcloud/devices', { id });
  });
  await Promise.all(workers);
  const context = await browser.newContext();
  await context.addInitScript(() => {
    const w = window as unknown as { longest: number };
    w.longest = 0;
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) w.longest = Math.max(w.longest, e.duration);
    }).observe({ type: 'longtask' });
  });
  page = (await watch(context, furnished.cloud.url)).page;
  await logIn(page);
}, 300_000);

afterAll(async () => {
  fleet?.kill('SIGTERM');
  await browser?.close();
  await furnished?.end();
});

/** The longest task of the main thread since the last time, in ms. */
async function longest(): Promise<number> {
  return page.evaluate(() => {
    const w = window as unknown as { longest: number };
    const n = Math.round(w.longest);
    w.longest = 0;
    return n;
  });
}

async function heap(): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await session.send('Runtime.getHeapUsage')) as { usedSize: number };
  return Math.round(usedSize / 1e6);
}

test(`${deviceCount} devices`, async () => {
  await page.getByText(/\d devices, /).waitFor({ timeout: 60_000 });
  console.log('list shown: longest task', await longest(), 'ms');
  await page.getByLabel('Search by name').pressSequentially('00270');
  await expect.poll(() => page.locator('.device-row').count()).toBeLessThan(20);
  console.log('searched: longest task', await longest(), 'ms');
  await page.getByLabel('Search by name').fill('');
  for (let i = 0; i < 20; i++) await page.locator('.list').evaluate((e, n) => e.scrollTo(0, n * 30_000), i);
  const scrolled = await longest();
  console.log('scrolled: longest task', scrolled, 'ms');
  expect(await page.locator('.device-row').count()).toBeLessThan(60);
}, 120_000);

test(`${boards * 5} events a second`, async () => {
  await page.goto(`${furnished.cloud.url}/console/events`);
  fleet = spawn(resolve(process.env.LOCALCLOUD ?? '../bin/localcloud'), ['virtual', '-n', String(boards), '--interval', '200ms', '--data', furnished.cloud.dir], { stdio: 'ignore' });
  await expect.poll(async () => Number((await page.locator('.rate').innerText()).replace(/\D/g, '')), { timeout: 120_000, interval: 1_000 }).toBeGreaterThan(boards * 2);
  await longest();
  for (let s = 0; s < seconds; s += 10) {
    await page.waitForTimeout(10_000);
    console.log(await page.locator('.rate').innerText(), '· longest task', await longest(), 'ms · heap', await heap(), 'MB');
    await longest(); // that of the garbage collector, which was asked for here
  }
  await page.getByLabel('Name or data holds').fill('1');
  console.log('filtered: longest task', await longest(), 'ms');
  expect(await heap()).toBeLessThan(150);
}, 300_000 + seconds * 1_000);
