import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { relative } from 'node:path';

import { demand } from './api.js';
import { adminKey, ensureFolder, paths, upstreamClient, writeAccess } from './files.js';
import { Service, ServiceError } from './service.js';
import { DEMO, ensureCaller, ensureClient, getToken, listStores } from './setup.js';

const services: Service[] = [];
const stop = new AbortController();
const stopAsked = once(stop.signal, 'abort');
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

try {
  await Promise.race([runDemo(), stopAsked]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ServiceError ? error.exitCode : 1;
}
await Promise.all(services.map((service) => service.stop()));

async function runDemo(): Promise<void> {
  await ensureFolder();
  const log = createWriteStream(paths.log, { flags: 'w', mode: 0o600 });
  const start = async (name: string, env: NodeJS.ProcessEnv) => {
    // Who asks to stop while it starts finds it in the list, and nothing is started after that.
    stop.signal.throwIfAborted();
    const service = new Service(name, env, log);
    services.push(service);
    return service.address();
  };
  const sandbox = await start('sandbox', {});
  const upstream = process.env['UPSTREAM_SANDBOX_URL'] || `${sandbox}/integrator-authentication`;
  const broker = await start('broker', { UPSTREAM_SANDBOX_URL: upstream });
  say(`Sandbox   ${sandbox}   stands in for MobilePay`);
  say(`Broker    ${broker}   tokens in memory, vault sealed in ${process.env['VAULT_PATH'] || 'data/vault.json'}`);
  say();

  const client = await upstreamClient();
  await demand('POST', `${sandbox}/_sandbox/clients`, { body: client });
  const admin = await adminKey();
  const imported = await ensureClient(broker, admin, client);
  done(
    imported ? `imported the locked zip: client "${DEMO.client}"` : `client "${DEMO.client}" is in the vault already`,
  );
  const { key, isNew } = await ensureCaller(broker, admin);
  done(`${isNew ? 'made' : 'reused'} the caller "${DEMO.caller}", who may get tokens for ${DEMO.merchantVat}`);
  await writeAccess({
    url: broker,
    client: DEMO.client,
    merchant_vat: DEMO.merchantVat,
    caller_key: key,
    admin_key: admin,
  });
  await showToken(broker, sandbox, key);

  say('\nGet a token yourself, in another terminal:\n');
  const body = JSON.stringify({ client: DEMO.client, merchant_vat: DEMO.merchantVat });
  const header = shellQuoted(`@${paths.header}`);
  say(`curl -sS -w '\\n' -H ${header} -H 'Content-Type: application/json' -d '${body}' ${broker}/v1/tokens`);
  say(`\nOr look at the dashboard, ${broker}/dashboard: sign in with the admin_key of ${relative('.', paths.access)}.`);
  say(`\nKeys are in ${relative('.', paths.access)}, logs in ${relative('.', paths.log)}. Ctrl-C stops all.`);

  const ended = await Promise.race(services.map((service) => service.ended().then(() => service.name)));
  throw new Error(`the ${ended} ended by itself; ${relative('.', paths.log)} says why`);
}

async function showToken(broker: string, sandbox: string, key: string): Promise<void> {
  const { status, body } = await getToken(broker, key);
  if (status !== 200) throw new Error(`the broker gave no token: ${String(body['detail'])}`);
  const seconds = String(body['expires_in']);
  done(`got a token: fingerprint ${String(body['token_id'])}, good for ${seconds} s, bound to ${DEMO.merchantVat}`);
  const again = await getToken(broker, key);
  const same = again.body['token_id'] === body['token_id'];
  done(same ? 'asked again: the same token, from memory, without a call to MobilePay' : 'asked again: a newer token');
  const stores = await listStores(sandbox, String(body['access_token']));
  done(`called PoS V10 with it: ${stores.join(', ')}`);
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function done(text: string): void {
  say(`  ✓ ${text}`);
}

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}
