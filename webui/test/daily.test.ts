import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, logIn, watch, type Watched } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import type { Board } from './support/program';

// What people do every day, in the order in which one leads to the next.

let browser: Browser;
let context: BrowserContext;
let furnished: Furnished;
let board: Board;
let watched: Watched;
let page: Page;

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  board = furnished.boards[0]!;
  await ask(furnished, 'PUT', `/v1/devices/${board.id}`, { name: 'greenhouse' });
  context = await browser.newContext();
  watched = await watch(context, furnished.cloud.url);
  page = watched.page;
  await logIn(page);
});

afterEach(() => expect(watched.trouble).toEqual([]));

afterAll(async () => {
  await browser?.close();
  await furnished?.end();
});

const go = (name: string) => page.getByRole('navigation').first().getByRole('link', { name }).click();

/** The figure beside a sentence of the three numbers. */
const figure = (what: string) => page.locator('.numbers li', { hasText: what }).locator('.figure');

test('find a device, call its function, read its variable', async () => {
  await page.getByLabel('Search by name').fill('green');
  await page.getByRole('link', { name: /greenhouse/ }).click();
  await page.getByLabel('Argument for led').fill('on');
  await page.getByRole('button', { name: 'Call led' }).click();
  expect((await board.says('call', { name: 'led' })).arg).toBe('on');
  await page.getByText('returned 1').waitFor();
  await page.getByText('21.4').waitFor();
  board.tell({ op: 'variable', name: 'temperature', type: 'double', value: 22.75 });
  await page.getByRole('button', { name: 'Live' }).click();
  await page.getByText('22.75').waitFor();
  await page.getByRole('button', { name: 'Live' }).click();
});

test('see what it says the moment it says it', async () => {
  board.publish('greenhouse/alarm', 'frost');
  await page.locator('.tail').getByText('frost').waitFor();
});

test('rename it, and take that back', async () => {
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('glasshouse');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'glasshouse' }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('heading', { name: 'greenhouse' }).waitFor();
});

test('find it by its light, ask whether it is there, write a note', async () => {
  await page.getByRole('button', { name: 'Show me where it is' }).click();
  expect((await board.says('signal')).on).toBe(true);
  await page.getByRole('button', { name: 'Stop the rainbow' }).click();
  expect((await board.says('signal')).on).toBe(false);
  await page.getByRole('button', { name: 'Is it there?' }).click();
  await page.getByText(/It answered after \d+ ms/).waitFor();
  await page.getByLabel('Notes').fill('Behind the tomatoes');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Notes saved.').waitFor();
  expect(await ask(furnished, 'GET', `/v1/devices/${board.id}`)).toMatchObject({ notes: 'Behind the tomatoes' });
});

test('limit it, which it feels at once', async () => {
  await page.getByText('This board follows the limit of this cloud').click();
  await page.getByLabel('My own').check();
  await page.getByLabel('Events per second').fill('0.001');
  await page.getByRole('textbox', { name: 'At once' }).fill('1');
  await page.getByLabel('What is beyond').selectOption('drop');
  await page.getByRole('button', { name: 'Use this limit' }).click();
  await page.getByText('This board has its own: 0.001/s:1 drop').waitFor();
  for (const n of ['one', 'two', 'three']) board.publish('greenhouse/limited', n);
  await page.locator('.tail').getByText('one').waitFor();
  await expect.poll(() => figure('beyond your rate limit').innerText(), { timeout: 20_000 }).toBe('2');
  expect(await page.locator('.tail').getByText('three').count()).toBe(0);
  await ask(furnished, 'PUT', `/v1/localcloud/devices/${board.id}/policy`, { policy: 'off' });
});

test('publish an event that a board has subscribed to, and find it in the log', async () => {
  board.tell({ op: 'subscribe', prefix: 'news', mine: true });
  await go('Events');
  await page.getByRole('button', { name: 'Publish' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('news/today');
  await dialog.getByLabel('Data').fill('{"rain":true}');
  await dialog.getByRole('button', { name: 'Publish' }).click();
  expect((await board.says('event', { name: 'news/today' })).data).toBe('{"rain":true}');
  await page.getByLabel('Name begins with').fill('news');
  await page.getByRole('button', { name: /news\/today/ }).click();
  await page.getByRole('dialog').getByText('rain').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
});

test('pause, look back and save the log', async () => {
  await page.getByLabel('Name begins with').fill('greenhouse/');
  await page.getByRole('button', { name: 'Pause' }).click();
  board.publish('greenhouse/paused', 'while paused');
  await page.getByRole('button', { name: '1 new, show them' }).click();
  await page.getByText('while paused').waitFor();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'JSON lines' }).click();
  expect((await saved).suggestedFilename()).toMatch(/^events-.*\.jsonl$/);
  await page.getByRole('button', { name: 'Earlier' }).click();
  await page.getByRole('button', { name: 'Show these' }).click();
  await page.getByRole('button', { name: /greenhouse\/alarm/ }).waitFor();
  await page.getByRole('button', { name: 'Back to live' }).click();
});

