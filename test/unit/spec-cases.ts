import { expect } from 'vitest';
import { readFacts } from '../../src/cli/read-facts.ts';
import type { Diagnostic } from '../../src/spec/diagnostic.ts';
import { parseDeployment } from '../../src/spec/parse-deployment.ts';

const facts = readFacts();
export const parse = (text: string) => parseDeployment(text, 'shop.yaml', facts);

/** A valid file, by line. The cases change a line or two of it. */
export const TWO = `farshore: v1
name: shop
model: active-passive
tier: critical
objectives:
  rto: 30s
  rpo: 0s
regions:
  - id: aws:eu-central-1
    role: active
  - id: aws:eu-west-1
    role: passive
sites:
  - { id: aws:eu-north-1, store: true, witness: true }
residency:
  - { name: gdpr, jurisdiction: EU, data: all }
database:
  replication:
    mode: sync
    whenAlone: serve-with-rpo-suspended
    rpoWhileDegraded: 24h
  lease: 3s
timings:
  evictAfter: 2s
application:
  command: [node, app/server.mjs]
  health: /healthz
`;

export const THREE = `farshore: v1
name: planet
model: global
tier: high
regions: [{ id: aws:us-east-1 }, { id: aws:eu-west-1 }, { id: aws:ap-northeast-1 }]
sites: [{ id: aws:us-east-2, store: true }]
database:
  replication: { mode: semi-sync, whenAlone: block }
`;

/** `base` with each text replaced, which must be there. */
export function edit(base: string, ...changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, base);
}

/** A file, and what is wrong with it. */
export interface Case {
  readonly title: string;
  readonly text: string;
  /** `CODE line:column`, and after `+` where the other lines that disagree are. In the order of the file. */
  readonly expect: readonly string[];
  /** Must be in the help or the message of the first diagnostic. */
  readonly says?: string;
}

/** As in a case: `CODE line:column +line:column`. */
export const brief = ({ code, marks: [first, ...others] }: Diagnostic): string =>
  [`${code} ${first.line}:${first.column}`, ...others.map(({ line, column }) => `+${line}:${column}`)].join(' ');

/** Errors and notes of a text. */
export const diagnosticsOf = (text: string): readonly Diagnostic[] => {
  const parsed = parse(text);
  return parsed.ok ? parsed.value.notes : parsed.error;
};
export const errorsOf = (text: string) => diagnosticsOf(text).filter(({ severity }) => severity === 'error');

const position = (text: string): number => {
  const [line = 0, column = 0] = (/ (\d+):(\d+)/.exec(text) ?? []).slice(1).map(Number);
  return line * 1_000 + column;
};

/** The errors of a case, in the order of the file, and its words. */
export function expectErrors({ text, expect: expected, says }: Case): void {
  const found = errorsOf(text);
  expect(found.map(brief)).toEqual([...expected].toSorted((a, b) => position(a) - position(b)));
  const words = found.flatMap(({ message, help }) => [message, ...help]).join('\n');
  if (says !== undefined) expect(words).toContain(says);
}

/** Every code that one of these texts shows and that starts with one of `families`. */
export const codesOf = (cases: readonly Case[], families: readonly string[]): readonly string[] =>
  [...new Set(cases.flatMap(({ text }) => diagnosticsOf(text).map(({ code }) => code)))]
    .filter((code) => families.some((family) => code.startsWith(family)))
    .toSorted();
