import { networkInterfaces } from 'node:os';

/** An address of this machine that is not loopback. `make check` sees to it that there is one. */
export function address(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = all.find((a) => a.family === 'IPv4' && !a.address.startsWith('127.'));
  if (!found) throw new Error('this machine has no address but loopback: ip addr add 192.0.2.1/32 dev lo');
  return found.address;
}
