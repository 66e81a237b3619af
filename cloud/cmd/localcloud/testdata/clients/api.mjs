// Uses particle-api-js the way its users do, against a running cloud, and prints one JSON line for each check.
// Exits with 1 when one of them failed. clients_test.go starts it, with these in its environment:
//
//   API             the package: api12, api9, api6 or api5
//   BASE            address of the cloud's API
//   USER, PASSWORD  a user's, who is no administrator
//   DEVICE          id of a device of theirs, online, with
//     variables     count 7 (int), temp 21.5 (double), on true (bool), text GREETING (string)
//     functions     led, which returns 42; emit, which publishes the event in its argument, {"name":..,"data":..}, with a ttl of 10
//   GREETING        a text that is not ASCII
//   IDLE            seconds for which a stream must survive without an event

import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const { API, BASE, USER, PASSWORD, DEVICE, GREETING } = process.env;
const IDLE = Number(process.env.IDLE);
const SOON = 5000;
const OLD = ['api5', 'api6', 'api7'].includes(API);
const NOT_ASCII = 'grün 世界 🌍 "quoted" \\ <b>';

const { default: Particle } = await import(API);
const particle = new Particle({ baseUrl: BASE });

let failed = 0;

async function check(name, run) {
  try {
    await run();
    console.log(JSON.stringify({ check: name, ok: true }));
  } catch (err) {
    failed++;
    const error = err instanceof Error ? err.stack : JSON.stringify({ statusCode: err?.statusCode, errorDescription: err?.errorDescription, body: err?.body });
    console.log(JSON.stringify({ check: name, ok: false, error }));
  }
}

// refused waits for a request to be refused with a status and returns what the client made of the answer.
async function refused(request, status) {
  let answer;
  try {
    answer = await request;
  } catch (err) {
    assert.equal(err.statusCode, status, err.errorDescription ?? String(err));
    assert.equal(typeof err.body, 'object', `the body is no JSON object: ${err.body}`);
    assert.equal(typeof err.body.error, 'string', `the body has no error: ${JSON.stringify(err.body)}`);
    return err;
  }
  assert.fail(`not refused: ${JSON.stringify(answer.body)}`);
}

async function until(what, condition, ms = SOON) {
  const end = Date.now() + ms;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) assert.fail(`${what}: not within ${ms} ms`);
    await sleep(50);
  }
}

// A Stream collects what an event stream of the client delivers.
class Stream {
  static async open(options) {
    const s = new Stream();
    s.events = [];
    s.breaks = 0;
    s.source = await particle.getEventStream({ auth, ...options });
    s.source.on('event', (event) => s.events.push(event));
    s.source.on('disconnect', () => s.breaks++);
    if (OLD) s.source.on('error', () => s.breaks++); // what these say when they could not come back
    return s;
  }

  named(name) {
    return this.events.filter((event) => event.name === name);
  }

  // one waits for the event of that name, and for no second one.
  async one(name) {
    const [event] = await until(`event ${name}`, () => (this.named(name).length > 0 ? this.named(name) : undefined));
    assert.equal(this.named(name).length, 1, `event ${name} came more than once`);
    return event;
  }

  close() {
    this.source.abort();
  }
}

function wellFormed(event, { data, ttl, coreid }) {
  assert.equal(event.data, data);
  assert.equal(event.ttl, ttl);
  assert.match(event.published_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.now() - Date.parse(event.published_at)) < 60000, `published_at is not now: ${event.published_at}`);
  assert.equal(typeof event.coreid, 'string');
  if (coreid !== undefined) assert.equal(event.coreid, coreid);
}

const publish = (name, data) => particle.publishEvent({ name, data, isPrivate: true, auth });
const emit = (name, data) => particle.callFunction({ deviceId: DEVICE, name: 'emit', argument: JSON.stringify({ name, data }), auth });

// Log-in.

let auth;

await check('login', async () => {
  const { statusCode, body } = await particle.login({ username: USER, password: PASSWORD });
  assert.equal(statusCode, 200);
  assert.match(body.access_token, /^[0-9a-f]{40}$/);
  assert.equal(body.token_type, 'bearer');
  assert.equal(body.expires_in, 7776000);
  assert.match(body.refresh_token, /^[0-9a-f]{40}$/);
  auth = body.access_token;
});
if (!auth) process.exit(1);

await check('login with a wrong password', async () => {
  const err = await refused(particle.login({ username: USER, password: 'not it' }), 400);
  assert.equal(err.body.error, 'invalid_grant');
  assert.match(err.errorDescription, /User credentials are invalid/);
});

await check('a bad token', async () => {
  const err = await refused(particle.listDevices({ auth: '0'.repeat(40) }), 401);
  assert.equal(err.body.error, 'invalid_token');
  assert.match(err.errorDescription, /access token/);
});

