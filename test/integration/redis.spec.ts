import { once } from 'node:events';
import { connect } from 'node:net';

import { RunningRedis } from '../support/redis.js';

async function ask(port: number, ...commands: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  let answer = '';
  socket.on('data', (text: string) => (answer += text));
  socket.end([...commands, 'QUIT', ''].join('\r\n'));
  await once(socket, 'close');
  return answer;
}

it('a real Redis is at hand, starts empty and ends when told', async () => {
  const redis = await RunningRedis.start();
  expect(await ask(redis.port, 'PING', 'DBSIZE', 'SET a 1', 'GET a')).toBe('+PONG\r\n:0\r\n+OK\r\n$1\r\n1\r\n+OK\r\n');
  await redis.stop();
  expect(redis.child.exitCode).toBe(0);
  await expect(ask(redis.port, 'PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
}, 240_000);
