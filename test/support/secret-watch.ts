import { randomBytes } from 'node:crypto';

import { Canaries } from './canaries.js';
import type { Answer } from './http.js';

/** With what is written differently in each encoding; and no name that a client or caller could have. */
export const aCanary = (what: string) => `Canary_${what}+/=%& ~ü${randomBytes(12).toString('base64')}`;
/** The same of visible ASCII alone, as a setting or a header takes it. */
export const anAsciiCanary = (what: string) => `Canary_${what}+/=%&~${randomBytes(18).toString('base64')}`;

/** The secrets that were given, and all that was said since. */
export class SecretWatch {
  readonly canaries = new Canaries();
  readonly statuses = new Set<number>();
  /** Everything that was answered, without what an answer is there to bring. */
  readonly #heard: string[] = [];

  constructor(secrets: Readonly<Record<string, string>> = {}) {
    for (const [name, value] of Object.entries(secrets)) this.canaries.add(name, value);
  }

  get count(): number {
    return this.#heard.length;
  }

  get heard(): string {
    return this.#heard.join('\n');
  }

  /** @param from what was heard before that many things is left out
   *  @returns the secrets that were told, by name; empty if all is well */
  told(from = 0): string[] {
    return this.canaries.in(this.#heard.slice(from).join('\n'));
  }

  /** @param brings the member that is meant to carry a secret, which becomes a canary too */
  saw<T extends Answer>(answer: T, brings?: 'key' | 'access_token'): T {
    const { status, headers, text, json } = answer;
    this.statuses.add(status);
    const brought = brings && status < 300 ? String(json[brings]) : undefined;
    this.hear(JSON.stringify([...headers]));
    this.hear(text, brought);
    return answer;
  }

  /** @param brought the secret that the text is meant to carry, which becomes a canary too */
  hear(text: string, brought?: string): void {
    if (brought !== undefined) this.canaries.add(`what no. ${this.count} brought`, brought);
    this.#heard.push(brought === undefined ? text : text.replace(brought, '(brought)'));
  }
}
