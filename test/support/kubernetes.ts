import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

import { aFolder } from './folder.js';
import { type Fields, KubernetesApi, type KubeObject, NAMESPACE, type Plural, type Runner } from './kubernetes-api.js';
import { eventually, type RunningProcess, start } from './processes.js';

const NAME = 'token-broker';
const LABELS = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/instance': NAME };
const REVISION = 'deployment.kubernetes.io/revision';
const HASH = 'pod-template-hash';
const ROLLED_WITHIN_MS = 30_000;
/** Settings that name a file of the Secret. */
const FILES = [
  ['VAULT_KEYS_FILE', 'vault-keys'],
  ['ADMIN_KEY_FILE', 'admin-key'],
  ['REDIS_URL_FILE', 'redis-url'],
] as const;

/** A process of the broker, as a pod. */
interface Pod {
  readonly name: string;
  readonly hash: string;
  /** Where the Secret is mounted. */
  readonly secrets: string;
  /** Absent if it could not start. */
  process?: RunningProcess;
  log: () => string;
}

/** What to run. */
export interface Release {
  readonly replicas: number;
  readonly image: string;
  /** Of all pods, whatever the Deployment says. */
  readonly settings: Readonly<Record<string, string>>;
  /** The Secret `token-broker`: files, by their name. Absent: there is none yet, and no replica may be wanted. */
  readonly secret?: Readonly<Record<string, string>>;
}

interface Template {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: Fields;
}

/** The Deployment `token-broker` as Kubernetes would run it, one more before one less, with real brokers as its pods, their
 *  Secret as files, and a Service in front. Ends with the test file. */
export class Kubernetes implements Runner {
  /** Where `kubectl` finds it. */
  readonly kubeconfig = join(aFolder(), 'kubeconfig');
  readonly #pods = new Map<string, Pod>();
  #api: KubernetesApi | undefined;
  #service: Server | undefined;
  #isRolling = false;
  #isStale = false;
  #turn = 0;

  private constructor(private readonly settings: Release['settings']) {}

