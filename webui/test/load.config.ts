import { defineConfig } from 'vitest/config';

// What takes too long for every check.
export default defineConfig({ test: { include: ['test/**/*.soak.ts'], environment: 'node', fileParallelism: false } });
