export { AuditChain, type NextLine } from './chain.js';
export { type AuditFields, type AuditLine, hashOf, isHash, readLine } from './line.js';
export { LineSplitter } from './line-splitter.js';
export {
  type ChainSummary,
  Trail,
  type TrailOptions,
  type TrailProblem,
  type TrailProblemKind,
  type Verdict,
} from './trail.js';
