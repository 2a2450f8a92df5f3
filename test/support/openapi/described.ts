import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

import type { Answer } from '../http.js';
import { root } from '../processes.js';
import type { Schema } from './schema.js';

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
}
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, Response>>;
}
export interface Document {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly responses: Readonly<Record<string, Response>>; readonly schemas: Schema };
}

export const openApi = JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8')) as Document;

/** Holds answers against the OpenAPI document, which must name every member that they have. */
export class Described {
  /** Such as `GET /v1/clients 200`. */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor() {
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(closed(openApi), 'document');
  }

  /** All that the document says may be answered, errors aside. */
  static get all(): string[] {
    return Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) =>
        Object.keys(responses)
          .filter((status) => status !== 'default')
          .map((status) => `${method.toUpperCase()} ${path} ${status}`),
      ),
    );
  }

  /** @returns the answer, which is as the document says
   *  @param path as the document has it */
  check(method: string, path: string, answer: Answer): Answer {
    const said = `${method} ${path} ${answer.status}`;
    const responses = openApi.paths[path]?.[method.toLowerCase()]?.responses ?? {};
    const status = answer.status in responses ? String(answer.status) : 'default';
    if (status === 'default' && answer.status < 400) throw new Error(`${said} is not in the document`);
    if (status !== 'default') this.seen.add(said);
    const at = ['paths', path, method.toLowerCase(), 'responses', status];
    const ref = responses[status]?.$ref;
    const response = ref === undefined ? responses[status]! : openApi.components.responses[ref.split('/').at(-1)!]!;
    const [type] = Object.keys(response.content ?? {});
    const got = answer.headers.get('content-type') ?? undefined;
    if (got?.split(';')[0] !== type?.split(';')[0]) throw new Error(`${said} is ${got}, not ${type}`);
    for (const [name, { required }] of Object.entries(response.headers ?? {})) {
      if (required && !answer.headers.has(name)) throw new Error(`${said} has no ${name}`);
    }
    if (type === undefined) return answer;
    const where = ref === undefined ? at : ref.split('/').slice(1);
    const value: unknown = type.includes('json') ? JSON.parse(answer.text) : answer.text;
    this.#hold(said, [...where, 'content', type, 'schema'], value);
    return answer;
  }

  /** @throws Error unless a value is as a schema of the document says */
  checkAs(name: string, value: unknown): void {
    this.#hold(name, ['components', 'schemas', name], value);
  }

  #hold(said: string, where: readonly string[], value: unknown): void {
    const validate = this.#ajv.compile({ $ref: `document#${pointer(where)}` });
    if (!validate(value)) throw new Error(`${said}: ${this.#ajv.errorsText(validate.errors)}`);
  }
}

/** The same schemas, without room for what they do not name. */
function closed<T>(schema: T): T {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed) as T;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value as unknown)]));
  return ('properties' in inner ? { additionalProperties: false, ...inner } : inner) as T;
}

function pointer(parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');
}
