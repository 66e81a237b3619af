// Rate limits in the words of the API: "off", "warn", "particle" or "2/s:10 reject".

export type Preset = 'off' | 'warn' | 'particle' | 'own';
export type Action = 'warn' | 'drop' | 'reject';

export interface Policy {
  preset: Preset;
  rate: number; // events per second
  burst: number; // at once
  action: Action;
}

const particle = { rate: 1, burst: 4 };

export function parsePolicy(text: string): Policy {
  if (text === 'off' || text === 'warn' || text === 'particle') return { preset: text, ...particle, action: text === 'particle' ? 'drop' : 'warn' };
  const found = /^([\d.e+-]+)\/s:(\d+)(?: (warn|drop|reject))?$/.exec(text);
  return {
    preset: 'own',
    rate: Number(found?.[1] ?? particle.rate),
    burst: Number(found?.[2] ?? particle.burst),
    action: (found?.[3] as Action | undefined) ?? 'warn',
  };
}

/** Returns the policy as the API takes it, or null when its figures are none. */
export function formatPolicy({ preset, rate, burst, action }: Policy): string | null {
  if (preset !== 'own') return preset;
  if (!(rate > 0 && rate <= 1e6) || !Number.isInteger(burst) || burst < 1 || burst > 1e6) return null;
  return `${rate}/s:${burst} ${action}`;
}
