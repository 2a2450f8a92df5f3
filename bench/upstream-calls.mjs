/**
 * Calls to the upstream, counted over simulated hours: the real core on replicas that share a simulated Redis, and as many
 * replicas that keep their own tokens. The same callers come to both at the same instants.
 */
import { defaultPolicy, tokenKey } from '../dist/libs/token/src/index.js';
import { SimulatedRedis } from '../dist/test/simulation/redis.js';
import { Replica } from '../dist/test/simulation/replica.js';
import { SimulatedUpstream } from '../dist/test/simulation/upstream.js';
import { World } from '../dist/test/simulation/world.js';

const REPLICAS = 8;
const MERCHANTS = 50;
const HOURS = 24;
/** Tokens live as long as MobilePay's, in ms. */
const LIFE_MS = 3_700_000;
/** Between two callers of one merchant at one replica, on average, in ms. */
const EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;
const LAG_MS = 2;
const MARGIN_MS = 60_000;
const AT_MOST = 1 / 7;

export async function benchUpstreamCalls() {
  console.log(`Upstream calls: ${REPLICAS} replicas × ${MERCHANTS} merchants, ${HOURS} simulated hours`);
  const world = new World(7);
  const upstream = new SimulatedUpstream(world, LIFE_MS);
  const redis = new SimulatedRedis(world);
  const replicas = Array.from(
    { length: REPLICAS },
    (_, i) => new Replica(world, redis, upstream, `replica-${i}`, LAG_MS),
  );
  const keys = Array.from({ length: MERCHANTS }, (_, i) => keyOf(`DK${String(i).padStart(8, '0')}`));
  // A careful service renews ahead as well, so that nobody waits: as early as the broker.
  const own = { late: new OwnTokens(MARGIN_MS), ahead: new OwnTokens((1 - defaultPolicy.refreshAt) * LIFE_MS) };
  let callers = 0;
  let failed = 0;
  for (const [r, { broker }] of replicas.entries()) {
    for (const [m, key] of keys.entries()) {
      const come = () => {
        callers += 1;
        if (!broker.find(key, 0)) {
          broker.get(key, 0).catch(() => {
            failed += 1;
          });
        }
        for (const each of Object.values(own)) each.ask(`${r} ${m}`, world.nowMs);
        // Callers come independently of each other.
        world.after(-Math.log(1 - world.random()) * EVERY_MS, come);
      };
      world.after(world.random() * EVERY_MS, come);
    }
  }
  const atHours = [];
  for (let hour = 1; hour <= HOURS; hour += 1) {
    await world.run(hour * HOUR_MS);
    atHours.push({ hour, broker: upstream.calls.length, late: own.late.calls, ahead: own.ahead.calls });
  }
  if (failed > 0) throw new Error(`${failed} of ${callers} simulated callers got no token`);
  return section(atHours, callers);
}

function section(atHours, callers) {
  const last = atHours.at(-1);
  const perHour = (of) => last[of] / HOURS;
  const row = (measure, of, wanted, atMost) => ({
    measure,
    wanted,
    found: `1/${(last[of] / last.broker).toFixed(2)} (${perHour('broker').toFixed(1)} against ${perHour(of).toFixed(1)} calls per hour)`,
    reached: atMost === undefined ? null : last.broker / last[of] <= atMost,
  });
  const line = (label, of) => ({ label, points: [[0, 0], ...atHours.map((at) => [at.hour, at[of]])] });
  return {
    id: 'upstream-calls',
    title: 'Upstream calls',
    ran: new Date().toISOString(),
    rows: [
      row(
        'upstream calls against f, which asks anew when a caller finds less than 60 s left',
        'late',
        '≤ 1/7',
        AT_MOST,
      ),
      row('the same, if f renews as early as the broker, so that nobody waits', 'ahead', '≤ 1/7', AT_MOST),
    ],
    charts: [
      {
        name: 'upstream-calls',
        title: `Calls for ${MERCHANTS} merchants, ${REPLICAS} replicas`,
        kind: 'lines',
        unit: 'calls',
        across: 'hours',
        items: [
          line('broker', 'broker'),
          line('own tokens, renewed late', 'late'),
          line('own tokens, renewed ahead', 'ahead'),
        ],
      },
    ],
    notes: [
      `${HOURS} hours on a simulated clock, ${callers} callers at each of the three, one a minute for each merchant and replica on average; tokens live ${LIFE_MS / 1_000} s.`,
      `The broker is the real core with its defaults, on a simulated Redis and network. It renews at ${defaultPolicy.refreshAt} of a life, less up to ${defaultPolicy.refreshJitterMs / 1_000} s, so a token is used for less of its life than one that is renewed when it has nearly run out.`,
    ],
  };
}

/** A token for each replica and merchant: a new one when less than this is left. */
class OwnTokens {
  calls = 0;
  #diesAtMs = new Map();

  constructor(marginMs) {
    this.marginMs = marginMs;
  }

  ask(id, nowMs) {
    if ((this.#diesAtMs.get(id) ?? 0) - nowMs >= this.marginMs) return;
    this.calls += 1;
    this.#diesAtMs.set(id, nowMs + LIFE_MS);
  }
}

function keyOf(merchantVat) {
  const tokenUrl = 'https://upstream.example/connect/token';
  return tokenKey({ environment: 'sandbox', tokenUrl, client: 'bench', credentialGeneration: 1, merchantVat });
}
