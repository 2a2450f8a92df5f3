import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';

export interface SeenRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
}

export type Answering = (response: ServerResponse, request: SeenRequest, count: number) => void;

/** A bare server in place of MobilePay, for what the sandbox cannot do. Ends with the test file. */
export class RawUpstream {
  readonly requests: SeenRequest[] = [];
  readonly #sockets = new Map<Socket, number>();

  private constructor(
    readonly server: Server,
    readonly scheme: 'http' | 'https',
  ) {}

  static async start(answer: Answering, tls?: TlsOptions): Promise<RawUpstream> {
    const server = tls ? createTlsServer(tls) : createServer();
    const upstream = new RawUpstream(server, tls ? 'https' : 'http');
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      upstream.#sockets.set(socket, upstream.#sockets.size + 1);
    });
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const { method, url, headers } = request;
        const connection = upstream.#sockets.get(request.socket) ?? 0;
        const seen = { method, url, headers, body, connection };
        upstream.requests.push(seen);
        answer(response, seen, upstream.requests.length);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    running.add(upstream);
    return upstream;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }
}

const running = new Set<RawUpstream>();

afterAll(() => {
  for (const { server } of running) {
    server.closeAllConnections();
    server.close();
  }
});
