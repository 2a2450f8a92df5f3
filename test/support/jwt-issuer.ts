import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TlsOptions } from 'node:tls';

export const AUDIENCE = 'token-broker';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function aSigningKey(): SigningKey {
  return { kid: randomUUID(), ...generateKeyPairSync('rsa', { modulusLength: 2_048 }) };
}

/** Signs what it is given, as it is. */
export function signed(header: object, payload: string | object, { privateKey }: SigningKey): string {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const data = [JSON.stringify(header), text].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${data}.${sign('RSA-SHA256', Buffer.from(data), privateKey).toString('base64url')}`;
}

/** An issuer of JWTs, whose keys stand at a URL on this machine. Ends with the test file. */
export class RunningIssuer {
  /** Requests for its keys so far. */
  fetches = 0;
  /** The bearer token that it wants to see, if any. */
  wantedToken: string | undefined;
  /** Stands in for its answer. */
  fault: ((response: ServerResponse) => void) | undefined;
  key = aSigningKey();
  #server: Server | undefined;
  #port = 0;

  private constructor(
    readonly name: string,
    private readonly tls: TlsOptions | undefined,
  ) {}

  static async start(name = `https://${randomUUID()}.example`, tls?: TlsOptions): Promise<RunningIssuer> {
    const issuer = new RunningIssuer(name, tls);
    running.add(issuer);
    await issuer.start();
    return issuer;
  }

  get url(): string {
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}/keys`;
  }

  /** As it stands in CALLER_JWT_ISSUERS_FILE. */
  settings(callers: readonly object[], more: object = {}): object {
    return { issuer: this.name, audience: AUDIENCE, jwks_url: this.url, callers, ...more };
  }

  /** Again on the port that it had. */
  async start(): Promise<void> {
    const answer: RequestListener = ({ headers }, response) => {
      this.fetches += 1;
      if (this.fault) this.fault(response);
      else if (this.wantedToken !== undefined && headers.authorization !== `Bearer ${this.wantedToken}`) {
        response.writeHead(401).end();
      } else response.end(this.keySet);
    };
    this.#server = this.tls ? createTlsServer(this.tls, answer) : createServer(answer);
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server.close(), 'close');
    server.closeAllConnections();
    await closed;
  }

  /** A new key in place of the old one. */
  rotate(): void {
    this.key = aSigningKey();
  }

  get keySet(): string {
    const { kid, publicKey } = this.key;
    return JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] });
  }

  get header() {
    return { alg: 'RS256', kid: this.key.kid };
  }

  /** The claims of a service account's token as Kubernetes projects it, of the account `shops/till`.
   *  @param nowSeconds since 1970 */
  claims(more: object = {}, nowSeconds = Math.floor(Date.now() / 1_000)) {
    return {
      aud: [AUDIENCE],
      exp: nowSeconds + 3_600,
      iat: nowSeconds,
      iss: this.name,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: 'shops',
        node: { name: 'node-1', uid: randomUUID() },
        pod: { name: 'till-5d9c7', uid: randomUUID() },
        serviceaccount: { name: 'till', uid: randomUUID() },
      },
      nbf: nowSeconds,
      sub: 'system:serviceaccount:shops:till',
      ...more,
    };
  }

  token(more: object = {}, nowSeconds?: number): string {
    return signed(this.header, this.claims(more, nowSeconds), this.key);
  }
}

const running = new Set<RunningIssuer>();

afterAll(async () => {
  await Promise.all([...running].map((each) => each.stop()));
});
