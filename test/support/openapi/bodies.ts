import 'reflect-metadata';

import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';

import type { Route } from '../routes.js';
import type { Schema } from './schema.js';
import type { Sources } from './sources.js';

type ClassSchema = Schema & {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
};

const SECRETS: ReadonlySet<string> = new Set(['client_secret', 'key', 'password']);
const REFS = '#/components/schemas/';

/** JSON Schemas of the classes that queries and bodies are checked against. */
export class Bodies {
  readonly #made = validationMetadatasToSchemas({
    classTransformerMetadataStorage: defaultMetadataStorage,
    refPointerPrefix: REFS,
  });

  /** By name. */
  readonly components: Record<string, Schema> = {};

  constructor(private readonly sources: Sources) {}

  /** The schema of a class, with its docstrings, and with the defaults that it gives to what is left out. */
  of(type: new () => object): ClassSchema {
    const made = this.#made[type.name];
    if (!made) throw new Error(`no field of ${type.name} is checked`);
    const { properties: docs, description } = this.sources.describe(type.name);
    const defaults = new type() as Record<string, unknown>;
    const isDefault = (name: string) => defaults[name] !== undefined;
    const checked = Object.entries((made.properties ?? {}) as Record<string, Schema>);
    const properties = checked.map(([name, schema]) => [
      name,
      {
        // Of what is in an object, its class knows nothing.
        ...(Object.keys(schema).join() === 'type' && schema['type'] === 'object'
          ? this.sources.property(type.name, name)
          : schema),
        ...docs[name],
        ...(SECRETS.has(name) && { format: 'password' }),
        ...(isDefault(name) && { default: defaults[name] }),
      },
    ]);
    const required = (made.required ?? []).filter((name) => !isDefault(name));
    return {
      type: 'object',
      ...(description !== undefined && { description }),
      properties: Object.fromEntries(properties) as Record<string, Schema>,
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    };
  }

  /** The same as a component, with those that it refers to. */
  component(type: new () => object): Schema {
    const schema = (this.components[type.name] ??= this.of(type)) as ClassSchema;
    for (const name of Object.keys(schema.properties)) {
      const inner = defaultMetadataStorage.findTypeMetadata(type, name)?.typeFunction();
      if (inner) this.component(inner as new () => object);
    }
    return { $ref: `${REFS}${type.name}` };
  }
}

/** The class that a route's query or body is checked against; undefined if there is none. */
export function classOf({ controller, handler }: Route, from: 'BODY' | 'QUERY'): (new () => object) | undefined {
  const given = Reflect.getMetadata('__routeArguments__', controller, handler) as Record<string, { index: number }>;
  const types = Reflect.getMetadata('design:paramtypes', controller.prototype as object, handler) as Function[];
  const [, argument] = Object.entries(given ?? {}).find(([key]) => key.startsWith(`${RouteParamtypes[from]}:`)) ?? [];
  const type = argument && types[argument.index];
  return type === undefined || type === Object || type === URLSearchParams ? undefined : (type as new () => object);
}
