import { HttpStatus } from '@nestjs/common';

import { NAME_PATTERN } from '#vault';

import type { Access } from '../../../apps/broker/src/http/caller.js';
import type { Route } from '../routes.js';
import { Bodies, classOf } from './bodies.js';
import { BY_HAND } from './by-hand.js';
import type { Schema } from './schema.js';
import type { MethodFacts, Sources } from './sources.js';

const JSON_TYPE = 'application/json';
const NO_CONTENT = 204;

/** What is read without a class. */
const READ_BY_HAND: Readonly<Record<string, { readonly type: string; readonly schema: keyof typeof BY_HAND }>> = {
  'TokensController.create': { type: JSON_TYPE, schema: 'TokenRequest' },
  'TokensController.invalidate': { type: JSON_TYPE, schema: 'InvalidationRequest' },
  'OAuthController.token': { type: 'application/x-www-form-urlencoded', schema: 'GrantRequest' },
};
/** The same of what is written; and what is answered by other means than a returned value. */
const WRITTEN_BY_HAND: Readonly<Record<string, { readonly type: string; readonly schema: Schema }>> = {
  'TokensController.create': { type: JSON_TYPE, schema: refTo('Token') },
  'OAuthController.token': { type: JSON_TYPE, schema: refTo('OAuthToken') },
  'MetricsController.read': { type: 'text/plain; version=0.0.4; charset=utf-8', schema: { type: 'string' } },
  'StatusController.stream': { type: 'text/event-stream', schema: { type: 'string' } },
};
/** The file in a form, where there is one. */
const FILES: Readonly<Record<string, { readonly field: string; readonly description: string }>> = {
  'ImportController.import': { field: 'archive', description: 'The password-locked zip, as MobilePay sent it.' },
  'VaultController.restore': { field: 'backup', description: 'A backup, as it was made.' },
};

/** Where terminus answers 503 with what it would answer otherwise. */
const MAY_BE_DOWN: ReadonlySet<string> = new Set(['HealthController.ready', 'HealthController.parts']);

const header = (name: string, description: string): Schema => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});
const IF_MATCH = header(
  'If-Match',
  '`*`, or the ETag that came with the client or caller: it must be there, or still be that.',
);
const IF_NONE_MATCH = header('If-None-Match', '`*`: it must not be there. Not together with `If-Match`.');
const STREAMS: ReadonlySet<string> = new Set(['/v1/status/stream']);
const LAST_EVENT_ID = header('Last-Event-ID', 'The id of the last event that was read: the stream goes on behind it.');
const ETAG = {
  ETag: { description: 'The version, for `If-Match`.', required: true, schema: { type: 'string' } },
};

export function refTo(name: keyof typeof BY_HAND): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** The operations of a document, one for each route. */
export class Operations {
  constructor(
    private readonly sources: Sources,
    private readonly bodies: Bodies,
  ) {}

  of(route: Route): Schema {
    const { controller, handler, path, access } = route;
    const id = `${controller.name}.${handler}`;
    const facts = this.sources.method(controller.name, handler);
    const { description } = facts;
    if (description === undefined) throw new Error(`${id} has no docstring`);
    const [summary = ''] = description.split(/(?<=[.;]) /);
    const roles = access?.kind === 'open' ? undefined : access?.roles;
    const who = roles ? `Role ${roles.map((role) => `\`${role}\``).join(' or ')}.` : 'For everybody.';
    return {
      operationId: operationId(route),
      tags: [tagOf(path)],
      summary: summary.replace(/[.;]$/, ''),
      description: `${description} ${who}`,
      security: securityOf(access, id),
      ...parametersOf(route, facts, this.bodies),
      ...this.#requestBody(route, id),
      responses: this.#responses(route, id, facts),
    };
  }

  #requestBody(route: Route, id: string): Schema {
    const byHand = READ_BY_HAND[id];
    if (byHand) return body(byHand.type, refTo(byHand.schema));
    const type = classOf(route, 'BODY');
    const file = FILES[id];
    if (!file) return type ? body(JSON_TYPE, this.bodies.component(type)) : {};
    const { properties = {}, required = [], ...rest } = type ? this.bodies.of(type) : { type: 'object' };
    const binary = { type: 'string', contentMediaType: 'application/octet-stream', description: file.description };
    const fields = { [file.field]: binary, ...without(properties, file.field) };
    return body('multipart/form-data', { ...rest, properties: fields, required: [file.field, ...required] });
  }

  #responses({ controller, handler, access }: Route, id: string, facts: MethodFacts): Schema {
    const headers = Reflect.getMetadata('__headers__', method(controller, handler)) as
      { name: string; value: string }[] | undefined;
    const type = headers?.find(({ name }) => name === 'Content-Type')?.value.split(';')[0];
    const written = WRITTEN_BY_HAND[id] ?? (facts.answers && { type: type ?? JSON_TYPE, schema: facts.answers });
    const content = written && { [written.type]: { schema: written.schema } };
    const statuses = statusesOf(controller, handler, facts);
    const answers = statuses.map((status) => [
      status,
      {
        description: HttpStatus[status]!.toLowerCase().replaceAll('_', ' '),
        ...(content && status !== NO_CONTENT && { content }),
        ...(facts.hasETag && { headers: ETAG }),
      },
    ]);
    return {
      ...(Object.fromEntries(answers) as Schema),
      ...(MAY_BE_DOWN.has(id) && {
        503: { description: 'This replica takes no traffic: the same, and why.', content },
      }),
      default: { $ref: `#/components/responses/${access?.kind === 'oauth' ? 'OAuthError' : 'Problem'}` },
    };
  }
}

