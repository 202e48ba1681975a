import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { planRegions } from '../../../plan/plan-regions.ts';
import { parsePlanRequest } from '../../../spec/planning.ts';
import { readFacts } from '../../read-facts.ts';
import { planPage } from './page.ts';

const CHROMIUM = '/usr/bin/chromium';
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars'];
const OFFLINE = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

const wanted = existsSync(CHROMIUM) || process.env['CI'] === 'true';
const title = `a plan's page in ${wanted ? 'Chromium' : `a browser: ${CHROMIUM} is missing (as root: npm run setup:debian)`}`;

describe.skipIf(!wanted)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-plan-page-'));
  const page = join(folder, 'plan.html');
  const file = fileURLToPath(new URL('../../../../examples/plan/eu-shop.yaml', import.meta.url));
  const facts = readFacts();
  const parsed = parsePlanRequest(readFileSync(file, 'utf8'), file, facts);
  if (!parsed.ok) throw new Error('the example is valid');
  const result = planRegions(parsed.value.request, facts, { top: 5, seed: 1 });
  writeFileSync(page, planPage(result, facts, 'farshore plan examples/plan/eu-shop.yaml'));

  const chromium = (...args: string[]): string =>
    execFileSync(CHROMIUM, [...QUIET, ...OFFLINE, `--user-data-dir=${join(folder, 'profile')}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 50_000,
    });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is understood as it was written: a map, a curve, a pin for each place, the figures', () => {
    const dom = chromium('--dump-dom', `file://${page}`);
    expect(dom.match(/<svg /g)).toHaveLength(2);
    // Two regions and the third vote.
    expect(dom.match(/class="pin /g)).toHaveLength(3);
    expect(dom.match(/class="figure /g)).toHaveLength(6);
    expect(dom.match(/<details>/g)?.length).toBeGreaterThan(4);
  });

  it.each([
    ['a wide screen', '1280,3200'],
    ['a telephone', '390,4400'],
  ])('is drawn on %s', (name, size) => {
    const picture = join(folder, `${name}.png`);
    chromium(`--window-size=${size}`, `--screenshot=${picture}`, `file://${page}`);
    // A blank page compresses to a few kilobytes.
    expect(readFileSync(picture).length).toBeGreaterThan(60_000);
  });

  it('is not wider than a telephone: only tables scroll, inside their own boxes', () => {
    const frame = join(folder, 'frame.html');
    writeFileSync(
      frame,
      `<iframe id="it" width="390" height="800" srcdoc="${readFileSync(page, 'utf8').replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></iframe>
<script>onload = () => {
  const inner = document.getElementById('it').contentDocument.documentElement;
  document.body.dataset.width = inner.scrollWidth + ' of ' + inner.clientWidth;
};</script>`,
    );
    const [, width, of] = /data-width="(\d+) of (\d+)"/.exec(chromium('--dump-dom', `file://${frame}`)) ?? [];
    expect(Number(of)).toBeGreaterThan(300);
    expect(Number(width)).toBe(Number(of));
  });
});
