import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, logIn, watch } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import { named, tour, type Control } from './support/keyboard';

// The console without a mouse and without eyes: every control is reached and has a name, and what happens is said.

let browser: Browser;
let furnished: Furnished;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  for (const [i, name] of ['greenhouse', 'front-door', 'pond'].entries()) await ask(furnished, 'PUT', `/v1/devices/${furnished.boards[i]!.id}`, { name });
  await ask(furnished, 'POST', '/v1/localcloud/users', { name: 'ben', password: 'battery staple' });
  await ask(furnished, 'POST', '/v1/integrations', { event: 'workshop/', url: 'https://hooks.example/log', name: 'workshop log' });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
  ({ page, trouble } = await watch(context, `${furnished.cloud.url}/console/`));
  await logIn(page);
}, 120_000);

afterAll(async () => {
  expect(trouble).toEqual([]);
  await browser?.close();
  await furnished?.end();
});

async function open(path: string, ready: string): Promise<void> {
  await page.goto(`${furnished.cloud.url}/console/${path}`);
  await page.locator('main').getByText(ready).first().waitFor();
}

const pages = [
  ['devices', 'greenhouse'],
  ['devices/0a10aced202194944a041c04', 'The curves show'], // it has told how it feels: nothing moves any more
  ['devices/1c002f000947343432313031', 'The curves show'],
  ['connect', 'Try without hardware'],
  ['waiting', 'Nobody waits'],
  ['events', 'Publish'],
  ['relay', 'Who may watch'],
  ['integrations', 'workshop log'],
  ['tokens', 'this browser'],
  ['users', 'ben'],
  ['health', 'By what boards know this cloud'],
  ['settings', 'Use this browser’s time'],
  ['glossary', 'breathing'],
] as const;

describe.each(pages)('%s', (path, ready) => {
  test('the Tab key reaches every control in the order of the page, and the focus is seen', async () => {
    await open(path, ready);
    const { reached, missed, back, unseen } = await tour(page);
    expect(missed, 'never reached').toEqual([]);
    expect(back, 'out of order').toEqual([]);
    expect(unseen, 'not seen while they have the focus').toEqual([]);
    expect(reached).toBeGreaterThan(10); // the navigation alone has more
  }, 90_000);

  test('a screen reader has a name for every control, and no two buttons have the same', async () => {
    await open(path, ready);
    const controls = await named(page);
    expect(controls.length).toBeGreaterThan(10);
    expect(controls.filter((c) => !c.name)).toEqual([]);
    expect(twice(controls.filter((c) => c.role === 'button'))).toEqual([]);
  });
});

function twice(controls: Control[]): string[] {
  const names = controls.map((c) => c.name);
  return names.filter((name, i) => names.indexOf(name) !== i);
}

test('the first control leads past the navigation', async () => {
  await open('devices', 'greenhouse');
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to the content' });
  expect(await skip.evaluate((e) => e === document.activeElement && e.getBoundingClientRect().top >= 0)).toBe(true);
  await page.keyboard.press('Enter');
  await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('content');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement!.closest('main') !== null)).toBe(true);
});

const device = 'devices/0a10aced202194944a041c04';
const windows: ReadonlyArray<readonly [path: string, ready: string, opener: string]> = [
  [device, 'humidity', 'Rename'],
  [device, 'humidity', 'Release'],
  [device, 'humidity', 'Forget this board'],
  ['events', 'Publish', 'Publish'],
  ['events', 'Publish', 'Earlier'],
  ['relay', 'Who may watch', 'New public name'],
  ['integrations', 'workshop log', 'New webhook'],
  ['integrations', 'workshop log', 'Deliveries: workshop log'],
  ['tokens', 'this browser', 'New token'],
  ['users', 'ben', 'New user'],
  ['users', 'ben', 'Remove: ben'],
  ['settings', 'Use this browser’s time', 'Change your password'],
];

test.each(windows)('on %s (%s) the window of “%s” keeps the focus, Escape closes it, and the focus goes back', async (path, ready, name) => {
  await open(path, ready);
  await holdsFocus(page.getByRole('button', { name, exact: true }));
});

test('the menu of a phone does so, too', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await open('devices', 'greenhouse');
  await holdsFocus(page.getByRole('button', { name: 'More' }));
  await page.setViewportSize({ width: 1280, height: 800 });
});

/** Opens a window by the keyboard, walks in it both ways, and leaves it. */
async function holdsFocus(opener: Locator): Promise<void> {
  await opener.focus();
  await page.keyboard.press('Enter');
  const window = page.getByRole('dialog');
  await window.waitFor();
  const inside = () => page.evaluate(() => document.activeElement === document.body || document.activeElement!.closest('dialog') !== null);
  const seen = new Set<string>();
  for (const key of [...Array<string>(12).fill('Tab'), ...Array<string>(12).fill('Shift+Tab')]) {
    expect(await inside(), 'the focus leaves the window').toBe(true);
    seen.add(await page.evaluate(() => document.activeElement!.outerHTML.slice(0, 120)));
    await page.keyboard.press(key);
  }
  expect(seen.size).toBeGreaterThan(1);
  await page.keyboard.press('Escape');
  await window.waitFor({ state: 'detached' });
  expect(await opener.evaluate((e) => e === document.activeElement), 'the focus goes back').toBe(true);
}

test('a function is called and a variable read by the keyboard; what comes back is said, and the focus stays', async () => {
  await open(device, 'humidity');
  await page.getByLabel('Argument for led').focus();
  await page.keyboard.type('on');
  await page.keyboard.press('Enter');
  await page.locator('[aria-live]', { hasText: 'returned 1' }).waitFor();
  expect(await page.getByLabel('Argument for led').evaluate((e) => e === document.activeElement)).toBe(true);
  const read = page.getByRole('button', { name: 'Read temperature' });
  await read.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('status').filter({ hasText: 'temperature: 21.4' }).waitFor({ state: 'attached' });
  await expect.poll(() => read.evaluate((e) => e === document.activeElement && !e.hasAttribute('aria-busy'))).toBe(true);
});

test('that the cloud is gone is said, and that it is back', async () => {
  await open('devices', 'greenhouse');
  const said = page.getByRole('status');
  await furnished.cloud.end();
  await said.filter({ hasText: 'No connection to the cloud since' }).waitFor({ timeout: 30_000 });
  await furnished.cloud.begin();
  await said.filter({ hasText: 'The cloud is there again' }).waitFor({ state: 'attached', timeout: 30_000 });
  expect(await said.filter({ hasText: 'No connection' }).count()).toBe(0);
}, 90_000);
