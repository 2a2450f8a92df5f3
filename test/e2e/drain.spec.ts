import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { RunningBroker } from '../support/broker.js';
import type { TestAuthority } from '../support/certificates.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';
import { TlsBroker } from '../support/tls-broker.js';

const merchant_vat = 'DK12345678';
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
});

async function serving(env: Record<string, string>) {
  const broker = await RunningBroker.start(sandbox, { ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`, ...env });
  const name = `c${randomBytes(4).toString('hex')}`;
  await broker.addClient(name);
  const key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
  const body = JSON.stringify({ client: name, merchant_vat });
  const head = Object.entries({ Host: 'broker', 'Content-Type': 'application/json', ...bearer(key) });
  const lines = head.map(([header, value]) => `${header}: ${value}\r\n`).join('');
  return {
    broker,
    client: name,
    request: `POST /v1/tokens HTTP/1.1\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`,
  };
}

/** A connection that is kept open, as a pool of a store service or a proxy has them. */
class Kept {
  received = '';
  error: Error | undefined;
  hasEnded = false;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    socket.on('error', (error) => (this.error = error)).on('end', () => (this.hasEnded = true));
  }

  /** @param authority who has signed the server's certificate; none for plain HTTP */
  static async open(url: string, authority?: TestAuthority): Promise<Kept> {
    const at = { host: '127.0.0.1', port: Number(new URL(url).port) };
    const socket = authority ? connectTls({ ...at, ca: authority.cert }) : connect(at);
    await once(socket, authority ? 'secureConnect' : 'connect');
    return new Kept(socket);
  }

  /** @returns the whole answer */
  async send(request: string): Promise<string> {
    const from = this.received.length;
    this.socket.write(request);
    return eventually(() => {
      const [head, body] = this.received.slice(from).split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head ?? '')?.[1]);
      return body?.length === length ? this.received.slice(from) : undefined;
    });
  }

  untilEnded(): Promise<true> {
    return eventually(() => this.hasEnded || undefined, 10_000);
  }
}

async function untilDraining({ url }: RunningBroker): Promise<void> {
  await eventually(async () => (await call('GET', `${url}/health/ready`)).status === 503 || undefined);
}

describe('connections that are kept open, when the broker is told to stop', () => {
  it('are told so with the next answer, and are closed behind it', async () => {
    const { broker, request } = await serving({ SHUTDOWN_DELAY_MS: '2000' });
    const kept = await Kept.open(broker.url);
    expect(await kept.send(request)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(kept.received).toMatch(/\r\nConnection: keep-alive\r\n/i);
    const code = broker.process.stop();
    await untilDraining(broker);
    const last = await kept.send(request);
    expect(last).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(last).toMatch(/\r\nConnection: close\r\n/i);
    await kept.untilEnded();
    expect(kept.error).toBeUndefined();
    // Others may still come, and are served and told the same.
    const late = await Kept.open(broker.url);
    expect(await late.send(request)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n/i);
    expect(await code).toBe(0);
  });

  it('stay open while the load balancer may still send over them, and end without an error when that is over', async () => {
    const { broker, request } = await serving({ SHUTDOWN_DELAY_MS: '1000' });
    const kept = await Kept.open(broker.url);
    await kept.send(request);
    const unused = await Kept.open(broker.url);
    const stopped = broker.process.stop();
    await untilDraining(broker);
    expect([kept.hasEnded, unused.hasEnded]).toEqual([false, false]);
    const before = performance.now();
    expect(await stopped).toBe(0);
    // Neither is waited for until SHUTDOWN_TIMEOUT_MS is over.
    expect(performance.now() - before).toBeLessThan(10_000);
    await Promise.all([kept.untilEnded(), unused.untilEnded()]);
    expect([kept.error, unused.error]).toEqual([undefined, undefined]);
  });

  it('are closed over TLS as well: one that was never used but for its handshake, and one that was', async () => {
    const { broker, authority } = await TlsBroker.start(sandbox, {
      SHUTDOWN_DELAY_MS: '0',
      SHUTDOWN_TIMEOUT_MS: '60000',
      HTTP_HEADERS_TIMEOUT_MS: '60000',
      HTTP_REQUEST_TIMEOUT_MS: '60000',
    });
    const [kept, unused] = [await Kept.open(broker.url, authority), await Kept.open(broker.url, authority)];
    expect(await kept.send('GET /health/live HTTP/1.1\r\nHost: it\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const before = performance.now();
    expect(await broker.process.stop()).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
    await Promise.all([kept.untilEnded(), unused.untilEnded()]);
  });

  it('get the answer that is under way, whole, after the delay is over', async () => {
    const { broker, client, request } = await serving({ SHUTDOWN_DELAY_MS: '100', SHUTDOWN_TIMEOUT_MS: '10000' });
    await sandbox.fault({ kind: 'latency', latency_ms: 1_500, client_id: `${client}-id`, times: 1 });
    const kept = await Kept.open(broker.url);
    const answer = kept.send(request);
    await eventually(async () => (await sandbox.calls(`${client}-id`)) === 1 || undefined);
    expect(await broker.process.stop()).toBe(0);
    expect(await answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await kept.untilEnded();
    expect(kept.error).toBeUndefined();
  });

  it('do not keep it from ending in time, with code 0, whatever is under way on them', async () => {
    const { broker, client, request } = await serving({
      SHUTDOWN_DELAY_MS: '0',
      SHUTDOWN_TIMEOUT_MS: '500',
      UPSTREAM_TIMEOUT_MS: '9000',
    });
    await sandbox.fault({ kind: 'latency', latency_ms: 8_000, client_id: `${client}-id`, times: 1 });
    const [kept, half] = [await Kept.open(broker.url), await Kept.open(broker.url)];
    kept.socket.write(request);
    half.socket.write(request.slice(0, 40));
    await eventually(async () => (await sandbox.calls(`${client}-id`)) === 1 || undefined);
    const before = performance.now();
    expect(await broker.process.stop()).toBe(0);
    expect(performance.now() - before).toBeLessThan(3_000);
  });
});
