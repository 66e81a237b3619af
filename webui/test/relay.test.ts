import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, owner, watch } from './support/browser';
import { Board, Cloud } from './support/program';
import { Sketch } from './support/sketch';

// The relay's own pages, with a virtual Photon that streams as the sketches livegraph and liveimu do.

let browser: Browser;
let cloud: Cloud;
let board: Board;
let token: string;
let sketch: Sketch | undefined;

const soon = { timeout: 20_000 };

beforeAll(async () => {
  [browser, cloud] = await Promise.all([launch(), Cloud.start()]);
  await cloud.addUser(owner.name, owner.password);
  token = await cloud.token(owner.name);
  board = await Board.start(cloud, [{ op: 'function', name: 'devices', ret: 0 }], { token });
  await board.says('online');
});

afterAll(async () => {
  await browser?.close();
  await board?.end();
  await cloud?.remove();
});

afterEach(() => sketch?.stop());

const relay = (path: string) => `http://${cloud.ready.relay}${path}`;

/** Counts the pixels of the graph that are of its first line's colour, in each third of its width. */
const drawn = (page: Page) =>
  page.evaluate(() => {
    const canvas = document.querySelector('canvas')!;
    const probe = document.createElement('i');
    probe.style.color = getComputedStyle(document.documentElement).getPropertyValue('--s0');
    document.body.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number) as [number, number, number];
    probe.remove();
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const thirds = [0, 0, 0];
    let picture = 0;
    for (let i = 0; i < data.length; i += 4) {
      const near = Math.abs(data[i]! - r) + Math.abs(data[i + 1]! - g) + Math.abs(data[i + 2]! - b) < 60;
      if (!near) continue;
      const x = (i / 4) % canvas.width;
      thirds[Math.min(2, Math.floor((x * 3) / canvas.width))]!++;
      picture = (picture * 31 + i) % 2147483647;
    }
    return { thirds, picture };
  });

test('livegraph draws a line that moves, and goes on by itself when the server was away', async () => {
  sketch = new Sketch(board, (n) => String(Math.round(2048 + 1500 * Math.sin(n / 25))));
  const { page, trouble } = await watch(await browser.newContext(), relay('/relay/livegraph/'));
  await page.evaluate(() => ((window as unknown as { sameDocument: boolean }).sameDocument = true));
  sketch.ask();
  await sketch.answer();
  await expect.poll(() => page.locator('#state').textContent(), soon).toBe('live');
  await page.locator('#window').selectOption('2000');
  await expect.poll(async () => Math.min(...(await drawn(page)).thirds), soon).toBeGreaterThan(20);
  const before = await drawn(page);
  await expect.poll(async () => (await drawn(page)).picture, soon).not.toBe(before.picture);
  await expect.poll(async () => parseFloat((await page.locator('#rate').textContent()) ?? ''), soon).toBeGreaterThan(20);
  expect(await page.locator('#lost').textContent()).toBe('nothing lost');

  await page.getByRole('button', { name: 'Pause' }).click();
  await expect.poll(() => page.locator('#state').textContent(), soon).toBe('paused');
  const still = await drawn(page);
  await expect.poll(async () => Number((await page.locator('#count').textContent())!.split(' ')[0]), soon).toBeGreaterThan(150);
  expect((await drawn(page)).picture).toBe(still.picture);
  await page.getByRole('button', { name: 'Pause' }).click();

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV' }).click();
  expect((await download).suggestedFilename()).toMatch(/^livegraph-.*\.csv$/);

  await cloud.end();
  await expect.poll(() => page.locator('#state').textContent(), soon).toBe('waiting');
  expect(Math.min(...(await drawn(page)).thirds)).toBeGreaterThan(20); // the last picture stays
  await cloud.begin();
  await sketch.answer(); // called without having asked
  await expect.poll(() => page.locator('#state').textContent(), soon).toBe('live');
  const after = await drawn(page);
  await expect.poll(async () => (await drawn(page)).picture, soon).not.toBe(after.picture);
  expect(await page.evaluate(() => (window as unknown as { sameDocument: boolean }).sameDocument)).toBe(true);
  expect(trouble).toEqual([]);
  await page.context().close();
});

test('liveimu fills its table, and a device cannot put anything but text into it', async () => {
  const hostile = '<img src=x onerror="document.title=1">,</td><script>document.title=2</script>,3,4,5,6';
  sketch = new Sketch(board, (n) => (n % 10 === 5 ? hostile : `${(n / 10).toFixed(3)},-1.500,270.125,12.250,1013.25,21.5`));
  const { page, trouble } = await watch(await browser.newContext({ viewport: { width: 360, height: 740 } }), relay('/relay/liveimu/'));
  sketch.ask();
  await sketch.answer();
  await expect.poll(() => page.locator('#rows tr').count(), soon).toBe(40);
  expect(await page.locator('#head').innerText()).toMatch(/Roll\s+Pitch\s+Heading\s+Altitude\s+Pressure\s+Temperature/);
  expect(await page.locator('#rows tr', { hasNotText: 'img' }).first().locator('td').nth(4).textContent()).toBe('270.125');
  await expect.poll(() => page.locator('#rows').innerText(), soon).toContain('<img src=x onerror="document.title=1">');
  expect(await page.locator('#rows img, #rows script').count()).toBe(0);
  expect(await page.title()).toBe('liveimu');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  expect(trouble).toEqual([]);
  await page.context().close();
});

test('a public page shows what was published, and goes dark with one command', async () => {
  await cloud.run(['relay', 'publish', 'wind', '--device', board.id]);
  sketch = new Sketch(board, (n) => String(n % 100));
  const { page, trouble } = await watch(await browser.newContext(), relay('/p/wind'));
  sketch.ask();
  await sketch.answer();
  await expect.poll(async () => Number((await page.locator('#count').textContent())!.split(' ')[0]), soon).toBeGreaterThan(30);
  expect(await page.content()).not.toContain(board.id);
  await cloud.run(['relay', 'unpublish', 'wind']);
  await expect.poll(() => page.locator('#state').textContent(), soon).toBe('waiting');
  expect(trouble).toEqual([]);
  await page.context().close();
});
