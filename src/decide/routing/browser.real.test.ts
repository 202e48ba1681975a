/** The decision runs in a browser as it is: the built ES modules, no bundle, and the same answers as here. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const DIST = fileURLToPath(new URL('../../../dist/', import.meta.url));

/** Runs in both places. Cases by plain numbers, so that nothing has to be carried over but the answers. */
const CASES = `
export async function answers(base) {
  const { Router } = await import(base + 'decide/routing/router.js');
  const { defaultRouting } = await import(base + 'decide/routing/defaults.js');
  const ids = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:us-east-1', 'aws:ap-northeast-1'];
  const policies = [['latency'], ['weighted'], ['failover'], ['geolocation', 'latency'], ['latency', 'weighted']];
  const rules = [{ label: 'de', places: ['DE'], regions: [ids[1], ids[0]] }, { label: 'us', places: ['US'], regions: [ids[2]] }];
  const why = { code: 'x', text: 'x' };
  const out = [];
  for (let i = 0; i < 400; i += 1) {
    const regions = ids.map((id, at) => ({ id, role: 'active', weight: 1 + ((i + at) % 4), state: (i + at) % 9 === 0 ? 'drained' : 'serving' }));
    const fences = i % 3 === 0 ? [{ name: 'law', countries: ['DE'], regions: [ids[0], ids[1]] }] : [];
    const routing = { ...defaultRouting(regions), policies: policies[i % 5], fences, latency: { withinMs: 20, hysteresisMs: 5 },
      geolocation: { rules, otherwise: null, overrides: [] } };
    const table = { generation: 1, epoch: 1, primary: { node: ids[0] + '/n1', region: ids[0] }, regions, routing, ramp: null, released: 0, reason: why };
    const health = new Map(ids.map((id, at) => [id, { state: (i * 7 + at) % 5 === 0 ? 'unhealthy' : 'healthy', sinceMs: 0, recovered: false, why }]));
    const latency = { latencyOf: (_, id) => ({ ms: (ids.indexOf(id) * 37 + i * 11) % 90, method: 'measured' }) };
    const world = { table, from: null, health, readOnly: new Map(), latency, load: new Map(), leaders: new Map(), acceptedAtMs: 0, nowMs: 1e6 };
    const country = ['DE', 'US', 'BR', null][i % 4];
    const place = { place: country, country, source: 'asked' };
    const client = { method: i % 6 === 0 ? 'write' : 'read', place, key: Math.imul(i, 2654435761) >>> 0, pinned: null, canary: false };
    out.push(new Router(world).explain(client));
  }
  return JSON.stringify(out);
}
`;
const PAGE = `<!doctype html><pre id="out"></pre><script type="module">
import { answers } from '/cases.mjs';
document.getElementById('out').textContent = encodeURIComponent(await answers('/'));
</script>`;

const CHROMIUM = '/usr/bin/chromium';
// Without it the name says what is missing; with CI=true the test runs and fails.
const wanted = existsSync(CHROMIUM) || process.env['CI'] === 'true';
const title = wanted
  ? 'Chromium and Node decide alike'
  : `a browser and Node decide alike: ${CHROMIUM} is missing (as root: npm run setup:debian)`;

test.skipIf(!wanted)(title, async () => {
  const server = createServer((request, response) => {
    const path = normalize(request.url ?? '/');
    const isPage = path === '/page';
    response.setHeader('content-type', isPage ? 'text/html' : 'text/javascript');
    try {
      response.end(isPage ? PAGE : path === '/cases.mjs' ? CASES : readFileSync(join(DIST, path)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  const profile = mkdtempSync(join(tmpdir(), 'fsh-browser-'));
  try {
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', ...quiet, `--user-data-dir=${profile}`];
    const argv = [...flags, '--virtual-time-budget=20000', '--dump-dom', `http://127.0.0.1:${port}/page`];
    const { stdout } = await promisify(execFile)(CHROMIUM, argv, { maxBuffer: 1 << 26 });
    const shown = /<pre id="out">([^<]*)<\/pre>/.exec(stdout)?.[1] ?? '';
    const cases = (await import(`data:text/javascript,${encodeURIComponent(CASES)}`)) as {
      answers(base: string): Promise<string>;
    };
    const here = await cases.answers(new URL(`file://${DIST}`).href);
    expect(JSON.parse(here)).toHaveLength(400);
    expect(decodeURIComponent(shown)).toBe(here);
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true });
  }
});
