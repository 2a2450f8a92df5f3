/** A JSON Schema (2020-12), or a part of an OpenAPI document. */
export type Schema = { readonly [keyword: string]: unknown };
