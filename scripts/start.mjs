/** Builds everything and runs the demo, in this one process, so that a signal reaches it whoever sends it. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

import { bundleBroker } from './bundle-broker.mjs';

process.stdout.write('Building …\n');
const nest = createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
const { status } = spawnSync(process.execPath, [nest, 'build', '--all'], { stdio: ['ignore', 'ignore', 'inherit'] });
if (status !== 0) process.exit(status ?? 1);
await bundleBroker();
await import('./build-dashboard.mjs');
await import('./build-docs.mjs');
await import('../dist/apps/demo/src/main.js');
