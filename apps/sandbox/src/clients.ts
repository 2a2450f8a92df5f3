import { timingSafeEqual } from 'node:crypto';

/** The OAuth clients that the token endpoint knows. None at first. */
export class Clients {
  readonly #secrets = new Map<string, string>();

  register(clientId: string, clientSecret: string): void {
    this.#secrets.set(clientId, clientSecret);
  }

  get ids(): string[] {
    return [...this.#secrets.keys()];
  }

  /** Reads `Authorization: Basic`, whose halves may be plain or form-encoded (RFC 6749 §2.3.1).
   *  @returns the client's id, and whether it is known by this secret; undefined if there is no such header */
  authenticate(authorization: string | undefined): { clientId: string; known: boolean } | undefined {
    const [, base64] = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(authorization ?? '') ?? [];
    if (base64 === undefined) return undefined;
    const text = Buffer.from(base64, 'base64').toString();
    const colon = text.indexOf(':');
    if (colon < 0) return undefined;
    const plain: [string, string] = [text.slice(0, colon), text.slice(colon + 1)];
    const decoded: [string, string] = [formDecoded(plain[0]), formDecoded(plain[1])];
    const match = [plain, decoded].find(([id, secret]) => this.#knows(id, secret));
    const [clientId] = match ?? plain;
    return { clientId, known: match !== undefined };
  }

  #knows(clientId: string, clientSecret: string): boolean {
    const [expected, given] = [Buffer.from(this.#secrets.get(clientId) ?? ''), Buffer.from(clientSecret)];
    return expected.length > 0 && expected.length === given.length && timingSafeEqual(expected, given);
  }
}

function formDecoded(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll('&', '%26')}`).get('v') ?? '';
}
