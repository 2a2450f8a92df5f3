import ts from 'typescript';

import type { Schema } from './schema.js';

/** What JSON never has: a value that is left out. */
const ABSENT = ts.TypeFlags.Undefined | ts.TypeFlags.Void;

/** What an instant is called, everywhere: ISO 8601, in UTC. */
const INSTANT = /^(?:.+_)?(?:at|since)$/;
/** Numbers that have decimals; all others count. */
const FRACTIONS: ReadonlySet<string> = new Set(['latency_ms']);

/** JSON Schemas (2020-12) of TypeScript types, as `JSON.stringify` writes their values. What has a name becomes a component
 *  of its own: an interface, an alias, and what a named function returns. */
export class TypeSchemas {
  /** By name. */
  readonly components: Record<string, Schema> = {};
  readonly #names = new Map<ts.Type, string>();

  constructor(private readonly checker: ts.TypeChecker) {}

  /** @returns undefined for what writes nothing */
  of(type: ts.Type): Schema | undefined {
    const shown = this.#parts(type).filter(({ flags }) => !(flags & ABSENT));
    if (shown.length === 0) return undefined;
    const name = this.#nameOf(type);
    return name !== undefined && shown.length > 1 && isObject(shown[0]!)
      ? this.#component(type, name, () => this.#union(shown))
      : this.#union(shown);
  }

  #parts(type: ts.Type): readonly ts.Type[] {
    return type.isUnion() ? type.types : [type];
  }

  #union(types: readonly ts.Type[]): Schema {
    const literals = types.map((each) => literalOf(this.checker, each)).filter((each) => each !== undefined);
    const others = types.filter((each) => literalOf(this.checker, each) === undefined);
    const isBoolean = literals.includes(true) && literals.includes(false);
    const listed = isBoolean ? literals.filter((each) => typeof each !== 'boolean') : literals;
    const schemas: Schema[] = [
      ...(isBoolean ? [{ type: 'boolean' }] : []),
      ...(listed.length === 1 && listed[0] === null ? [{ type: 'null' }] : []),
      ...(listed.some((each) => each !== null) ? [{ enum: listed.toSorted(byText) }] : []),
      ...others.map((each) => this.#single(each)),
    ];
    const [only, ...more] = schemas;
    if (more.length === 0) return only!;
    // Two plain types are written as one.
    if (schemas.every((each) => Object.keys(each).every((keyword) => ['type', 'format'].includes(keyword)))) {
      return { ...Object.assign({}, ...schemas), type: schemas.map((each) => each['type']) } as Schema;
    }
    return { anyOf: schemas };
  }

  #single(type: ts.Type): Schema {
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
    if (type.flags & ts.TypeFlags.StringLike) return { type: 'string' };
    if (type.flags & ts.TypeFlags.NumberLike) return { type: 'integer', format: 'int64' };
    const item = this.checker.isArrayType(type) && this.checker.getTypeArguments(type as ts.TypeReference)[0];
    if (item) return { type: 'array', items: this.of(item) ?? {} };
    if (!isObject(type) && !type.isIntersection()) throw new Error(`no JSON: ${this.checker.typeToString(type)}`);
    const name = this.#nameOf(type);
    return name === undefined ? this.#object(type) : this.#component(type, name, () => this.#object(type));
  }

  #object(type: ts.Type): Schema {
    const index = this.checker.getIndexInfoOfType(type, ts.IndexKind.String)?.type;
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    for (const property of this.checker.getPropertiesOfType(type)) {
      const own = this.checker.getTypeOfSymbol(property);
      const schema = this.of(own);
      if (!schema) continue;
      properties[property.name] = { ...byName(property.name, schema), ...described(this.checker, property) };
      const mayBeAbsent = this.#parts(own).some(({ flags }) => flags & ABSENT);
      if (!(property.flags & ts.SymbolFlags.Optional) && !mayBeAbsent) required.push(property.name);
    }
    return {
      type: 'object',
      ...(Object.keys(properties).length > 0 && { properties }),
      ...(required.length > 0 && { required }),
      ...(index && { additionalProperties: this.of(index) ?? {} }),
    };
  }

  /** Of an interface, an alias or a class its own; of an object that a function makes for all who call it, the function's. */
  #nameOf(type: ts.Type): string | undefined {
    const { aliasSymbol } = type;
    if (aliasSymbol) return isOfLanguage(aliasSymbol) ? undefined : aliasSymbol.name;
    const symbol = type.getSymbol();
    if (!symbol || !isObject(type)) return undefined;
    if (type.isClassOrInterface()) return symbol.name;
    const maker = ts.findAncestor(symbol.declarations?.[0], ts.isFunctionLike);
    if (!maker || !(ts.isFunctionDeclaration(maker) || isPrivateMethod(maker)) || !maker.name) return undefined;
    const made = this.checker.getSignatureFromDeclaration(maker)?.getReturnType();
    if (!made || this.checker.getAwaitedType(made) !== type) return undefined;
    const name = maker.name.getText().replace('#', '');
    return name[0]!.toUpperCase() + name.slice(1);
  }

  #component(type: ts.Type, name: string, make: () => Schema): Schema {
    if (!this.#names.has(type)) {
      if (name in this.components) throw new Error(`two types are called ${name}`);
      this.#names.set(type, name);
      this.components[name] = {};
      const symbol = type.aliasSymbol ?? type.getSymbol();
      this.components[name] = { ...make(), ...(symbol && described(this.checker, symbol)) };
    }
    return { $ref: `#/components/schemas/${name}` };
  }
}

/** The first sentences of a docstring, as they are written, without their line breaks. */
export function described(checker: ts.TypeChecker, symbol: ts.Symbol): { description?: string } {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll(/\s*\n\s*/g, ' ');
  return text === '' ? {} : { description: text };
}

function literalOf(checker: ts.TypeChecker, type: ts.Type): string | number | boolean | null | undefined {
  if (type.isStringLiteral() || type.isNumberLiteral()) return type.value;
  if (type.flags & ts.TypeFlags.BooleanLiteral) return checker.typeToString(type) === 'true';
  return type.flags & ts.TypeFlags.Null ? null : undefined;
}

/** What only the name of a member tells of it. */
function byName(name: string, schema: Schema): Schema {
  if (schema['type'] === 'string' && INSTANT.test(name)) return { ...schema, format: 'date-time' };
  if (!FRACTIONS.has(name)) return schema;
  return JSON.parse(JSON.stringify(schema).replace('"integer"', '"number"').replace('int64', 'double')) as Schema;
}

function byText(one: unknown, other: unknown): number {
  return String(one) < String(other) ? -1 : 1;
}

function isObject(type: ts.Type): type is ts.ObjectType {
  return (type.flags & ts.TypeFlags.Object) !== 0;
}

/** Such as `Readonly` and `Record`. */
function isOfLanguage({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((each) => each.getSourceFile().fileName.includes('/typescript/lib/'));
}

function isPrivateMethod(node: ts.Node): node is ts.MethodDeclaration {
  return ts.isMethodDeclaration(node) && ts.isPrivateIdentifier(node.name);
}
