import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { RunningBroker } from '../support/broker.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { expectProblem } from '../support/problems.js';
import { readAnswer } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { TlsBroker } from '../support/tls-broker.js';

const HEADERS_MS = 1_000;
const REQUEST_MS = 2_000;
const KEEP_ALIVE_MS = 1_000;
/** Connections are looked at once a second; the rest is for a busy machine. */
const MARGIN_MS = 2_500;
const limits = {
  HTTP_HEADERS_TIMEOUT_MS: String(HEADERS_MS),
  HTTP_REQUEST_TIMEOUT_MS: String(REQUEST_MS),
  HTTP_KEEP_ALIVE_MS: String(KEEP_ALIVE_MS),
};
const MOST = 20;
const GET = 'GET /health/live HTTP/1.1\r\nHost: broker\r\n';
const TRICKLE_MS = 100;

/** A connection of a client that takes its time. */
interface Connection {
  readonly socket: Socket;
  readonly said: () => string;
  /** How long it was open, in ms. */
  readonly closed: Promise<number>;
}

function follow(socket: Socket): Connection {
  const since = Date.now();
  let said = '';
  socket.on('data', (part) => (said += part.toString('latin1')));
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(Date.now() - since)));
  return { socket, said: () => said, closed };
}

/** Sends one byte now and then, until the other side hangs up. */
function trickle({ socket }: Connection, text: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length]!, 'latin1'), TRICKLE_MS);
  socket.once('close', () => clearInterval(timer));
}

let http: RunningBroker;
let https: TlsBroker;

beforeAll(async () => {
  const sandbox = await RunningSandbox.start();
  http = await RunningBroker.start(sandbox, limits);
  https = await TlsBroker.start(sandbox, limits);
});

interface Transport {
  open(): Promise<Connection>;
  isWell(): Promise<void>;
}

const transports: [string, Transport][] = [
  [
    'http',
    {
      open: async () => opened(connectTcp(placeOf(http.url)), 'connect'),
      isWell: async () => expect((await call('GET', `${http.url}/health/live`)).status).toBe(200),
    },
  ],
  [
    'https',
    {
      open: async () => opened(connectTls({ ...placeOf(https.url), ca: https.authority.cert }), 'secureConnect'),
      isWell: async () => expect((await https.call('GET', '/health/live')).status).toBe(200),
    },
  ],
];

function placeOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

async function opened(socket: Socket, event: string): Promise<Connection> {
  const connection = follow(socket);
  await once(socket, event);
  return connection;
}

describe.each(transports)('over %s, a connection is closed', (_, transport) => {
  afterEach(() => transport.isWell());

  const expectClosed = async (connection: Connection, [from, to]: [number, number], status?: number) => {
    const openMs = await connection.closed;
    expect(openMs).toBeGreaterThanOrEqual(from - 50);
    expect(openMs).toBeLessThan(to + MARGIN_MS);
    if (status === undefined) expect(connection.said()).toBe('');
    else expectProblem(readAnswer(connection.said()), status, 'invalid_request');
  };

  it('on which nothing is sent', async () => {
    await expectClosed(await transport.open(), [HEADERS_MS, HEADERS_MS], 408);
  });

  it('whose headers come in one byte at a time', async () => {
    const connection = await transport.open();
    trickle(connection, `${GET}X-Slow: ${'a'.repeat(10_000)}`);
    await expectClosed(connection, [HEADERS_MS, HEADERS_MS], 408);
  });

  it('whose headers never end', async () => {
    const connection = await transport.open();
    connection.socket.write(GET);
    trickle(connection, 'X-More: yes\r\n');
    await expectClosed(connection, [HEADERS_MS, HEADERS_MS], 408);
  });

  it('whose body comes in one byte at a time', async () => {
    const connection = await transport.open();
    const headers = 'Host: broker\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n';
    connection.socket.write(`POST /v1/tokens HTTP/1.1\r\n${headers}`);
    trickle(connection, ' ');
    await expectClosed(connection, [REQUEST_MS, REQUEST_MS], 408);
  });

  it('whose body comes in small chunks that never end', async () => {
    const connection = await transport.open();
    const headers = 'Host: broker\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    connection.socket.write(`POST /v1/tokens HTTP/1.1\r\n${headers}`);
    trickle(connection, '1\r\n \r\n');
    await expectClosed(connection, [REQUEST_MS, REQUEST_MS], 408);
  });

  it('whose second request comes in one byte at a time', async () => {
    const connection = await transport.open();
    connection.socket.write(`${GET}\r\n`);
    await eventually(() => connection.said().includes('200 OK') || undefined);
    trickle(connection, `${GET}X-Slow: ${'a'.repeat(10_000)}`);
    const openMs = await connection.closed;
    expect(openMs).toBeLessThan(HEADERS_MS + KEEP_ALIVE_MS + MARGIN_MS);
    expect(connection.said()).toMatch(/HTTP\/1\.1 408 /);
  });

  it('that stays idle after an answer', async () => {
    const connection = await transport.open();
    connection.socket.write(`${GET}\r\n`);
    expect(await connection.closed).toBeLessThan(KEEP_ALIVE_MS + MARGIN_MS);
    expect(connection.said()).toMatch(/^HTTP\/1\.1 200 OK[^]*"status":"ok".*\}$/);
  });

  it('that sent what is not HTTP', async () => {
    const connection = await transport.open();
    connection.socket.write('what is this\r\n\r\n');
    await expectClosed(connection, [0, 1_000], 400);
  });

  it('with headers over the limit, and told so', async () => {
    const connection = await transport.open();
    connection.socket.write(`${GET}X-Long: ${'a'.repeat(200_000)}`);
    await expectClosed(connection, [0, 1_000], 400);
    expect(readAnswer(connection.said()).json['detail']).toBe('the headers are larger than 16384 bytes');
  });

  it.each([
    ['that says its length', 'Content-Length: 1000000\r\n\r\n', 'a'.repeat(100_000)],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n', `186A0\r\n${'a'.repeat(100_000)}\r\n`],
  ])('with a body over the limit, and told so: one %s', async (_name, length, body) => {
    const connection = await transport.open();
    const head = 'POST /v1/tokens HTTP/1.1\r\nHost: broker\r\nContent-Type: application/json\r\n';
    connection.socket.write(head + length + body);
    await connection.closed;
    expectProblem(readAnswer(connection.said()), 413, 'payload_too_large');
  });
});

