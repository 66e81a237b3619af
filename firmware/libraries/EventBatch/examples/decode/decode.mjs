// Prints the values of EventBatch's events as CSV: time, board, name, number.
//
//   curl -sN -H "Authorization: Bearer TOKEN" http://YOUR-CLOUD:8080/v1/devices/events/vitals | node decode.mjs
import {createInterface} from 'node:readline';

for await (const line of createInterface({input: process.stdin})) {
	if (!line.startsWith('data: ')) continue;
	const {coreid, data} = JSON.parse(line.slice(6));
	const {t, v} = JSON.parse(data);
	for (const [ms, name, number] of v) {
		console.log([new Date(t * 1000 + ms).toISOString(), coreid, name, number].join(','));
	}
}
