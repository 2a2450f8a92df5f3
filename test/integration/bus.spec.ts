import { Bus, type BusMessage } from '#redis';

import { systemClock } from '../../apps/broker/src/config/system-clock.js';
import { eventually } from '../support/processes.js';
import { settingsFor } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';

it('passes over messages of another version, and hears what it knows of theirs', async () => {
  const redis = await RunningRedis.start();
  const bus = new Bus(settingsFor(redis.port), 'news', systemClock);
  const heard: BusMessage[] = [];
  bus.subscribe((message) => heard.push(message));
  await bus.ready(2_000);
  const foreign = [
    '',
    ' ',
    'promoted 5 an-id',
    'token',
    'token 5',
    'token five an-id',
    'token 1e99 an-id',
    'invalidated NaN an-id',
    '{"kind":"token","id":"an-id","generation":5}',
    'TOKEN 5 an-id',
    'x'.repeat(100_000),
  ];
  for (const text of foreign) await redis.client.publish('news', text);
  await redis.client.publish('news', Buffer.from([0xff, 0x00, 0xfe]));
  await redis.client.publish('news', 'token 5 an-id and more of a later version');
  await redis.client.publish('news', 'credentials of-whom');
  await eventually(() => heard.length >= 2 || undefined);
  expect(heard).toEqual([{ kind: 'token', id: 'an-id', generation: 5 }, { kind: 'credentials' }]);
  bus.close();
});
