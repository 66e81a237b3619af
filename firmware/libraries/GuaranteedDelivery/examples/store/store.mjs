// Stores readings in a file, one JSON object a line, and confirms each to its board. It may be stopped and started at any
// time: a reading that comes twice is confirmed twice and stored once.
//
//   node store.mjs http://YOUR-CLOUD:8080 TOKEN readings.ndjson [EVENT]
import {appendFileSync, existsSync, readFileSync} from 'node:fs';

const [cloud, token, file, event = 'ssetest13'] = process.argv.slice(2);
if (!file) {
	console.error('usage: node store.mjs CLOUD TOKEN FILE [EVENT]');
	process.exit(2);
}
const headers = {Authorization: `Bearer ${token}`};

const key = (reading) => `${reading.coreid} ${reading.ts}`;
const stored = new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => key(JSON.parse(line))) : []);

async function take({coreid, data, published_at}) {
	const reading = {coreid, published_at, ...JSON.parse(data)};
	if (!stored.has(key(reading))) {
		appendFileSync(file, JSON.stringify(reading) + '\n', {flush: true});
		stored.add(key(reading));
	}
	await fetch(`${cloud}/v1/devices/${coreid}/deliveryConf`, {method: 'POST', headers, body: new URLSearchParams({arg: String(reading.ts)})});
}

// follow reads the event stream until it ends: each message has a line "event:" and a line "data:".
async function follow() {
	const answer = await fetch(`${cloud}/v1/devices/events/${encodeURIComponent(event)}`, {headers});
	if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
	let text = '', name = '';
	for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
		const lines = (text + bytes).split('\n');
		text = lines.pop();
		for (const line of lines) {
			if (line.startsWith('event: ')) name = line.slice(7);
			if (line.startsWith('data: ') && name === event) await take(JSON.parse(line.slice(6)));
			if (line === '') name = '';
		}
	}
}

for (;;) {
	try {
		await follow();
	} catch (error) {
		console.error(`${error.message}; again in 3 s`);
	}
	await new Promise((resolve) => setTimeout(resolve, 3000));
}
