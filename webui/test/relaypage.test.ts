import { readFile } from 'node:fs/promises';
import jsQR from 'jsqr';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { address } from './support/address';
import { launch, logIn, watch, type Watched } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import { Board } from './support/program';
import { Sketch } from './support/sketch';

// The relay inside the console, over plain HTTP at an address that is not loopback: where an exhibition is.

let browser: Browser;
let context: BrowserContext;
let furnished: Furnished;
let watched: Watched;
let page: Page;
let knob: Sketch;
let balance: Sketch;
let boards: Board[];

const soon = { timeout: 20_000 };
const here = address();

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish(here)]);
  const { cloud, token } = furnished;
  boards = await Promise.all([1, 2].map(() => Board.start(cloud, [{ op: 'function', name: 'devices', ret: 0 }], { token })));
  await Promise.all(boards.map((b) => b.says('online')));
  await ask(furnished, 'PUT', `/v1/devices/${boards[0]!.id}`, { name: 'knob' });
  await ask(furnished, 'PUT', `/v1/devices/${boards[1]!.id}`, { name: 'balance' });
  knob = new Sketch(boards[0]!, (n) => String(Math.round(2048 + 1500 * Math.sin(n / 25))), 'post', here);
  balance = new Sketch(boards[1]!, (n) => JSON.stringify({ roll: 20 * Math.sin(n / 30), '<b>pitch</b>': 5 }), 'websocket', here);
  context = await browser.newContext({ acceptDownloads: true });
  watched = await watch(context, `${cloud.url}/console/relay`);
  page = watched.page;
  await logIn(page);
});

afterAll(async () => {
  knob?.stop();
  balance?.stop();
  await browser?.close();
  await Promise.all((boards ?? []).map((b) => b.end()));
  await furnished?.end();
});

/** What the graph of a page looks like: how many of its points have a line's colour, and a number that changes with every point. */
const drawn = (p: Page) =>
  p.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.plot canvas')!;
    const probe = document.createElement('i');
    probe.style.color = getComputedStyle(canvas.closest('.plot')!).getPropertyValue('--s0');
    document.body.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number) as [number, number, number];
    probe.remove();
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let points = 0;
    let picture = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3]! < 200 || Math.abs(data[i]! - r) + Math.abs(data[i + 1]! - g) + Math.abs(data[i + 2]! - b) > 60) continue;
      points++;
      picture = (picture * 31 + i) % 2147483647;
    }
    return { points, picture };
  });

const moves = async (p: Page) => {
  await expect.poll(async () => (await drawn(p)).points, soon).toBeGreaterThan(200);
  const before = await drawn(p);
  await expect.poll(async () => (await drawn(p)).picture, soon).not.toBe(before.picture);
};

const segment = (name: string) => page.getByRole('button', { name, exact: true });
const card = (name: string) => page.locator('.channels').getByRole('region', { name, exact: true });
const legend = () => page.locator('.legend').innerText();

test('says what to flash while no board streams, and begins by itself', async () => {
  await page.getByText('No board streams yet').waitFor();
  await page.getByText('LocalRelay relay(memory').waitFor();
  knob.ask();
  await knob.answer();
  await page.locator('.plot canvas').waitFor();
  await moves(page);
  balance.ask();
  await balance.answer();
  await expect.poll(legend, soon).toMatch(/knob\s+\d+[^]*balance: roll\s+[-\d.]+[^]*balance: <b>pitch<\/b>\s+5/);
  expect(await page.locator('.legend b').count()).toBe(0); // a board's text is text
  await page.getByText('none missed').waitFor();
  await expect.poll(async () => parseFloat((await page.locator('.figures-line').innerText()).trim()), soon).toBeGreaterThan(20);
});

test('stops, zooms and goes on', async () => {
  await segment('Pause').click();
  await page.locator('.plot[data-state=paused]').waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const still = await drawn(page);
  const lines = async () => Number(/([\d,]+) lines here/.exec(await page.locator('.figures-line').innerText())![1]!.replaceAll(',', ''));
  const before = await lines();
  await expect.poll(lines, soon).toBeGreaterThan(before + 20);
  expect((await drawn(page)).picture).toBe(still.picture);
  await segment('Show less time').click();
  await expect.poll(() => page.getByLabel('Time shown').inputValue(), soon).toBe('5000');
  await expect.poll(async () => (await drawn(page)).picture, soon).not.toBe(still.picture);
  await page.locator('.plot').focus();
  await page.keyboard.press('-');
  await expect.poll(() => page.getByLabel('Time shown').inputValue(), soon).toBe('10000');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press(' ');
  await page.locator('.plot[data-state=live]').waitFor();
  await moves(page);

  await page.locator('.plot .u-over').hover({ position: { x: 20, y: 40 } });
  await page.getByRole('group', { name: 'Values at the pointer' }).waitFor();
  await segment('Table').click();
  await expect.poll(() => page.locator('.values').innerText(), soon).toMatch(/balance: <b>pitch<\/b>\s+5\s+5\s+5\s+5/);
  await segment('Lines').click();
  await page.locator('.raw-lines code', { hasText: '"roll"' }).first().waitFor();
  await segment('Graph').click();
});

test('a board that listens hears the line', async () => {
  await card('balance').getByText('Send it a line').click();
  await card('balance').getByLabel('Line for balance').fill('led=<on>');
  await card('balance').getByRole('button', { name: 'Send' }).click();
  expect(await balance.hears()).toBe('led=<on>');
  await card('knob').getByText('Send it a line').click();
  await card('knob').getByText('goes one way').waitFor();
});

