import { join } from 'node:path';

import { RedisVaultStore } from '#redis';
import { FileVaultStore, MemoryVaultStore } from '#vault';

import { aFolder } from '../support/folder.js';
import { aLink } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { describeVaultStore } from './vault-store.js';

let redis: RunningRedis;
let opened = 0;

beforeAll(async () => {
  redis = await RunningRedis.start();
});

describeVaultStore('memory vault store', async () => new MemoryVaultStore());
describeVaultStore('file vault store', async () => new FileVaultStore(join(aFolder(), 'deep/vault.json')));
describeVaultStore(
  'Redis vault store',
  async () => new RedisVaultStore(await aLink(redis.port, { prefix: `vault-${(opened += 1)}:` }), () => {}),
);
