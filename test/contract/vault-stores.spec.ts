import { join } from 'node:path';

import { FileVaultStore, MemoryVaultStore } from '#vault';

import { aFolder } from '../support/folder.js';
import { describeVaultStore } from './vault-store.js';

describeVaultStore('memory vault store', async () => new MemoryVaultStore());
describeVaultStore('file vault store', async () => new FileVaultStore(join(aFolder(), 'deep/vault.json')));
