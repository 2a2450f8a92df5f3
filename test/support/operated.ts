import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { Redis } from 'ioredis';

import { KeyRing } from '#vault';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { aFolder } from './folder.js';
import type { Part } from './guide.js';
import { type Answer, bearer, call, callJson } from './http.js';
import { Kubernetes } from './kubernetes.js';
import { OnCall } from './on-call.js';
import { eventually } from './processes.js';
import { RunningRedis } from './redis.js';
import { RunningSandbox } from './sandbox.js';

export const IMAGE = 'token-broker:0.1.0';
export const ZIP_PASSWORD = 'zip-password';
/** The vault is in it. */
const LASTING = ['--save', '', '--appendonly', 'yes', '--bind', '127.0.0.1'];

/** What a part of the guide is about: two replicas in Kubernetes that share a Redis, a client of MobilePay's, a shop, and
 *  whoever is on call. */
export class Operated {
  /** The file of the audit trail, of all replicas. */
  readonly audit = join(aFolder(), 'audit.jsonl');
  #kubernetes: Kubernetes | undefined;
  #onCall: OnCall | undefined;
  /** A caller key for all tokens. */
  shopKey = '';

  private constructor(
    readonly sandbox: RunningSandbox,
    /** With a password. */
    public redis: RunningRedis,
    readonly redisPassword: string,
    public adminKey: string,
    readonly vaultKeys: string,
  ) {}

  /** @param settings of the broker, besides */
  static async start(part: Part, settings: Readonly<Record<string, string>> = {}): Promise<Operated> {
    const redisPassword = randomBytes(12).toString('hex');
    const [sandbox, redis] = await Promise.all([
      RunningSandbox.start(),
      RunningRedis.startWith({ args: [...LASTING, '--requirepass', redisPassword], cwd: aFolder() }),
    ]);
    const [adminKey, vaultKeys] = [`admin-${randomBytes(16).toString('hex')}`, KeyRing.generate('2026-06')];
    const operated = new Operated(sandbox, redis, redisPassword, adminKey, vaultKeys);
    operated.#kubernetes = await Kubernetes.start({
      replicas: 2,
      image: IMAGE,
      settings: { VAULT_STORE: 'redis', AUDIT_LOG: operated.audit, ...operated.upstream, ...settings },
      secret: { 'vault-keys': vaultKeys, 'admin-key': adminKey, 'redis-url': operated.withPassword(redis) },
    });
    const { url, kubeconfig } = operated.kubernetes;
    const values = { broker: url, redis: redis.url, upstream: operated.upstream['UPSTREAM_PRODUCTION_URL']! };
    operated.#onCall = await OnCall.start(part, values, { ...operated.upstream, KUBECONFIG: kubeconfig });
    operated.onCall.write('ops.key', adminKey);
    operated.onCall.write('redis.password', redisPassword);
    await operated.putClient('first-secret');
    await operated.admin('PUT', '/v1/callers/shop', { roles: ['token'], grants: [{ client: '*', merchants: ['*'] }] });
    operated.shopKey = String((await operated.admin('POST', '/v1/callers/shop/keys', {})).json['key']);
    await operated.untilServed();
    return operated;
  }

  /** Waits until every replica gives the shop a token: news of it take a moment. */
  async untilServed(): Promise<void> {
    await eventually(async () => {
      const answers = await Promise.all(this.kubernetes.processes.map(({ url }) => this.token('DK90000028', url)));
      return answers.every(({ status }) => status === 200) || undefined;
    });
  }

  get kubernetes(): Kubernetes {
    return this.#kubernetes!;
  }

  get onCall(): OnCall {
    return this.#onCall!;
  }

  /** Settings: the sandbox in place of MobilePay, and one attempt only. */
  get upstream(): Readonly<Record<string, string>> {
    const url = `${this.sandbox.url}/integrator-authentication`;
    return { UPSTREAM_PRODUCTION_URL: url, UPSTREAM_SANDBOX_URL: url, UPSTREAM_RETRIES: '0' };
  }

  withPassword({ port }: RunningRedis): string {
    return `redis://:${this.redisPassword}@127.0.0.1:${port}`;
  }

  admin(method: string, path: string, body?: object, url = this.kubernetes.url): Promise<Answer> {
    const headers = bearer(this.adminKey);
    return body ? callJson(method, `${url}${path}`, body, headers) : call(method, `${url}${path}`, { headers });
  }

  /** A command to Redis. */
  async onRedis(...[name, ...args]: [string, ...string[]]): Promise<unknown> {
    const client = new Redis(this.withPassword(this.redis));
    return client.call(name, args).finally(() => client.disconnect());
  }

  /** What the shop gets. */
  token(merchant_vat = 'DK90000028', url = this.kubernetes.url): Promise<Answer> {
    return callJson('POST', `${url}/v1/tokens`, { client: 'acme', merchant_vat }, bearer(this.shopKey));
  }

  /** Makes `acme` have this secret alone, here and at MobilePay. */
  async putClient(secret: string, url = this.kubernetes.url): Promise<void> {
    await this.sandbox.register('acme-id', secret);
    const body = { environment: 'production', client_id: 'acme-id', client_secret: secret };
    await this.admin('PUT', '/v1/clients/acme', body, url);
  }

  /** MobilePay has a new secret, and sends a zip with it. */
  async zipComes(secret: string): Promise<void> {
    await this.sandbox.register('acme-id', secret);
    this.onCall.write('mobilepay.zip', await lockedZip({ client_id: 'acme-id', client_secret: secret }, ZIP_PASSWORD));
  }

  /** The secrets of `acme`, the newest first, as soon as every replica knows of so many. */
  async secretsOfAcme(count: number): Promise<{ fingerprint: string; in_use: boolean }[]> {
    const all = await this.#untilEach('/v1/clients/acme', ({ secrets }) => (secrets as unknown[]).length === count);
    return all[0]!['secrets'] as { fingerprint: string; in_use: boolean }[];
  }

  /** Waits until each replica says so of a part of its health. */
  async untilHealth(part: string, holds: (facts: Record<string, unknown>) => boolean): Promise<void> {
    await this.#untilEach('/health', ({ details }) =>
      holds((details as Record<string, Record<string, unknown>>)[part]!),
    );
  }

  /** Waits until every replica has heard of every other one: each reports itself about once a second. */
  async untilSeen(): Promise<void> {
    const count = this.kubernetes.processes.length;
    await this.#untilEach('/v1/status', ({ replicas }) => (replicas as unknown[]).length === count);
  }

  /** Waits until every replica answers so: news take a moment. */
  #untilEach(path: string, holds: (answer: Answer['json']) => boolean): Promise<Answer['json'][]> {
    return eventually(async () => {
      const asked = this.kubernetes.processes.map(({ url }) => this.admin('GET', path, undefined, url));
      const answers = (await Promise.all(asked)).map(({ json }) => json);
      return answers.every(holds) ? answers : undefined;
    }, 15_000);
  }
}
