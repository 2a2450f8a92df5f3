import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as passOn, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';

import { DISCOVERY, KINDS, podTable } from './kubernetes-documents.js';
import { merged, replaced, type Replacement } from './kubernetes-patch.js';

export const NAMESPACE = 'payments';

export type Fields = Record<string, unknown>;
export type Plural = 'deployments' | 'pods' | 'replicasets' | 'secrets';

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [more: string]: unknown;
  };
  readonly spec?: Fields;
  readonly status?: Fields;
  readonly data?: Readonly<Record<string, string>>;
}

/** Whoever runs what the objects say. */
export interface Runner {
  changed(plural: Plural, object: KubeObject): void;
  /** Of a pod that is to go; it is removed by whoever answers this. */
  deleted(name: string): void;
  log(pod: string): string;
  /** Where a pod listens. */
  portOf(pod: string): number | undefined;
}

interface Watcher {
  readonly plural: Plural;
  readonly fits: (object: KubeObject) => boolean;
  readonly response: ServerResponse;
}

/** An empty document: `kubectl` then checks nothing of what it sends. */
const NO_SCHEMAS = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const OBJECTS = /^\/apis?\/(?:apps\/)?v1\/namespaces\/[^/]+\/(\w+)(?:\/([^/]+))?(?:\/(.+))?$/;

/** As much of Kubernetes' API server as `kubectl` needs for the commands of docs/operations.md: one namespace, in memory,
 *  without admission, validation or rights. Ends with the test file. */
export class KubernetesApi {
  readonly #objects = new Map<string, KubeObject>();
  readonly #watchers = new Set<Watcher>();
  #version = 0;

  private constructor(
    readonly server: Server,
    private readonly runner: Runner,
  ) {
    server.on('request', (request, response) => {
      this.#serve(request, response).catch((error: unknown) => fail(response, 500, String(error)));
    });
  }

  static async start(runner: Runner): Promise<KubernetesApi> {
    const api = new KubernetesApi(createServer().listen(0, '127.0.0.1'), runner);
    await once(api.server, 'listening');
    running.add(api);
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  find(plural: Plural, name: string): KubeObject | undefined {
    return this.#objects.get(`${plural}/${name}`);
  }

  list(plural: Plural): KubeObject[] {
    return [...this.#objects].filter(([path]) => path.startsWith(`${plural}/`)).map(([, object]) => object);
  }

  /** Creates or replaces it; tells whoever watches. */
  put(plural: Plural, given: KubeObject): KubeObject {
    const { name } = given.metadata;
    const before = this.find(plural, name);
    const generation = Number(before?.metadata['generation'] ?? 0);
    const { group, kind } = KINDS[plural];
    const object = {
      ...given,
      apiVersion: group,
      kind,
      metadata: {
        uid: randomUUID(),
        namespace: NAMESPACE,
        creationTimestamp: new Date().toISOString(),
        ...before?.metadata,
        ...given.metadata,
        generation: isDeepStrictEqual(before?.spec, given.spec) ? generation : generation + 1,
        resourceVersion: String((this.#version += 1)),
      },
    };
    this.#objects.set(`${plural}/${name}`, object);
    this.#tell(plural, before ? 'MODIFIED' : 'ADDED', object);
    this.runner.changed(plural, object);
    return object;
  }

  remove(plural: Plural, name: string): void {
    const object = this.find(plural, name);
    this.#objects.delete(`${plural}/${name}`);
    if (object) this.#tell(plural, 'DELETED', object);
  }

  #tell(plural: Plural, type: string, object: KubeObject): void {
    for (const each of this.#watchers) {
      if (each.plural === plural && each.fits(object)) each.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const known = DISCOVERY[pathname];
    if (known !== undefined) return answer(response, known);
    if (pathname === '/openapi/v2') return void response.writeHead(200, { 'Content-Type': NO_SCHEMAS }).end();
    const [, plural, name, rest] = OBJECTS.exec(pathname) ?? [];
    if (!isPlural(plural)) return fail(response, 404, pathname);
    if (name === undefined && request.method === 'POST') {
      return answer(response, this.put(plural, JSON.parse(await bodyOf(request)) as KubeObject), 201);
    }
    if (name === undefined) return this.#serveList(plural, searchParams, request, response);
    const [, path] = /^proxy(\/.*)$/.exec(rest ?? '') ?? [];
    if (path !== undefined) return this.#proxy(name.split(':')[0]!, path, response);
    const object = this.find(plural, name);
    if (!object) return fail(response, 404, `${plural} "${name}" not found`);
    if (rest === 'log') return void response.end(logTail(this.runner.log(name), searchParams));
    switch (request.method ?? 'GET') {
      case 'DELETE':
        answer(response, object);
        return this.runner.deleted(name);
      case 'PUT':
        return answer(response, this.put(plural, JSON.parse(await bodyOf(request)) as KubeObject));
      case 'PATCH': {
        const patch: unknown = JSON.parse(await bodyOf(request));
        const patched = Array.isArray(patch) ? replaced(object, patch as Replacement[]) : merged(object, patch);
        return answer(response, this.put(plural, patched as KubeObject));
      }
      default:
        return answer(response, object);
    }
  }

  #serveList(plural: Plural, query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const fits = fitting(query);
    if (query.get('watch') === null) {
      const items = this.list(plural).filter(fits);
      const { group, kind } = KINDS[plural];
      const list = { apiVersion: group, kind: `${kind}List`, metadata: { resourceVersion: String(this.#version) } };
      const asTable = plural === 'pods' && request.headers.accept?.includes('as=Table');
      return answer(response, asTable ? podTable(items) : { ...list, items });
    }
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    const watcher = { plural, fits, response };
    this.#watchers.add(watcher);
    response.once('close', () => this.#watchers.delete(watcher));
    // What has changed between the list and this, if anything.
    const since = Number(query.get('resourceVersion') ?? 0);
    for (const object of this.list(plural).filter(fits)) {
      if (Number(object.metadata['resourceVersion']) <= since) continue;
      response.write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`);
    }
  }

  #proxy(pod: string, path: string, response: ServerResponse): void {
    const port = this.runner.portOf(pod);
    if (port === undefined) return fail(response, 503, `pod "${pod}" does not listen`);
    passOn({ port, path, host: '127.0.0.1' }, (from) => {
      response.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(response);
    })
      .on('error', ({ message }) => fail(response, 502, message))
      .end();
  }
}

const running = new Set<KubernetesApi>();

afterAll(() => {
  for (const { server } of running) {
    server.closeAllConnections();
    server.close();
  }
});

function isPlural(text: string | undefined): text is Plural {
  return text !== undefined && text in KINDS;
}

/** Which objects a list or watch is about. */
function fitting(query: URLSearchParams): (object: KubeObject) => boolean {
  const wanted = (query.get('labelSelector') ?? '').split(',').filter((each) => each !== '');
  const [, name] = /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  return ({ metadata }) =>
    (name === undefined || metadata.name === name) &&
    wanted.every((each) => metadata.labels?.[each.split('=')[0]!] === each.split('=')[1]);
}

function logTail(log: string, query: URLSearchParams): string {
  const lines = log.split('\n').filter((line) => line !== '');
  const tail = Number(query.get('tailLines') ?? lines.length);
  return lines
    .slice(Math.max(0, lines.length - tail))
    .map((line) => `${line}\n`)
    .join('');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
  return body;
}

function answer(response: ServerResponse, body: object, code = 200): void {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: number, message: string): void {
  const reason = code === 404 ? 'NotFound' : 'InternalError';
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }));
}
