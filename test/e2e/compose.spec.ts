import 'reflect-metadata';

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import type { BrokerConfig } from '../../apps/broker/src/config/broker-config.js';
import { readConfig, SETTING_NAMES } from '../../apps/broker/src/config/read-config.js';
import { SECRET_SETTINGS } from '../../apps/broker/src/config/secrets.js';
import { composeConfig } from '../support/compose.js';
import { execForm, readDockerfile } from '../support/dockerfile.js';
import { aFolder } from '../support/folder.js';
import { checkHealth } from '../support/healthcheck.js';
import { root } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

interface Service {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly hostname?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly secrets?: readonly (string | { readonly source: string; readonly target: string })[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: { readonly default: { readonly aliases: readonly string[] } };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

interface Composed {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const SMALL = ['broker-1', 'broker-2', 'broker-3', 'nginx', 'redis', 'sandbox'];
const FULL = [...SMALL, 'grafana', 'prometheus'];
const SECRETS = '/run/secrets/';

const read = (path: string): unknown => parse(readFileSync(join(root, path), 'utf8'), { merge: true });
const composed = read('docker-compose.yml') as Composed;
const services = Object.entries(composed.services);
const { 'broker-1': broker, redis, sandbox, nginx, prometheus, grafana } = composed.services;
const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((each) => each.split(':')));

/** As docker-compose.yml mounts them, made by the script that it names. */
function makeSecrets(folder = join(aFolder(), 'compose'), umask = '022'): string {
  const script = join(root, 'scripts/compose-secrets.mjs');
  execFileSync('/bin/sh', ['-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, script, folder]);
  return folder;
}

function configOf(environment: Service['environment'] = {}): BrokerConfig {
  const secrets = makeSecrets();
  const given = Object.entries(environment).map(([name, value]) => [
    name,
    String(value).replace(SECRETS, `${secrets}/`),
  ]);
  return readConfig(Object.fromEntries(given) as NodeJS.ProcessEnv);
}

describe('docker-compose.yml', () => {
  it('is what Docker Compose takes', async () => {
    const { services: taken } = parse(await composeConfig('docker-compose.yml', '--profile', 'full')) as Composed;
    expect(Object.keys(taken).toSorted()).toEqual(FULL.toSorted());
  }, 200_000);

  it('is small unless it is asked to be full', () => {
    expect(services.map(([name]) => name).toSorted()).toEqual(FULL.toSorted());
    expect(services.flatMap(([name, { profiles }]) => (profiles ? [] : [name])).toSorted()).toEqual(SMALL);
    expect([prometheus?.profiles, grafana?.profiles]).toEqual([['full'], ['full']]);
  });

  it.each(services)('lets %s write, have rights and use up no more than it needs', (_, service) => {
    expect(service).toMatchObject({
      restart: 'unless-stopped',
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      pids_limit: expect.any(Number),
      mem_limit: expect.stringMatching(/^\d+m$/),
      cpus: expect.any(Number),
      healthcheck: { test: expect.arrayContaining(['CMD']) },
    });
    expect(service.image).toMatch(/^(token-broker:local|[a-z/-]+:v?\d+\.\d+\S*)$/);
    expect(service.ports?.filter((port) => !port.startsWith('127.0.0.1:')) ?? []).toEqual([]);
  });

  it('mounts what is there, read-only, and volumes that it declares', () => {
    const [files, volumes] = [
      mounts.filter(([from]) => from?.startsWith('./')),
      mounts.filter(([from]) => !from?.startsWith('./')),
    ];
    expect(files.length).toBeGreaterThan(4);
    expect(files.filter(([from = '', , mode]) => mode !== 'ro' || !existsSync(join(root, from)))).toEqual([]);
    expect(new Set(volumes.map(([name]) => name))).toEqual(new Set(Object.keys(composed.volumes)));
  });

  it('waits for services that there are, until they are healthy', () => {
    const waits = services.flatMap(([, { depends_on = {} }]) => Object.entries(depends_on));
    expect(waits.filter(([name]) => !composed.services[name])).toEqual([]);
    expect(new Set(waits.map(([, { condition }]) => condition))).toEqual(new Set(['service_healthy']));
  });

  it('takes every secret from a folder that git ignores, and the script makes each', () => {
    const files = Object.values(composed.secrets).map(({ file }) => file);
    expect(readFileSync(join(root, '.gitignore'), 'utf8').split('\n')).toContain('/data/');
    expect(files.filter((file) => !file.startsWith('./data/compose/'))).toEqual([]);
    expect(readdirSync(makeSecrets()).toSorted()).toEqual(
      files.map((file) => file.replace('./data/compose/', '')).toSorted(),
    );
    const used = services.flatMap(([, { secrets = [] }]) =>
      secrets.map((each) => (typeof each === 'string' ? each : each.source)),
    );
    expect(new Set(used)).toEqual(new Set(Object.keys(composed.secrets)));
  });
});

describe('the replicas', () => {
  it('differ in nothing but their names', () => {
    for (const name of ['broker-1', 'broker-2', 'broker-3']) {
      expect(composed.services[name]).toEqual({ ...broker, hostname: name });
    }
  });

  it('have settings that there are, and start with them', () => {
    const known = new Set([...SETTING_NAMES, ...SECRET_SETTINGS.map((name) => `${name}_FILE`)]);
    expect(Object.keys(broker!.environment!).filter((name) => !known.has(name))).toEqual([]);
    expect(configOf(broker!.environment)).toMatchObject({
      host: '0.0.0.0',
      port: 3_000,
      logFormat: 'json',
      auditLog: 'stdout',
    });
  });

  it('could start in production, once they are left without the sandbox', () => {
    const { UPSTREAM_SANDBOX_URL, UPSTREAM_PRODUCTION_URL, ...rest } = broker!.environment!;
    expect([UPSTREAM_SANDBOX_URL, UPSTREAM_PRODUCTION_URL]).toEqual(
      Array(2).fill(expect.stringContaining('http://sandbox:3001/')),
    );
    expect(configOf({ ...rest, NODE_ENV: 'production' }).production).toBe(true);
  });

  it('are given longer to stop than their drain may take', () => {
    const { shutdownDelayMs, shutdownTimeoutMs } = configOf(broker!.environment);
    expect(shutdownDelayMs).toBe(5_000);
    expect(Number.parseInt(broker!.stop_grace_period!, 10) * 1_000).toBeGreaterThan(
      shutdownDelayMs + shutdownTimeoutMs,
    );
  });

  it('are asked for their health as the image is', () => {
    expect(broker!.healthcheck.test).toEqual(['CMD', ...execForm(readDockerfile().at(-1)?.settings['HEALTHCHECK'])]);
  });

  it('are where nginx and Prometheus look for them', () => {
    const servers = readFileSync(join(root, 'deploy/nginx/brokers.conf'), 'utf8').matchAll(/^server (\S+)/gm);
    expect([...servers].map(([, server]) => server)).toEqual(['broker-1:3000', 'broker-2:3000', 'broker-3:3000']);
    const { scrape_configs } = read('deploy/prometheus/prometheus.yml') as {
      scrape_configs: {
        authorization: { credentials_file: string };
        dns_sd_configs: { names: string[]; port: number }[];
      }[];
    };
    expect(scrape_configs[0]!.dns_sd_configs).toMatchObject([
      { names: broker!.networks!.default.aliases, port: 3_000 },
    ]);
    const target = `/etc/prometheus/${scrape_configs[0]!.authorization.credentials_file}`;
    expect(prometheus!.secrets).toEqual([{ source: 'metrics-key', target }]);
  });
});

it('Redis keeps the vault over a restart, and refuses to write rather than to forget', async () => {
  const [program, ...args] = redis!.command!;
  expect(program).toBe('redis-server');
  const started = await RunningRedis.startWith({ args: [...args, '--bind', '127.0.0.1'], cwd: aFolder() });
  expect(await started.client.config('GET', 'maxmemory*')).toEqual(
    expect.arrayContaining(['noeviction', String(200 * 1_048_576)]),
  );
  await started.client.set('kept', 'yes');
  await started.stop();
  const again = await started.startAgain();
  expect(await again.client.get('kept')).toBe('yes');
});

it('the sandbox is asked for its health, and listens where the replicas look for it', async () => {
  const { url, process: running } = await RunningSandbox.start();
  const [, , ...args] = sandbox!.healthcheck.test;
  const command = [process.execPath, ...args.map((each) => each.replace(':3001/', `:${new URL(url).port}/`))];
  expect(await checkHealth({}, command)).toEqual({ code: 0, said: '' });
  await running.stop();
  expect(await checkHealth({}, command)).toMatchObject({ code: 1 });
  expect(sandbox!.environment).toEqual({ SANDBOX_HOST: '0.0.0.0' });
});

it('nginx is asked for where it listens', () => {
  const [port = ''] = /(?<=listen )\d+/.exec(readFileSync(join(root, 'deploy/nginx/nginx.conf'), 'utf8')) ?? [];
  expect(nginx!.ports).toEqual([`127.0.0.1:8080:${port}`]);
  expect(nginx!.healthcheck.test.join(' ')).toContain(`:${port}/health/ready`);
});

it('Grafana finds the dashboard and Prometheus', () => {
  const { providers } = read('deploy/grafana/provisioning/dashboards/token-broker.yml') as {
    providers: { options: { path: string } }[];
  };
  expect(grafana!.volumes).toContain(
    `./deploy/grafana/token-broker.json:${providers[0]!.options.path}/token-broker.json:ro`,
  );
  const { datasources } = read('deploy/grafana/provisioning/datasources/prometheus.yml') as {
    datasources: { url: string; type: string; isDefault: boolean }[];
  };
  expect(datasources).toMatchObject([{ url: 'http://prometheus:9090', type: 'prometheus', isDefault: true }]);
});

describe('the secrets', () => {
  it('are readable within the containers, and by nobody else outside, whatever the umask is', () => {
    for (const umask of ['000', '022', '077']) {
      const folder = makeSecrets(undefined, umask);
      const modeOf = (path: string) => statSync(path).mode & 0o777;
      expect(modeOf(folder)).toBe(0o700);
      for (const name of readdirSync(folder)) expect(modeOf(join(folder, name))).toBe(0o644);
    }
  });

  it('are new in each folder, and stay once they are made', () => {
    const contents = (folder: string) =>
      ['vault-keys', 'admin-key', 'grafana-password'].map((name) => readFileSync(join(folder, name), 'utf8'));
    const [one, other] = [makeSecrets(), makeSecrets()];
    const before = contents(one);
    makeSecrets(one);
    expect(contents(one)).toEqual(before);
    expect(new Set([...before, ...contents(other)]).size).toBe(6);
  });
});
