/** esbuild takes the styles that the entry imports; to TypeScript they are nothing. */
declare module '*.css';
