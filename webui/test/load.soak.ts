import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, logIn, owner, watch } from './support/browser';
import { binary, Cloud } from './support/program';
import { tasksDuring, type Tasks } from './support/tasks';

// Many devices and many events: the page has to stay quick, and its memory bounded. `npm run load` runs this; it takes a
// quarter of an hour. What it measures it prints.

const deviceCount = Number(process.env.DEVICES ?? 10_000);
const eventCount = Number(process.env.EVENTS ?? 1_000_000);
const boards = 250; // each publishes twice a second
const seconds = Number(process.env.SECONDS ?? 600);
const longestTask = 100; // ms of the processor, on the main thread; by the clock it may be more on a machine that does other things
const mostHeap = 150; // MB

let browser: Browser;
let cloud: Cloud;
let page: Page;
let fleet: ChildProcess | undefined;

beforeAll(async () => {
  const dir = join(await mkdtemp(join(tmpdir(), 'localcloud-load-')), 'data');
  await promisify(execFile)(binary, ['bench', 'fill', '--data', dir, '--registered', String(deviceCount), '--events', String(eventCount)]);
  [browser, cloud] = await Promise.all([launch(), Cloud.over(dir)]);
  await cloud.addUser(owner.name, owner.password, true);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = (await watch(context, `${cloud.url}/console/`)).page;
  await logIn(page);
}, 600_000);

afterAll(async () => {
  fleet?.kill('SIGTERM');
  await browser?.close();
  await cloud?.remove();
}, 60_000);

/** Does something and prints how long the page could not react. */
async function measured(what: string, work: () => Promise<void>): Promise<Tasks> {
  const tasks = await tasksDuring(browser, async () => {
    await work();
    await page.waitForTimeout(300);
  });
  console.log(`${what}: longest task ${tasks.processor} ms of the processor, ${tasks.clock} ms by the clock`);
  return tasks;
}

async function quick(what: string, work: () => Promise<void>): Promise<void> {
  expect((await measured(what, work)).processor, what).toBeLessThanOrEqual(longestTask);
}

async function heap(): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await session.send('Runtime.getHeapUsage')) as { usedSize: number };
  await session.detach();
  return Math.round(usedSize / 1e6);
}

test(`${deviceCount} devices`, async () => {
  await quick('devices shown', async () => {
    await page.reload();
    await page.getByText(`${deviceCount} devices, `).waitFor({ timeout: 60_000 });
  });
  console.log('heap', await heap(), 'MB');
  const search = page.getByLabel('Search by name');
  await quick('searched', async () => {
    await search.pressSequentially('bench-270', { delay: 60 });
    await expect.poll(() => page.locator('.device-row').count()).toBeLessThan(20);
    await search.fill('');
  });
  await quick('scrolled', async () => {
    for (let i = 0; i < 20; i++) await page.locator('.list').evaluate((e, n) => e.scrollTo(0, n * 30_000), i);
  });
  expect(await page.locator('.device-row').count()).toBeLessThan(60);
  await quick('device opened', async () => {
    await page.locator('.list').evaluate((e) => e.scrollTo(0, 0));
    await page.locator('.device-row').first().click();
    await page.getByText('About this board').waitFor();
  });
}, 120_000);

test(`looking back in ${eventCount} events`, async () => {
  await quick('events opened', async () => {
    await page.goto(`${cloud.url}/console/events`);
    await page.locator('.rate').waitFor();
  });
  await page.getByRole('button', { name: 'Earlier' }).click();
  const from = new Date(Date.now() - 12 * 60_000);
  await page.getByLabel('From').fill(new Date(from.getTime() - from.getTimezoneOffset() * 60_000).toISOString().slice(0, 16));
  await quick('first page of the log', async () => {
    await page.getByRole('button', { name: 'Show these' }).click();
    await page.locator('.log-row').first().waitFor();
  });
  for (let i = 2; i < 7; i++) {
    await quick(`page ${i} of the log`, () => page.getByRole('button', { name: 'More after these' }).click({ timeout: 30_000 }));
  }
  await quick('log scrolled', () => page.locator('.log .list').evaluate((e) => e.scrollTo(0, 1e6)));
}, 300_000);

test(`${boards * 2} events a second for ${seconds} s`, async () => {
  await page.goto(`${cloud.url}/console/events`);
  fleet = spawn(binary, ['virtual', '-n', String(boards), '--interval', '500ms', '--data', cloud.dir], { stdio: 'ignore' });
  const rate = async () => Number((await page.locator('.rate').innerText()).replace(/\D/g, ''));
  await expect.poll(rate, { timeout: 120_000, interval: 1_000 }).toBeGreaterThan(boards * 1.8);
  const worst = { clock: 0, processor: 0 };
  const heaps: number[] = [];
  for (let s = 30; s <= seconds; s += 30) {
    await page.waitForTimeout(15_000);
    const tasks = await tasksDuring(browser, () => page.waitForTimeout(14_000));
    worst.clock = Math.max(worst.clock, tasks.clock);
    worst.processor = Math.max(worst.processor, tasks.processor);
    heaps.push(await heap());
    console.log(`${s} s: ${await rate()} events/s, longest task ${tasks.processor} ms of the processor, ${tasks.clock} ms by the clock, heap ${heaps.at(-1)} MB`);
  }
  await quick('filtered', () => page.getByLabel('Name or data holds').pressSequentially('17', { delay: 100 }));
  console.log(`longest task of all ${worst.processor} ms of the processor, ${worst.clock} ms by the clock; heap ${Math.min(...heaps)} to ${Math.max(...heaps)} MB`);
  expect(Math.max(...heaps)).toBeLessThan(mostHeap);
  expect(worst.processor).toBeLessThanOrEqual(longestTask);
}, 400_000 + seconds * 1_200);
