import { Replicas } from '../../support/replicas.js';
import { RunningSandbox } from '../../support/sandbox.js';
import { SentinelGroup } from '../../support/sentinel.js';
import { lasting, PATIENT, merchant_vat, refreshUnderWay } from '../refresh.js';
import { row, type Seen } from '../row.js';

const LATER_KEYS = 6;
/** Nobody who waits for Redis even once is that quick. */
const QUICK_MS = 300;
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
}, 240_000);

interface Failover {
  /** Upstream calls for each key: one whose refresh was under way, a warm one, a cold one, and the later ones. */
  readonly calls: readonly number[];
  /** Tokens that callers of the first one got. */
  readonly tokens: number;
  readonly slowestMs: number;
  readonly also: string;
  /** How long the sentinels took to agree on another master. */
  readonly tookMs: number;
}

/** When the master goes, one refresh is under way, one key is cold, and others are asked for one after the other. */
async function failover(loseMaster: (group: SentinelGroup) => unknown): Promise<Failover> {
  const group = await SentinelGroup.start();
  const replicas = await Replicas.start(4, sandbox, { ...group.settings, ...PATIENT }, 3 + LATER_KEYS);
  try {
    const [warm, cold] = [replicas.aClient(), replicas.aClient()].map((client) => ({ client, merchant_vat }));
    await replicas.askAll(20, warm!);
    await replicas.fault(cold!.client, { kind: 'latency', latency_ms: 1_500 });
    const refresh = await refreshUnderWay(replicas, 1_000);
    const lostAtMs = performance.now();
    await loseMaster(group);
    const failedOver = group.untilFailedOver().then(() => Math.round(performance.now() - lostAtMs));
    const asking = [{ wanted: cold!, answers: replicas.askAll(40, cold!) }];
    const warmAnswers = await replicas.askAll(40, warm!);
    for (let n = 0; n < LATER_KEYS; n += 1) {
      const wanted = { client: replicas.aClient(), merchant_vat };
      asking.push({ wanted, answers: replicas.askAll(8, wanted, replicas.alive.slice(0, 2)) });
      await lasting(250);
    }
    const answers = await refresh.asked();
    const others = await Promise.all(asking.map((each) => each.answers));
    const tookMs = await failedOver;
    await replicas.untilRedisIs('up');
    const keys = [refresh.wanted, warm!, ...asking.map(({ wanted }) => wanted)];
    const before = [answers, warmAnswers, ...others];
    const after = await Promise.all(keys.map((wanted) => replicas.askAll(4, wanted)));
    for (const each of [...before, ...after]) await each.expectAlive(sandbox);
    expect(warmAnswers.slowestMs).toBeLessThan(QUICK_MS);
    return {
      calls: await Promise.all(keys.map(({ client }) => replicas.calls(client))),
      tokens: answers.and(after[0]!).tokenIds.length,
      slowestMs: answers.slowestMs,
      also: `a cold key ${others[0]!.slowestMs} ms with 1500 ms of upstream, a warm one ${warmAnswers.slowestMs} ms`,
      tookMs,
    };
  } finally {
    await replicas.stop();
    await Promise.all([...group.sentinels, ...group.replicas, group.master].map((each) => each.stop()));
  }
}

function onceEach({ calls, tokens, slowestMs, also, tookMs }: Failover): Seen {
  expect(calls).toEqual(Array.from({ length: 3 + LATER_KEYS }, () => 1));
  expect(tokens).toBe(1);
  return {
    calls: `1 call for each of ${calls.length} keys`,
    slowestMs,
    also: `${also}; the sentinels took ${tookMs} ms`,
  };
}

row(18, 'Sentinel: master kill -9', '1', async () => onceEach(await failover(({ master }) => master.stop('SIGKILL'))));

row(
  19,
  'Sentinel: master hung',
  '1',
  async () => {
    const seen = onceEach(await failover(({ master }) => master.stall()));
    // As when their machine hangs: the sentinel that is asked first does so too. That takes longer than the grace.
    const both = await failover(({ master, sentinels }) => {
      master.stall();
      sentinels[0]?.stall();
    });
    expect(Math.max(...both.calls)).toBeLessThanOrEqual(4);
    const also = `${seen.also}; with a hung sentinel besides, at most ${Math.max(...both.calls)} per key, ${both.slowestMs} ms`;
    return { ...seen, also: `${also}, the sentinels took ${both.tookMs} ms` };
  },
  120_000,
);

row(20, 'planned failover', '1', async () => onceEach(await failover((group) => group.failOver())));
