import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { parse, stringify } from 'yaml';

import { chartFile, objectsIn, rendered, renderedNotes, renderedText, type Values } from '../support/chart/chart.js';
import { allOf, type KubernetesObject, mistakesIn, theOne } from '../support/chart/kubernetes.js';
import { podIn } from '../support/chart/laid-out.js';
import { everything, kubernetesIssuer } from '../support/chart/values.js';
import { aFolder } from '../support/folder.js';
import { listedMetrics } from '../support/listed-metrics.js';
import { root } from '../support/processes.js';
import { promtool } from '../support/prometheus-binaries.js';
import { allRoutes } from '../support/routes.js';

interface AdapterRule {
  readonly seriesQuery: string;
  readonly name: { readonly as: string };
  readonly metricsQuery: string;
}

const run = promisify(execFile);
const manifests = join(root, 'deploy/manifests/token-broker.yaml');

const containerOf = (objects: KubernetesObject[]) => podIn(objects).containers[0]!;
const envOf = (objects: KubernetesObject[]) =>
  Object.fromEntries(containerOf(objects).env!.map(({ name, value }) => [name, value]));
const namesOf = (objects: KubernetesObject[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

let byDefault: KubernetesObject[];
let withEverything: KubernetesObject[];

beforeAll(async () => {
  byDefault = await rendered();
  withEverything = await rendered(everything);
  // The first test of a new checkout fetches Go and builds the renderer.
}, 300_000);

describe('the chart', () => {
  it('installs what a replicated service needs, and no Secret', () => {
    const always = [
      'NetworkPolicy token-broker',
      'PodDisruptionBudget token-broker',
      'ServiceAccount token-broker',
      'ConfigMap token-broker',
      'Service token-broker',
      'Service token-broker-replicas',
      'Deployment token-broker',
      'HorizontalPodAutoscaler token-broker',
    ];
    expect(namesOf(byDefault)).toEqual(always);
    expect(namesOf(withEverything)).toEqual([...always, 'ServiceMonitor token-broker']);
  });

  it('gives what Kubernetes takes, and no field that it does not know', () => {
    for (const object of [...byDefault, ...withEverything]) expect(mistakesIn(object)).toEqual([]);
  });

  it('would be found out if it did not', async () => {
    const broken = (await renderedText())
      .replace('ServiceAccount\nmetadata:', 'ServiceAccount\nmetdata:')
      .replace('minReadySeconds: 10', 'minReadySeconds: ten')
      .replace('livenessProbe:', 'livenesProbe:');
    expect(objectsIn(broken).flatMap(mistakesIn)).toEqual([
      '/metdata is unknown',
      'data/spec/minReadySeconds must be integer',
      '/spec/template/spec/containers/0/livenesProbe is unknown',
    ]);
  });

  it('is of the version of the broker', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(chartFile).toMatchObject({ version, appVersion: version });
    expect(containerOf(byDefault).image).toBe(`token-broker:${version}`);
  });

  it('gives the manifests in deploy/manifests: npm run manifests writes them', async () => {
    if (process.env['MANIFESTS'] === 'write') {
      const from = '# Written by `npm run manifests` from deploy/chart with its default values. Change those.';
      writeFileSync(manifests, `${from}\n${await renderedText()}`);
    }
    expect(objectsIn(readFileSync(manifests, 'utf8'))).toEqual(byDefault);
  });

  it('says after an installation what is left to do, and no secret', async () => {
    const notes = await renderedNotes({ secret: { name: 'my-secret' } });
    expect(notes).toMatch(/http:\/\/token-broker\.default\.svc\./);
    expect(notes).toMatch(/Secret my-secret, which must hold\n {2}admin-key \(ADMIN_KEY\)\n/);
    expect(await renderedNotes(everything)).toContain('https://');
  });
});

describe('its parts fit together', () => {
  it.each([
    ['by default', () => byDefault],
    ['with everything', () => withEverything],
  ])('%s, all mean the pods of the Deployment', (_, objects) => {
    const { selector, template } = theOne(Deployment, objects()).spec!;
    const wanted = { 'app.kubernetes.io/name': 'token-broker', 'app.kubernetes.io/instance': 'token-broker' };
    expect(selector.matchLabels).toEqual(wanted);
    expect(template.metadata?.labels).toMatchObject(wanted);
    const { affinity, topologySpreadConstraints } = podIn(objects());
    const [apart] = affinity!.podAntiAffinity!.preferredDuringSchedulingIgnoredDuringExecution!;
    const selectors = [
      apart!.podAffinityTerm.labelSelector,
      topologySpreadConstraints![0]!.labelSelector,
      theOne(PodDisruptionBudget, objects()).spec!.selector,
      theOne(NetworkPolicy, objects()).spec!.podSelector,
    ];
    for (const each of selectors) expect(each).toEqual({ matchLabels: wanted });
    for (const { spec } of allOf(Service, objects())) expect(spec!.selector).toEqual(wanted);
  });

  it('the autoscaler scales the Deployment, which then names no number of replicas', async () => {
    const target = theOne(HorizontalPodAutoscaler, byDefault).spec!.scaleTargetRef;
    expect(target).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'token-broker' });
    expect(theOne(Deployment, byDefault).spec!.replicas).toBeUndefined();
    const fixed = await rendered({ autoscaling: { enabled: false }, replicas: 4 });
    expect(allOf(HorizontalPodAutoscaler, fixed)).toEqual([]);
    expect(theOne(Deployment, fixed).spec!.replicas).toBe(4);
  });

  it('the ServiceMonitor reads each replica by itself, under the name that the alerts know', () => {
    const { spec } = theOne(ServiceMonitor, withEverything);
    const chosen = allOf(Service, withEverything).filter(({ metadata }) =>
      Object.entries(spec.selector.matchLabels!).every(([name, value]) => metadata!.labels![name] === value),
    );
    expect(chosen.map(({ metadata }) => metadata!.name)).toEqual(['token-broker-replicas']);
    expect(chosen[0]!.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(chosen[0]!.metadata!.labels![spec.jobLabel!]).toBe('token-broker');
    expect(readFileSync(join(root, 'deploy/prometheus/alerts.rules.yml'), 'utf8')).toContain('{job="token-broker"}');
    const [endpoint] = spec.endpoints;
    expect(chosen[0]!.spec!.ports!.map(({ name }) => name)).toEqual([endpoint!.port]);
    expect(endpoint!.authorization!.credentials).toEqual({ name: 'token-broker-metrics', key: 'caller-key' });
  });

  it('ports lead to the one that the broker listens on', () => {
    const [port] = containerOf(byDefault).ports!;
    expect(envOf(byDefault)['PORT']).toBe(String(port!.containerPort));
    const services = allOf(Service, byDefault).flatMap(({ spec }) => spec!.ports!);
    expect(services).toEqual([
      { name: 'http', port: 80, targetPort: port!.name },
      { name: 'http', port: 3_000, targetPort: port!.name },
    ]);
    const { ingress } = theOne(NetworkPolicy, byDefault).spec!;
    expect(ingress!.map(({ ports }) => ports)).toEqual([[{ protocol: 'TCP', port: port!.name }]]);
  });

  it('what the autoscaler counts is what deploy/prometheus/adapter.yml makes of a metric of the broker', async () => {
    const { metrics } = theOne(HorizontalPodAutoscaler, withEverything).spec!;
    const [rule] = parse(readFileSync(join(root, 'deploy/prometheus/adapter.yml'), 'utf8')) as [AdapterRule];
    expect(metrics!.map(({ pods }) => pods?.metric.name)).toEqual([undefined, rule.name.as]);
    const [series = ''] = /^\w+/.exec(rule.seriesQuery) ?? [];
    expect([...listedMetrics()]).toContain(series);
    // What the adapter fills in. As a rule, so that promtool reads it.
    const filled = { Series: series, LabelMatchers: 'pod=~"a|b"', GroupBy: 'pod' };
    const expr = rule.metricsQuery.replaceAll(/<<\.(\w+)>>/g, (_, name: keyof typeof filled) => filled[name]);
    const file = join(aFolder(), 'rules.yml');
    writeFileSync(file, stringify({ groups: [{ name: 'adapter', rules: [{ record: rule.name.as, expr }] }] }));
    expect((await run(await promtool(), ['check', 'rules', file])).stdout).toContain('SUCCESS: 1 rules found');
  });

  it('the README makes the Secret that the chart reads', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [, name, files] = /^kubectl create secret generic (\S+) (.+)$/m.exec(readme)!;
    expect({ name, keys: files!.split(' ').map((each) => each.replace('--from-file=', '')) }).toEqual({
      name: 'token-broker',
      keys: podIn(byDefault)
        .volumes!.find(({ secret }) => secret?.secretName === name)!
        .secret!.items!.map(({ key }) => key)
        .toSorted((a, b) => files!.indexOf(a) - files!.indexOf(b)),
    });
  });
});

