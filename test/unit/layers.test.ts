import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * Who may import whom (ARCHITECTURE.md). A folder imports its own files and those named here. `pure` folders hold no clock,
 * randomness, environment or I/O. The I/O folders of one row never import each other: they meet in agent/ and above.
 */
const FOLDERS: Readonly<Record<string, { readonly pure: boolean; readonly mayImport: readonly string[] }>> = {
  base: { pure: true, mayImport: [] },
  ports: { pure: true, mayImport: ['base'] },
  facts: { pure: true, mayImport: ['base'] },
  spec: { pure: true, mayImport: ['base', 'ports', 'facts'] },
  plan: { pure: true, mayImport: ['base', 'facts', 'spec'] },
  decide: { pure: true, mayImport: ['base', 'ports'] },
  system: { pure: false, mayImport: [] },
  telemetry: { pure: false, mayImport: ['base', 'ports'] },
  coordination: { pure: false, mayImport: ['base', 'ports', 'telemetry'] },
  database: { pure: false, mayImport: ['base', 'ports', 'system', 'telemetry'] },
  planes: { pure: false, mayImport: ['base', 'ports', 'decide', 'system', 'telemetry'] },
  agent: { pure: false, mayImport: ['base', 'ports', 'decide', 'telemetry'] },
  world: {
    pure: false,
    mayImport: ['base', 'ports', 'facts', 'spec', 'coordination', 'database', 'planes', 'telemetry'],
  },
  drills: {
    pure: false,
    mayImport: [
      'base',
      'ports',
      'facts',
      'spec',
      'decide',
      'coordination',
      'database',
      'planes',
      'system',
      'telemetry',
      'world',
    ],
  },
  cli: {
    pure: false,
    mayImport: [
      'base',
      'ports',
      'facts',
      'spec',
      'plan',
      'decide',
      'coordination',
      'database',
      'planes',
      'telemetry',
      'agent',
      'world',
      'drills',
    ],
  },
};

/** Packages that a pure folder may use: they do no I/O. */
const PURE_PACKAGES = ['zod', 'yaml'];

const BANNED_IN_PURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\(/, 'take nowMs as an argument'],
  [/\bnew Date\(\s*\)/, 'take wallMs as an argument'],
  [/\bMath\.random\(/, 'take an Rng as an argument'],
  [/\bprocess\.(?!pid\b)/, 'take it as an argument'],
  [/\bperformance\.now\(/, 'take nowMs as an argument'],
  [/\b(setTimeout|setInterval|setImmediate)\(/, 'take a Clock as an argument'],
  [/\bfetch\(/, 'return an action, let the shell do it'],
];

const root = join(import.meta.dirname, '../../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const product = files.filter((file) => !/\.(test|contract)\.ts$|\/?testing\.ts$/.test(file));
const folderOf = (file: string): string => file.split('/')[0] ?? '';
const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1] ?? '');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('layers', () => {
  it('has a rule for every folder, and read enough files to mean something', () => {
    expect(product.length).toBeGreaterThan(100);
    expect([...new Set(product.map(folderOf))].toSorted()).toEqual(Object.keys(FOLDERS).toSorted());
  });

  it('imports only what its folder may', () => {
    const wrong: string[] = [];
    let imports = 0;
    for (const file of product) {
      const rule = FOLDERS[folderOf(file)];
      for (const target of importsOf(read(file))) {
        imports += 1;
        if (!target.startsWith('.')) {
          const isPackageAllowed = !rule?.pure || PURE_PACKAGES.includes(target);
          if (!isPackageAllowed) wrong.push(`${file}: a pure folder imports ${target}`);
          continue;
        }
        const to = folderOf(relative(root, normalize(join(root, dirname(file), target))));
        if (to !== folderOf(file) && !rule?.mayImport.includes(to))
          wrong.push(`${file}: ${folderOf(file)}/ must not import ${to}/ (${target})`);
      }
    }
    expect(wrong).toEqual([]);
    expect(imports).toBeGreaterThan(300);
  });

  it('the simulator takes what it runs from the product, and the product nothing from it', () => {
    const simRoot = join(root, '../sim');
    const sims = readdirSync(simRoot, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    expect(sims.length).toBeGreaterThan(15);
    const allowed = ['base', 'ports', 'decide', 'telemetry', 'coordination', 'database', 'agent'];
    const texts = sims.map((file) => [file, readFileSync(join(simRoot, file), 'utf8')] as const);
    const wrong = texts.flatMap(([file, text]) =>
      importsOf(text)
        .map((target) => /^(?:\.\.\/)+src\/([^/]+)\//.exec(target)?.[1])
        .filter((to) => to !== undefined && !allowed.includes(to))
        .map((to) => `${file}: ${to}`),
    );
    expect(wrong).toEqual([]);
    expect(files.filter((file) => importsOf(read(file)).some((target) => target.includes('../sim/')))).toEqual([]);
    expect(texts.filter(([, text]) => text.split('\n').length > 400).map(([file]) => file)).toEqual([]);
    const untimely = texts.filter(
      ([file, text]) => file !== 'main.ts' && /\b(Date\.now|Math\.random|setTimeout)\(/.test(text),
    );
    expect(untimely.map(([file]) => file)).toEqual([]);
  });

  it('the checker of plans shares nothing with the chooser', () => {
    const checker = product.filter((file) => file.startsWith('plan/check/'));
    const reach = new Set(checker);
    for (const file of reach)
      for (const target of importsOf(read(file)).filter((path) => path.startsWith('.')))
        reach.add(relative(root, normalize(join(root, dirname(file), target))));
    expect(checker.length).toBeGreaterThan(0);
    expect([...reach].filter((file) => /^plan\/(choose|build|describe)\//.test(file))).toEqual([]);
  });

  it('keeps clock, randomness, environment and I/O out of pure folders', () => {
    const wrong: string[] = [];
    for (const file of product.filter((f) => FOLDERS[folderOf(f)]?.pure)) {
      const code = read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      for (const [pattern, instead] of BANNED_IN_PURE)
        if (pattern.test(code)) wrong.push(`${file}: ${pattern.source}: ${instead}`);
    }
    expect(wrong).toEqual([]);
  });

  it('keeps files about one thing: under 400 lines', () => {
    expect(files.filter((file) => read(file).split('\n').length > 400)).toEqual([]);
  });

  it('cites only rules that SPEC.md has, and cites each of them in a test or in the code', () => {
    const folder = 'decide/failover/';
    const rules = new Set([...read(`${folder}SPEC.md`).matchAll(/\*\*([FMR]\d+)\*\*/g)].map((m) => m[1] ?? ''));
    const text = files
      .filter((f) => f.startsWith(folder) || f.startsWith('agent/'))
      .map(read)
      .join('\n');
    const cited = new Set([...text.matchAll(/\b([FMR]\d{1,2})\b/g)].map((m) => m[1] ?? ''));
    expect(rules.size).toBeGreaterThan(20);
    expect([...cited].filter((id) => !rules.has(id))).toEqual([]);
    expect([...rules].filter((id) => !cited.has(id))).toEqual([]);
  });
});
