import { createRequire } from 'node:module';

// It asks for a look at the settings (reload.ts). By itself it would end a process that does not look yet, or no more.
process.on('SIGHUP', () => {});

// broker.ts and all that it imports, in one file (scripts/bundle-broker.mjs): the start takes half the processor time.
const { run }: typeof import('./broker.js') = createRequire(import.meta.url)('../broker.cjs');

await run();
