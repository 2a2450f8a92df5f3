import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** One connection through the proxy. */
export class ProxiedConnection {
  #swallows = false;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    onRequest: (text: string) => void,
  ) {
    client.on('data', (chunk: Buffer) => {
      onRequest(chunk.toString('latin1'));
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (this.#swallows) this.cut();
      else client.write(chunk);
    });
    for (const [side, other] of [[client, server] as const, [server, client] as const]) {
      side.setNoDelay(true);
      side.on('error', () => {});
      side.on('close', () => other.destroy());
    }
  }

  /** Nothing comes through any more, in either direction, and neither side is told. */
  stall(): void {
    this.client.pause();
    this.server.pause();
  }

  /** What the server says waits here; requests go through. */
  holdReplies(): void {
    this.server.pause();
  }

  /** The next answer is lost, and the connection with it. */
  swallowReply(): void {
    this.#swallows = true;
  }

  resume(): void {
    this.client.resume();
    this.server.resume();
  }

  cut(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }
}

/** A TCP proxy in front of a server on loopback, for faults of the network. Ends with the test file. */
export class TcpProxy {
  /** Sees each chunk on its way to the server, before it is passed on. */
  onRequest: (text: string, connection: ProxiedConnection) => void = () => {};
  readonly #open = new Set<ProxiedConnection>();
  #stalled = false;

  private constructor(
    readonly listener: Server,
    private readonly target: number,
  ) {
    listener.on('connection', (client) => this.#connect(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(createServer().listen(0, '127.0.0.1'), target);
    await once(proxy.listener, 'listening');
    running.add(proxy);
    return proxy;
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#open.size;
  }

  /** Cuts the clients off without telling them: new ones connect, and hear nothing. */
  stall(): void {
    this.#stalled = true;
    for (const each of this.#open) each.stall();
  }

  resume(): void {
    this.#stalled = false;
    for (const each of this.#open) each.resume();
  }

  cutAll(): void {
    for (const each of this.#open) each.cut();
  }

  close(): void {
    this.cutAll();
    this.listener.close();
  }

  #connect(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const connection: ProxiedConnection = new ProxiedConnection(client, server, (text) =>
      this.onRequest(text, connection),
    );
    this.#open.add(connection);
    client.on('close', () => this.#open.delete(connection));
    if (this.#stalled) connection.stall();
  }
}

const running = new Set<TcpProxy>();

afterAll(() => {
  for (const proxy of running) proxy.close();
});
