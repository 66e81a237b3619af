// Fails when the scripts of the first page have grown beyond what a phone should load.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const limit = 90_000; // bytes, compressed

const page = readFileSync('dist/index.html', 'utf8');
const named = [...page.matchAll(/(?:src|modulepreload" crossorigin href|href)="\/console\/([^"]+\.js)"/g)].map((m) => m[1]);
const worker = readdirSync('dist/assets').filter((f) => f.startsWith('worker-')).map((f) => `assets/${f}`);
const files = [...new Set([...named, ...worker])];
let sum = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(`dist/${file}`)).length;
  sum += size;
  console.log(`${String(size).padStart(7)}  ${file}`);
}
console.log(`${String(sum).padStart(7)}  of ${limit}`);
if (named.length === 0 || sum > limit) {
  console.error('size: the first page loads more script than it may');
  process.exit(1);
}