await check('an unknown path', async () => {
  const uri = '/v1/no/such/path/here';
  await refused(OLD ? particle.get(uri, auth) : particle.get({ uri, auth }), 404);
});

await check('getUserInfo', async () => {
  const { body } = await particle.getUserInfo({ auth });
  assert.equal(body.username, USER);
});

// The stream that must survive on keep-alives alone is opened now and looked at last.

let idle;
const idleSince = Date.now();
await check('getEventStream for an event that does not come yet', async () => {
  idle = await Stream.open({ deviceId: 'mine', name: `${API}/late` });
});

// Devices.

await check('listDevices', async () => {
  const { body } = await particle.listDevices({ auth });
  assert.ok(Array.isArray(body));
  assert.deepEqual(body.map((device) => device.id), [DEVICE], 'exactly the own device');
  assert.equal(body[0].connected, true);
  assert.equal(body[0].online, true);
});

await check('getDevice by id', async () => {
  const { body } = await particle.getDevice({ deviceId: DEVICE, auth });
  assert.equal(body.id, DEVICE);
  assert.equal(body.connected, true);
  assert.deepEqual(body.functions.toSorted(), ['emit', 'led']);
  assert.deepEqual(body.variables, { count: 'int32', temp: 'double', on: 'bool', text: 'string' });
});

await check('renameDevice', async () => {
  const { body } = await particle.renameDevice({ deviceId: DEVICE, name: `${API}-first`, auth });
  assert.equal(body.id, DEVICE);
  assert.equal(body.name, `${API}-first`);
  await particle.renameDevice({ deviceId: DEVICE, name: `${API}-second`, auth });
  await particle.renameDevice({ deviceId: DEVICE, name: `${API}-first`, auth });
});

await check('getDevice by name', async () => {
  const { body } = await particle.getDevice({ deviceId: `${API}-first`, auth });
  assert.equal(body.id, DEVICE);
  assert.equal(body.name, `${API}-first`);
  await refused(particle.getDevice({ deviceId: `${API}-second`, auth }), 403);
});

await check('an unknown device', async () => {
  await refused(particle.getDevice({ deviceId: '0'.repeat(24), auth }), 403);
});

for (const [name, value] of Object.entries({ count: 7, temp: 21.5, on: true, text: GREETING })) {
  await check(`getVariable ${name}`, async () => {
    const { body } = await particle.getVariable({ deviceId: DEVICE, name, auth });
    assert.equal(body.name, name);
    assert.strictEqual(body.result, value);
    assert.equal(body.coreInfo.deviceID, DEVICE);
    assert.equal(body.coreInfo.connected, true);
  });
}

await check('getVariable by the name of the device', async () => {
  const { body } = await particle.getVariable({ deviceId: `${API}-first`, name: 'count', auth });
  assert.equal(body.result, 7);
});

await check('an unknown variable', async () => {
  const err = await refused(particle.getVariable({ deviceId: DEVICE, name: 'nope', auth }), 404);
  assert.match(err.body.error, /not found/i);
});

await check('callFunction with and without an argument', async () => {
  for (const argument of ['on', undefined, NOT_ASCII]) {
    const { body } = await particle.callFunction({ deviceId: DEVICE, name: 'led', argument, auth });
    assert.equal(body.id, DEVICE);
    assert.equal(body.connected, true);
    assert.equal(body.return_value, 42);
  }
});

await check('an unknown function', async () => {
  const err = await refused(particle.callFunction({ deviceId: DEVICE, name: 'nope', argument: '', auth }), 404);
  assert.match(err.body.error, /nope/);
});

await check('signalDevice', async () => {
  for (const signal of [true, false]) {
    const { body } = await particle.signalDevice({ deviceId: DEVICE, signal, auth });
    assert.equal(body.id, DEVICE);
    assert.equal(body.signaling, signal);
  }
});

// Events.

await check('getEventStream: mine, from the API and from the device', async () => {
  const mine = await Stream.open({ deviceId: 'mine' });
  try {
    const { body } = await publish(`${API}/api`, NOT_ASCII);
    assert.equal(body.ok, true);
    wellFormed(await mine.one(`${API}/api`), { data: NOT_ASCII, ttl: 60 });
    await emit(`${API}/device`, NOT_ASCII);
    wellFormed(await mine.one(`${API}/device`), { data: NOT_ASCII, ttl: 10, coreid: DEVICE });
    const others = mine.events.filter((event) => !event.name.startsWith(API) && event.coreid !== DEVICE);
    assert.deepEqual(others, [], 'events of another user');
  } finally {
    mine.close();
  }
});

