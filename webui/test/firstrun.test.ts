import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, owner, watch, type Watched } from './support/browser';
import { Board, Cloud } from './support/program';

let browser: Browser;
let cloud: Cloud;
let watched: Watched;

beforeAll(async () => {
  [browser, cloud] = await Promise.all([launch(), Cloud.start()]);
  watched = await watch(await browser.newContext(), cloud.url);
});

afterAll(async () => {
  await browser?.close();
  await cloud?.remove();
});

test('a new cloud takes its owner in with the code from the terminal', async () => {
  const { page } = watched;
  await page.getByLabel('Set-up code').fill('AAAA-AAAA-AAAA');
  await page.getByLabel('User name').fill(owner.name);
  await page.getByLabel('Password', { exact: true }).fill(owner.password);
  await page.getByRole('button', { name: 'Create my cloud' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Set-up code').fill((await cloud.setupCode()).toLowerCase());
  await page.getByRole('button', { name: 'Create my cloud' }).click();
  await page.getByRole('heading', { name: 'Connect a board', level: 1 }).waitFor();
  expect(await cloud.run(['user', 'list'])).toContain(owner.name);
});

test.each([
  ['Photon, P1, Core', 'tcp'],
  ['Argon, Boron, Photon 2', 'udp'],
] as const)('for %s the page gives the exact commands, sees the board knock, lets it in and celebrates', async (kind, transport) => {
  const { page, trouble } = watched;
  await page.goto(`${cloud.url}/console/connect`);
  await page.getByRole('button', { name: kind }).click();
  const [host, port] = [new URL(cloud.url).hostname, cloud.ready[transport].split(':').pop()];
  await page.getByText(`localcloud device connect --host ${host}`).waitFor();
  await page.getByText('With Particle’s own tool instead').click();
  const protocol = transport === 'udp' ? ' --protocol udp' : '';
  await page.getByText(`particle keys server server.pem${protocol} --host ${host} --port ${port}`).waitFor();
  const board = await Board.start(cloud, [{ op: 'variable', name: 'temp', type: 'double', value: 21.5 }], { transport });
  try {
    await page.getByRole('heading', { name: 'Listening for your board' }).waitFor({ state: 'hidden' });
    const knock = page.getByRole('region', { name: board.id });
    await knock.getByText('unknown-device').waitFor();
    await knock.getByLabel('Its name').fill(`kitchen-${transport}`);
    await knock.getByRole('button', { name: 'Let it in' }).click();
    await page.getByRole('heading', { name: 'It breathes cyan' }).waitFor();
    await board.says('online');
    await page.getByRole('link', { name: 'Open its page' }).click();
    await page.getByRole('heading', { name: `kitchen-${transport}` }).waitFor();
    await page.getByText('21.5').waitFor();
    expect(trouble).toEqual([]);
  } finally {
    await board.end();
  }
});
