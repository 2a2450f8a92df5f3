import { simulateDay } from './scale/day.js';
import { boardOf, type Costs, type Figures, keysPerClient, limitsOf, redisLoad, whereFull } from './scale/limits.js';
import { busyness, defaultModel, HOUR_MS, type Model, nextRequestAtMs } from './scale/model.js';
import { STEPS } from './scale/tally.js';
import { Timeline } from './scale/timeline.js';

/** One shop, two replicas, and a token that outlives the day. */
const tiny: Model = {
  ...defaultModel,
  keys: 1,
  sample: 1,
  keysPerClient: 1,
  replicas: 2,
  lifeSeconds: 86_400,
};

it('one key on two replicas: one call, told to both, taken over once', async () => {
  const { totals, heldAtMost, storedAtMost } = await simulateDay(tiny);
  expect(totals).toMatchObject({ lead: 1, commit: 1, hit: 1, upstream_calls: 1, messages: 1, deliveries: 2 });
  expect(totals).toMatchObject({
    busy: 0,
    full: 0,
    renew: 0,
    fail: 0,
    duplicates: 0,
    refused: 0,
    wanted_deliveries: 1,
  });
  expect(totals.requests).toBeGreaterThan(100);
  expect(totals.from_memory).toBe(totals.requests - 2);
  expect([heldAtMost, storedAtMost]).toEqual([1, 1]);
});

it('a key that is asked at one replica is never taken over', async () => {
  const { totals, heldAtMost } = await simulateDay({ ...tiny, replicasPerKey: 1 });
  expect(totals).toMatchObject({ upstream_calls: 1, hit: 0, from_memory: totals.requests - 1 });
  expect(heldAtMost).toBe(0.5);
});

it('the same seed gives the same day, another one another', async () => {
  const model: Model = { ...defaultModel, sample: 5, keysPerClient: 5, replicas: 4, hours: 12 };
  const [one, again, other] = [
    await simulateDay(model),
    await simulateDay(model),
    await simulateDay({ ...model, seed: 2 }),
  ];
  expect(again).toEqual(one);
  expect(other.totals).not.toEqual(one.totals);
});

it('what is counted grows with the sample, so the whole may be reckoned from it', async () => {
  const days = [];
  for (const sample of [12, 48]) {
    days.push(await simulateDay({ ...defaultModel, sample, keysPerClient: sample, replicas: 5 }));
  }
  const [few, many] = days;
  for (const count of ['requests', 'from_memory', 'hit', 'upstream_calls', 'messages', 'deliveries'] as const) {
    const growth = many!.totals[count] / few!.totals[count];
    expect({ count, isFourfold: Math.abs(growth - 4) < 0.5 }).toEqual({ count, isFourfold: true });
  }
  expect(many!.totals.deliveries).toBe(5 * many!.totals.messages);
  expect(many!.totals.messages).toBe(many!.totals.upstream_calls);
});

it('keys of one client share its calls at once, those of many do not', async () => {
  // All shops open at once, and each is asked for within seconds.
  const rush = { requestsPerKeyPerHour: 500, spreadMinutes: 0, upstreamMs: 4_000, hours: 9.25 };
  const model: Model = { ...defaultModel, ...rush, sample: 60, replicas: 4 };
  const [one, many] = [
    await simulateDay({ ...model, keysPerClient: 60 }),
    await simulateDay({ ...model, keysPerClient: 1 }),
  ];
  expect(one.totals.full).toBeGreaterThan(50);
  expect(many.totals.full).toBe(0);
  expect(one.waits.p99).toBeGreaterThan(many.waits.p99);
});

it('requests come as often as they should, and only while the shop is open', () => {
  const { random } = new Timeline(1);
  const model: Model = { ...defaultModel, requestsPerKeyPerHour: 1_000 };
  const found = [];
  for (let atMs = nextRequestAtMs(model, 0, 0, random); atMs !== undefined;) {
    found.push(atMs);
    atMs = nextRequestAtMs(model, 0, atMs, random);
  }
  expect(Math.abs(found.length / 11_000 - 1)).toBeLessThan(0.05);
  expect(found[0]).toBeGreaterThan(9 * HOUR_MS);
  expect(found.at(-1)).toBeLessThan(20 * HOUR_MS);
  expect(nextRequestAtMs(model, 0, 20 * HOUR_MS, random)).toBeUndefined();
  expect([-0.1, 0, 0.25, 0.5, 1].map(busyness)).toEqual([0, 0.5, 1.5, 0.5, 0]);
});

