import { readFileSync, writeFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { placeId, type PlaceId } from '../base/ids.ts';
import type { Facts } from '../facts/facts.ts';
import { planRegions, type PlanOptions, type PlanResult } from '../plan/plan-regions.ts';
import { didYouMean } from '../spec/finding.ts';
import { nearestRegion } from '../spec/nearest.ts';
import { parsePlanRequest, type ParsedRequest, type PlanRequest } from '../spec/planning.ts';
import { renderDiagnostics } from '../spec/render.ts';
import { matchesRegion } from '../spec/rules/planning.ts';
import { contradictions } from '../spec/rules/request.ts';
import { readUsersTable } from '../spec/users-table.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { comparePlans, drifted, relaxed, type Compared } from './plan/compare.ts';
import { explainRegion } from './plan/explain.ts';
import { pairsReport } from './plan/pairs.ts';
import { patience } from './plan/patience.ts';
import { planPage } from './plan/report/page.ts';
import { infeasibleText, planText, type Where } from './plan/text.ts';
import { readSpecText } from './read-deployment.ts';
import { ownFactsFolder, readFactsWithOwn } from './read-facts.ts';

const USAGE = `Usage: farshore plan FILE [--full] [--top N] [--within 3s] [--json] [--out FILE] [--report HTML] [--pin REGION]... [--ban PATTERN]...
       farshore plan explain REGION FILE
       farshore plan diff A.json B.json · relax FILE · drift FILE --against PLAN.json   [--json]
       farshore plan --pairs [--provider P]... [--apart KM] [--top N] [--full] [--json]

The best regions and roles for a file without \`regions\`; what those of a file are like. Offline; the same input gives the same plan.
  --pin REGION     must be chosen            --ban 'aws:me-*'   must not
  --users CSV      where the users are: columns country and share, and metro, or lat and lon, for those at one place
  --free           choose, although the file has regions
  --top N          how many alternatives (5)  --seed N          of the robustness trials (1)
  --within 3s      the best found in that time, with how much better another one could be; without it: the best, proven
  --full           every line                 --facts DIR       your own facts
  --json           schema farshore.plan/v1    --out FILE        the same, into a file
  diff             what is another in the second of two plans
  relax            what each demand costs: the best plan with one notch less of it
  drift            a plan made before, beside today's facts: ranked changes that win by more than the error of the figures
                   (diff, drift: --detailed-exitcode exits 2 when there is a difference, or a change is suggested)
  --report HTML    a page with a map, curves, costs and reasons; it needs no network
  --pairs          near but separate regions of each continent (--apart KM, 300), and the usual rules of thumb beside the data
Exit codes: 0 a plan, 1 a plan of the file's regions that breaks what the file asks, or an RTO that no strategy meets, 3 file invalid, 4 no plan exists, 64 usage.
`;

const OPTIONS = {
  pin: { type: 'string', multiple: true },
  ban: { type: 'string', multiple: true },
  users: { type: 'string' },
  free: { type: 'boolean' },
  pairs: { type: 'boolean' },
  provider: { type: 'string', multiple: true },
  apart: { type: 'string' },
  top: { type: 'string' },
  within: { type: 'string' },
  seed: { type: 'string' },
  full: { type: 'boolean' },
  facts: { type: 'string' },
  json: { type: 'boolean' },
  out: { type: 'string' },
  report: { type: 'string' },
  against: { type: 'string' },
  'detailed-exitcode': { type: 'boolean' },
} as const;

/** `farshore plan FILE` and `farshore plan explain REGION FILE`: `argv` is what follows the verb. Resolves to the exit code. */
export async function plan(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 3);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.pairs === true) return showPairs(values, positionals);
  if (positionals[0] === 'diff') return showDiff(positionals.slice(1), values);
  const { kind, region, file } = wordsOf(positionals);
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const parsed = readRequest(file, facts);
  const request = requestOf(parsed.request, values, facts);
  refuseContradictions(request, file);
  const options = {
    top: wholeNumber('top', values.top, 0, 50) ?? 5,
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1) ?? 1,
    isEnough: patience(values.within, () => performance.now(), process.stderr),
  };
  if (kind === 'drift') return showDrift(request, facts, values, options);
  if (kind === 'relax') {
    const prices = relaxed(request, facts, values.json === true);
    if (prices !== null) {
      process.stdout.write(prices);
      return 0;
    }
  }
  if (region !== undefined) {
    process.stdout.write(explainRegion(known(region, facts), request, facts, options));
    return 0;
  }
  const result = planRegions(request, facts, options);
  const json = `${JSON.stringify(result.kind === 'plan' ? result.plan : result.infeasible, null, 2)}\n`;
  if (values.out !== undefined) write(values.out, json);
  if (values.report !== undefined) {
    const again = argv.map((word) => (/^[\w./:=,@+-]+$/.test(word) ? word : `'${word}'`)).join(' ');
    write(values.report, planPage(result, facts, `farshore plan ${again}`));
  }
  process.stdout.write(values.json === true ? json : text(result, values.full === true, whereIn(file, parsed)));
  if (result.kind === 'infeasible') return 4;
  return result.plan.violations.length > 0 ? 1 : 0;
}

