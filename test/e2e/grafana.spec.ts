import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { grafanaDashboard, type Panel, queriesOf } from '../support/grafana.js';
import { root } from '../support/processes.js';
import { promtool } from '../support/prometheus-binaries.js';
import { familiesIn, familyOf, metricsIn } from '../support/promql.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const dashboard = grafanaDashboard();
const queries = queriesOf(dashboard);
const rules = ['recording', 'alerts'].map((name) =>
  readFileSync(join(root, `deploy/prometheus/${name}.rules.yml`), 'utf8'),
);
/** Prometheus keeps this one itself. */
const ITS_OWN = 'ALERTS';

it('every query is PromQL', async () => {
  const asRules = queries.map(({ query }, n) => ({ record: `query:${n}`, expr: query }));
  const file = join(aFolder(), 'queries.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
  const { stdout } = await promisify(execFile)(await promtool(), ['check', 'rules', file]);
  expect(stdout).toContain(`SUCCESS: ${queries.length} rules found`);
});

it('every metric that it shows is one of the broker’s, or a recording rule', async () => {
  const [redis, sandbox] = await Promise.all([RunningRedis.start(), RunningSandbox.start()]);
  const broker = await RunningBroker.start(sandbox, { REDIS_URL: redis.url, VAULT_STORE: 'redis' });
  const { text } = await broker.admin('GET', '/metrics');
  const families = familiesIn(text);
  const recorded = [...rules.join('\n').matchAll(/^ +- record: (\S+)$/gm)].map(([, name = '']) => name);
  const known = new Set([ITS_OWN, ...families, ...recorded]);
  const unknown = queries.flatMap(({ where, query }) =>
    metricsIn(query)
      .filter((metric) => !known.has(familyOf(metric, known)))
      .map((metric) => `${where}: ${metric}`),
  );
  expect(unknown).toEqual([]);
  // And the other way round: all that the broker tells of itself is on it, or in a rule that somebody reads.
  const read = new Set([...queries.map(({ query }) => query), ...rules].flatMap((each) => each.match(/[\w:]+/g) ?? []));
  const unread = [...families].filter(
    (name) => name.startsWith('token_broker_') && ![...read].some((each) => familyOf(each, families) === name),
  );
  expect(unread).toEqual([]);
});

it('what reads names of metrics out of a query finds them all, and nothing else', () => {
  const query = `clamp_min(sum by (job, le) (rate(a_bucket{x="b{c}",y=~"d"}[5m])) / on (job) group_left (z) e:f:g > 0.5e3, 0) # h
    or ignoring (k) l offset 15m unless m and n == bool 1 or vector(0)`;
  expect(metricsIn(query)).toEqual(['a_bucket', 'e:f:g', 'l', 'm', 'n']);
});

it('no two panels overlap, each has an id of its own, and each asks the data source that is chosen', () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const pairs = panels.flatMap((one, n) => panels.slice(n + 1).map((other) => [one, other] as const));
  expect(pairs.filter(([one, other]) => overlap(one, other)).map((pair) => pair.map(({ title }) => title))).toEqual([]);
  for (const { type, datasource, targets = [] } of panels) {
    if (type === 'row') continue;
    const sources = [datasource, ...targets.map((target) => target.datasource)];
    expect(sources).toEqual(sources.map(() => ({ type: 'prometheus', uid: '${DS_PROMETHEUS}' })));
    expect(targets.length).toBeGreaterThan(0);
  }
  expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
