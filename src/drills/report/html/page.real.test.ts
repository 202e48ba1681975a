import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { judge } from '../../trial/judge.ts';
import { honestTrial } from '../../trial/testing.ts';
import { renderHtml } from './page.ts';

const CHROMIUM = '/usr/bin/chromium';
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars'];
const OFFLINE = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

// Without it the name says what is missing; with CI=true the test runs and fails.
const wanted = existsSync(CHROMIUM) || process.env['CI'] === 'true';
const title = `the report in ${wanted ? 'Chromium' : `a browser: ${CHROMIUM} is missing (as root: npm run setup:debian)`}`;

describe.skipIf(!wanted)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-page-'));
  const page = join(folder, 'report.html');
  writeFileSync(page, renderHtml(judge(honestTrial())));
  const chromium = (...args: string[]): string =>
    execFileSync(
      CHROMIUM,
      [...QUIET, ...OFFLINE, `--user-data-dir=${join(folder, 'profile')}`, ...args, `file://${page}`],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 50_000,
      },
    );

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is understood as it was written: two pictures, the figures, every check', () => {
    const dom = chromium('--dump-dom');
    expect(dom.match(/<svg /g)).toHaveLength(2);
    expect(dom.match(/class="figure /g)).toHaveLength(4);
    expect(dom.match(/class="state"/g)).toHaveLength(15);
    expect(dom).toContain('Passed: aws:a lost its power');
  });

  it.each([
    ['a wide screen', '1280,1800'],
    ['a telephone', '390,1800'],
  ])('is drawn on %s', (name, size) => {
    const picture = join(folder, `${name}.png`);
    chromium(`--window-size=${size}`, `--screenshot=${picture}`);
    // A blank page compresses to a few kilobytes.
    expect(readFileSync(picture).length).toBeGreaterThan(40_000);
  });
});
