import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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
  await ask(furnished, 'PUT', `/v1/devices/${furnished.boards[0]!.id}`, { name: 'greenhouse' }); // over TCP
  await ask(furnished, 'PUT', `/v1/devices/${furnished.boards[2]!.id}`, { name: 'pond' }); // over UDP
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

describe.each(['greenhouse', 'pond'])('the %s', (name) => {
  beforeAll(async () => {
    board = furnished.boards[name === 'greenhouse' ? 0 : 2]!;
    await page.goto(`${furnished.cloud.url}/console/devices`);
  });

  test('find a device, call its function, read its variable', async () => {
    await page.getByLabel('Search by name').fill(name.slice(0, 4));
    await page.getByRole('link', { name: new RegExp(name) }).click();
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
    board.publish(`${name}/alarm`, 'frost');
    await page.locator('.tail').getByText('frost').waitFor();
    await page.reload(); // and what it said a short while ago
    await page.locator('.tail').getByText('frost').waitFor();
  });

  test('rename it, and take that back', async () => {
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill(`${name}-2`);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: `${name}-2` }).waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('heading', { name: new RegExp(`${name}$`) }).waitFor();
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
    for (const n of ['one', 'two', 'three']) board.publish(`${name}/limited`, n);
    await page.locator('.tail').getByText('one').waitFor();
    await expect.poll(() => figure('beyond your rate limit').innerText(), { timeout: 20_000 }).toBe('2');
    expect(await page.locator('.tail').getByText('three').count()).toBe(0);
    await ask(furnished, 'PUT', `/v1/localcloud/devices/${board.id}/policy`, { policy: 'off' });
  });

  test('publish an event that a board has subscribed to, and find it in the log', async () => {
    board.tell({ op: 'subscribe', prefix: `${name}-news`, mine: true });
    await go('Events');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(`${name}-news/today`);
    await dialog.getByLabel('Data').fill('{"rain":true}');
    await dialog.getByRole('button', { name: 'Publish' }).click();
    expect((await board.says('event', { name: `${name}-news/today` })).data).toBe('{"rain":true}');
    await page.getByLabel('Name begins with').fill(`${name}-news`);
    await page.getByRole('button', { name: new RegExp(`${name}-news/today`) }).click();
    await page.getByRole('dialog').getByText('rain').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
  });
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

/** Makes a token by the form, and returns it. */
async function makeToken(page: Page, note: string): Promise<string> {
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What is it for?').fill(note);
  await dialog.getByRole('button', { name: 'Make the token' }).click();
  const token = (await dialog.locator('pre').first().innerText()).trim();
  await dialog.getByRole('button', { name: 'I have it' }).click();
  return token;
}

const use = async (token: string, method: string, path: string) =>
  (await fetch(`${furnished.cloud.url}/v1/${path}`, { method, headers: { Authorization: `Bearer ${token}` } })).status;

test('make a token that can only look, and revoke it', async () => {
  await go('Tokens');
  const token = await makeToken(page, 'hallway');
  expect(token).toMatch(/^[0-9a-f]{40}$/);
  expect(await use(token, 'GET', `devices/${board.id}`)).toBe(200);
  expect(await use(token, 'POST', `devices/${board.id}/led`)).toBe(403);
  await page.locator('li', { hasText: 'hallway' }).getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.locator('li', { hasText: 'hallway' }).waitFor({ state: 'detached' });
  expect(await use(token, 'GET', `devices/${board.id}`)).toBe(401);
});

test('add a user, who chooses a password at the first log-in and changes it later', async () => {
  await go('Users');
  await page.getByRole('button', { name: 'New user' }).click();
  await page.getByLabel('User name').fill('ben');
  await page.getByLabel('Make a password for one log-in').check();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const once = (await page.getByRole('dialog').locator('pre').innerText()).trim();
  await page.getByRole('button', { name: 'I have it' }).click();
  await page.getByText('has not logged in yet').waitFor();

  const other = await browser.newContext();
  const ben = await watch(other, furnished.cloud.url);
  await ben.page.getByLabel('User name').fill('ben');
  await ben.page.getByLabel('Password').fill(once);
  await ben.page.getByRole('button', { name: 'Log in' }).click();
  await ben.page.getByLabel('New password').fill('battery staple');
  await ben.page.getByRole('button', { name: 'Set it and log in' }).click();
  await ben.page.getByText('No device yet').waitFor();
  expect(await ben.page.getByRole('link', { name: 'Users' }).count()).toBe(0); // sees nothing of others

  await ben.page.getByRole('link', { name: 'Settings' }).click();
  await ben.page.getByRole('button', { name: 'Change your password' }).click();
  await ben.page.getByLabel('The password until now').fill('battery staple');
  await ben.page.getByLabel('New password').fill('horse battery');
  await ben.page.getByRole('button', { name: 'Save' }).click();
  await ben.page.getByText('Your new password holds.').waitFor();
  expect(ben.trouble).toEqual([]);
  await other.close();
});

