import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { draws } from '../base/long.testing.ts';
import { readFacts } from '../cli/read-facts.ts';
import { parseDeployment } from './parse-deployment.ts';
import { renderDiagnostics } from './render.ts';

const facts = readFacts();
const examples = ['active-passive', 'active-active', 'global'].map((name) =>
  readFileSync(new URL(`../../examples/${name}.yaml`, import.meta.url)),
);

/** Always a Result whose marks lie in the file, and which can be shown. */
function holds(text: string): void {
  const parsed = parseDeployment(text, 'x.yaml', facts);
  const diagnostics = parsed.ok ? parsed.value.notes : parsed.error;
  if (!parsed.ok) expect(diagnostics.some(({ severity }) => severity === 'error')).toBe(true);
  const lines = text.split('\n').length;
  for (const mark of diagnostics.flatMap(({ marks }) => marks)) {
    expect(mark.line).toBeGreaterThanOrEqual(1);
    expect(mark.line).toBeLessThanOrEqual(lines);
    expect(mark.column).toBeGreaterThanOrEqual(1);
    expect(mark.length).toBeGreaterThanOrEqual(1);
  }
  const rendered = renderDiagnostics(diagnostics, text, { color: false });
  expect(rendered === '').toBe(diagnostics.length === 0);
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const edits = fc.array(
  fc.record({
    at: fc.nat(),
    remove: fc.nat({ max: 12 }),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc
        .constantFrom(
          '{',
          '[',
          '- ',
          ': ',
          '&a ',
          '*a',
          '!!map ',
          '<<: *a',
          '\n',
          '\t',
          '"',
          '|',
          '? ',
          '__proto__: 1',
          '%YAML 1.1\n---\n',
          '~',
        )
        .map((text) => new TextEncoder().encode(text)),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

test('any change of bytes of an example gives a result, never an exception', () => {
  fc.assert(
    fc.property(fc.constantFrom(...examples), edits, (example, changes) => {
      let bytes = [...example];
      for (const { at, remove, insert } of changes) bytes = bytes.toSpliced(at % (bytes.length + 1), remove, ...insert);
      holds(decode(Uint8Array.from(bytes)));
    }),
    { numRuns: draws(200, 600) },
  );
});

test('any text gives a result', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), holds), { numRuns: draws(100, 300) });
});

test('each line of an example taken away gives a result', () => {
  for (const example of examples) {
    const lines = decode(example).split('\n');
    for (const index of lines.keys()) holds(lines.toSpliced(index, 1).join('\n'));
  }
});

test('hostile YAML: alias bombs and prototype keys', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(9)}]`),
  ];
  holds(bomb.join('\n'));
  holds('__proto__: { regions: [1] }\nconstructor: 1\nregions: { __proto__: 1 }');
  expect(({} as Record<string, unknown>)['regions']).toBeUndefined();
});
