import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { address } from './support/address';
import { launch, logIn, watch, type Watched } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';

// Over plain HTTP, at an address that is not loopback, browsers withhold much (the clipboard, locks). That is where most people are.

let browser: Browser;
let context: BrowserContext;
let furnished: Furnished;
let watched: Watched;
let page: Page;

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish(address())]);
  context = await browser.newContext();
  watched = await watch(context, furnished.cloud.url);
  page = watched.page;
});

afterAll(async () => {
  await browser?.close();
  await furnished?.end();
});

test('the page is no secure context, and log-in works all the same', async () => {
  expect(await page.evaluate(() => [window.isSecureContext, navigator.clipboard === undefined])).toEqual([false, true]);
  await logIn(page);
  await page.getByText(furnished.boards[0]!.id).first().waitFor();
});

test('copying works', async () => {
  const id = furnished.boards[0]!.id;
  await page.goto(`${furnished.cloud.url}/console/devices/${id}`);
  await page.getByRole('button', { name: 'Copy the device id' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  await page.getByLabel('Notes').fill('');
  await page.getByLabel('Notes').press('Control+V');
  expect(await page.getByLabel('Notes').inputValue()).toBe(id);
});

test('copying works inside a dialog', async () => {
  await page.goto(`${furnished.cloud.url}/console/tokens`);
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByLabel('What is it for?').fill('display');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByRole('button', { name: 'Copy this command' }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Copied' }).waitFor();
  await page.getByRole('button', { name: 'I have it' }).click();
});

test('events arrive, and can be saved', async () => {
  await page.goto(`${furnished.cloud.url}/console/events`);
  await expect.poll(() => ask(furnished, 'GET', '/v1/localcloud/status'), { timeout: 20_000 }).toMatchObject({ streams: 1 }); // it listens
  furnished.boards[0]!.publish('over/plain', 'http');
  await page.getByText('over/plain').waitFor();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Table (CSV)' }).click();
  expect((await saved).suggestedFilename()).toMatch(/\.csv$/);
  expect(watched.trouble).toEqual([]);
});
