import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';

import { RunningBroker } from '../support/broker.js';
import { aCertificate, type Certificate, TestAuthority } from '../support/certificates.js';
import { runCli } from '../support/cli.js';
import { aFolder } from '../support/folder.js';
import { eventually, runToEnd } from '../support/processes.js';
import { rawExchange } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { SERVER_NAME, TlsBroker, tlsSettings, writeCertificate } from '../support/tls-broker.js';

const RELOADED_WITHIN_MS = 2_000;

let sandbox: RunningSandbox;
let tls: TlsBroker;
let next: Certificate;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  tls = await TlsBroker.start(sandbox);
  next = tls.authority.issue({ names: [SERVER_NAME] });
});

/** The serial number of the certificate that a new connection is shown. */
async function shownBy(url: string, ca: string, version?: SecureVersion): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const limits = version && { minVersion: version, maxVersion: version };
  const socket = connect({ host, port: Number(port), ca, ciphers: 'DEFAULT@SECLEVEL=0', ...limits });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerX509Certificate()!.serialNumber;
  } finally {
    socket.destroy();
  }
}

const shown = () => shownBy(tls.url, tls.authority.cert);

describe('TLS', () => {
  it('is what the broker says that it serves, from version 1.2 on', async () => {
    expect(tls.output()).toMatch(/token-broker listening on https:\/\/127\.0\.0\.1:\d+\n/);
    const versions = (version: SecureVersion) => shownBy(tls.url, tls.authority.cert, version);
    expect(await versions('TLSv1.2')).toBe(await versions('TLSv1.3'));
    await expect(versions('TLSv1.1')).rejects.toMatchObject({ code: expect.stringContaining('VERSION') });
  });

  it('hangs up on plain HTTP and on what is neither, and serves on', async () => {
    for (const text of ['GET /health/live HTTP/1.1\r\nHost: broker\r\n\r\n', 'x'.repeat(70_000)]) {
      // A TLS alert at most.
      expect(await rawExchange(tls.url, text)).not.toContain('HTTP');
    }
    expect((await tls.call('GET', '/health/live')).status).toBe(200);
    expect(tls.output()).not.toContain('internal_error');
  });

  it('lets the command line in, which trusts NODE_EXTRA_CA_CERTS', async () => {
    expect(await tls.cli(['status'])).toMatchObject({ code: 0 });
    const put = await tls.cli([
      'callers',
      'put',
      'by-cli',
      '--role',
      'ops',
      '--certificate-name',
      'dns:a',
      'dns:b',
      '--json',
    ]);
    expect(put.json).toMatchObject({ certificate_names: ['dns:a', 'dns:b'] });
    const env = { TOKEN_BROKER_URL: tls.url, TOKEN_BROKER_KEY: tls.broker.adminKey };
    const distrusting = await runCli(['status'], { cwd: aFolder(), env });
    expect(distrusting).toMatchObject({ code: 3, err: expect.stringMatching(/cannot reach a broker.*certificate/) });
  });

  it('ends cleanly with a connection open, one idle and one in its handshake', async () => {
    const limits = { HTTP_HEADERS_TIMEOUT_MS: '1000', SHUTDOWN_TIMEOUT_MS: '1000' };
    const ending = await TlsBroker.start(sandbox, limits);
    const { hostname, port } = new URL(ending.url);
    const idle = connect({ host: hostname, port: Number(port), ca: ending.authority.cert });
    const silent = connectTcp(Number(port), hostname);
    for (const each of [idle, silent]) each.on('error', () => {});
    await Promise.all([once(idle, 'secureConnect'), once(silent, 'connect')]);
    expect(await ending.broker.process.stop()).toBe(0);
    idle.destroy();
    silent.destroy();
  }, 30_000);
});

describe('start-up says all that is wrong with the TLS files, by setting', () => {
  const own = aCertificate();
  const other = aCertificate();
  const lockedKey = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' },
  }).privateKey;
  const half = (text: string) => text.slice(0, text.length / 2);
  const isPem = /^setting TLS_CERT_FILE must hold certificates in PEM/;
  const isKey = /^setting TLS_KEY_FILE must hold a private key in PEM/;
  const isCa = /^setting TLS_CLIENT_CA_FILE must hold certificates of authorities in PEM/;

  it.each<[string, { cert?: string; key?: string; ca?: string }, RegExp[]]>([
    ['no PEM at all', { cert: 'canary', key: 'canary', ca: 'canary' }, [isPem, isKey, isCa]],
    ['empty files', { cert: '', key: '', ca: '' }, [isPem, isKey, isCa]],
    ['files cut off', { cert: half(own.cert), key: half(own.key), ca: half(own.cert) }, [isPem, isKey, isCa]],
    ['a chain cut off', { cert: own.cert + half(other.cert), ca: own.cert + half(other.cert) }, [isPem, isCa]],
    ['the files mixed up', { cert: own.key, key: own.cert, ca: own.key }, [isPem, isKey, isCa]],
    ['a locked key', { key: lockedKey }, [isKey]],
    ['another one’s key', { key: other.key }, [/^setting TLS_KEY_FILE must hold the key of the first certificate/]],
    ['another certificate first', { cert: other.cert + own.cert }, [/^setting TLS_KEY_FILE must hold the key of/]],
  ])('%s', async (_, { cert = own.cert, key = own.key, ca = own.cert }, lines) => {
    const folder = aFolder();
    writeCertificate(folder, { cert, key });
    writeFileSync(join(folder, 'clients.pem'), ca);
    await expectRefused(tlsSettings(folder), lines);
  });

  it('files that are not there, and the rest with them', async () => {
    const names = ['TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_CLIENT_CA_FILE'];
    const lines = names.map((name) => new RegExp(`^setting ${name} must name a file that can be read \\(ENOENT\\)$`));
    await expectRefused({ ...tlsSettings('/nowhere/canary'), PORT: 'canary' }, [/^setting PORT must/, ...lines]);
  });

  it.each(['TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_CLIENT_CA_FILE'])('%s alone', async (name) => {
    await expectRefused({ [name]: '/canary' }, [/^setting TLS_CERT_FILE and TLS_KEY_FILE must be set together/]);
  });

  async function expectRefused(env: Record<string, string>, lines: readonly RegExp[]) {
    const { code, output } = await runToEnd('broker', { PORT: '0', ...env });
    expect(output.trim().split('\n')).toEqual(lines.map((line) => expect.stringMatching(line)));
    expect(code).toBe(78);
    for (const secret of ['canary', 'BEGIN', own.key.slice(40, 80)]) expect(output).not.toContain(secret);
  }
});

