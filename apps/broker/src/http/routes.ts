import type { RouteOptions } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers errors as RFC 6749 §5.2 says. */
    oauth?: boolean;
  }
}

/** Which methods each path takes: for a clear word to whoever uses another one. */
export class Routes {
  readonly #routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = [];

  /** For Fastify's hook `onRoute`. */
  remember({ url, method }: RouteOptions): void {
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:[^/]+/g, '[^/]+')}$`);
    this.#routes.push({ path, methods: [method].flat() });
  }

  /** Empty if there is no such path. */
  methodsOf(path: string): string[] {
    return [...new Set(this.#routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods))];
  }
}