interface Words {
  readonly kind: 'plan' | 'explain' | 'relax' | 'drift';
  readonly region?: string;
  readonly file: string;
}

const KINDS = { explain: 'explain REGION ', relax: 'relax ', drift: 'drift ' } as const;
const isKind = (word: string | undefined): word is keyof typeof KINDS =>
  word !== undefined && Object.hasOwn(KINDS, word);

/** What follows `plan`: FILE, `explain REGION FILE`, `relax FILE`, `drift FILE`. */
function wordsOf(words: readonly string[]): Words {
  const [first, second, third] = words;
  const kind = isKind(first) ? first : 'plan';
  const [region, file, extra] =
    kind === 'explain'
      ? [second, third, undefined]
      : kind === 'plan'
        ? [undefined, first, second]
        : [undefined, second, third];
  if (file === undefined || extra !== undefined)
    throw new FarshoreError(
      'FSH_USAGE',
      `which deployment file? farshore plan ${isKind(first) ? KINDS[first] : ''}FILE`,
    );
  return { kind, file, ...(region === undefined ? {} : { region }) };
}

interface CompareValues {
  readonly against?: string;
  readonly json?: boolean;
  readonly 'detailed-exitcode'?: boolean;
}

function showDiff([a, b, extra]: readonly string[], values: CompareValues): number {
  if (a === undefined || b === undefined || extra !== undefined)
    throw new FarshoreError('FSH_USAGE', 'which two plans? farshore plan diff A.json B.json');
  return show(comparePlans(a, b, values.json === true), values);
}

function showDrift(request: PlanRequest, facts: Facts, values: CompareValues, options: PlanOptions): number {
  if (values.against === undefined)
    throw new FarshoreError('FSH_USAGE', 'against which plan? farshore plan drift FILE --against PLAN.json');
  return show(drifted(request, facts, values.against, options, values.json === true), values);
}

function show({ text: shown, changed }: Compared, values: CompareValues): number {
  process.stdout.write(shown);
  return changed && values['detailed-exitcode'] === true ? 2 : 0;
}

interface PairsValues {
  readonly provider?: readonly string[];
  readonly apart?: string;
  readonly top?: string;
  readonly full?: boolean;
  readonly json?: boolean;
  readonly facts?: string;
}

function showPairs(values: PairsValues, [extra]: readonly string[]): number {
  if (extra !== undefined) throw new FarshoreError('FSH_USAGE', `--pairs is about the facts, not about "${extra}"`);
  const request = {
    providers: values.provider ?? [],
    minKm: wholeNumber('apart', values.apart, 0, 20_000) ?? 300,
    top: wholeNumber('top', values.top, 0, 50) ?? 5,
    full: values.full === true,
    json: values.json === true,
  };
  process.stdout.write(pairsReport(readFactsWithOwn(ownFactsFolder(values.facts)), request));
  return 0;
}

