import { Registry } from 'prom-client';

import { KeyRing, MemoryVaultStore, Secret, Vault } from '#vault';

import type { BrokerConfig } from '../config/broker-config.js';
import { ServedTokens } from '../token/served-tokens.js';
import { ServedMetrics } from './served-metrics.js';

async function metricsOf(clients: number, redis = true, names = ['bravo', 'charlie']) {
  const vault = await Vault.open(new MemoryVaultStore(), KeyRing.parse(KeyRing.generate('test')), Date.now);
  const add = (name: string) =>
    vault.saveClients([{ name, environment: 'sandbox', clientId: name, clientSecret: new Secret('a secret') }]);
  for (const name of names) await add(name);
  const [registry, served] = [new Registry(), new ServedTokens()];
  const config = { metrics: { clients, open: false }, redis: redis ? {} : undefined };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  void new ServedMetrics(registry, config as unknown as BrokerConfig, served, vault);
  const read = async () => {
    const [metric] = await registry.getMetricsAsJSON();
    return Object.fromEntries(
      (metric?.values ?? []).map(({ labels, value }) => [Object.values(labels).join(' '), value]),
    );
  };
  return { vault, add, served, read };
}

it('tells the first clients by name apart, whoever asks most, and counts the rest together', async () => {
  const { served, read } = await metricsOf(1);
  for (let n = 0; n < 5; n += 1) served.count('charlie', 'memory');
  served.count('unknown', 'upstream');
  served.count('bravo', 'store');
  served.countFailure('bravo', 'refresh_busy');
  const expected = {
    'other memory ok': 5,
    'other upstream ok': 1,
    'bravo redis ok': 1,
    'bravo none refresh_busy': 1,
  };
  expect(await read()).toEqual(expected);
  expect(await read()).toEqual(expected);
});

it('names nobody if it is set to none', async () => {
  const { served, read } = await metricsOf(0);
  served.count('bravo', 'memory');
  expect(await read()).toEqual({ 'other memory ok': 1 });
});

it('what a replica alone has in its store came from memory', async () => {
  const { served, read } = await metricsOf(1, false);
  served.count('bravo', 'memory');
  served.count('bravo', 'store');
  expect(await read()).toEqual({ 'bravo memory ok': 2 });
});

it('no counter goes back, or counts twice, when a new client takes the place of another', async () => {
  const { add, served, read } = await metricsOf(1);
  served.count('bravo', 'memory');
  served.count('bravo', 'memory');
  served.count('charlie', 'memory');
  expect(await read()).toEqual({ 'bravo memory ok': 2, 'other memory ok': 1 });
  await add('alpha');
  served.count('bravo', 'memory');
  served.count('alpha', 'memory');
  expect(await read()).toEqual({ 'other memory ok': 2, 'alpha memory ok': 1 });
});

it('never names more clients than it is set to, however they come and go', async () => {
  const { vault, add, served, read } = await metricsOf(3);
  for (let n = 0; n < 50; n += 1) {
    const name = `client-${String((n * 37) % 50).padStart(2, '0')}`;
    await add(name);
    served.count(name, 'memory');
    if (n % 3 === 0) await vault.changeClient(name, () => undefined);
    const named = new Set(Object.keys(await read()).map((key) => key.split(' ')[0]));
    expect(named.size).toBeLessThanOrEqual(4);
  }
});