describe('TLS files that change', () => {
  const logged = (event: string, after = 0) => tls.output().slice(after).split(`"event":"${event}"`).length - 1;
  const write = (name: string, text: string) => writeFileSync(join(tls.folder, name), text);

  /** A connection that is opened now, and whether it still answers. */
  const openConnection = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<TLSSocket>();
    const ask = async () => {
      const { status } = await tls.call('GET', '/health/live', { agent });
      for (const socket of Object.values(agent.freeSockets).flat()) sockets.add(socket as TLSSocket);
      return status;
    };
    expect(await ask()).toBe(200);
    return { ask, sockets, end: () => agent.destroy() };
  };

  it('count for new connections within two seconds, and open ones stay', async () => {
    const open = await openConnection();
    const before = await shown();
    writeCertificate(tls.folder, next);
    const after = await eventually(async () => {
      const serial = await shown();
      return serial === before ? undefined : serial;
    }, RELOADED_WITHIN_MS);
    expect(await shown()).toBe(after);
    await expect(shownBy(tls.url, tls.authority.cert, 'TLSv1.1')).rejects.toBeDefined();
    expect(await open.ask()).toBe(200);
    expect(open.sockets.size).toBe(1);
    open.end();
    expect(tls.output()).toMatch(/"room":"tls","event":"tls_reloaded","valid_to":"20\d\d-[^"]+Z"/);
    expect(logged('tls_unreadable')).toBe(0);
  });

  it('do not count while they are wrong, which is logged once, and do when they are right again', async () => {
    const before = await shown();
    const { cert, key } = tls.authority.issue({ names: [SERVER_NAME] });
    const from = tls.output().length;
    write('cert.pem', cert.slice(0, 300));
    await eventually(() => logged('tls_unreadable', from) || undefined, 4_000);
    write('cert.pem', cert);
    await eventually(() => logged('tls_unreadable', from) === 2 || undefined, 4_000);
    rmSync(join(tls.folder, 'key.pem'));
    await eventually(() => logged('tls_unreadable', from) === 3 || undefined, 4_000);
    expect(await shown()).toBe(before);
    expect(logged('tls_reloaded', from)).toBe(0);
    write('key.pem', key);
    await eventually(async () => (await shown()) !== before || undefined, RELOADED_WITHIN_MS);
    expect([logged('tls_unreadable', from), logged('tls_reloaded', from)]).toEqual([3, 1]);
    const said = tls.output().slice(from);
    expect(said).toMatch(/TLS_CERT_FILE must hold certificates in PEM/);
    expect(said).toMatch(/TLS_KEY_FILE must hold the key of the first certificate/);
    expect(said).toMatch(/ENOENT/);
    expect(said).not.toContain(key.split('\n')[1]);
  }, 20_000);

  it('are followed when Kubernetes swaps the link above them', async () => {
    const folder = aFolder();
    const authority = new TestAuthority();
    const put = (name: string) => {
      mkdirSync(join(folder, name));
      writeCertificate(join(folder, name), authority.issue({ names: [SERVER_NAME] }));
      writeFileSync(join(folder, name, 'clients.pem'), authority.cert);
      symlinkSync(name, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    put('..1');
    for (const name of ['cert.pem', 'key.pem', 'clients.pem']) symlinkSync(`..data/${name}`, join(folder, name));
    const broker = await RunningBroker.start(sandbox, tlsSettings(folder));
    const before = await shownBy(broker.url, authority.cert);
    put('..2');
    rmSync(join(folder, '..1'), { recursive: true });
    await eventually(
      async () => (await shownBy(broker.url, authority.cert)) !== before || undefined,
      RELOADED_WITHIN_MS,
    );
    expect(broker.process.output()).not.toContain('tls_unreadable');
  });
});

it('a connection that never ends its handshake keeps no broker from ending', async () => {
  const stopping = await TlsBroker.start(sandbox, { SHUTDOWN_TIMEOUT_MS: '500', HTTP_HEADERS_TIMEOUT_MS: '30000' });
  const { hostname, port } = new URL(stopping.url);
  const silent = connectTcp(Number(port), hostname);
  await once(silent, 'connect');
  const since = performance.now();
  expect(await stopping.broker.process.stop()).toBe(0);
  expect(performance.now() - since).toBeLessThan(5_000);
  silent.destroy();
});
