import { writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';

import { RunningBroker } from './broker.js';
import { type Certificate, TestAuthority } from './certificates.js';
import { type Ran, runCli } from './cli.js';
import { aFolder } from './folder.js';
import { type Answer, bearer } from './http.js';
import { callTls } from './https.js';
import type { RunningSandbox } from './sandbox.js';

export const SERVER_NAME = 'IP:127.0.0.1';

/** A broker that serves TLS and asks for client certificates, with the files that it was started with. */
export class TlsBroker {
  private constructor(
    readonly broker: RunningBroker,
    /** Of the server's certificate. */
    readonly authority: TestAuthority,
    /** Of the certificates that clients are to have. */
    readonly clients: TestAuthority,
    /** With `cert.pem`, `key.pem`, `clients.pem` and, for clients, `authority.pem`. */
    readonly folder: string,
  ) {}

  static async start(sandbox: RunningSandbox, env: Record<string, string> = {}): Promise<TlsBroker> {
    const [authority, clients] = [new TestAuthority(), new TestAuthority('Clients')];
    const folder = aFolder();
    writeCertificate(folder, authority.issue({ names: [SERVER_NAME] }));
    writeFileSync(join(folder, 'clients.pem'), clients.cert);
    writeFileSync(join(folder, 'authority.pem'), authority.cert);
    const broker = await RunningBroker.start(sandbox, { ...tlsSettings(folder), ...env });
    return new TlsBroker(broker, authority, clients, folder);
  }

  get url(): string {
    return this.broker.url;
  }

  output(): string {
    return this.broker.process.output();
  }

  /** @param options more of them, such as a certificate */
  call(method: string, path: string, options: RequestOptions = {}, body?: unknown): Promise<Answer> {
    return callTls(method, `${this.url}${path}`, { ca: this.authority.cert, ...options }, body);
  }

  admin(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.call(method, path, { headers: bearer(this.broker.adminKey) }, body);
  }

  /** Runs the command line as the built-in admin. */
  cli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const settings = { TOKEN_BROKER_URL: this.url, TOKEN_BROKER_KEY: this.broker.adminKey };
    const trust = { NODE_EXTRA_CA_CERTS: join(this.folder, 'authority.pem') };
    return runCli(args, { cwd: this.folder, env: { ...settings, ...trust, ...env } });
  }

  /** Makes a client that the sandbox knows. */
  async addClient(name: string): Promise<void> {
    await this.broker.sandbox.register(`${name}-id`, 'a-secret');
    const body = { environment: 'sandbox', client_id: `${name}-id`, client_secret: 'a-secret' };
    const { status, text } = await this.admin('PUT', `/v1/clients/${name}`, body);
    if (status > 201) throw new Error(`PUT answered ${status}: ${text}`);
  }
}

export function tlsSettings(folder: string): Record<string, string> {
  return {
    TLS_CERT_FILE: join(folder, 'cert.pem'),
    TLS_KEY_FILE: join(folder, 'key.pem'),
    TLS_CLIENT_CA_FILE: join(folder, 'clients.pem'),
  };
}

export function writeCertificate(folder: string, { cert, key }: Certificate): void {
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
}
