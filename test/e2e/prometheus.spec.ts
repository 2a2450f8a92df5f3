import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { aFolder } from '../support/folder.js';
import { grafanaDashboard, queriesOf } from '../support/grafana.js';
import { call } from '../support/http.js';
import { eventually, root } from '../support/processes.js';
import { prometheus } from '../support/prometheus-binaries.js';
import { freePort, RunningRedis } from '../support/redis.js';
import { Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';

const MINUTE_MS = 60_000;
const SCRAPES = 12;
const ends: (() => Promise<unknown>)[] = [];

afterAll(() => Promise.all(ends.map((end) => end())));

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** The example's own configuration, but for where the replicas are, the key, and how often they are read. */
function configured(targets: readonly string[], key: string): string {
  const folder = join(aFolder(), 'prometheus');
  cpSync(join(root, 'deploy/prometheus'), folder, { recursive: true });
  writeFileSync(join(folder, 'token-broker.key'), key);
  const example = readFileSync(join(folder, 'prometheus.yml'), 'utf8');
  const config = example
    .replaceAll(/_interval: 15s/g, '_interval: 5s')
    .replace(
      /^ {4}dns_sd_configs:\n(?: {6,}.*\n?)+/m,
      `    static_configs: [{ targets: ${JSON.stringify(targets)} }]\n`,
    );
  if (!config.includes(targets[0]!)) throw new Error('prometheus.yml has no dns_sd_configs to put the replicas in for');
  writeFileSync(join(folder, 'prometheus.yml'), config);
  return folder;
}

/** @returns its address, once it is ready */
async function started(folder: string): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const options = { 'config.file': 'prometheus.yml', 'storage.tsdb.path': 'data', 'web.listen-address': address };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(await prometheus(), args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  ends.push(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}: ${said}`);
    const { status } = await call('GET', `http://${address}/-/ready`).catch(() => ({ status: 0 }));
    return status === 200 || undefined;
  }, 15_000);
  return `http://${address}`;
}

async function ask(url: string, query: string): Promise<Sample[]> {
  const { status, json, text } = await call('GET', `${url}/api/v1/query?${new URLSearchParams({ query }).toString()}`);
  if (status !== 200) throw new Error(`${query}: ${text}`);
  return (json['data'] as { result: Sample[] }).result;
}

const numbers = (samples: readonly Sample[]): number[] => samples.map(({ value }) => Number(value[1]));

it('a Prometheus that reads three replicas for a minute misses nothing, follows every rule, and raises no alarm', async () => {
  const [redis, sandbox] = await Promise.all([RunningRedis.start(), RunningSandbox.start()]);
  const replicas = await Replicas.start(3, sandbox, { REDIS_URL: redis.url, VAULT_STORE: 'redis' }, 1);
  const key = await replicas.alive[0]!.addCaller('prometheus', ['ops']);
  const client = replicas.aClient();
  const url = await started(
    configured(
      replicas.alive.map((each) => new URL(each.url).host),
      key,
    ),
  );
  const begunAt = Date.now();
  for (let ms = 0; ms < MINUTE_MS; ms = Date.now() - begunAt) {
    // Another merchant every ten seconds, so that MobilePay is called now and then.
    const merchant_vat = `DK1234567${Math.floor(ms / 10_000)}`;
    expect((await replicas.askAll(9, { client, merchant_vat })).statuses).toEqual([200]);
    await sleep(1_000);
  }
  await eventually(
    async () => numbers(await ask(url, 'min(count_over_time(up[5m]))'))[0]! >= SCRAPES || undefined,
    20_000,
  );

  expect(numbers(await ask(url, 'min_over_time(up[5m])'))).toEqual([1, 1, 1]);
  for (const samples of numbers(await ask(url, 'min_over_time(scrape_samples_scraped[5m])'))) {
    expect(samples).toBeGreaterThan(100);
  }

  const { json } = await call('GET', `${url}/api/v1/rules`);
  const groups = (json['data'] as { groups: { rules: { name: string; health: string; lastError?: string }[] }[] })
    .groups;
  const rules = groups.flatMap((group) => group.rules);
  const files = ['recording', 'alerts'].map((name) =>
    readFileSync(join(root, `deploy/prometheus/${name}.rules.yml`), 'utf8'),
  );
  const names = [...files.join('\n').matchAll(/^ +- (?:alert|record): (\S+)$/gm)].map(([, name = '']) => name);
  expect(new Set(rules.map(({ name }) => name))).toEqual(new Set(names));
  expect(rules).toHaveLength(names.length);
  expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  expect(await ask(url, 'ALERTS')).toEqual([]);

  // What the dashboard shows by now: every query is answered, and those that cannot be empty are not.
  const empty: string[] = [];
  for (const { where, query } of queriesOf(grafanaDashboard())) {
    if ((await ask(url, query)).length === 0) empty.push(where);
  }
  expect(new Set(empty)).toEqual(new Set(['What needs somebody', 'Alerts', 'Not given, by code']));
  const served = await ask(url, 'sum by (source) (token_broker_tokens_served_total{result="ok"})');
  expect(numbers(served).reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(9 * 50);
}, 120_000);