const text = (result: PlanResult, full: boolean, where: Where): string =>
  result.kind === 'plan' ? planText(result.plan, full) : infeasibleText(result.infeasible, where);

const PATHS: Readonly<Record<string, readonly string[]>> = {
  latency: ['objectives', 'latency'],
  residency: ['residency'],
  law: ['users'],
  regions: ['plan', 'regions'],
};

const whereIn =
  (file: string, parsed: ParsedRequest): Where =>
  (constraint) => {
    const found = parsed.mark(PATHS[constraint] ?? ['plan', constraint]);
    return found === null ? null : `${file}:${found.line}:${found.column}`;
  };

function readRequest(file: string, facts: Facts): ParsedRequest {
  const written = readSpecText(file);
  const parsed = parsePlanRequest(written, file, facts);
  if (parsed.ok) return parsed.value;
  const color = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  throw new FarshoreError(
    'FSH_SPEC_INVALID',
    `${file} is not valid:\n\n${renderDiagnostics(parsed.error, written, { color })}`,
  );
}

/** What the command line made of the file may contradict itself where the file did not: other users, more pins. */
function refuseContradictions(request: PlanRequest, file: string): void {
  const found = contradictions(request, undefined);
  if (found.length === 0) return;
  throw new FarshoreError(
    'FSH_SPEC_INVALID',
    found
      .map(({ message, help = [] }) => `${file}, as the command line changes it: ${message}; ${help.join('; ')}`)
      .join('\n'),
  );
}

interface Overrides {
  readonly pin?: readonly string[];
  readonly ban?: readonly string[];
  readonly users?: string;
  readonly free?: boolean;
}

/** What the command line changes. A pin and a ban of one region, in whichever place, is an error. */
function requestOf(request: PlanRequest, { pin = [], ban = [], users, free }: Overrides, facts: Facts): PlanRequest {
  const pins = [...new Set([...request.pin, ...pin.map((id) => known(id, facts))])];
  const bans = [...request.ban, ...ban];
  for (const pattern of ban)
    if (![...facts.regions.keys()].some((id) => matchesRegion(pattern, id)))
      throw new FarshoreError('FSH_USAGE', `--ban "${pattern}" matches no region`);
  const clash = pins.find((id) => bans.some((pattern) => matchesRegion(pattern, id)));
  if (clash !== undefined) throw new FarshoreError('FSH_USAGE', `${clash} is pinned and banned`);
  const isFree = free === true || (request.regions !== null && pin.length + ban.length > 0);
  const least = Math.max(request.sizes.min, pins.length);
  return {
    ...request,
    pin: pins,
    ban: bans,
    regions: isFree ? null : request.regions,
    mode: isFree && request.mode !== 'async' ? null : request.mode,
    sizes: { min: least, max: Math.max(least, request.sizes.max) },
    ...(users === undefined ? {} : { users: readUsers(users, facts), usersFrom: 'file' as const }),
  };
}

function readUsers(file: string, facts: Facts): PlanRequest['users'] {
  let table: string;
  try {
    table = readFileSync(file, 'utf8');
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', `${file} cannot be read: ${messageOf(error)}`, error);
  }
  const read = readUsersTable(table, facts);
  if (read.ok) return read.value;
  throw new FarshoreError(
    'FSH_SPEC_INVALID',
    read.error.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'),
  );
}

function known(id: string, facts: Facts): PlaceId {
  if (facts.regions.has(placeId(id))) return placeId(id);
  const [meant = 'see `farshore facts regions`'] = didYouMean(nearestRegion(id, [...facts.regions.keys()]));
  throw new FarshoreError('FSH_USAGE', `unknown region "${id}"; ${meant}`);
}

function write(file: string, content: string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new FarshoreError('FSH_NO_PERMISSION', `${file} cannot be written: ${messageOf(error)}`, error);
  }
}
