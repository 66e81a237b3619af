import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

// Git keeps dist with this one file in it, so that Go can embed the folder before anything is built.
const keepFolder: Plugin = {
  name: 'keep-folder',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: '.gitignore', source: '*\n!.gitignore\n' });
  },
};

export default defineConfig({
  base: '/console/',
  plugins: [keepFolder],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // data: addresses are not allowed by the policy of the pages
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/oauth': 'http://127.0.0.1:8080' } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
});
