import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

import { eventually } from '../support/processes.js';
import { Front } from '../../apps/broker/src/http/front.js';

const HEADERS = { 'x-frame-options': 'DENY' };
let server: Server;
let front: Front;
let sockets: Socket[] = [];
/** What came to whom. */
let seen: string[] = [];

/** Stands in for Fastify: reads the body and says it again, later. */
const behind: RequestListener = (request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.on('end', () => {
    seen.push(`behind ${body}`);
    setTimeout(() => response.end(`behind ${body}`), 20);
  });
};

beforeEach(async () => {
  [seen, sockets] = [[], []];
  front = new Front(HEADERS, { bodyBytes: 2_000, keepAliveMs: 72_000 });
  front.serve('/quick', {
    contentType: 'application/json',
    headers: { 'cache-control': 'no-store' },
    answer: (_, body) => {
      if (body.includes('refused')) return undefined;
      seen.push(`front ${body}`);
      return `quick ${body}`;
    },
  });
  server = createServer({ keepAliveTimeout: 300 }, front.before(behind));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** A connection, and what has come over it. */
function open() {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1');
  sockets.push(socket);
  const connection = { socket, said: '', closed: false };
  socket.on('data', (part) => (connection.said += String(part)));
  socket.on('error', () => {});
  socket.on('close', () => (connection.closed = true));
  return connection;
}

function post(body: string, more: Record<string, string> = {}, path = '/quick'): string {
  const headers = { host: 'broker', 'content-type': 'application/json', 'content-length': body.length, ...more };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

function bodiesIn(said: string): string[] {
  return said.match(/(quick|behind) [a-z]*\d*/g) ?? [];
}

async function answersTo(text: string, count = 1): Promise<string[]> {
  const connection = open();
  connection.socket.write(text);
  await eventually(() => Promise.resolve(bodiesIn(connection.said).length >= count || undefined));
  return bodiesIn(connection.said);
}

it('answers in one piece, with all headers', async () => {
  const connection = open();
  connection.socket.write(post('one', { 'x-correlation-id': 'mine' }));
  await eventually(() => Promise.resolve(connection.said.includes('quick one') || undefined));
  const [head = '', body] = connection.said.split('\r\n\r\n');
  const [first, ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(': ', 2) as [string, string]));
  expect([first, body]).toEqual(['HTTP/1.1 200 OK', 'quick one']);
  expect(Object.fromEntries(headers)).toEqual({
    'x-frame-options': 'DENY',
    'cache-control': 'no-store',
    'x-correlation-id': 'mine',
    'content-length': '9',
    connection: 'keep-alive',
    'keep-alive': 'timeout=72',
    date: expect.any(String),
  });
  expect(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now())).toBeLessThan(5_000);
});

it('answers one request after the other on a connection, which ends when it is idle', async () => {
  const connection = open();
  for (let n = 1; n <= 20; n += 1) {
    connection.socket.write(post(`n${n}`));
    await eventually(() => Promise.resolve(bodiesIn(connection.said).length === n || undefined));
  }
  expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => `front n${n + 1}`));
  await eventually(() => Promise.resolve(connection.closed || undefined), 5_000);
});

it('answers requests that come without waiting in their order, whoever answers', async () => {
  const bodies = ['a', 'refused1', 'b', 'c', 'refused2', 'd'];
  const answers = await answersTo(bodies.map((body) => post(body)).join(''), bodies.length);
  expect(answers.map((each) => each.split(' ')[1])).toEqual(bodies);
});

it('waits for a body that comes behind its headers', async () => {
  const connection = open();
  const text = post('late');
  connection.socket.write(text.slice(0, -4));
  await new Promise((resolve) => setTimeout(resolve, 50));
  connection.socket.write('late');
  await eventually(() => Promise.resolve(connection.said.includes('quick late') || undefined));
  expect(seen).toEqual(['front late']);
});

it('hands on what is refused, or comes in pieces, with all of its body', async () => {
  const connection = open();
  connection.socket.write(post('refused'));
  await eventually(() => Promise.resolve(connection.said.includes('behind refused') || undefined));
  const text = post('inpieces');
  connection.socket.write(text.slice(0, -4));
  await new Promise((resolve) => setTimeout(resolve, 50));
  connection.socket.write(text.slice(-4));
  await eventually(() => Promise.resolve(connection.said.includes('behind inpieces') || undefined));
  expect(seen).toEqual(['behind refused', 'behind inpieces']);
});

const LONG = 'x'.repeat(2_001);
it.each([
  ['another path', post('one', {}, '/other')],
  ['a query', post('one', {}, '/quick?a=b')],
  ['another method', post('one').replace('POST', 'PUT')],
  ['another content type', post('one', { 'content-type': 'text/plain' })],
  ['another charset', post('one', { 'content-type': 'application/json; charset=latin1' })],
  ['no content type', post('one').replace(/content-type: .*\r\n/, '')],
  ['a connection to be closed', post('one', { connection: 'close' })],
  ['HTTP/1.0', post('one').replace('HTTP/1.1', 'HTTP/1.0')],
  ['a body that is too long', post(LONG)],
  ['no body', post('')],
  [
    'a body in chunks',
    post('3\r\none\r\n0\r\n\r\n', { 'transfer-encoding': 'chunked' }).replace(/content-length: .*\r\n/, ''),
  ],
])('leaves %s to who is behind', async (_, text) => {
  const [answer] = await answersTo(text);
  expect(answer).toMatch(/^behind/);
});

it('leaves everything to who is behind once it is closed', async () => {
  front.close();
  expect(await answersTo(post('one'))).toEqual(['behind one']);
});

it('says nothing to a client that hangs up in its body, and serves the next', async () => {
  const gone = open();
  gone.socket.write(post('whole').slice(0, -2));
  await new Promise((resolve) => setTimeout(resolve, 30));
  gone.socket.resetAndDestroy();
  expect(await answersTo(post('one'))).toEqual(['quick one']);
  expect(seen).toEqual(['front one']);
});

it('stops reading from a client that does not read its answers', async () => {
  const deaf = open();
  deaf.socket.pause();
  const [server1] = await Promise.all([
    new Promise<Socket>((resolve) => server.once('connection', resolve)),
    new Promise((resolve) => deaf.socket.once('connect', resolve)),
  ]);
  const big = 'y'.repeat(2_000);
  const flood = setInterval(() => deaf.socket.writableLength < 1e6 && deaf.socket.write(post(big).repeat(200)), 1);
  try {
    await eventually(() => Promise.resolve(server1.isPaused() || undefined), 10_000);
    const held = server1.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(server1.writableLength).toBe(held);
    expect(held).toBeLessThan(1_000_000);
  } finally {
    clearInterval(flood);
  }
});
