/**
 * Writes to a vault file, from the built library, as another process would.
 * vault-writer.mjs PATH RING-FILE          changes two clients together, for ever
 * vault-writer.mjs PATH RING-FILE COUNT    adds COUNT keys to the caller "shop"
 */
import { readFileSync } from 'node:fs';

import { FileVaultStore, KeyRing, Secret, Vault } from '../../dist/libs/vault/src/index.js';

const [path, ringFile, count] = process.argv.slice(2);
const vault = await Vault.open(new FileVaultStore(path), KeyRing.parse(readFileSync(ringFile, 'utf8')), Date.now);

if (count) {
  for (let i = 0; i < Number(count); i += 1) await vault.addCallerKey('shop');
} else {
  for (let n = Number(vault.findClient('one')?.secrets[0].secret.reveal() ?? 0) + 1; ; n += 1) {
    const client = { environment: 'sandbox', clientId: 'id', clientSecret: new Secret(String(n)) };
    await vault.saveClients([
      { ...client, name: 'one' },
      { ...client, name: 'two' },
    ]);
    process.stdout.write(`${n}\n`);
  }
}