describe('the timeline', () => {
  it('runs actions by their time, then by their order, but not those that were taken back', async () => {
    const timeline = new Timeline(1);
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name} ${timeline.nowMs}`);
    timeline.after(20, note('late'));
    timeline.after(10, note('one'));
    timeline.after(10, note('two'));
    timeline.after(15, note('never'))();
    timeline.after(30, note('too late'));
    await timeline.run(20);
    expect(seen).toEqual(['one 10', 'two 10', 'late 20']);
    expect(timeline.nowMs).toBe(20);
  });

  it('lets promises settle before time goes on, up to the end', async () => {
    const timeline = new Timeline(1);
    const seen: number[] = [];
    const walk = async (): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        await timeline.sleep(10);
        for (let depth = 0; depth < 20; depth += 1) await Promise.resolve();
        seen.push(timeline.nowMs);
      }
    };
    void walk();
    await timeline.run(20);
    expect(seen).toEqual([10, 20]);
    await timeline.run(1_000);
    expect(seen).toEqual([10, 20, 30]);
  });

  it('ends with the error of an action', async () => {
    const timeline = new Timeline(1);
    timeline.after(1, () => {
      throw new Error('broken');
    });
    await expect(timeline.run(10)).rejects.toThrow('broken');
  });
});

describe('the limits', () => {
  const none = { us: 0, outBytes: 0 };
  const report = { us: 100, outBytes: 1_000 };
  const costs: Costs = {
    costs: { hit: { us: 50, outBytes: 2_000 }, commit: { us: 200, outBytes: 100 } },
    delivery: { us: 2, outBytes: 100 },
    board: {
      tells: [
        { count: 10, ...report },
        { count: 20, us: 200, outBytes: 2_000 },
      ],
      read: none,
      event: none,
    },
  };
  const world = (replicas: number, steps: Partial<Figures['steps']>): Figures => ({
    model: { keys: 1_000, replicas, keysPerClient: 100, upstreamMs: 200 },
    held: 500,
    steps: { ...(Object.fromEntries(STEPS.map((step) => [step, 0])) as Figures['steps']), ...steps },
  });

  it('a replica without news reports once a second, and with much of it as soon as it may', () => {
    expect(boardOf(10, 0)).toEqual({ tells: 10, events: 0 });
    expect(boardOf(2, 1e9).tells).toBeCloseTo(20);
    // Ten may report again after 250 ms, and 0.1 refreshes a second of each are 0.2 pieces of news.
    expect(boardOf(10, 1e9).tells).toBeCloseTo(40);
    let sum = 0;
    const { random } = new Timeline(1);
    for (let i = 0; i < 100_000; i += 1) sum += Math.min(1, Math.max(0.25, 0.1 - Math.log(1 - random()) / 0.2));
    expect(boardOf(10, 1).tells / (10 / (sum / 100_000))).toBeCloseTo(1, 2);
    // Of 600 a minute one in about twenty is told as an event.
    expect(boardOf(1, 10).events).toBeCloseTo(31 / 60);
    expect(boardOf(200, 2_000).events).toBeCloseTo((200 * 7) / 60);
  });

  it('many replicas report no more often than 40 do, whatever happens', () => {
    for (const refreshes of [0, 10, 1e6]) {
      for (const replicas of [40, 200, 1_000]) expect(boardOf(replicas, refreshes).tells).toBeCloseTo(40);
    }
  });

  it('adds up what each second costs Redis', () => {
    const { thread, outBytes } = redisLoad(world(20, { hit: 100 }), costs);
    // 20 reports of 200 µs each.
    expect(thread).toEqual({ steps: 0.005, fanOut: 0, board: 0.004 });
    expect(outBytes).toEqual({ steps: 200_000, fanOut: 0, board: 40_000 });
    expect(redisLoad(world(20, { commit: 10 }), costs).thread).toMatchObject({ steps: 0.002, fanOut: 0.0004 });
    // A step that was not measured costs what a busy one does, if that was.
    const busy = { ...costs, costs: { busy: { us: 10, outBytes: 1 } } };
    expect(redisLoad(world(20, { failed: 100 }), busy).thread.steps).toBeCloseTo(0.001);
  });

  it('finds where something is full', () => {
    expect(whereFull((x) => x / 1_000, 1, 1e6)! / 1_000).toBeCloseTo(1, 2);
    expect(whereFull((x) => x / 1_000, 1, 100)).toBeUndefined();
    expect(whereFull((x) => x / 1_000, 2_000, 1e6)).toBe(0);
    // 25 calls a second are possible; 1,000 keys need 5.
    expect(keysPerClient({ ...world(2, {}), calls: { peak: 5 } })).toBe(5_000);
  });

  it('tells how full each resource is, and at how many keys or replicas it would be full', () => {
    // As many hits however many replicas there are, each of which holds half of the keys.
    const series = [10, 20, 40].map((value) => ({ value, figures: world(value, { hit: 1_000 }) }));
    const bounds = { costs, bytesPerKey: 2_000, replicaBytes: 2e6, networkBytes: 1e9 };
    const [thread, without, network, memory] = limitsOf(series[1]!.figures, series, bounds);
    expect(thread).toMatchObject({ name: 'thread of Redis', used: expect.closeTo(0.054) });
    expect(without).toMatchObject({ used: 0.05, replicas: undefined });
    expect(without!.keys! / 20_000).toBeCloseTo(1, 2);
    // 40 reports of 10 N µs each, beside 5 % for the hits.
    expect(thread!.replicas! / (95_000 / 40)).toBeCloseTo(1, 2);
    expect(network!.used).toBeCloseTo(0.00204);
    expect(memory).toMatchObject({ used: 0.5, replicas: undefined });
    expect(memory!.keys! / 2_000).toBeCloseTo(1, 2);
  });
});
