import { aKey } from '../../../test/support/tokens.js';
import { AccessToken } from './access-token.js';
import { overviewOf } from './overview.js';
import { defaultPolicy } from './policy.js';

const NOW = 1_000_000;

function entry({ leftMs, asked = true, environment = 'sandbox', ...rest }: Wish = {}) {
  const expiresAtMs = NOW + (leftMs ?? 0);
  const held = {
    token: new AccessToken('t', 'Bearer', undefined),
    generation: 1,
    startedAtMs: expiresAtMs - 3_600_000,
    refreshAtMs: expiresAtMs - 900_000,
    expiresAtMs,
    source: 'upstream' as const,
  };
  const key = aKey({ environment });
  return { key, held: leftMs === undefined ? undefined : held, asked, failure: undefined, flight: undefined, ...rest };
}

interface Wish {
  leftMs?: number;
  asked?: boolean;
  environment?: 'sandbox' | 'production';
  failure?: { untilMs: number };
  flight?: unknown;
}

const overview = (...entries: ReturnType<typeof entry>[]) => overviewOf(entries, defaultPolicy, NOW);

it('counts keys by state', () => {
  const { states } = overview(
    entry({ leftMs: 3_000_000 }),
    entry({ leftMs: 900_000 }),
    entry({ leftMs: 59_999 }),
    entry(),
    entry({ leftMs: 3_000_000, flight: {} }),
    entry({ failure: { untilMs: NOW + 1 } }),
    entry({ leftMs: 3_000_000, failure: { untilMs: NOW } }),
  );
  expect(states).toEqual({ fresh: 2, expiring: 1, dead: 2, refreshing: 1, failing: 1 });
});

it('tells the shortest life of each environment, of tokens in use', () => {
  const { shortestLifeMs } = overview(
    entry({ leftMs: 500_000 }),
    entry({ leftMs: 400_000 }),
    entry({ leftMs: 300_000, asked: false }),
    entry({ leftMs: -5, environment: 'production' }),
    entry({}),
  );
  expect([...shortestLifeMs]).toEqual([
    ['sandbox', 400_000],
    ['production', 0],
  ]);
});