test('make a token that can only look, and revoke it', async () => {
  await go('Tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What is it for?').fill('hallway');
  await dialog.getByRole('button', { name: 'Make the token' }).click();
  const token = (await dialog.locator('pre').first().innerText()).trim();
  expect(token).toMatch(/^[0-9a-f]{40}$/);
  const use = (method: string) => fetch(`${furnished.cloud.url}/v1/devices/${board.id}${method === 'GET' ? '' : '/led'}`, { method, headers: { Authorization: `Bearer ${token}` } });
  expect((await use('GET')).status).toBe(200);
  expect((await use('POST')).status).toBe(403);
  await dialog.getByRole('button', { name: 'I have it' }).click();
  await page.locator('li', { hasText: 'hallway' }).getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.locator('li', { hasText: 'hallway' }).waitFor({ state: 'detached' });
  expect((await use('GET')).status).toBe(401);
});

test('add a user, who sees nothing of others', async () => {
  await go('Users');
  await page.getByRole('button', { name: 'New user' }).click();
  await page.getByLabel('User name').fill('ben');
  await page.getByLabel('Password').fill('battery staple');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('ben can log in now.').waitFor();
  const other = await browser.newContext();
  const ben = await watch(other, furnished.cloud.url);
  await logIn(ben.page, { name: 'ben', password: 'battery staple' });
  await ben.page.getByText('No device yet').waitFor();
  expect(await ben.page.getByRole('link', { name: 'Users' }).count()).toBe(0);
  expect(ben.trouble).toEqual([]);
  await other.close();
});

test('try without hardware: the first click lights the LED', async () => {
  await go('Connect a board');
  await page.getByRole('button', { name: 'Try without hardware' }).click();
  await page.getByRole('heading', { name: 'It breathes cyan' }).waitFor();
  await page.getByRole('link', { name: 'Open its page' }).first().click();
  await page.getByRole('button', { name: 'Switch D7 on' }).click();
  await page.getByRole('button', { name: 'Switch D7 off' }).waitFor();
  await page.getByRole('button', { name: 'Read led' }).click();
  await page.locator('.variable', { hasText: 'led' }).getByText('true').waitFor();
});

test('a restart of the server is seen, and over by itself', async () => {
  await go('Events');
  await furnished.cloud.end();
  await page.getByText('No connection to the cloud since').waitFor();
  await furnished.cloud.begin();
  await page.getByText('No connection to the cloud since').waitFor({ state: 'hidden' });
  await page.getByLabel('Name begins with').fill('greenhouse/back');
  await board.says('online', {}); // the first one
  board.publish('greenhouse/back', 'after the restart');
  await page.getByText('after the restart').waitFor();
});

test('ten tabs share one stream', async () => {
  const tabs = await Promise.all(Array.from({ length: 9 }, () => watch(context, `${furnished.cloud.url}/console/events`)));
  await Promise.all(tabs.map((t) => t.page.getByRole('heading', { name: 'Events' }).waitFor()));
  board.publish('greenhouse/tabs', 'in every tab');
  await page.getByLabel('Name begins with').fill('greenhouse/tabs');
  await page.getByText('in every tab').waitFor();
  await Promise.all(tabs.map((t) => t.page.getByText('in every tab').waitFor()));
  expect(await ask(furnished, 'GET', '/v1/localcloud/status')).toMatchObject({ streams: 1 });
  expect(tabs.flatMap((t) => t.trouble)).toEqual([]);
  await Promise.all(tabs.map((t) => t.page.close()));
});

test('logging out ends every tab', async () => {
  const other = await watch(context, `${furnished.cloud.url}/console/devices`);
  await other.page.getByText('greenhouse').waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await other.page.getByRole('button', { name: 'Log in' }).waitFor();
  expect(await context.cookies()).toEqual([]);
});
