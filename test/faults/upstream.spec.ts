import { eventually } from '../support/processes.js';
import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { merchant_vat } from './refresh.js';
import { row } from './row.js';

const retries = 2;
let replicas: Replicas;

beforeAll(async () => {
  const [sandbox, redis] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  const settings = { REDIS_URL: redis.url, UPSTREAM_RETRIES: String(retries), UPSTREAM_TIMEOUT_MS: '400' };
  replicas = await Replicas.start(4, sandbox, settings, 16);
}, 240_000);

row(7, 'upstream 503, 600 waiters', 'one attempt series; 600 equal errors; none within the cooling time', async () => {
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'status', status: 503, latency_ms: 100 });
  const answers = await replicas.askAll(600, { client, merchant_vat });
  expect(answers.kinds).toEqual(['503 upstream_unavailable the upstream answered 503']);
  expect(await replicas.calls(client)).toBe(1 + retries);
  await eventually(async () => {
    const { kinds } = await replicas.askAll(40, { client, merchant_vat });
    expect(kinds).toEqual(['503 upstream_unavailable the upstream answered 503']);
    return (await replicas.calls(client)) > 1 + retries || undefined;
  });
  const times = await replicas.callTimes(client);
  // The first cooling time is 1 s, less a jitter of up to a fifth.
  const restedMs = times[1 + retries]! - times[retries]!;
  expect(restedMs).toBeGreaterThanOrEqual(800);
  return {
    calls: `${1 + retries} calls in one series`,
    slowestMs: answers.slowestMs,
    also: `600 equal errors, the next series ${restedMs} ms later`,
  };
});

row(
  8,
  '429 with Retry-After; 401',
  'no call before it is due; the client’s other merchants held back too',
  async () => {
    const [busy, refused] = [replicas.aClient(), replicas.aClient()];
    const retryAfterSeconds = 3;
    await replicas.fault(busy, { kind: 'status', status: 429, retry_after: retryAfterSeconds });
    await replicas.fault(refused, { kind: 'error', status: 401 });
    let slowestMs = 0;
    for (const [client, kind] of [
      [busy, '503 upstream_unavailable the upstream answered 429'],
      [refused, '502 credentials_rejected the upstream answered 401 invalid_client'],
    ] as const) {
      let answers = await replicas.askAll(40, { client, merchant_vat });
      for (const each of ['FI12345678', 'DK87654321', undefined]) {
        answers = answers.and(await replicas.askAll(40, { client, ...(each !== undefined && { merchant_vat: each }) }));
      }
      expect(answers.kinds).toEqual([kind]);
      expect(await replicas.calls(client)).toBe(1);
      slowestMs = Math.max(slowestMs, answers.slowestMs);
    }
    await eventually(async () => {
      await replicas.askAll(8, { client: busy, merchant_vat: 'FI12345678' });
      return (await replicas.calls(busy)) > 1 || undefined;
    });
    const [first = 0, second = 0] = await replicas.callTimes(busy);
    expect(second - first).toBeGreaterThanOrEqual(retryAfterSeconds * 1_000);
    expect(await replicas.calls(refused)).toBe(1);
    const also = `the next one ${second - first} ms after a 429 that asked for ${retryAfterSeconds} s`;
    return { calls: '1 call for each client', slowestMs, also };
  },
);

row(
  9,
  'upstream hangs; resets; truncates; sends HTML, wrong JSON, a token whose VAT claim differs, `expires_in` missing, 0, negative, huge',
  'clear error or safe default, nothing cached that is wrong',
  async () => {
    const series = 1 + retries;
    const refused = [
      [{ kind: 'hang' }, '503 upstream_unavailable no answer within 400 ms', series],
      [{ kind: 'html' }, '502 upstream_invalid the upstream answered 200, but', series],
      [{ kind: 'reset' }, '503 upstream_unavailable the connection failed', series],
      [{ kind: 'wrong_json' }, '502 upstream_invalid the upstream answered 200, but', series],
      [{ kind: 'truncated' }, '503 upstream_unavailable the connection failed', series],
      [{ kind: 'wrong_vat' }, '502 upstream_invalid the token is bound to another merchant', 1],
      [{ kind: 'expires_in', value: 0 }, '502 upstream_invalid the upstream answered 200, but', series],
      [{ kind: 'expires_in', value: -3_700 }, '502 upstream_invalid the upstream answered 200, but', series],
    ] as const;
    const refusals = await Promise.all(
      refused.map(async ([fault, kind, calls]) => {
        const client = replicas.aClient();
        await replicas.fault(client, { ...fault, times: calls });
        const answers = await replicas.askAll(40, { client, merchant_vat });
        expect(answers.kinds).toEqual([expect.stringContaining(kind)]);
        expect(await replicas.calls(client)).toBe(calls);
        // As soon as the failure has cooled, all have a good token: nothing of the bad answer was kept.
        const good = await eventually(async () => {
          const after = await replicas.askAll(8, { client, merchant_vat });
          return after.statuses.join() === '200' ? after : undefined;
        });
        await good.expectAlive(replicas.sandbox);
        expect(await replicas.calls(client)).toBe(calls + 1);
        return answers.slowestMs;
      }),
    );
    for (const fault of [{ kind: 'expires_in' }, { kind: 'expires_in', value: 1e12 }]) {
      const client = replicas.aClient();
      await replicas.fault(client, fault);
      const answers = await replicas.askAll(40, { client, merchant_vat });
      await answers.expectAlive(replicas.sandbox);
      expect(Math.max(...answers.all.map(({ json }) => Number(json['expires_in'])))).toBeLessThanOrEqual(3_700);
      expect(await replicas.calls(client)).toBe(1);
    }
    return { calls: `${series} calls, or 1 where another attempt cannot help`, slowestMs: Math.max(...refusals) };
  },
);