  static async start({ replicas, image, settings, secret }: Release): Promise<Kubernetes> {
    const kubernetes = new Kubernetes(settings);
    kubernetes.#api = await KubernetesApi.start(kubernetes);
    kubernetes.#service = await kubernetes.#startService();
    writeFileSync(kubernetes.kubeconfig, kubeconfig(kubernetes.api.url));
    if (secret) kubernetes.api.put('secrets', { metadata: { name: NAME }, data: asData(secret) });
    kubernetes.api.put('deployments', {
      metadata: { name: NAME, labels: LABELS },
      spec: {
        replicas,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: { containers: [{ name: NAME, image, env: [] }] } },
      },
    });
    await kubernetes.untilRolled();
    return kubernetes;
  }

  get api(): KubernetesApi {
    if (!this.#api) throw new Error('not started');
    return this.#api;
  }

  /** The Service's address: any replica. */
  get url(): string {
    return `http://127.0.0.1:${(this.#service!.address() as AddressInfo).port}`;
  }

  get deployment(): KubeObject {
    return this.api.find('deployments', NAME)!;
  }

  /** Those that run. */
  get processes(): RunningProcess[] {
    return [...this.#pods.values()].flatMap(({ process }) => process ?? []);
  }

  /** Waits until the replicas are as the Deployment wants them, or a new one cannot start. */
  async untilRolled(): Promise<void> {
    await eventually(() => (this.#isRolling ? undefined : true), ROLLED_WITHIN_MS);
  }

  /** Changes the Deployment, as `kubectl edit` would. */
  edit(spec: Fields): void {
    this.api.put('deployments', { ...this.deployment, spec: { ...this.deployment.spec, ...spec } });
  }

  /** Changes the pods' environment. */
  setEnvironment(env: Readonly<Record<string, string>>): void {
    const template = this.deployment.spec!['template'] as Template;
    const list = Object.entries(env).map(([name, value]) => ({ name, value }));
    const containers = (template.spec!['containers'] as Fields[]).map((each) => ({ ...each, env: list }));
    this.edit({ template: { ...template, spec: { containers } } });
  }

  changed(plural: Plural, object: KubeObject): void {
    if (plural === 'secrets' && object.metadata.name === NAME) {
      for (const pod of this.#pods.values()) mount(object, pod.secrets);
    }
    if (plural === 'deployments') this.#roll();
  }

  deleted(name: string): void {
    void this.#stop(name).then(() => this.#roll());
  }

  log(pod: string): string {
    return this.#pods.get(pod)?.log() ?? '';
  }

  portOf(pod: string): number | undefined {
    const { process } = this.#pods.get(pod) ?? {};
    return process && Number(new URL(process.url).port);
  }

  /** One after the other, and once more if anything has changed meanwhile. */
  #roll(): void {
    this.#isStale = true;
    if (this.#isRolling) return;
    this.#isRolling = true;
    void (async () => {
      while (this.#isStale) {
        this.#isStale = false;
        while (await this.#step());
        this.#report();
      }
      this.#isRolling = false;
    })();
  }

  /** @returns false if nothing is left to do, or nothing can be done */
  async #step(): Promise<boolean> {
    const { spec } = this.deployment;
    const wanted = Number(spec!['replicas']);
    if (spec!['paused'] === true) return false;
    const { hash } = this.#replicaSet();
    const all = [...this.#pods.values()];
    const [current, old] = [all.filter((pod) => pod.hash === hash), all.filter((pod) => pod.hash !== hash)];
    const failed = all.find((pod) => !pod.process);
    const surplus = failed
      ? failed.hash === hash
        ? undefined
        : failed
      : current.length >= wanted
        ? old[0]
        : undefined;
    const one = surplus ?? (current.length > wanted ? current[0] : undefined);
    if (one) await this.#stop(one.name);
    else if (failed || current.length === wanted) return false;
    // One at a time, unless nobody is there yet.
    else await Promise.all(Array.from({ length: Math.max(1, wanted - all.length) }, () => this.#start(hash)));
    this.#report();
    if (!one && old[0] && [...this.#pods.values()].every(({ process }) => process)) await this.#stop(old[0].name);
    return true;
  }

  /** Of the template as it is now; a new one has the next revision, and so has an old one that is taken back. */
  #replicaSet(): { hash: string } {
    const { metadata, spec } = this.deployment;
    const template = spec!['template'] as Template;
    const hash = createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 10);
    const labels = { ...template.metadata?.labels, [HASH]: hash };
    const sets = this.api.list('replicasets');
    const revisionOf = ({ metadata: { annotations } }: KubeObject) => Number(annotations?.[REVISION] ?? 0);
    const newest = Math.max(0, ...sets.map(revisionOf));
    const found = this.api.find('replicasets', `${NAME}-${hash}`);
    if (found && revisionOf(found) === newest) return { hash };
    const annotations = { [REVISION]: String(newest + 1) };
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: NAME, uid: metadata['uid'], controller: true };
    this.api.put('replicasets', {
      metadata: { name: `${NAME}-${hash}`, labels, annotations, ownerReferences: [owner] },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    });
    this.api.put('deployments', {
      ...this.deployment,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...annotations } },
    });
    return { hash };
  }

  async #start(hash: string): Promise<void> {
    const name = `${NAME}-${hash}-${randomBytes(3).toString('hex').slice(0, 5)}`;
    const set = this.api.find('replicasets', `${NAME}-${hash}`)!;
    const { metadata, spec } = set.spec!['template'] as Template;
    const pod: Pod = { name, hash, secrets: aFolder(), log: () => '' };
    mount(this.api.find('secrets', NAME)!, pod.secrets);
    const files = Object.fromEntries(FILES.map(([setting, file]) => [setting, join(pod.secrets, file)]));
    const [container] = spec!['containers'] as { env?: { name: string; value: string }[] }[];
    const own = Object.fromEntries((container?.env ?? []).map((each) => [each.name, each.value]));
    this.#pods.set(name, pod);
    try {
      pod.process = await start('broker', { PORT: '0', LOG_FORMAT: 'json', ...this.settings, ...files, ...own });
      pod.log = () => pod.process!.output();
    } catch (error) {
      pod.log = () => String(error);
    }
    const state = pod.process ? { phase: 'Running', ready: '1/1' } : { phase: 'CrashLoopBackOff', ready: '0/1' };
    this.api.put('pods', { metadata: { name, ...metadata }, spec: spec!, status: state });
  }

  async #stop(name: string): Promise<void> {
    const { process } = this.#pods.get(name) ?? {};
    this.#pods.delete(name);
    await process?.stop();
    this.api.remove('pods', name);
  }

  #report(): void {
    const { metadata, spec } = this.deployment;
    const { hash } = spec!['paused'] === true ? { hash: '' } : this.#replicaSet();
    const all = [...this.#pods.values()];
    const ready = all.filter(({ process }) => process).length;
    const status = {
      observedGeneration: this.deployment.metadata['generation'],
      replicas: all.length,
      updatedReplicas: all.filter((pod) => pod.hash === hash && pod.process).length,
      readyReplicas: ready,
      availableReplicas: ready,
      conditions: [{ type: 'Available', status: ready > 0 ? 'True' : 'False' }],
    };
    if (JSON.stringify(this.deployment.status) === JSON.stringify(status)) return;
    this.api.put('deployments', { ...this.deployment, metadata: { ...metadata, ...this.deployment.metadata }, status });
  }

  async #startService(): Promise<Server> {
    const service = createServer((client) => {
      const ready = this.processes;
      const target = ready[(this.#turn += 1) % ready.length];
      if (!target) {
        client.destroy();
        return;
      }
      const server = connect(Number(new URL(target.url).port), '127.0.0.1');
      for (const [side, other] of [[client, server] as const, [server, client] as const]) {
        side.pipe(other);
        side.on('error', () => {});
        side.on('close', () => other.destroy());
      }
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    services.add(service);
    return service;
  }
}

const services = new Set<Server>();

afterAll(() => {
  for (const service of services) service.close();
});

/** Files, as a Secret holds them. */
export function asData(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString('base64')]));
}

/** As Kubernetes does, also when a Secret changes later. */
export function mount({ data = {} }: KubeObject, folder: string): void {
  for (const [name, base64] of Object.entries(data)) {
    writeFileSync(join(folder, `.${name}`), Buffer.from(base64, 'base64'), { mode: 0o600 });
    renameSync(join(folder, `.${name}`), join(folder, name));
  }
}

function kubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server } }],
    users: [{ name: 'test', user: {} }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: NAMESPACE } }],
    'current-context': 'test',
  });
}
