import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, logIn, owner, watch } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';

// Looking after boards and the cloud: how they are, and what can be changed while they run.

let browser: Browser;
let furnished: Furnished;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
  ({ page, trouble } = await watch(context, `${furnished.cloud.url}/console/`));
  await logIn(page, owner);
}, 120_000);

afterAll(async () => {
  expect(trouble).toEqual([]);
  await browser?.close();
  await furnished?.end();
});

const card = (title: string) => page.getByRole('region', { name: title });
const settings = () => ask(furnished, 'GET', '/v1/localcloud/settings') as Promise<Record<string, unknown>>;

test('a board tells how it feels, over which network, and what runs on it', async () => {
  for (const board of furnished.boards) {
    await page.goto(`${furnished.cloud.url}/console/devices/${board.id}`);
    await card('How it feels').getByText('Running for').waitFor();
    expect(await card('How it feels').innerText()).toMatch(/Memory in use\s+memory\s+30 kB of 83 kB/);
    expect(await card('Its network').innerText()).toMatch(/Wi-Fi[\s\S]*70 %[\s\S]*-52 dBm[\s\S]*ms/);
    await card('What runs on it').getByText(/version \d+/).first().waitFor();
    await card('How it feels').getByRole('button', { name: 'Ask it now' }).click();
    await card('How it feels').getByText(/It said so just now/).waitFor();
  }
}, 60_000);

test('how long events are kept is changed while the cloud runs, and less only after a warning', async () => {
  await page.goto(`${furnished.cloud.url}/console/settings`);
  const keep = card('What is kept of events');
  await keep.getByLabel('For how long').selectOption({ label: '30 days' });
  expect(await keep.getByText('cannot be undone').count()).toBe(0);
  await keep.getByRole('button', { name: 'Save' }).click();
  await expect.poll(async () => (await settings()).events_max_age).toBe(30 * 86_400);
  await keep.getByLabel('For how long').selectOption({ label: '1 day' });
  await keep.getByText('cannot be undone').waitFor();
  await keep.getByRole('button', { name: 'Keep less' }).click();
  await expect.poll(async () => (await settings()).events_max_age).toBe(86_400);
});

test('how much is logged and who may sign up are switches, with a way back', async () => {
  const level = card('How much the cloud writes down');
  await level.getByText('counts again at its next start').waitFor(); // this cloud was started with --log-level
  await level.getByRole('button', { name: 'Everything' }).click();
  await expect.poll(async () => (await settings()).log_level).toBe('debug');
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await expect.poll(async () => (await settings()).log_level).toBe('warn');
  await page.getByLabel('Let anyone who reaches this page').check();
  await expect.poll(async () => (await settings()).sign_up).toBe(true);
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await expect.poll(async () => (await settings()).sign_up).toBe(false);
});

test('the certificate for HTTPS is made and fetched', async () => {
  const https = card('Encrypted connections');
  await https.getByText('Not on:').waitFor();
  await https.getByRole('button', { name: 'Make the certificate' }).click();
  const download = page.waitForEvent('download');
  await https.getByRole('link', { name: 'Download the certificate' }).click();
  expect((await download).suggestedFilename()).toMatch(/\.crt$/);
  await https.getByText('Where it has to go').click();
  await https.getByText(/Firefox|Chrome|browser/i).first().waitFor();
});

test('health says what waits and what this machine can do, while boards stay online', async () => {
  await page.goto(`${furnished.cloud.url}/console/health`);
  await card('What waits').getByText('on their way to the disk').waitFor();
  await card('Can boards reach it?').getByText('3 board(s) are online').waitFor();
  const test = card('What can this machine do?');
  await test.getByRole('button', { name: 'Find out' }).click();
  await test.getByRole('progressbar').waitFor();
  const board = furnished.boards[0]!;
  const answer = (await ask(furnished, 'GET', `/v1/devices/${board.id}/temperature`)) as { result: number };
  expect(answer.result).toBe(21.4);
  await test.getByText(/This machine takes about [\d,.]+ events a second/).waitFor({ timeout: 40_000 });
  expect(((await ask(furnished, 'GET', '/v1/localcloud/devices')) as unknown[]).length).toBe(3);
}, 80_000);
