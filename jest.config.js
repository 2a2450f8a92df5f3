/** Packages that are ES modules only: Jest cannot `require` them untransformed on Node 20. */
const esmOnly = [
  'cookie',
  'content-disposition',
  'glob',
  'minimatch',
  'brace-expansion',
  'balanced-match',
  'path-scurry',
  'lru-cache',
  'minipass',
];

const base = {
  cacheDirectory: '<rootDir>/.cache/jest',
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/data', '<rootDir>/.cache'],
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
  transform: {
    '\\.[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
        },
        module: { type: 'es6' },
      },
    ],
  },
};

const project = (displayName, ...testMatch) => ({ ...base, displayName, testMatch });

export default {
  // Until a test or its set-up counts as hung; what a test measures has bounds of its own.
  testTimeout: 20_000,
  projects: [
    project('unit', '<rootDir>/{apps,libs}/**/*.spec.ts'),
    project('architecture', '<rootDir>/test/*.spec.ts'),
    project('simulation', '<rootDir>/test/simulation/**/*.spec.ts'),
    project('contract', '<rootDir>/test/contract/**/*.spec.ts'),
    project('integration', '<rootDir>/test/integration/**/*.spec.ts'),
    project('e2e', '<rootDir>/test/e2e/**/*.spec.ts'),
    project('browser', '<rootDir>/test/browser/**/*.spec.ts'),
    project('faults', '<rootDir>/test/faults/*.spec.ts'),
    project('faults-slow', '<rootDir>/test/faults/slow/*.spec.ts'),
    project('release', '<rootDir>/test/release/*.spec.ts'),
    project('fuzz', '<rootDir>/test/fuzz/*.spec.ts'),
    project('soak', '<rootDir>/test/soak/*.spec.ts'),
  ],
};