describe('a pod', () => {
  it('is asked for its health where the broker answers everybody, over TLS if it speaks that', async () => {
    const routes = await allRoutes();
    const open = routes.filter(({ access }) => access?.kind === 'open').map(({ path }) => path);
    for (const objects of [byDefault, withEverything]) {
      const { startupProbe, livenessProbe, readinessProbe } = containerOf(objects);
      const paths = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe!.httpGet!.path!);
      expect(paths).toEqual(['/health/live', '/health/live', '/health/ready']);
      expect(open).toEqual(expect.arrayContaining(paths));
    }
    expect(containerOf(byDefault).livenessProbe!.httpGet!.scheme).toBe('HTTP');
    expect(containerOf(withEverything).livenessProbe!.httpGet!.scheme).toBe('HTTPS');
  });

  it.each([
    [{}, 30],
    [{ SHUTDOWN_DELAY_MS: 0, SHUTDOWN_TIMEOUT_MS: 0 }, 10],
    [{ SHUTDOWN_DELAY_MS: 20_001 }, 46],
    [{ SHUTDOWN_DELAY_MS: null, SHUTDOWN_TIMEOUT_MS: 300_000 }, 315],
  ])('has more time to stop than its drain may take: %j', async (settings, seconds) => {
    const objects = await rendered({ settings });
    expect(podIn(objects).terminationGracePeriodSeconds).toBe(seconds);
    const { SHUTDOWN_DELAY_MS: delay = 5_000, SHUTDOWN_TIMEOUT_MS: timeout = 15_000 } = envOf(objects);
    expect(seconds * 1_000).toBeGreaterThan(Number(delay) + Number(timeout));
  });

  it('is replaced one by one, never with one less', () => {
    const { strategy, minReadySeconds } = theOne(Deployment, byDefault).spec!;
    expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    expect(minReadySeconds).toBeGreaterThan(0);
  });

  it('may do nothing that the broker does not need', () => {
    const nobody = { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 };
    expect(podIn(byDefault).securityContext).toEqual({ ...nobody, seccompProfile: { type: 'RuntimeDefault' } });
    expect(containerOf(byDefault).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    for (const { secret } of podIn(withEverything).volumes!) expect(secret?.defaultMode ?? 0o440).toBe(0o440);
  });

  it('has a token for Kubernetes only if the keys of JWTs are fetched with it', async () => {
    const objects = [byDefault, await rendered({ jwtIssuers: [kubernetesIssuer] })];
    expect(objects.map((each) => podIn(each).automountServiceAccountToken)).toEqual([false, true]);
    const accounts = objects.map((each) => theOne(ServiceAccount, each));
    expect(accounts.map(({ automountServiceAccountToken }) => automountServiceAccountToken)).toEqual([false, true]);
    expect(podIn(byDefault).serviceAccountName).toBe(accounts[0]!.metadata!.name);
  });
});

