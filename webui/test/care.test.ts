import { request } from 'node:http';
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
  await card('What waits').getByText('requests to other servers').waitFor();
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

test('health says that a key is being replaced, how many boards use the old one, and which command ends it', async () => {
  const keys = card('By what boards know this cloud');
  await page.goto(`${furnished.cloud.url}/console/health`);
  await keys.getByText('No key is being replaced.').waitFor();
  await furnished.cloud.run(['keys', 'rotate', '--only', 'tcp']);
  await page.reload();
  await keys.getByText('0 of 2 boards hold the new one. 2 still use the old one.').waitFor();
  expect(await keys.getByRole('progressbar').getAttribute('aria-valuemax')).toBe('2');
  await keys.getByText('localcloud keys show').waitFor();
  await page.goto(`${furnished.cloud.url}/console/devices/${furnished.boards[0]!.id}`);
  await card('About this board').getByText('the old one: give it the new one').waitFor();
  await furnished.cloud.run(['keys', 'rotate', '--undo', '--only', 'tcp']);
  await page.goto(`${furnished.cloud.url}/console/health`);
  await keys.getByText('No key is being replaced.').waitFor();
});

test('who may watch the relay and what may stream are switches, with a way back', async () => {
  const relay = () => ask(furnished, 'GET', '/v1/localcloud/relay/settings') as Promise<Record<string, unknown>>;
  await page.goto(`${furnished.cloud.url}/console/relay`);
  const doors = card('Who may watch, what may stream');
  const before = (await relay()).read === 'open';
  const watch = doors.getByLabel('Everybody on this network may watch');
  await expect.poll(() => watch.isEnabled()).toBe(true);
  expect(await watch.isChecked()).toBe(before);
  await watch.setChecked(!before);
  await expect.poll(async () => (await relay()).read).toBe(before ? 'token' : 'open');
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await expect.poll(async () => (await relay()).read).toBe(before ? 'open' : 'token');
  await doors.getByLabel('Take old WebSocket libraries for the Core').check();
  await expect.poll(async () => (await relay()).legacy).toBe(true);
  await doors.getByLabel('Take a board by its address').check();
  await expect.poll(async () => (await relay()).by_address).toBe(true);
});

test('the rate limit of each board and of all together is set in the settings', async () => {
  const policy = () => ask(furnished, 'GET', '/v1/localcloud/policy') as Promise<Record<string, unknown>>;
  await page.goto(`${furnished.cloud.url}/console/settings`);
  const each = page.getByRole('group', { name: 'Each device that has no limit of its own' });
  await each.getByLabel('As Particle’s cloud').check();
  await card('Rate limits').getByRole('button', { name: 'Use this limit' }).click();
  await expect.poll(async () => (await policy()).device).toBe('particle');
  await page.getByRole('group', { name: 'All devices together' }).getByLabel('My own').check();
  await card('Rate limits').getByLabel('Events per second').fill('50');
  await card('Rate limits').getByRole('textbox', { name: 'At once' }).fill('100');
  await card('Rate limits').getByRole('button', { name: 'Use this limit' }).click();
  await expect.poll(async () => (await policy()).server).toMatch(/^50\/s:100/);
});

test('a user is removed and a board is forgotten, each after a question', async () => {
  await ask(furnished, 'POST', '/v1/localcloud/users', { name: 'ben', password: 'battery staple' });
  await page.goto(`${furnished.cloud.url}/console/users`);
  await page.getByRole('button', { name: 'Remove: ben' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Remove: ben' }).waitFor({ state: 'detached' });
  const id = '3d0030001147353138383138';
  await ask(furnished, 'POST', '/v1/localcloud/devices', { id, name: 'attic' });
  await page.goto(`${furnished.cloud.url}/console/devices/${id}`);
  await page.getByRole('button', { name: 'Forget this board' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Forget this board' }).click();
  await page.getByRole('heading', { name: 'Devices' }).waitFor();
  const left = (await ask(furnished, 'GET', '/v1/localcloud/devices')) as Array<{ id: string }>;
  expect(left.map((d) => d.id)).not.toContain(id);
});

test('the clock is corrected, and names by which browsers reach the cloud are added and removed', async () => {
  await page.goto(`${furnished.cloud.url}/console/settings`);
  await ask(furnished, 'PUT', '/v1/localcloud/clock', { time: new Date(Date.now() + 3_600_000).toISOString() });
  await page.reload();
  await card('Clock').getByText('It differs from this browser’s by').waitFor();
  await card('Clock').getByRole('button', { name: 'Use this browser’s time' }).click();
  await card('Clock').getByText('It differs').waitFor({ state: 'detached' });
  const { time } = (await ask(furnished, 'GET', '/v1/localcloud/clock')) as { time: string };
  expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);

  const names = card('Names of this cloud');
  const port = new URL(furnished.cloud.url).port;
  const reached = async () => (await fetchFrom(`cloud.school.example:${port}`)).status;
  expect(await reached()).toBe(403);
  await names.getByLabel('Add a name').fill('cloud.school.example');
  await names.getByRole('button', { name: 'Add a name' }).click();
  await names.getByText('cloud.school.example').waitFor();
  expect(await reached()).not.toBe(403);
  await names.getByRole('button', { name: 'Remove cloud.school.example' }).click();
  await names.getByText('cloud.school.example').waitFor({ state: 'detached' });
  expect(await reached()).toBe(403);
});

/** Tries to log in as a browser does that reached the cloud by a name. */
function fetchFrom(host: string): Promise<{ status: number }> {
  const { hostname, port } = new URL(furnished.cloud.url);
  return new Promise((done, failed) => {
    const headers = { Host: host, Origin: `http://${host}`, 'X-Localcloud-Csrf': '1', 'Content-Type': 'application/json' };
    const ask = request({ hostname, port, path: '/v1/localcloud/session', method: 'POST', headers }, (answer) => {
      answer.resume();
      done({ status: answer.statusCode ?? 0 });
    });
    ask.on('error', failed);
    ask.end(JSON.stringify({ username: owner.name, password: 'wrong' }));
  });
}