test('what was recorded can be saved, and plays again', async () => {
  await card('knob').getByRole('button', { name: 'always' }).click();
  await card('knob').getByText('also after a restart').waitFor();
  await page.getByRole('button', { name: 'Replay 10×' }).waitFor();
  const size = async () => parseFloat(await page.locator('section', { has: page.getByRole('heading', { name: 'Recordings' }) }).locator('li .small').first().innerText());
  await expect.poll(size, soon).toBeGreaterThan(1);
  await card('knob').getByRole('button', { name: 'off' }).click();
  const text = await saved(page.getByRole('link', { name: 'CSV: save knob as a table' }));
  expect(text).toMatch(/^time,line\r\n2\d{3}-[^,]+Z,"\d+"\r\n/);
  const lines = (await saved(page.getByRole('link', { name: 'NDJSON: save knob as JSON lines' }))).trim().split('\n').map((l) => JSON.parse(l) as { t: number; line: string });
  expect(lines.length).toBe(text.trim().split('\r\n').length - 1);
  await page.getByRole('button', { name: 'Replay 10×' }).first().click();
  await expect.poll(() => new URL(page.url()).searchParams.get('channels'), soon).toBe(`${boards[0]!.id}/replay`);
  await expect.poll(legend, soon).toMatch(/knob · replay\s+\d+/);
  await page.getByRole('button', { name: 'All boards' }).click();
});

async function saved(link: Locator): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  return readFile(await download.path(), 'utf8');
}

/** Reads a picture as a phone does. */
async function read(picture: Buffer): Promise<string | undefined> {
  const canvas = await browser.newPage();
  const { bits, width, height } = await canvas.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const c = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    const paint = c.getContext('2d')!;
    paint.drawImage(image, 0, 0);
    const { data } = paint.getImageData(0, 0, c.width, c.height);
    let bits = '';
    for (let i = 0; i < data.length; i += 4) bits += data[i]! < 128 ? '1' : '0';
    return { bits, width: c.width, height: c.height };
  }, `data:image/png;base64,${picture.toString('base64')}`);
  await canvas.close();
  const points = new Uint8ClampedArray(4 * bits.length).fill(255);
  for (const [i, bit] of [...bits].entries()) if (bit === '1') points.fill(0, 4 * i, 4 * i + 3);
  return jsQR(points, width, height)?.data;
}

test('a public name has a code that leads to its page, and a link that can be copied', async () => {
  await segment('New public name').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('my wind');
  await dialog.getByText('A public name has').waitFor();
  await dialog.getByLabel('Name', { exact: true }).fill('wind');
  await dialog.getByLabel('What it shows').selectOption({ label: 'knob' });
  await dialog.getByRole('button', { name: 'Make it public' }).click();
  await dialog.locator('.qr path').waitFor();
  const url = `http://${furnished.cloud.ready.relay}/p/wind`;
  expect(await read(await dialog.locator('.qr').screenshot())).toBe(url);
  await dialog.getByRole('button', { name: 'Copy the link' }).click();
  await dialog.getByRole('button', { name: 'Copied' }).waitFor(); // no secure context, and yet
  await dialog.getByRole('button', { name: 'Close' }).click();

  const visitor = await watch(await browser.newContext(), url);
  await expect.poll(async () => parseInt((await visitor.page.locator('#count').textContent()) ?? ''), soon).toBeGreaterThan(10);
  expect(visitor.trouble).toEqual([]);
  await visitor.page.context().close();
  await page.getByRole('button', { name: 'Make private' }).click();
  await page.getByText('Nothing is public.').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('link', { name: 'wind', exact: true }).waitFor();
});

test('the full screen keeps its picture while the cloud is away, and goes on by itself', async () => {
  await page.getByRole('link', { name: 'Full screen' }).click();
  await page.locator('.full-view canvas').waitFor();
  expect(await page.locator('nav').count()).toBe(0);
  await moves(page);
  await furnished.cloud.end();
  await page.getByText('the picture stays').waitFor();
  expect((await drawn(page)).points).toBeGreaterThan(200);
  await furnished.cloud.begin();
  await Promise.all([knob.answer(), balance.answer()]); // called without having asked
  await expect.poll(() => page.getByText('the picture stays').count(), soon).toBe(0);
  await moves(page);
  await page.mouse.move(100, 100);
  await page.getByRole('link', { name: 'Back to the console' }).click();
  await page.getByRole('heading', { name: 'Relay', exact: true }).waitFor();
  expect(watched.trouble).toEqual([]);
});

test('everybody else sees their own boards only, and no switches', async () => {
  await ask(furnished, 'POST', '/v1/localcloud/users', { name: 'ben', password: 'battery staple' });
  const other = await browser.newContext();
  const { page: own, trouble } = await watch(other, `${furnished.cloud.url}/console/relay`);
  await logIn(own, { name: 'ben', password: 'battery staple' });
  await own.getByText('No board streams yet').waitFor();
  await ask(furnished, 'DELETE', `/v1/devices/${boards[0]!.id}`);
  const { token } = (await ask(furnished, 'POST', '/v1/localcloud/tokens', { user: 'ben', scopes: ['*:*'] })) as { token: string };
  const claimed = await fetch(`${furnished.cloud.url}/v1/devices`, { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: new URLSearchParams({ id: boards[0]!.id }) });
  expect(claimed.status).toBe(200);
  await own.locator('.plot canvas').waitFor();
  await moves(own);
  expect(await own.locator('body').innerText()).not.toMatch(/balance|Record|Public names/);
  expect(trouble).toEqual([]);
  await other.close();
});
