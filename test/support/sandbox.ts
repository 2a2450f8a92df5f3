import { type Answer, basic, call, callForm, callJson } from './http.js';
import { type RunningProcess, start } from './processes.js';

const TOKEN_PATH = '/integrator-authentication/connect/token';

export interface SandboxStats {
  readonly token_calls: number;
  readonly issued: number;
  readonly clients: {
    client_id: string;
    merchant_vat: string | null;
    calls: number;
    issued: number;
    times: number[];
  }[];
}

/** The sandbox as a process of its own, on a free port, without latency. */
export class RunningSandbox {
  private constructor(readonly process: RunningProcess) {}

  static async start(env: Record<string, string> = {}): Promise<RunningSandbox> {
    return new RunningSandbox(await start('sandbox', { SANDBOX_PORT: '0', SANDBOX_LATENCY_MS: '0', ...env }));
  }

  get url(): string {
    return this.process.url;
  }

  async register(clientId: string, clientSecret: string): Promise<void> {
    await this.#ok(
      callJson('POST', `${this.url}/_sandbox/clients`, { client_id: clientId, client_secret: clientSecret }),
    );
  }

  async fault(fault: object): Promise<void> {
    await this.#ok(callJson('POST', `${this.url}/_sandbox/faults`, fault));
  }

  async clearFaults(): Promise<void> {
    await this.#ok(call('DELETE', `${this.url}/_sandbox/faults`));
  }

  async revokeTokens(): Promise<void> {
    await this.#ok(call('DELETE', `${this.url}/_sandbox/tokens`));
  }

  async stats(): Promise<SandboxStats> {
    return JSON.parse((await call('GET', `${this.url}/_sandbox/stats`)).text) as SandboxStats;
  }

  /** How many token calls came for this client. */
  async calls(clientId: string): Promise<number> {
    const { clients } = await this.stats();
    return clients.filter((each) => each.client_id === clientId).reduce((sum, { calls }) => sum + calls, 0);
  }

  token(user: string, password: string, form: Record<string, string> = {}): Promise<Answer> {
    return callForm(`${this.url}${TOKEN_PATH}`, { grant_type: 'client_credentials', ...form }, basic(user, password));
  }

  pointOfSale(path: string, token: string, headers: Record<string, string> = {}): Promise<Answer> {
    return call('GET', `${this.url}/pos/v10/${path}`, {
      headers: {
        authorization: `Bearer ${token}`,
        'x-mobilepay-client-system-name': 'tests',
        'x-mobilepay-client-system-version': '1.0.0',
        ...headers,
      },
    });
  }

  async #ok(answer: Promise<Answer>): Promise<void> {
    const { status, text } = await answer;
    if (status >= 300) throw new Error(`the sandbox answered ${status}: ${text}`);
  }
}
