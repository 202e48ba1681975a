import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

test('what only the long matrix runs is run by `npm run verify`, with everything else', () => {
  expect(scripts['verify']).toMatch(/^FARSHORE_LONG=1 npm test && /);
  for (const project of ['real', 'e2e']) expect(scripts['test']).toContain(`--project ${project}`);
  expect(scripts['test']).toContain('npm run ok');
});
