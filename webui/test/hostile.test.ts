import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, logIn, owner, watch, type Watched } from './support/browser';
import { ask, furnish, type Furnished } from './support/furnished';
import { Board } from './support/program';
import { stream } from './support/sketch';

// Everything that a board says is hostile text. No page may take it for markup, and the policy must have nothing to report.

let browser: Browser;
let furnished: Furnished;
let board: Board;
let watched: Watched;
let page: Page;

const attacks = [
  '<img src=x onerror=alert(1)>',
  '<script>alert(1)</script>',
  '"><svg/onload=alert(1)>',
  "';alert(1)//",
  '</textarea><iframe srcdoc="<script>parent.alert(1)</script>">',
  'javascript:alert(1)',
  '{{constructor.constructor("alert(1)")()}}',
  '${alert(1)}',
  '\u202e<b onmouseover=alert(1)>',
  '{"__proto__":{"x":1},"a":"<img src=x onerror=alert(1)>","constructor":{"prototype":{"y":2}}}',
  '[["<svg onload=alert(1)>",null,1e999]]',
  'a\nevent: forged\ndata: {"data":"<script>","coreid":"x"}\n\n',
  '=HYPERLINK("http://x","y")',
];

const short = (text: string) => text.replace(/[\n\u202e]/g, '').slice(0, 60);