/** Who may, by which of the ways to show it. */
function securityOf(access: Access | undefined, id: string): Schema[] {
  if (!access || access.kind === 'open') return [];
  // Or by the form, as its schema says.
  if (access.kind === 'oauth') return [{ client: access.roles }, {}];
  const ways = access.roles.flatMap((role) => [
    { caller: [role] },
    { certificate: [role] },
    ...(role === 'token' ? [] : [{ session: [role] }]),
  ]);
  return id === 'MetricsController.read' ? [...ways, {}] : ways;
}

/** In which part of the API a path is. */
export function tagOf(path: string): string {
  if (path.endsWith('/connect/token')) return 'oauth';
  return path === '/dashboard/session' ? 'session' : (/^\/(?:v1\/)?([^/]+)/.exec(path)?.[1] ?? '');
}

function parametersOf(route: Route, { hasPrecondition }: MethodFacts, bodies: Bodies): Schema {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', ...(name === 'name' && { pattern: NAME_PATTERN.source }) },
  }));
  const query = classOf(route, 'QUERY');
  const { properties = {}, required = [] } = query ? bodies.of(query) : {};
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(required.includes(name) && { required: true }),
    ...(description !== undefined && { description }),
    schema,
  }));
  const parameters = [
    ...inPath,
    ...inQuery,
    ...(hasPrecondition ? [IF_MATCH] : []),
    ...(hasPrecondition && route.method === 'PUT' ? [IF_NONE_MATCH] : []),
    ...(STREAMS.has(route.path) ? [LAST_EVENT_ID] : []),
  ];
  return parameters.length > 0 ? { parameters } : {};
}

/** As it says itself, or by what it names, or by Nest's defaults. */
function statusesOf(controller: Function, handler: string, { statuses }: MethodFacts): number[] {
  const own = Reflect.getMetadata('__httpCode__', method(controller, handler)) as number | undefined;
  if (own !== undefined) return [own];
  const named = [...new Set(statuses)].map((name) => HttpStatus[name as keyof typeof HttpStatus]);
  const isPost = Reflect.getMetadata('method', method(controller, handler)) === 1;
  return named.length > 0 ? named.toSorted((a, b) => a - b) : [isPost ? HttpStatus.CREATED : HttpStatus.OK];
}

function method({ prototype }: Function, name: string): object {
  return (prototype as Record<string, object>)[name]!;
}

/** Such as `clientsAddSecret`; of a further path of one method, with where it leads from. */
function operationId({ handler, path }: Route): string {
  const further = path.startsWith('/integrator-authentication/') ? 'ByMobilePaysPath' : '';
  return tagOf(path) + handler[0]!.toUpperCase() + handler.slice(1) + further;
}

function body(type: string, schema: Schema): Schema {
  return { requestBody: { required: true, content: { [type]: { schema } } } };
}

function without(properties: Record<string, Schema>, name: string): Record<string, Schema> {
  return Object.fromEntries(Object.entries(properties).filter(([each]) => each !== name));
}
