import { randomBytes } from 'node:crypto';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { type Answer, basic, bearer, call, callForm, callJson } from './http.js';
import { type RunningProcess, start } from './processes.js';
import type { RunningSandbox } from './sandbox.js';

/** A caller of the broker under test. */
export interface TestGrant {
  readonly client: string;
  readonly merchants?: readonly string[];
  readonly unrestricted?: boolean;
}

/** The broker as a process of its own, on a free port, in a folder of its own, with the sandbox as its upstream. */
export class RunningBroker {
  readonly adminKey: string;

  private constructor(
    readonly process: RunningProcess,
    readonly sandbox: RunningSandbox,
    adminKey: string,
  ) {
    this.adminKey = adminKey;
  }

  /** @param from where the version that is to run is built; ours by default */
  static async start(
    sandbox: RunningSandbox,
    env: Record<string, string> = {},
    cwd?: string,
    from?: string,
  ): Promise<RunningBroker> {
    const adminKey = env['ADMIN_KEY'] ?? `admin-${randomBytes(16).toString('hex')}`;
    const upstream = `${sandbox.url}/integrator-authentication`;
    const settings = {
      PORT: '0',
      LOG_FORMAT: 'json',
      ADMIN_KEY: adminKey,
      UPSTREAM_SANDBOX_URL: upstream,
      UPSTREAM_PRODUCTION_URL: upstream,
    };
    return new RunningBroker(await start('broker', { ...settings, ...env }, cwd, undefined, from), sandbox, adminKey);
  }

  get url(): string {
    return this.process.url;
  }

  /** Imports a client that the sandbox knows, as an operator would. Its OAuth id is `<name>-id`. */
  async addClient(name: string, secret = randomBytes(12).toString('base64')): Promise<void> {
    const clientId = `${name}-id`;
    await this.sandbox.register(clientId, secret);
    const archive = await lockedZip({ client_id: clientId, client_secret: secret }, 'test-password');
    const { status, text } = await this.import(archive, { password: 'test-password', name });
    if (status > 201) throw new Error(`import answered ${status}: ${text}`);
  }

  /** Replaces a client's credentials. The sandbox knows the new ones. */
  async replaceClient(name: string, secret: string): Promise<void> {
    await this.sandbox.register(`${name}-id`, secret);
    const body = { environment: 'sandbox', client_id: `${name}-id`, client_secret: secret };
    const { status, text } = await callJson('PUT', `${this.url}/v1/clients/${name}`, body, bearer(this.adminKey));
    if (status !== 200) throw new Error(`PUT answered ${status}: ${text}`);
  }

  /** What an admin asks or orders. */
  admin(method: string, path: string, body?: object): Promise<Answer> {
    const [url, headers] = [`${this.url}${path}`, bearer(this.adminKey)];
    return body ? callJson(method, url, body, headers) : call(method, url, { headers });
  }

  import(archive: Uint8Array<ArrayBuffer>, fields: Record<string, string>, key = this.adminKey): Promise<Answer> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('archive', new Blob([archive]), 'credentials.zip');
    return call('POST', `${this.url}/v1/clients/import`, { headers: bearer(key), body: form });
  }

  /** Makes a caller with a key.
   *  @returns the key */
  async addCaller(name: string, roles: readonly string[], grants: readonly TestGrant[] = []): Promise<string> {
    const admin = bearer(this.adminKey);
    const put = await callJson('PUT', `${this.url}/v1/callers/${name}`, { roles, grants }, admin);
    if (put.status > 201) throw new Error(`PUT answered ${put.status}: ${put.text}`);
    const { json } = await callJson('POST', `${this.url}/v1/callers/${name}/keys`, {}, admin);
    return String(json['key']);
  }

  token(key: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return callJson('POST', `${this.url}/v1/tokens`, body, { ...bearer(key), ...headers });
  }

  invalidate(key: string, body: unknown): Promise<Answer> {
    return callJson('POST', `${this.url}/v1/tokens/invalidate`, body, bearer(key));
  }

  oauth(client: string, key: string, form: Record<string, string> = {}): Promise<Answer> {
    return callForm(`${this.url}/connect/token`, { grant_type: 'client_credentials', ...form }, basic(client, key));
  }
}
