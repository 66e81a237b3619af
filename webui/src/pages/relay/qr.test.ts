import jsQR from 'jsqr';
import { encode } from 'uqr';
import { expect, test } from 'vitest';
import { publicName } from './publish';
import { hostsFor, modulesPath, svgOf } from './qr';

/** Paints the outline as a picture of 4 x 4 points a module. */
function picture(size: number, path: string): { data: Uint8ClampedArray; width: number } {
  const width = size * 4;
  const data = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let dy = 0; dy < 4; dy++) for (let dx = 0; dx < 4; dx++) data.fill(0, ((Number(y) * 4 + dy) * width + Number(x) * 4 + dx) * 4, ((Number(y) * 4 + dy) * width + Number(x) * 4 + dx) * 4 + 3);
  }
  return { data, width };
}

test.each(['http://10.0.0.2:8070/p/wind', `http://cloud.school.example:8070/p/${'x'.repeat(64)}`])('a code leads to %s', (url) => {
  const { data, size } = encode(url, { ecc: 'M', border: 0 });
  const path = modulesPath(data);
  const { data: points, width } = picture(size + 8, path);
  expect(jsQR(points, width, width)?.data).toBe(url);
  expect(svgOf({ size: size + 8, path })).toMatch(/^<svg [^<>]*><path [^<>]*\/><path d="[Mhvz\d -]+"\/><\/svg>\n$/);
});

test('a code does not lead to the machine of who looks at it, where there is a way around', () => {
  expect(hostsFor('localhost', ['127.0.0.1:8070', '10.0.0.2:8070', '[fd00::2]:8070'])).toEqual(['10.0.0.2', '[fd00::2]']);
  expect(hostsFor('127.0.0.1', ['127.0.0.1:8070'])).toEqual(['127.0.0.1']);
  expect(hostsFor('10.0.0.2', ['10.0.0.2:8070', '192.168.1.5:8070'])).toEqual(['10.0.0.2', '192.168.1.5']);
});

test('a public name is what the relay takes', () => {
  expect(['wind', 'A-1_b', 'x'.repeat(64)].every((n) => publicName.test(n))).toBe(true);
  expect(['', '-a', 'a b', 'ä', '../x', 'x'.repeat(65)].some((n) => publicName.test(n))).toBe(false);
});
