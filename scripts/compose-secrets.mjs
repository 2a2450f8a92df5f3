/** Makes the secrets that docker-compose.yml mounts: `node scripts/compose-secrets.mjs [folder]`. What is there stays. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const folder = process.argv[2] ?? join(import.meta.dirname, '../data/compose');

const secrets = {
  'vault-keys': () => `compose:${randomBytes(32).toString('base64')}`,
  'admin-key': () => randomBytes(32).toString('base64url'),
  'grafana-password': () => randomBytes(18).toString('base64url'),
  // Not asked for while METRICS_OPEN is true; else to be replaced by the key of a caller with the role ops.
  'metrics-key': () => 'not-asked-for-while-METRICS_OPEN-is-true',
};

// Compose mounts each file as it is, and the users within the containers are none of this machine: they must be able to
// read the files. So it is the folder that keeps everybody else out; who mounts what is in it needs no right to it.
mkdirSync(folder, { recursive: true });
chmodSync(folder, 0o700);
for (const [name, make] of Object.entries(secrets)) {
  const path = join(folder, name);
  try {
    writeFileSync(path, `${make()}\n`, { flag: 'wx' });
    process.stdout.write(`made ${relative('.', path)}\n`);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    process.stdout.write(`kept ${relative('.', path)}\n`);
  }
  // Whatever the umask is.
  chmodSync(path, 0o644);
}
