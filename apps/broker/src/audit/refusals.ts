import type { FastifyRequest } from 'fastify';

import type { OAuthRequest } from '../http/caller.js';
import type { RefusalCode } from '../http/problem.js';
import type { AuditLog } from './audit-log.js';

/** How long refusals of one kind are counted before they become one line, in ms. */
const WINDOW_MS = 60_000;
/** Kinds counted at once of each caller, and of all who are none. What is more of theirs is counted by its code alone. */
const MOST_KINDS_EACH = 100;

interface Kind {
  readonly owner: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly timer: NodeJS.Timeout;
  count: number;
  firstAt: string | undefined;
  lastAt: string | undefined;
}

type RefusedRequest = FastifyRequest & Partial<OAuthRequest>;

/** Writes down who was refused what: the first time at once, and then how often again. A flood of one sender's takes no
 *  place of another's. */
export class Refusals {
  readonly #kinds = new Map<string, Kind>();
  readonly #kindsOf = new Map<string, number>();
  readonly #counts = new Map<RefusalCode, number>();

  /** @param isClient whether a client is there: another name could be a secret that somebody put in the wrong field */
  constructor(
    private readonly log: AuditLog,
    public isClient: (name: string) => boolean = () => false,
  ) {}

  /** How often each was refused since the start, written down or not. */
  get counts(): ReadonlyMap<RefusalCode, number> {
    return this.#counts;
  }

  note(code: RefusalCode, request: RefusedRequest): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const caller = request.caller?.name ?? null;
    const fields = { code, ...this.#about(request, caller) };
    const id = JSON.stringify(Object.values(fields));
    const known = this.#kinds.get(id);
    if (known) {
      this.#count(known);
    } else if ((this.#kindsOf.get(caller ?? '') ?? 0) < MOST_KINDS_EACH) {
      this.log.write('request.refused', fields);
      this.#keep(id, caller, fields);
    } else {
      const others = JSON.stringify([code, caller]);
      this.#count(this.#kinds.get(others) ?? this.#keep(others, caller, { code, caller, others: true }));
    }
  }

  /** Writes what was counted so far. */
  flush(): void {
    for (const id of this.#kinds.keys()) this.#end(id);
  }

  #keep(id: string, caller: string | null, fields: Kind['fields']): Kind {
    const owner = caller ?? '';
    const timer = setTimeout(() => this.#end(id), WINDOW_MS).unref();
    const kind = { owner, fields, timer, count: 0, firstAt: undefined, lastAt: undefined };
    this.#kinds.set(id, kind);
    this.#kindsOf.set(owner, (this.#kindsOf.get(owner) ?? 0) + 1);
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
    const { owner, fields, count, firstAt, lastAt } = kind;
    const left = (this.#kindsOf.get(owner) ?? 1) - 1;
    if (left > 0) this.#kindsOf.set(owner, left);
    else this.#kindsOf.delete(owner);
    if (count > 0) this.log.write('request.refused', { ...fields, count, first_at: firstAt, last_at: lastAt });
  }

  /** Nothing of what was sent but the name of a client that is there, and of a stranger not even that. */
  #about(request: RefusedRequest, caller: string | null) {
    const client = caller === null ? undefined : clientOf(request);
    return {
      caller,
      client: client !== undefined && this.isClient(client) ? client : null,
      route: `${request.method} ${request.routeOptions.url ?? ''}`,
      address: request.ip,
    };
  }
}

function clientOf({ body, params, routeOptions, oauthClient }: RefusedRequest): string | undefined {
  if (oauthClient !== undefined) return oauthClient;
  const named = routeOptions.url?.startsWith('/v1/clients/')
    ? Object(params).name
    : body instanceof URLSearchParams
      ? undefined
      : Object(body).client;
  return typeof named === 'string' ? named : undefined;
}
