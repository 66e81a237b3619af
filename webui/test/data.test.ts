import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, logIn, watch, type Watched } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import { stream } from './support/sketch';

// Data on its way out of the cloud: webhooks, and the relay.

let browser: Browser;
let furnished: Furnished;
let watched: Watched;
let page: Page;
let target: Server;
const requests: Array<{ headers: Record<string, unknown>; body: string }> = [];

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  target = createServer((request, response) => {
    let body = '';
    request.on('data', (b: Buffer) => (body += b.toString()));
    request.on('end', () => {
      requests.push({ headers: request.headers, body });
      response.end('thanks <b>you</b>');
    });
  });
  await new Promise<void>((done) => target.listen(0, '127.0.0.1', done));
  watched = await watch(await browser.newContext(), furnished.cloud.url);
  page = watched.page;
  await logIn(page);
});

afterEach(() => expect(watched.trouble).toEqual([]));

afterAll(async () => {
  target?.close();
  await browser?.close();
  await furnished?.end();
});

const go = (name: string) => page.getByRole('navigation').first().getByRole('link', { name }).click();

test('make a webhook, fire it, and see what came of it', async () => {
  const address = `127.0.0.1:${(target.address() as AddressInfo).port}`;
  await ask(furnished, 'POST', '/v1/localcloud/webhook-targets', { target: address });
  await go('Integrations');
  await page.getByRole('button', { name: 'New webhook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('When an event begins with').fill('door/');
  await dialog.getByLabel('Ask this address').fill(`http://${address}/hook`);
  await dialog.getByLabel('It sends').selectOption('json');
  await dialog.getByLabel('Template').fill('{"what":"{{{PARTICLE_EVENT_VALUE}}}"}');
  await dialog.getByText('Name, device, headers').click();
  await dialog.getByLabel('Headers').fill('X-Shed: 7');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Deliveries' }).click();
  await page.getByRole('button', { name: 'Fire it now' }).click();
  await page.getByText('1 delivered', { exact: true }).waitFor();
  furnished.boards[1]!.publish('door/opened', 'front');
  await page.getByText('2 delivered', { exact: true }).waitFor();
  await page.getByText('thanks <b>you</b>').first().waitFor();
  expect(requests.map((r) => JSON.parse(r.body) as object)).toEqual([{ what: 'test-event' }, { what: 'front' }]);
  expect(requests[1]!.headers['x-shed']).toBe('7');
  await page.getByRole('button', { name: 'Close' }).click();
});

test('change it without losing what the form does not show, and delete it', async () => {
  const [before] = (await ask(furnished, 'GET', '/v1/integrations')) as Array<{ id: string }>;
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByRole('dialog').getByLabel('Ask this address').fill('http://hooks.example/other');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('POST http://hooks.example/other').waitFor();
  const after = (await ask(furnished, 'GET', `/v1/integrations/${before!.id}`)) as { integration: object };
  expect(after.integration).toMatchObject({ json: { what: '{{{PARTICLE_EVENT_VALUE}}}' }, headers: { 'X-Shed': '7' }, event: 'door/' });
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No webhook yet').waitFor();
});

test('a board that streams is seen, and its figures move', async () => {
  await go('Relay');
  await page.getByText('No board streams').waitFor();
  const stop = await stream(furnished, furnished.boards[0]!.id, (n) => `${n},${Math.sin(n / 9)}\r\n`.repeat(5));
  try {
    const channel = page.locator('.channels .card').first();
    const figure = async () => Number((await channel.locator('.big-number').innerText()).replace(/\D/g, ''));
    await expect.poll(figure, { timeout: 20_000 }).toBeGreaterThan(20);
    await expect.poll(() => channel.locator('svg.spark path').getAttribute('d')).toMatch(/L/);
    await channel.getByRole('button', { name: 'on', exact: true }).click();
    await channel.getByText('recording', { exact: true }).waitFor();
    await channel.getByRole('button', { name: 'off', exact: true }).click();
    await page.getByRole('button', { name: 'Replay 10×' }).waitFor();
  } finally {
    stop();
  }
});
