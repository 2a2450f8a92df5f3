import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  type Copy,
  DockerfileParser,
  type From,
  type Instruction,
  type JSONInstruction,
  type PropertyInstruction,
} from 'dockerfile-ast';

import { root } from './processes.js';

export type Step =
  | { readonly kind: 'copy'; readonly from?: string; readonly sources: readonly string[]; readonly target: string }
  | { readonly kind: 'run'; readonly shell: string }
  | { readonly kind: 'workdir'; readonly path: string };

type Properties = Readonly<Record<string, string>>;

/** What the file says between one FROM and the next. */
export interface Stage {
  readonly base: string;
  readonly name?: string;
  /** What makes its files, in its order. */
  readonly steps: readonly Step[];
  readonly args: Properties;
  readonly env: Properties;
  readonly labels: Properties;
  /** All other instructions: the last of each kind, as it is written. */
  readonly settings: Properties;
}

/** @throws Error at an instruction that is not understood here */
export function readDockerfile(text = readFileSync(join(root, 'Dockerfile'), 'utf8')): Stage[] {
  const stages: Instruction[][] = [];
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages.map(readStage);
}

function readStage([from, ...rest]: readonly Instruction[]): Stage {
  const name = (from as From).getBuildStage();
  const steps: Step[] = [];
  const args: Record<string, string> = {};
  const env: Record<string, string> = {};
  const labels: Record<string, string> = {};
  const settings: Record<string, string> = {};
  const properties: Record<string, Record<string, string>> = { ARG: args, ENV: env, LABEL: labels };
  for (const each of rest) {
    const keyword = each.getKeyword();
    const content = each.getArgumentsContent() ?? '';
    if (keyword === 'COPY') steps.push(readCopy(each as Copy));
    else if (keyword === 'RUN') steps.push({ kind: 'run', shell: withoutFlags(each as JSONInstruction, content) });
    else if (keyword === 'WORKDIR') steps.push({ kind: 'workdir', path: content });
    else if (properties[keyword]) Object.assign(properties[keyword], propertiesOf(each as PropertyInstruction));
    else settings[keyword] = content;
  }
  return { base: (from as From).getImage() ?? '', ...(name !== null && { name }), steps, args, env, labels, settings };
}

function propertiesOf(instruction: PropertyInstruction): Properties {
  return Object.fromEntries(instruction.getProperties().map((each) => [each.getName(), each.getValue() ?? '']));
}

function readCopy(copy: Copy): Step {
  const paths = copy.getArguments().map((each) => each.getValue());
  const flags = copy.getFlags().map((flag) => [flag.getName(), flag.getValue()] as const);
  if (flags.some(([name]) => name !== 'from')) throw new Error(`COPY with ${flags.join()}: not understood here`);
  const from = flags[0]?.[1];
  return {
    kind: 'copy',
    sources: paths.slice(0, -1),
    target: paths.at(-1) ?? '',
    ...(typeof from === 'string' && { from }),
  };
}

function withoutFlags(run: JSONInstruction, shell: string): string {
  if (run.getFlags().length > 0 || shell.startsWith('[')) throw new Error(`RUN ${shell}: not understood here`);
  return shell;
}

/** The program and arguments of ENTRYPOINT, CMD or HEALTHCHECK in exec form, the only one that needs no shell. */
export function execForm(content = ''): string[] {
  return JSON.parse(content.replace(/^CMD /, '')) as string[];
}
