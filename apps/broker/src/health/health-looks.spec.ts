import 'reflect-metadata';

import { Logger, ServiceUnavailableException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';

import { FakeClock } from '../../../../test/support/fake-clock.js';
import { Drain } from '../http/drain.js';
import { HealthController } from './health.controller.js';
import { HealthLooks } from './health-looks.js';
import type { HealthPart } from './health-part.js';

const LIMIT_MS = 20;

const throwing = (name: string): HealthPart => ({
  name,
  look() {
    throw new TypeError('secret-of-the-inside');
  },
});
const hanging = (name: string): HealthPart => ({ name, look: () => new Promise(() => {}) });
const fine = (name: string): HealthPart => ({ name, look: () => ({ store: 'memory' }) });

async function started(...parts: HealthPart[]) {
  const app = await NestFactory.createApplicationContext(TerminusModule.forRoot({ logger: false }), { logger: false });
  const logged: unknown[] = [];
  const note = (line: unknown) => void logged.push(line);
  // Not before: Nest has just set its own.
  Logger.overrideLogger({ log: note, warn: note, error: note });
  const [clock, drain] = [new FakeClock(), new Drain()];
  const indicators = app.get(HealthIndicatorService);
  const looks = new HealthLooks(parts, indicators, clock, LIMIT_MS);
  await looks.onApplicationBootstrap();
  const controller = new HealthController(app.get(HealthCheckService), indicators, looks, drain);
  return { clock, drain, looks, controller, logged };
}

it('a part that throws or hangs is down with its reason, and takes nothing out of service', async () => {
  const { controller } = await started(fine('tokens'), throwing('vault'), hanging('upstream'));
  expect(await controller.parts()).toEqual({
    status: 'degraded',
    info: { traffic: { status: 'up' }, tokens: { status: 'up', store: 'memory' } },
    error: {
      vault: { status: 'down', message: 'the look at it failed (TypeError): the log says more' },
      upstream: { status: 'down', message: `timeout of ${LIMIT_MS}ms exceeded` },
    },
    details: expect.objectContaining({ vault: expect.anything(), upstream: expect.anything() }),
  });
  const same = await started(hanging('tokens'));
  expect(await same.controller.ready()).toMatchObject({ status: 'degraded', error: { tokens: { status: 'down' } } });
});

it('a part that gives a reason is degraded', async () => {
  const { controller } = await started({ name: 'tokens', look: () => ({ store: 'redis', reason: 'OOM' }) });
  const tokens = { status: 'degraded', store: 'redis', reason: 'OOM' };
  expect(await controller.ready()).toMatchObject({ status: 'degraded', info: { tokens }, error: {} });
});

it('draining shows at once, whatever was seen last', async () => {
  const { controller, drain } = await started(fine('tokens'));
  expect(await controller.ready()).toMatchObject({ status: 'ok' });
  drain.begin();
  const refused = await controller.ready().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ServiceUnavailableException);
  expect((refused as ServiceUnavailableException).getResponse()).toMatchObject({
    status: 'error',
    error: { traffic: { status: 'down', message: 'draining' } },
    details: { tokens: { status: 'up' } },
  });
});

it('looks once a second at most, however many ask', async () => {
  let count = 0;
  const { controller, clock } = await started({ name: 'tokens', look: () => ({ count: (count += 1) }) });
  const answers = [];
  for (let probe = 0; probe < 1_000; probe += 1) {
    answers.push(await controller.ready());
    if (probe % 100 === 0) await clock.advance(300);
  }
  // 3 s have passed: the first look, and one a second after it.
  expect(count).toBe(4);
  expect(answers.at(-1)).toMatchObject({ info: { tokens: { count: 4 } } });
});

it('a look that takes long is not overtaken by the next', async () => {
  let [underWay, most] = [0, 0];
  const slow: HealthPart = {
    name: 'tokens',
    async look(signal) {
      most = Math.max(most, (underWay += 1));
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      underWay -= 1;
      return {};
    },
  };
  const { clock, looks } = await started(slow);
  await clock.advance(10_000);
  expect([most, clock.pendingTimers]).toEqual([1, 0]);
  looks.onModuleDestroy();
});

it('says once that a part cannot be looked at, and once that it can again', async () => {
  let isBroken = true;
  const part: HealthPart = {
    name: 'vault',
    look() {
      if (isBroken) throw new Error('no');
      return {};
    },
  };
  const { clock, looks, logged } = await started(part);
  await clock.advance(5_000);
  const events = () => logged.map((line) => Object(line).event);
  expect(events()).toEqual(['health_look_failed', 'health_part_down']);
  isBroken = false;
  await clock.advance(5_000);
  expect(events()).toEqual(['health_look_failed', 'health_part_down', 'health_part_up']);
  expect(looks.of(['vault'])).toEqual([{ vault: { status: 'up' } }]);
});

it('looks no more when it has ended', async () => {
  const { clock, looks } = await started(fine('tokens'));
  looks.onModuleDestroy();
  expect(clock.pendingTimers).toBe(0);
});