test('whoever may make an account does so on the log-in page', async () => {
  await ask(furnished, 'PUT', '/v1/localcloud/settings', { sign_up: true });
  const other = await browser.newContext();
  const eve = await watch(other, furnished.cloud.url);
  await eve.page.getByRole('button', { name: 'Make an account' }).click();
  const dialog = eve.page.getByRole('dialog');
  await dialog.getByLabel('User name').fill('eve');
  await dialog.getByLabel('Password').fill('another staple');
  await dialog.getByRole('button', { name: 'Make it and log in' }).click();
  await eve.page.getByText('No device yet').waitFor();
  expect(eve.trouble).toEqual([]);
  await other.close();
  await ask(furnished, 'PUT', '/v1/localcloud/settings', { sign_up: false });
});

test('give a board away, to a user who makes it theirs', async () => {
  const spare = '3d0030001147353138383138';
  await ask(furnished, 'POST', '/v1/localcloud/devices', { id: spare, name: 'spare' });
  await page.goto(`${furnished.cloud.url}/console/devices/${spare}`);
  await page.getByRole('button', { name: 'Release' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
  await page.getByText('spare belongs to nobody now.').waitFor();
  const other = await browser.newContext();
  const ben = await watch(other, furnished.cloud.url);
  await logIn(ben.page, { name: 'ben', password: 'horse battery' });
  await ben.page.getByRole('link', { name: 'Connect a board' }).first().click();
  await ben.page.getByLabel('Device id').fill(board.id);
  await ben.page.getByRole('button', { name: 'Make it mine' }).click();
  await ben.page.getByRole('alert').waitFor(); // ann's
  await ben.page.getByLabel('Device id').fill(spare);
  await ben.page.getByRole('button', { name: 'Make it mine' }).click();
  await ben.page.getByRole('heading', { name: /spare$/ }).waitFor();
  expect(ben.trouble).toEqual([]);
  await other.close();
});

test('every user makes tokens of their own', async () => {
  const other = await browser.newContext();
  const ben = await watch(other, furnished.cloud.url);
  await logIn(ben.page, { name: 'ben', password: 'horse battery' });
  await ben.page.getByRole('link', { name: 'Tokens' }).click();
  await ben.page.getByText('this browser').waitFor();
  const token = await makeToken(ben.page, 'badge');
  expect(await use(token, 'GET', 'devices')).toBe(200);
  expect(await use(token, 'GET', 'localcloud/status')).toBe(403);
  expect(await use(token, 'GET', `devices/${board.id}`)).toBe(403); // not his
  await ben.page.locator('li', { hasText: 'badge' }).getByRole('button', { name: 'Revoke' }).click();
  await ben.page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await ben.page.locator('li', { hasText: 'badge' }).waitFor({ state: 'detached' });
  expect(await use(token, 'GET', 'devices')).toBe(401);
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
  await page.locator('.variable', { hasText: 'led' }).locator('.value').getByText('true').waitFor();
});

test('a restart of the server is seen, and over by itself', async () => {
  await go('Events');
  await furnished.cloud.end();
  await page.getByText('No connection to the cloud since').waitFor();
  await furnished.cloud.begin();
  await page.getByText('No connection to the cloud since').waitFor({ state: 'hidden' });
  await page.getByLabel('Name begins with').fill('back/');
  const [greenhouse, , pond] = furnished.boards;
  await greenhouse!.says('online'); // once more; a session over UDP goes on as if nothing had been
  for (const b of [greenhouse!, pond!]) {
    b.publish(`back/${b.id}`, `again from ${b.id}`);
    await page.getByText(`again from ${b.id}`).waitFor();
  }
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
