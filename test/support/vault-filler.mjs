/**
 * Fills the file system of DIR with a vault until a write fails, and says as JSON what was left.
 * vault-filler.mjs DIR
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { FileVaultStore, KeyRing, Secret, Vault } from '../../dist/libs/vault/src/index.js';

const [folder] = process.argv.slice(2);
const path = join(folder, 'vault.json');
const ring = KeyRing.parse(KeyRing.generate('test'));
const open = () => Vault.open(new FileVaultStore(path), ring, Date.now);
const vault = await open();
const client = (name) => ({ name, environment: 'sandbox', clientId: 'id', clientSecret: new Secret('x'.repeat(500)) });

let written = 0;
let failure;
while (!failure && written < 1_000) {
  try {
    await vault.saveClients([client(`c${written}`)]);
    written += 1;
  } catch (error) {
    failure = { code: error.code, message: error.message };
  }
}
const reopened = (await open()).clients.length;
// Once there is room again, the same vault goes on.
await vault.changeClient('c0', () => undefined);
await vault.changeClient('c1', () => undefined);
await vault.saveClients([client('after')]);
const after = (await open()).clients.map(({ name }) => name);
process.stdout.write(
  JSON.stringify({ written, failure, inMemory: vault.clients.length, reopened, after, files: readdirSync(folder) }),
);
