import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { parse } from 'yaml';
import { deploymentJsonSchema } from '../spec/file-schema.ts';
import { readDeployment } from './read-deployment.ts';
import { reportError } from './report-error.ts';
import { schema, schemaText } from './schema.ts';
import { validate } from './validate.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore validate '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const root = fileURLToPath(new URL('../../', import.meta.url));
const example = (name: string) => join(root, 'examples', `${name}.yaml`);
const write = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** Run a verb and keep what it writes. */
async function run(verb: (argv: readonly string[]) => Promise<number>, ...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  }
  // As main.ts ends: an error is said, and is the exit code.
  const exit = await verb(argv).catch(reportError);
  vi.restoreAllMocks();
  return { exit, ...output };
}

describe('validate', () => {
  test('a valid file: what it means on stdout, notes on stderr', async () => {
    const { exit, stdout, stderr } = await run(validate, example('active-passive'));
    expect(exit).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'shop: active-passive, tier critical: RTO 30s, RPO 0s',
      'places     aws:eu-central-1 is the first primary, then aws:eu-west-1; store on aws:eu-north-1; witness on aws:eu-north-1',
      'a write    is acknowledged when 1 of 1 other region has it: + 27 ms in aws:eu-central-1 (round trip to aws:eu-west-1, measured)',
      'void when  no other region has confirmed for 2s: the primary serves alone, and the RPO is 24h until one is back; or a session lowers synchronous_commit, or writes an UNLOGGED table',
      'dns        shop.example, www.shop.example led by routing; an answer is kept for 20s; 1 record that never changes',
      'users      go to the region of the primary; when all look unhealthy: the regions that were good last go on',
      'residency  "gdpr" keeps all data in EU',
      '',
    ]);
    expect(stderr).toContain('note N3002');
  });

  test('an invalid file: 3, nothing on stdout', async () => {
    const path = write('bad.yaml', readFileSync(example('global'), 'utf8').replace('mode: semi-sync', 'mode: async'));
    const { exit, stdout, stderr } = await run(validate, path);
    expect(exit).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${path}:11:8  error E2201`);
    expect(stderr).toContain('invalid, 1 error');
  });

  test('--json: one versioned object on stdout, whatever the result', async () => {
    const good = await run(validate, '--json', example('active-active'));
    expect([good.exit, JSON.parse(good.stdout)]).toEqual([
      0,
      { schema: 'farshore.validate/v1', ok: true, diagnostics: [], warnings: [] },
    ]);
    const bad = await run(validate, write('bad.json.yaml', 'farshore: v2'), '--json');
    expect(bad.exit).toBe(3);
    expect(bad.stderr).toBe('');
    expect(JSON.parse(bad.stdout)).toMatchObject({
      ok: false,
      diagnostics: expect.arrayContaining([
        expect.objectContaining({
          severity: 'error',
          code: 'E1005',
          marks: [{ line: 1, column: 11, length: 2, label: null }],
        }),
      ]),
    });
  });

  test('files that cannot be read, and bad usage', async () => {
    const missing = await run(validate, join(folder, 'none.yaml'));
    expect([missing.exit, missing.stderr]).toEqual([64, expect.stringContaining('there is no file')]);
    expect((await run(validate, folder)).stderr).toContain('is a folder');
    const binary = await run(validate, write('binary.yaml', Uint8Array.of(0xff, 0xfe, 0x00)));
    expect([binary.exit, binary.stderr]).toEqual([3, expect.stringContaining('not UTF-8')]);
    expect(missing.stderr).toBe(
      `error FSH_USAGE there is no file ${join(folder, 'none.yaml')}\n  fix: see \`farshore --help\`\n`,
    );
    for (const argv of [[], ['a', 'b'], ['--fast', 'a'], ['--json=yes', 'a']]) {
      const { exit, stderr } = await run(validate, ...argv);
      expect([exit, stderr]).toEqual([64, expect.stringMatching(/^error FSH_USAGE .*\n {2}fix: /)]);
    }
    expect((await run(validate, '--help')).exit).toBe(0);
  });

  test('a script that is not there is worth a note, not an error', async () => {
    const text = readFileSync(example('global'), 'utf8');
    const path = write('no-app.yaml', text);
    const note = `application.command names app/server.mjs, and there is no file ${join(folder, 'app/server.mjs')}`;
    const { exit, stderr } = await run(validate, path);
    expect([exit, stderr]).toEqual([0, expect.stringContaining(`note ${note}`)]);
    expect(JSON.parse((await run(validate, '--json', path)).stdout).warnings).toEqual([expect.stringContaining(note)]);
    expect((await run(validate, example('global'))).stderr).not.toContain('application.command');
    const other = write('other.yaml', text.replace('[node, app/server.mjs]', '[/usr/bin/shop, --port-from=env.ts]'));
    expect((await run(validate, other)).stderr).not.toContain('application.command');
  });

  test('readDeployment, for the verbs that run a file', () => {
    expect(readDeployment(example('global')).deployment.name).toBe('planet');
    expect(() => readDeployment(write('empty.yaml', ''))).toThrow(
      expect.objectContaining({ code: 'FSH_SPEC_INVALID', exit: 3 }),
    );
  });
});

describe('schema', () => {
  test('prints the schema; anything else is bad usage', async () => {
    const printed = await run(schema);
    expect([printed.exit, printed.stdout]).toEqual([0, schemaText()]);
    expect((await run(schema, 'FILE')).exit).toBe(64);
  });

  test('docs/reference/farshore.schema.json is up to date: `farshore schema > docs/reference/farshore.schema.json`', () => {
    expect(readFileSync(join(root, 'docs/reference/farshore.schema.json'), 'utf8')).toBe(schemaText());
  });

  test('it accepts the examples, refuses what they must not say, and describes every field', () => {
    const accepts = z.fromJSONSchema(deploymentJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    for (const name of ['active-passive', 'active-active', 'global']) {
      const text = readFileSync(example(name), 'utf8');
      expect(accepts.safeParse(parse(text)).error, name).toBeUndefined();
      expect(accepts.safeParse({ ...parse(text), colour: 'red' }).success).toBe(false);
      expect(accepts.safeParse(parse(text.replace('rto: 30s', 'rto: 30'))).success).toBe(false);
    }
    const undescribed: string[] = [];
    const visit = (
      part: { properties?: object; items?: object; description?: string; type?: string },
      path: string,
    ) => {
      if (path !== '' && part.description === undefined && !path.endsWith('[]') && path !== '.database.replication')
        undescribed.push(path);
      for (const [key, child] of Object.entries(part.properties ?? {})) visit(child, `${path}.${key}`);
      if (part.items !== undefined) visit(part.items, `${path}[]`);
    };
    visit(deploymentJsonSchema(), '');
    expect(undescribed).toEqual([]);
  });
});
