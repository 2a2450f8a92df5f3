import { join } from 'node:path';

import ts from 'typescript';

import { root } from '../processes.js';
import type { Schema } from './schema.js';
import { described, TypeSchemas } from './type-schemas.js';

/** What the source of a controller's method says of it. */
export interface MethodFacts {
  /** Its docstring. */
  readonly description: string | undefined;
  /** What it answers; undefined if it answers nothing, or by itself. */
  readonly answers: Schema | undefined;
  /** The statuses that it names, such as `CREATED`. */
  readonly statuses: readonly string[];
  /** Whether a change is made only from a version that the request expects. */
  readonly hasPrecondition: boolean;
  /** Whether the answer bears the record's version. */
  readonly hasETag: boolean;
}

/** The broker's sources, as the compiler sees them. */
export class Sources {
  readonly schemas: TypeSchemas;
  readonly #checker: ts.TypeChecker;
  readonly #classes = new Map<string, ts.ClassDeclaration>();
  readonly #types = new Map<string, ts.InterfaceDeclaration | ts.TypeAliasDeclaration>();

  constructor() {
    const path = join(root, 'apps/broker/tsconfig.app.json');
    const { config } = ts.readConfigFile(path, (file) => ts.sys.readFile(file)) as { config: unknown };
    const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, 'apps/broker'));
    const program = ts.createProgram(fileNames, options);
    this.#checker = program.getTypeChecker();
    this.schemas = new TypeSchemas(this.#checker);
    for (const file of program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/'))) {
      ts.forEachChild(file, (node) => {
        if (ts.isClassDeclaration(node) && node.name) this.#classes.set(node.name.text, node);
        if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) this.#types.set(node.name.text, node);
      });
    }
  }

  /** What is said of a class, and of each of its properties. */
  describe(className: string): { description?: string; properties: Record<string, { description?: string }> } {
    const type = this.#checker.getTypeAtLocation(this.#class(className));
    const properties = this.#checker.getPropertiesOfType(type);
    return {
      ...described(this.#checker, type.getSymbol()!),
      properties: Object.fromEntries(properties.map((each) => [each.name, described(this.#checker, each)])),
    };
  }

  /** What a property of a class is. */
  property(className: string, name: string): Schema {
    const type = this.#checker.getTypeAtLocation(this.#class(className));
    return this.schemas.of(this.#checker.getTypeOfSymbol(type.getProperty(name)!))!;
  }

  /** An interface or an alias that the broker exports. */
  named(name: string): Schema {
    const found = this.#types.get(name);
    if (!found) throw new Error(`no type ${name}`);
    return this.schemas.of(this.#checker.getTypeAtLocation(found))!;
  }

  method(className: string, name: string): MethodFacts {
    const owner = this.#class(className);
    const method = owner.members.find((each) => ts.isMethodDeclaration(each) && each.name.getText() === name);
    if (!method || !ts.isMethodDeclaration(method)) throw new Error(`${className} has no method ${name}`);
    const returned = this.#checker.getReturnTypeOfSignature(this.#checker.getSignatureFromDeclaration(method)!);
    const text = method.getText();
    const { description } = described(this.#checker, this.#checker.getSymbolAtLocation(method.name)!);
    return {
      description,
      answers: this.schemas.of(this.#checker.getAwaitedType(returned) ?? returned),
      statuses: [...text.matchAll(/HttpStatus\.(\w+)/g)].map(([, status]) => status!),
      hasPrecondition: /acts\.(change(Client|Caller)|addCallerKey)\(/.test(text),
      hasETag: text.includes('#shown(') && owner.getText().includes('setETag('),
    };
  }

  #class(name: string): ts.ClassDeclaration {
    const found = this.#classes.get(name);
    if (!found) throw new Error(`no class ${name}`);
    return found;
  }
}
