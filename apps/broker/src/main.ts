import { createRequire } from 'node:module';

// It asks for a look at the settings (reload.ts). By itself it would end a process that does not look yet, or no more.
process.on('SIGHUP', () => {});

// Files that are required are read one after another. Imported, each would go through the thread pool instead, and the
// start take a sixth more of processor time.
const { run }: typeof import('./broker.js') = createRequire(import.meta.url)('./broker.js');

await run();
