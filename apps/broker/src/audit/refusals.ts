import type { FastifyRequest } from 'fastify';

import { isName } from '#vault';

import type { CallerRequest, OAuthRequest } from '../http/caller.js';
import type { RefusalCode } from '../http/problem.js';
import type { AuditLog } from './audit-log.js';

/** How long refusals of one kind are counted before they become one line, in ms. */
const WINDOW_MS = 60_000;
/** Kinds counted at once. What is more is counted by its code alone. */
const MOST_KINDS = 1_000;

interface Kind {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly timer: NodeJS.Timeout;
  count: number;
  firstAt: string | undefined;
  lastAt: string | undefined;
}

/** Writes down who was refused what: the first time at once, and then how often again. */
export class Refusals {
  readonly #kinds = new Map<string, Kind>();

  constructor(private readonly log: AuditLog) {}

  note(code: RefusalCode, request: FastifyRequest): void {
    const fields = { code, ...about(request) };
    const id = JSON.stringify(Object.values(fields));
    const known = this.#kinds.get(id);
    if (known) {
      this.#count(known);
    } else if (this.#kinds.size < MOST_KINDS) {
      this.log.write('request.refused', fields);
      this.#keep(id, fields);
    } else {
      this.#count(this.#kinds.get(code) ?? this.#keep(code, { code, others: true }));
    }
  }

  /** Writes what was counted so far. */
  flush(): void {
    for (const id of this.#kinds.keys()) this.#end(id);
  }

  #keep(id: string, fields: Kind['fields']): Kind {
    const timer = setTimeout(() => this.#end(id), WINDOW_MS).unref();
    const kind = { fields, timer, count: 0, firstAt: undefined, lastAt: undefined };
    this.#kinds.set(id, kind);
    return kind;
  }

  #count(kind: Kind): void {
    kind.count += 1;
    kind.lastAt = new Date().toISOString();
    kind.firstAt ??= kind.lastAt;
  }

  #end(id: string): void {
    const kind = this.#kinds.get(id);
    if (!kind) return;
    this.#kinds.delete(id);
    clearTimeout(kind.timer);
    const { fields, count, firstAt, lastAt } = kind;
    if (count > 0) this.log.write('request.refused', { ...fields, count, first_at: firstAt, last_at: lastAt });
  }
}

/** Nothing of what was sent but a client's name, if it can be one. */
function about(request: FastifyRequest & Partial<Pick<CallerRequest, 'caller'>>) {
  return {
    caller: request.caller?.name ?? null,
    client: clientOf(request) ?? null,
    route: `${request.method} ${request.routeOptions.url ?? ''}`,
    address: request.ip,
  };
}

function clientOf({ body, params, routeOptions, oauthClient }: FastifyRequest & Partial<OAuthRequest>) {
  if (oauthClient !== undefined) return oauthClient;
  const named = routeOptions.url?.startsWith('/v1/clients/')
    ? Object(params).name
    : body instanceof URLSearchParams
      ? undefined
      : Object(body).client;
  return typeof named === 'string' && isName(named) ? named : undefined;
}