describe('options', () => {
  it.each<[string, Values, (objects: KubernetesObject[]) => unknown, unknown]>([
    ['no disruption budget', { podDisruptionBudget: { enabled: false } }, (all) => allOf(PodDisruptionBudget, all), []],
    ['no network policy', { networkPolicy: { enabled: false } }, (all) => allOf(NetworkPolicy, all), []],
    [
      'metrics that are open',
      { serviceMonitor: { enabled: true, secret: null }, settings: { METRICS_OPEN: true } },
      (all) => theOne(ServiceMonitor, all).spec.endpoints[0]!.authorization,
      undefined,
    ],
    [
      'Sentinel',
      {
        secret: { files: { REDIS_URL: null, REDIS_PASSWORD: 'redis-password' } },
        settings: { REDIS_SENTINELS: 'a:26379,b:26379', REDIS_SENTINEL_MASTER: 'main' },
      },
      (all) => envOf(all)['REDIS_PASSWORD_FILE'],
      '/run/secrets/token-broker/redis-password',
    ],
    ['another tag', { image: { tag: '1.2.3' } }, (all) => containerOf(all).image, 'token-broker:1.2.3'],
    [
      'a budget in percent',
      { podDisruptionBudget: { minAvailable: '50%' } },
      (all) => theOne(PodDisruptionBudget, all).spec!.minAvailable,
      '50%',
    ],
    [
      'a name that looks like a number',
      { secret: { name: '0123' } },
      (all) => podIn(all).volumes!.find(({ name }) => name === 'secrets')!.secret!.secretName,
      '0123',
    ],
  ])('%s', async (_, values, look, wanted) => {
    const objects = await rendered(values);
    for (const object of objects) expect(mistakesIn(object)).toEqual([]);
    expect(look(objects)).toEqual(wanted);
  });
});
