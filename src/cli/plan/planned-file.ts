import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { planRegions } from '../../plan/plan-regions.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Diagnostic } from '../../spec/diagnostic.ts';
import { parseDeployment } from '../../spec/parse-deployment.ts';
import { parsePlanRequest } from '../../spec/planning.ts';
import { renderDiagnostics } from '../../spec/render.ts';
import { valueAt } from '../../spec/shape.ts';
import { openSource } from '../../spec/source.ts';
import { readSpecText } from '../read-deployment.ts';
import { factsText } from './facts-text.ts';
import { infeasibleText, planText } from './text.ts';

/** Where the planned deployment of `shop.yaml` is kept: `shop.planned.yaml` beside it, so that its application is found as before. */
const plannedPath = (file: string): string =>
  join(dirname(file), `${basename(file).replace(/\.ya?ml$/, '')}.planned.yaml`);

/**
 * The file to run: `file` itself when it names its regions; else the deployment that was planned for it, which is planned and written now when there is
 * none yet. One that is there is taken as it is: a world with data does not move because a price did.
 */
export function fileToRun(file: string, facts: Facts, say: (line: string) => void): string {
  const text = readSpecText(file);
  const opened = openSource(text);
  if (!opened.ok || !isPlannable(opened.value.value)) return file;
  const path = plannedPath(file);
  const mark = markOf(file, text);
  if (existsSync(path)) {
    say(`${file} names no regions; this runs what was planned for it: ${path} (delete it to plan anew)`);
    if (!readSpecText(path).includes(mark)) say(`warning: ${file} is not what ${path} was planned for any more`);
    return path;
  }
  const plan = planned(file, text, opened.value.value, facts);
  say(planText(plan, false));
  const written = plannedText(text, plan, mark, opened.value.value);
  const read = parseDeployment(written, path, facts);
  if (!read.ok)
    throw new FarshoreError(
      'FSH_SPEC_INVALID',
      `what was planned for ${file} cannot be run; nothing was written or started:\n\n${rendered(read.error, written)}`,
    );
  write(path, written);
  say(`written to ${path}, and run; the next \`farshore up\` runs the same`);
  return path;
}

const isPlannable = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  valueAt(value, ['farshore']) !== undefined &&
  valueAt(value, ['regions']) === undefined;

const markOf = (file: string, text: string): string =>
  `${basename(file)}, SHA-256 ${createHash('sha256').update(text).digest('hex')}`;

const rendered = (diagnostics: readonly Diagnostic[], text: string): string =>
  renderDiagnostics(diagnostics, text, { color: process.stderr.isTTY && process.env['NO_COLOR'] === undefined });

function planned(file: string, text: string, value: unknown, facts: Facts): Plan {
  const parsed = parsePlanRequest(text, file, facts);
  if (!parsed.ok)
    throw new FarshoreError('FSH_SPEC_INVALID', `${file} is not valid:\n\n${rendered(parsed.error, text)}`);
  const { request } = parsed.value;
  // Losing a region that is a site too would take the data and a vote together.
  const ban = [...request.ban, ...ownSites(value)];
  const result = planRegions({ ...request, ban }, facts, { top: 5, seed: 1 });
  if (result.kind === 'infeasible')
    throw new FarshoreError(
      'FSH_REFUSED',
      `there is no plan to run; nothing was started\n${infeasibleText(result.infeasible, () => null)}`,
    );
  return result.plan;
}

function ownSites(value: unknown): readonly string[] {
  const sites = valueAt(value, ['sites']);
  if (!Array.isArray(sites)) return [];
  return sites.map((_, i) => valueAt(value, ['sites', i, 'id'])).filter((id) => typeof id === 'string');
}

/**
 * The file with what the planner decided behind it: regions in order of preference, a third vote, and the replication that meets the RPO. What the file
 * says itself about sites and the database stays.
 */
export function plannedText(text: string, plan: Plan, mark: string, value: unknown): string {
  const has = (key: string): boolean => valueAt(value, [key]) !== undefined;
  return [
    text.trimEnd(),
    '',
    `# Planned by Farshore for ${mark}.`,
    '# Edit it, or delete it and let `farshore up` plan anew. Facts: ' + `${factsText(plan)}.`,
    'regions:',
    ...inOrder(plan).map(({ id, place, role, toPrimaryMs }) =>
      role === 'primary'
        ? `  - { id: '${id}' } # ${place}: the first primary`
        : `  - { id: '${id}' } # ${place}: ${role}, ${Math.round(toPrimaryMs)} ms from it${role === 'read' ? '; last in order, for a file cannot forbid a region to lead' : ''}`,
    ),
    ...(has('sites') ? [] : sitesOf(plan)),
    ...(has('database') ? [] : databaseOf(plan)),
    '',
  ].join('\n');
}

/** Regions that only read come last: they lead when nobody else is left. */
const inOrder = ({ regions }: Plan): Plan['regions'] =>
  regions.toSorted((a, b) => Number(a.role === 'read') - Number(b.role === 'read'));

function sitesOf({ witness }: Plan): readonly string[] {
  if (witness === null)
    throw new FarshoreError(
      'FSH_REFUSED',
      'no place is left for a third vote that the file allows and that shares no fate with the regions: name one under `sites`',
    );
  return [
    `# A third place votes; it holds no data. ${witness.place}: ${witness.why}.`,
    'sites:',
    `  - { id: '${witness.id}', store: true, witness: true }`,
  ];
}

function databaseOf({ mode, writes }: Plan): readonly string[] {
  const waits =
    mode === 'async'
      ? '# No commit waits; what a lost region loses is bounded by the RPO.'
      : `# A commit waits ${Math.round(writes.commitWaitMs)} ms for another region.`;
  return [
    'database:',
    '  replication:',
    `    ${waits}`,
    `    mode: ${mode}`,
    ...(mode === 'semi-sync' ? ['    confirm: 1'] : []),
    '    # The last region goes on alone: what it acknowledges then is in one place. `whenAlone: block` stops writes instead.',
    '    whenAlone: serve-with-rpo-suspended',
    '    rpoWhileDegraded: 24h',
  ];
}

function write(path: string, content: string): void {
  try {
    writeFileSync(path, content, { flag: 'wx' });
  } catch (error) {
    throw new FarshoreError('FSH_NO_PERMISSION', `${path} cannot be written: ${messageOf(error)}`, error);
  }
}