await check('events with data of all sorts, on one stream', async () => {
  const prefix = `${API}/odd`;
  const all = {
    quotes: [`{"a":"b\\"c"} 'd' \\`, undefined],
    newlines: ['one\ntwo\r\nthree\n\ndata: four\n\n', undefined],
    nul: ['a\0b\0', undefined],
    emoji: ['🙂👩‍👩‍👧‍👧 𝄞', undefined],
    kilobyte: ['äöü€'.repeat(256), undefined],
    separators: ['\u2028\u2029\u0085\u001b[2J', undefined],
    broken: [Buffer.from([0x61, 0xff, 0xfe, 0x62, 0xc3]), 'a\ufffd\ufffdb\ufffd'],
    last: ['plain', undefined],
  };
  const stream = await Stream.open({ deviceId: 'mine', name: prefix });
  try {
    for (const [what, [data, arrives]] of Object.entries(all)) {
      const escaped = [...Buffer.from(data)].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('');
      const answer = await fetch(`${BASE}/v1/devices/events`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${auth}`, 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `name=${encodeURIComponent(`${prefix}/${what}`)}&data=${escaped}`,
      });
      assert.equal(answer.status, 200, await answer.text());
      wellFormed(await stream.one(`${prefix}/${what}`), { data: arrives ?? data, ttl: 60 });
    }
    assert.equal(stream.breaks, 0);
  } finally {
    stream.close();
  }
});

await check('getEventStream: a prefix with a slash and a blank', async () => {
  const prefix = `${API} room/a b`;
  const some = await Stream.open({ deviceId: 'mine', name: prefix });
  try {
    await publish(`${API} room/other`, 'no');
    await publish(`${API} room/a`, 'no');
    await publish(`${API} room/a b/c`, 'yes');
    await emit(`${API} room/a bc`, 'yes');
    await some.one(`${API} room/a b/c`);
    await some.one(`${API} room/a bc`);
    assert.equal(some.events.length, 2, JSON.stringify(some.events));
  } finally {
    some.close();
  }
});

await check('getEventStream: one device', async () => {
  const one = await Stream.open({ deviceId: DEVICE, name: `${API}/one` });
  try {
    await publish(`${API}/one/api`, 'no');
    await emit(`${API}/one/device`, 'yes');
    await one.one(`${API}/one/device`);
    assert.deepEqual(one.named(`${API}/one/api`), [], 'an event that the device did not publish');
  } finally {
    one.close();
  }
});

await check('getEventStream: a bad token', async () => {
  const err = await refused(particle.getEventStream({ deviceId: 'mine', auth: '0'.repeat(40) }), 401);
  assert.match(err.errorDescription, /access token/);
});

await check('getEventStream: an unknown device', async () => {
  await refused(particle.getEventStream({ deviceId: '0'.repeat(24), auth }), 403);
});

await check('publishEvent: a reserved name', async () => {
  await assert.rejects(publish('spark/status', 'online'), (err) => err.statusCode >= 400 && err.statusCode < 500);
});

// Keys and tokens.

await check('sendPublicKey', async () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const key = publicKey.export({ type: 'spki', format: 'pem' });
  const { statusCode } = await particle.sendPublicKey({ deviceId: randomBytes(12).toString('hex'), key, algorithm: 'rsa', auth });
  assert.equal(statusCode, 200);
});

await check('sendPublicKey: no key', async () => {
  const err = await particle.sendPublicKey({ deviceId: randomBytes(12).toString('hex'), key: 'junk', auth }).then(() => assert.fail('taken'), (err) => err);
  assert.ok(err.statusCode >= 400 && err.statusCode < 500, err.errorDescription);
});

// revoke ends a token as each generation does: by itself, or in the past with the password of its user.
function revoke(token) {
  if (!OLD) return particle.deleteCurrentAccessToken({ auth: token });
  const old = particle.deleteAccessToken ?? particle.removeAccessToken;
  return old.call(particle, { username: USER, password: PASSWORD, token });
}

await check('deleteCurrentAccessToken', async () => {
  const { body } = await particle.login({ username: USER, password: PASSWORD });
  const stream = await Stream.open({ deviceId: 'mine', auth: body.access_token });
  await particle.listDevices({ auth: body.access_token });
  const gone = await revoke(body.access_token);
  assert.equal(gone.body.ok, true);
  try {
    await refused(particle.listDevices({ auth: body.access_token }), 401);
    await until('the end of the stream', () => stream.breaks > 0);
  } finally {
    stream.close();
  }
  await particle.listDevices({ auth });
});

// The stream from the beginning, again.

await check(`a stream without an event for ${IDLE} s, then one`, async () => {
  await sleep(Math.max(0, idleSince + IDLE * 1000 - Date.now()));
  await publish(`${API}/late`, 'at last');
  wellFormed(await idle.one(`${API}/late`), { data: 'at last', ttl: 60 });
  assert.equal(idle.breaks, 0, 'the client thought that the stream was dead');
});

process.exit(failed > 0 ? 1 : 0);
