import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CODES } from '../base/errors.ts';
import { SPEC_CODES } from '../spec/diagnostic.ts';
import { errorsPage } from './explain.ts';

const page = join(import.meta.dirname, '../../docs/reference/errors.md');

test('docs/reference/errors.md is up to date: `farshore explain > docs/reference/errors.md`', () => {
  expect(readFileSync(page, 'utf8')).toBe(errorsPage());
});

test('every code is on the page once', () => {
  const rows = errorsPage().split('\n');
  for (const code of [...Object.keys(CODES), ...Object.keys(SPEC_CODES)])
    expect(
      rows.filter((row) => row.startsWith(`| ${code} |`) || row.startsWith(`| \`${code}\` |`)),
      code,
    ).toHaveLength(1);
});

test('every exit code of an error is one that exit-codes.md describes for it', () => {
  const described = readFileSync(join(import.meta.dirname, '../../docs/reference/exit-codes.md'), 'utf8').split('\n');
  for (const [code, { exit }] of Object.entries(CODES))
    expect(
      described
        .find((row) => row.includes(`\`${code}\``))
        ?.split('|')[1]
        ?.trim(),
      code,
    ).toBe(String(exit));
});
