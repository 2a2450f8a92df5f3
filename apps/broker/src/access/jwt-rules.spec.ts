import type { JwtCallerRule } from '../config/broker-config.js';
import { callerNameOf } from './jwt-rules.js';

const claims = {
  'kubernetes.io': { namespace: 'shops', serviceaccount: { name: 'till' } },
  groups: ['tills', 'reports'],
  'a/b~c': 'odd',
  count: 3,
};
const jwt = { subject: 'system:serviceaccount:shops:till', claims, validUntilMs: 0 };
const rule = (subject: string, wanted: Record<string, string> = {}, caller = 'till'): JwtCallerRule => ({
  caller,
  subject,
  claims: wanted,
});

it.each([
  ['system:serviceaccount:shops:till', true],
  ['system:serviceaccount:shops:*', true],
  ['*', true],
  ['system:serviceaccount:shops:til', false],
  ['system:serviceaccount:shops:till2', false],
  ['system:serviceaccount:other:*', false],
  ['System:serviceaccount:shops:till', false],
])('the subject %s matches: %s', (subject, matches) => {
  expect(callerNameOf(jwt, [rule(subject)])).toBe(matches ? 'till' : undefined);
});

it.each([
  ['/kubernetes.io/namespace', 'shops', true],
  ['/kubernetes.io/namespace', 'shop', false],
  ['/kubernetes.io/serviceaccount/name', 'till', true],
  ['/kubernetes.io/serviceaccount', 'till', false],
  ['/groups', 'reports', true],
  ['/groups', 'report', false],
  ['/groups/0', 'tills', true],
  ['/groups/00', 'tills', false],
  ['/groups/length', '2', false],
  ['/a~1b~0c', 'odd', true],
  ['/count', '3', false],
  ['/absent', 'undefined', false],
  ['/constructor/name', 'Object', false],
  ['/kubernetes.io/namespace/0', 's', false],
])('the claim %s matches %j: %s', (pointer, text, matches) => {
  expect(callerNameOf(jwt, [rule('*', { [pointer]: text })])).toBe(matches ? 'till' : undefined);
});

it('all claims of a rule must match, and the first rule that does counts', () => {
  const both = { '/kubernetes.io/namespace': 'shops', '/groups': 'tills' };
  expect(callerNameOf(jwt, [rule('*', { ...both, '/count': 'x' }), rule('*', both, 'second'), rule('*')])).toBe(
    'second',
  );
  expect(callerNameOf(jwt, [])).toBeUndefined();
});