beforeAll(async () => {
  [browser, furnished] = await Promise.all([launch(), furnish()]);
  board = await Board.start(furnished.cloud, [
    ...attacks.slice(0, 8).map((a, i) => ({ op: 'variable', name: `v${i}`, type: 'string', value: a })),
    { op: 'function', name: '<b>x</b>', ret: 1 },
    { op: 'function', name: '"><img src>', ret: 1 },
    { op: 'variable', name: '<i>v</i>', type: 'int', value: 1 },
  ], { token: furnished.token, id: 'ffffffffffffffffffffff01' });
  await board.says('online');
  await ask(furnished, 'PUT', `/v1/devices/${board.id}`, { name: '<img src=x onerror=alert(1)>', notes: attacks.join(' ') });
  const context = await browser.newContext();
  watched = await watch(context, furnished.cloud.url);
  page = watched.page;
  page.on('dialog', (dialog) => {
    watched.trouble.push(`a script ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.warn(`Content Security Policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  await logIn(page);
});

afterAll(async () => {
  await browser?.close();
  await board?.end();
  await furnished?.end();
});

/** Nothing that came from a board has become an element. */
async function clean(): Promise<void> {
  await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
  expect(await page.locator('#app img, #app iframe, #app script, #app b, #app i, [onload], [onerror], [onmouseover], a[href^="javascript"]').count()).toBe(0);
  expect(watched.trouble).toEqual([]);
}

test('names and notes of devices are text', async () => {
  await page.getByText('<img src=x onerror=alert(1)>').waitFor();
  await clean();
  await page.getByLabel('Search by name').fill('"><svg');
  await page.getByText('<img src=x onerror=alert(1)>').waitFor();
  await clean();
});

test('functions and variables are text, and so are their values', async () => {
  await page.goto(`${furnished.cloud.url}/console/devices/${board.id}`);
  await page.getByText(attacks[1]!, { exact: true }).first().waitFor();
  await page.getByText(attacks[7]!, { exact: true }).first().waitFor();
  expect(await page.title()).toContain('<img src=x');
  await clean();
});

test('events are text in the log, unfolded, and in the address', async () => {
  await page.goto(`${furnished.cloud.url}/console/events`);
  await page.getByRole('heading', { name: 'Events' }).waitFor();
  for (const [i, attack] of attacks.entries()) {
    await ask(furnished, 'POST', '/v1/devices/events', { name: `${short(attack)}`, data: attack });
    board.publish(`board/${i}`, attack);
  }
  await page.getByText(short(attacks.at(-1)!), { exact: true }).first().waitFor();
  await clean();
  for (const attack of attacks) {
    await page.getByLabel('Name begins with').fill(short(attack));
    await page.locator('.log-row', { has: page.getByText(short(attack), { exact: true }) }).first().click();
    await page.getByRole('dialog').waitFor();
    await clean();
    await page.getByRole('button', { name: 'Close' }).click();
  }
  expect(await page.getByText('forged', { exact: true }).count()).toBe(0);
  await page.goto(`${furnished.cloud.url}/console/events?name=${encodeURIComponent(attacks[0]!)}&text=${encodeURIComponent(attacks[2]!)}&device=${encodeURIComponent(attacks[3]!)}`);
  await page.getByRole('heading', { name: 'Events' }).waitFor();
  await clean();
  await page.goto(`${furnished.cloud.url}/console/devices/${encodeURIComponent(attacks[0]!)}`);
  await page.getByRole('heading', { name: attacks[0]! }).waitFor(); // the name of a device
  await clean();
  await page.goto(`${furnished.cloud.url}/console/devices/${encodeURIComponent(attacks[2]!)}`);
  await page.getByRole('heading', { name: 'There is no such device' }).first().waitFor();
  await clean();
});

test('tokens, users, what browsers call themselves, and names from other servers are text', async () => {
  const post = (path: string, body: object) => ask(furnished, 'POST', path, body);
  for (const attack of attacks.slice(0, 8)) await post('/v1/access_tokens', { note: attack, scopes: ['events'] });
  await fetch(`${furnished.cloud.url}/v1/localcloud/session`, {
    method: 'POST',
    headers: { 'User-Agent': 'Firefox/1 <img src=x onerror=alert(1)> Linux', 'X-Localcloud-Csrf': '1', 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: owner.name, password: owner.password }),
  });
  await post('/v1/localcloud/users', { name: '<b>ben</b>', password: 'battery staple' }).catch(() => undefined); // may be no name for a user
  await page.goto(`${furnished.cloud.url}/console/tokens`);
  await page.getByText(attacks[1]!, { exact: true }).waitFor();
  await page.getByText('Firefox, Linux').waitFor();
  await clean();
  await page.locator('li', { hasText: attacks[1]! }).getByRole('button', { name: 'Revoke' }).click();
  await clean();
  for (const where of ['users', 'settings', 'health', 'waiting', 'relay', 'connect', 'glossary']) {
    await page.goto(`${furnished.cloud.url}/console/${where}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await clean();
  }
});

test('webhooks and what other servers answer are text', async () => {
  const server = createServer((_, response) => response.writeHead(500, '<img src=x onerror=alert(1)>').end(attacks.join('\n')));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await ask(furnished, 'POST', '/v1/localcloud/webhook-targets', { target: address });
    await ask(furnished, 'POST', '/v1/integrations', {
      event: short(attacks[0]!),
      name: attacks[1]!,
      url: `http://${address}/${encodeURIComponent(attacks[2]!)}`,
      headers: { 'X-Attack': '<script>alert(1)</script>' },
      json: { a: attacks[3]!, b: '<b onmouseover=alert(1)>{{{PARTICLE_EVENT_VALUE}}}' },
    });
    await page.goto(`${furnished.cloud.url}/console/integrations`);
    await page.getByText(attacks[1]!, { exact: true }).waitFor();
    await clean();
    await page.getByRole('button', { name: 'Deliveries' }).click();
    await page.getByRole('button', { name: 'Fire it now' }).click();
    await page.locator('.deliveries li', { hasText: '500' }).first().waitFor();
    await clean();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Change' }).click();
    await page.getByRole('dialog').getByLabel('Template').waitFor();
    await clean();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.goto(`${furnished.cloud.url}/console/events`); // its answer comes back as an event
    await clean();
  } finally {
    server.close();
  }
});

test('lines of the relay are text, and so are the names in them', async () => {
  const lines = [...attacks.map((a) => a.replace(/[\r\n]/g, ' ')), JSON.stringify(Object.fromEntries(attacks.slice(0, 9).map((a, i) => [a, i])))];
  const stop = await stream(furnished, board.id, (n) => lines[n % lines.length]!);
  try {
    await page.goto(`${furnished.cloud.url}/console/relay`);
    await page.locator('.legend').getByText('<script>alert(1)</script>').first().waitFor();
    await clean();
    for (const name of ['Table', 'Lines']) {
      await page.getByRole('button', { name, exact: true }).click();
      await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
      await clean();
    }
    await page.goto(`${furnished.cloud.url}/console/relay/full`);
    await page.locator('.big-values').getByText('<script>alert(1)</script>').first().waitFor();
    await clean();
  } finally {
    stop();
  }
});

test('the policy does stop what it is for', async () => {
  // Later, since what the debugger runs itself is free of the policy.
  const stopped = await page.evaluate(
    () =>
      new Promise<string[]>((done) =>
        setTimeout(() => {
          const found: string[] = [];
          const attempt = (what: string, work: () => void) => {
            try {
              work();
              found.push(what);
            } catch {
              // stopped
            }
          };
          attempt('markup', () => (document.body.innerHTML = '<img src=x onerror=alert(1)>'));
          attempt('eval', () => (0, eval)('1'));
          attempt('a script of another origin', () => ((document.createElement('script') as { src: string }).src = 'http://192.0.2.9/x.js'));
          done(found);
        }),
      ),
  );
  expect(stopped).toEqual([]);
  expect(watched.trouble.length).toBeGreaterThan(0); // reported, as it should be
});
