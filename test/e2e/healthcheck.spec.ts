import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { checkHealth } from '../support/healthcheck.js';
import { eventually } from '../support/processes.js';
import { freePort } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { TlsBroker, tlsSettings } from '../support/tls-broker.js';

const hasIpv6 = networkInterfaces()['lo']?.some(({ family }) => family === 'IPv6') === true;
const WELL = { code: 0, said: '' };
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
});

const portOf = (url: string): string => new URL(url).port;

it.each(['', '127.0.0.1', 'localhost', '0.0.0.0', ...(hasIpv6 ? ['::'] : [])])(
  'is content with a broker that is ready, listening on "%s"',
  async (HOST) => {
    const broker = await RunningBroker.start(sandbox, { HOST });
    const PORT = portOf(broker.url);
    expect(await checkHealth({ HOST, PORT })).toEqual(WELL);
    await broker.process.stop();
    expect(await checkHealth({ HOST, PORT })).toEqual({ code: 1, said: expect.stringContaining('ECONNREFUSED') });
  },
);

it('speaks TLS if the broker does, whatever names the certificate has', async () => {
  const { url, folder } = await TlsBroker.start(sandbox);
  expect(await checkHealth({ PORT: portOf(url), ...tlsSettings(folder) })).toEqual(WELL);
  expect(await checkHealth({ PORT: portOf(url) })).toMatchObject({ code: 1 });
});

it('reads what SETTINGS_FILE says, where its environment says nothing, as the broker does', async () => {
  const { url, folder } = await TlsBroker.start(sandbox);
  const SETTINGS_FILE = join(aFolder(), 'settings.env');
  const lines = Object.entries({ PORT: portOf(url), HOST: '', ...tlsSettings(folder) });
  writeFileSync(SETTINGS_FILE, lines.map((each) => `${each.join('=')}\n`).join(''));
  expect(await checkHealth({ SETTINGS_FILE })).toEqual(WELL);
  expect(await checkHealth({ SETTINGS_FILE, TLS_CERT_FILE: '' })).toEqual(WELL);
  const PORT = String(await freePort());
  expect(await checkHealth({ SETTINGS_FILE, PORT })).toMatchObject({ code: 1 });
  const gone = await checkHealth({ SETTINGS_FILE: `${SETTINGS_FILE}.gone` });
  expect(gone).toEqual({ code: 1, said: expect.stringMatching(/^token-broker is not ready: .*SETTINGS_FILE.*\n$/) });
});

it('says that a broker is not ready once it drains', async () => {
  const broker = await RunningBroker.start(sandbox, { SHUTDOWN_DELAY_MS: '20000' });
  const PORT = portOf(broker.url);
  expect(await checkHealth({ PORT })).toEqual(WELL);
  broker.process.child.kill('SIGTERM');
  const told = await eventually(async () => {
    const checked = await checkHealth({ PORT });
    return checked.code === 0 ? undefined : checked;
  });
  expect(told).toEqual({ code: 1, said: 'token-broker is not ready: answered 503\n' });
  await broker.process.stop('SIGKILL');
});

it('waits no longer than two seconds for one that accepts and says nothing', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const begunAt = Date.now();
  expect(await checkHealth({ PORT: String(port) })).toMatchObject({ code: 1 });
  expect(Date.now() - begunAt).toBeLessThan(4_000);
  server.close();
});

it('finds nobody where nobody is', async () => {
  const checked = await checkHealth({ PORT: String(await freePort()) });
  expect(checked).toEqual({ code: 1, said: expect.stringMatching(/^token-broker is not ready: .+\n$/) });
});
