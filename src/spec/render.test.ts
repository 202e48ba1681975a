import { expect, test } from 'vitest';
import { readFacts } from '../cli/read-facts.ts';
import type { Diagnostic } from './diagnostic.ts';
import { parseDeployment } from './parse-deployment.ts';
import { renderDiagnostics } from './render.ts';

const facts = readFacts();

const BAD = `farshore: v1
name: shop
model: active-active
objectives: { rto: 60 sec, rpo: 0s }
regions:
  - id: aws:eu-central-1
  - id: aws:eu-wset-1
  - id: aws:eu-west-2
sites: [{ id: aws:eu-north-1, store: true }]
residency: [{ name: gdpr, jurisdiction: EU, data: all }]
database:
  replicaton: x
  replication:
    mode: async
    whenAlone: block
`;

function render(text: string, color = false): string {
  const parsed = parseDeployment(text, 'shop.yaml', facts);
  return renderDiagnostics(parsed.ok ? parsed.value.notes : parsed.error, text, { color });
}

test('diagnostics as a person reads them', () => {
  expect(
    render(BAD),
  ).toBe(`shop.yaml:4:20  error E1006  expected a duration such as "30s", "5m" or "500ms"; found "60 sec"
    4 | objectives: { rto: 60 sec, rpo: 0s }
      |                    ^^^^^^
      = help: did you mean "60s"?

shop.yaml:4:33  error E2201  rpo 0s cannot be kept by asynchronous replication
    4 | objectives: { rto: 60 sec, rpo: 0s }
      |                                 ^^ asked here
   14 |     mode: async
      |           ^^^^^ acknowledges writes that no other region has: losing the region loses them
      = help: use \`mode: sync\` or \`mode: semi-sync\`, or give up the promise with an \`rpo\` that the tier allows

shop.yaml:7:9  error E2001  unknown region "aws:eu-wset-1"
    7 |   - id: aws:eu-wset-1
      |         ^^^^^^^^^^^^^
      = help: did you mean "aws:eu-west-1"?

shop.yaml:8:9  error E2401  aws:eu-west-2 (London, GB) is outside EU: "gdpr" lets no data be stored there
    8 |   - id: aws:eu-west-2
      |         ^^^^^^^^^^^^^ in GB
   10 | residency: [{ name: gdpr, jurisdiction: EU, data: all }]
      |                                         ^^ all data stays in EU
      = help: conforming regions nearby: aws:eu-west-3 (Paris), aws:eu-west-1 (Dublin)

shop.yaml:12:3  error E1002  unknown key "replicaton"
   12 |   replicaton: x
      |   ^^^^^^^^^^
      = help: did you mean "replication"?
`);
});

const at = (line: number, column: number, length: number): Diagnostic => ({
  severity: 'error',
  code: 'E1008',
  file: 'f',
  message: 'm',
  marks: [{ line, column, length, label: null }],
  help: [],
});

test('the carets stand under the mark behind tabs', () => {
  expect(renderDiagnostics([at(1, 4, 2)], '\ta\tbc', { color: false })).toContain('| \ta\tbc\n      | \t \t^^\n');
});

test('a long line is shown around its mark', () => {
  const text = `${'x'.repeat(5_000)}HERE${'y'.repeat(5_000)}`;
  const lines = renderDiagnostics([at(1, 5_001, 4)], text, { color: false }).split('\n');
  expect(lines[1]?.length).toBeLessThan(160);
  expect(lines[2]?.indexOf('^^^^')).toBe(lines[1]?.indexOf('HERE'));
});

test('a file cannot send control sequences to the terminal', () => {
  const rendered = render('farshore: v1\n"\\e[2J\u202e": 1\nname: "\u009b31m"\n');
  // oxlint-disable-next-line no-control-regex
  expect(rendered).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});

test('colour only on request', () => {
  expect(render(BAD)).not.toContain('\u001b');
  expect(render(BAD, true)).toContain('\u001b[31merror\u001b[0m');
});