describe('a TLS handshake', () => {
  /** The first record of a handshake: its header alone promises 512 bytes. */
  const HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';

  it.each<[string, (connection: Connection) => unknown]>([
    ['never begins', () => {}],
    ['begins and stops', ({ socket }) => socket.write(HELLO, 'latin1')],
    ['comes in one byte at a time', (connection) => trickle(connection, HELLO + '\0'.repeat(500))],
  ])('that %s is cut off', async (_, begin) => {
    const connection = await opened(connectTcp(placeOf(https.url)), 'connect');
    begin(connection);
    const openMs = await connection.closed;
    expect(openMs).toBeGreaterThanOrEqual(HEADERS_MS - 50);
    expect(openMs).toBeLessThan(HEADERS_MS + MARGIN_MS);
    await transports[1]![1].isWell();
  });
});

it('a connection is closed that sent what is not HTTP and never hangs up', async () => {
  const connection = await opened(connectTcp({ ...placeOf(http.url), allowHalfOpen: true }), 'connect');
  connection.socket.write('what is this\r\n\r\n');
  await once(connection.socket, 'end');
  expectProblem(readAnswer(connection.said()), 400, 'invalid_request');
  // Only the refusal of what it still sends tells it.
  trickle(connection, 'x');
  expect(await connection.closed).toBeLessThan(1_000 + MARGIN_MS);
});

it('500 slow connections keep nobody from an answer, and all are closed', async () => {
  const slow: Connection[] = [];
  const open = async (transport: Transport) => {
    const connection = await transport.open();
    trickle(connection, `${GET}X-Slow: ${'a'.repeat(1_000)}`);
    slow.push(connection);
  };
  const [[, plain], [, secured]] = transports as [[string, Transport], [string, Transport]];
  // Not all at once: a hundred handshakes take a busy machine longer than one of them may.
  while (slow.length < 100) await Promise.all(Array.from({ length: 20 }, () => open(secured)));
  await Promise.all(Array.from({ length: 400 }, () => open(plain)));
  const took: number[] = [];
  do {
    const since = Date.now();
    await Promise.all(transports.map(([, transport]) => transport.isWell()));
    took.push(Date.now() - since);
  } while (slow.some(({ socket }) => !socket.destroyed));
  expect(took.length).toBeGreaterThan(5);
  expect(Math.max(...took)).toBeLessThan(2_000);
  for (const { said } of slow) expect(readAnswer(said()).status).toBe(408);
}, 30_000);

it('more connections than allowed are closed at once; those that are open go on, and make room when they end', async () => {
  const sandbox = await RunningSandbox.start();
  const small = await RunningBroker.start(sandbox, { HTTP_CONNECTIONS: String(MOST) });
  const open = () => opened(connectTcp(placeOf(small.url)), 'connect');
  const answered = async (connection: Connection) => {
    const before = connection.said().length;
    connection.socket.write(`${GET}\r\n`);
    await eventually(() => connection.said().slice(before).includes('"status":"ok"') || undefined);
  };
  const within = await Promise.all(Array.from({ length: MOST }, open));
  await Promise.all(within.map(answered));
  const beyond = await Promise.all(Array.from({ length: 100 }, open));
  expect(Math.max(...(await Promise.all(beyond.map(({ closed }) => closed))))).toBeLessThan(2_000);
  expect(beyond.map(({ said }) => said()).join('')).toBe('');
  await Promise.all(within.map(answered));
  within[0]!.socket.destroy();
  await eventually(async () => {
    const answer = await call('GET', `${small.url}/v1/clients`, { headers: bearer(small.adminKey) }).catch(
      () => undefined,
    );
    return answer?.status === 200 || undefined;
  });
  for (const { socket } of within) socket.destroy();
}, 30_000);

it('the limits hold on both addresses of localhost', async () => {
  const local = await RunningBroker.start(await RunningSandbox.start(), { HOST: 'localhost', ...limits });
  expect(local.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  const other = follow(connectTcp({ host: '::1', port: placeOf(local.url).port }));
  expect(await other.closed).toBeLessThan(1_000);
});
