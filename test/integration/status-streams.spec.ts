import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import fastify, { type FastifyInstance } from 'fastify';

import type { StatusNow } from '#cluster';

import { eventually } from '../support/processes.js';
import { Drain } from '../../apps/broker/src/http/drain.js';
import { EventTail } from '../../apps/broker/src/status/event-tail.js';
import type { Reporter } from '../../apps/broker/src/status/reporter.js';
import type { StatusBoard } from '../../apps/broker/src/status/status-board.js';
import { StatusStreams } from '../../apps/broker/src/status/status-streams.js';

let app: FastifyInstance;
let socket: Socket;

afterEach(async () => {
  socket.destroy();
  await app.close();
});

/** Real streams over a real socket, of whatever the test makes up. */
async function setUp() {
  const listeners = new Set<(status: StatusNow) => void>();
  const board: Pick<StatusBoard, 'now' | 'subscribe'> = {
    now: async () => statusWith('first'),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const tail = new EventTail();
  const streams = new StatusStreams(board as StatusBoard, { tail } as Reporter, new Drain());
  app = fastify();
  app.get('/', async (_, reply) => {
    await streams.open(reply, undefined, async () => true);
    return reply;
  });
  const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
  socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually(() => listeners.size === 1 || undefined);
  const tell = (text: string) => [...listeners].forEach((listener) => listener(statusWith(text)));
  return { streams, listeners, tell, tail };
}

const statusWith = (answered_by: string) => ({ answered_by }) as StatusNow;

it('cuts off a client that does not read, and lets go of everything that waited for it', async () => {
  const { streams, listeners, tell } = await setUp();
  socket.pause();
  socket.on('error', () => {});
  let told = 0;
  await eventually(() => {
    tell(`${(told += 1)}`.padEnd(100_000));
    return listeners.size === 0 || undefined;
  }, 10_000);
  // What the system's own buffers took, and the megabyte that may wait here.
  expect(told).toBeLessThan(200);
  expect(streams.size).toBe(0);
});

it('goes on for a client that reads, however much there is', async () => {
  const { listeners, tell } = await setUp();
  let bytes = 0;
  socket.on('data', (part) => (bytes += part.length));
  for (let n = 0; n < 300; n += 1) {
    tell(`${n}`.padEnd(100_000));
    await eventually(() => bytes > n * 100_000 || undefined);
  }
  expect(listeners.size).toBe(1);
  socket.destroy();
  await eventually(() => listeners.size === 0 || undefined);
});

it('says the same once', async () => {
  const { tell } = await setUp();
  let text = '';
  socket.on('data', (part) => (text += String(part)));
  for (const each of ['one', 'one', 'two', 'two']) tell(each);
  await eventually(() => text.includes('two') || undefined);
  expect(text.match(/answered_by":"\w+/g)).toEqual(['first', 'one', 'two'].map((each) => `answered_by":"${each}`));
});
