import { z } from 'zod';
import { deploymentFile } from './file-schema.ts';
import { durations, sizes } from './quantities.ts';
import { guessDuration } from './duration.ts';
import { guessSize } from './size.ts';
import { atKey, atValue, didYouMean, type Finding } from './finding.ts';
import { nearest } from './nearest.ts';
import type { Path } from './source.ts';

/** E1xxx: every part of the value that does not have the shape of a deployment file. */
export function checkShape(value: unknown): readonly Finding[] {
  const parsed = deploymentFile.safeParse(value);
  return parsed.success ? [] : parsed.error.issues.flatMap((issue) => findingsOf(issue, value));
}

function findingsOf(issue: z.core.$ZodIssue, root: unknown): readonly Finding[] {
  const found = valueAt(root, issue.path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue.path, key));
  if (found === undefined) return [missingKey(issue.path)];
  const schema = schemaAt(issue.path);
  if (isDuration(schema) && issue.code !== 'custom') return [notADuration(issue.path, found)];
  if (schema !== undefined && sizes.has(schema) && issue.code !== 'custom') return [notASize(issue.path, found)];
  switch (issue.code) {
    case 'invalid_type':
      return [wrongType(issue, found)];
    case 'invalid_value':
      return [unknownWord(issue.path, issue.values.map(String), found)];
    case 'invalid_format':
      return [{ code: 'E1008', message: `expected ${issue.message}`, at: [atValue(issue.path)] }];
    case 'too_small':
    case 'too_big':
      return [outOfBounds(issue)];
    default:
      return [{ code: 'E1007', message: `expected ${issue.message}`, at: [atValue(issue.path)] }];
  }
}

function unknownKey(parent: Path, key: string): Finding {
  const known = keysOf(schemaAt(parent));
  const guess = nearest(key, known);
  const elsewhere = guess === null ? placeOfKey(key) : null;
  return {
    code: 'E1002',
    message: `unknown key "${key}"`,
    at: [atKey([...parent, key])],
    help: [
      ...didYouMean(guess),
      ...(elsewhere === null ? [] : [`it belongs under ${elsewhere}`]),
      ...(guess === null && elsewhere === null ? [`known here: ${known.join(', ')}`] : []),
    ],
  };
}

function missingKey(path: Path): Finding {
  const schema = schemaAt(path);
  const words = schema instanceof z.ZodEnum ? schema.options.join(' | ') : null;
  return {
    code: 'E1003',
    message: `missing key "${String(path.at(-1))}"${path.length > 1 ? ` in ${showPath(path.slice(0, -1))}` : ''}`,
    at: [atValue(path.slice(0, -1))],
    help: [
      ...(words === null ? [] : [`expected ${words}`]),
      ...(schema?.description === undefined ? [] : [schema.description]),
    ],
  };
}

function notADuration(path: Path, found: unknown): Finding {
  return {
    code: 'E1006',
    message: `expected a duration such as "30s", "5m" or "500ms"; found ${show(found)}`,
    at: [atValue(path)],
    help: didYouMean(guessDuration(found)),
  };
}

function notASize(path: Path, found: unknown): Finding {
  return {
    code: 'E1009',
    message: `expected a size such as "16MB", "64kB" or "1GB"; found ${show(found)}`,
    at: [atValue(path)],
    help: didYouMean(guessSize(found)),
  };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a map of keys and values',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};

function wrongType(issue: z.core.$ZodIssueInvalidType, found: unknown): Finding {
  const expected = TYPE_NAMES[issue.expected] ?? issue.expected;
  const isCommand = issue.path.at(-1) === 'command' && typeof found === 'string';
  const words = isCommand ? String(found).trim().split(/\s+/) : [];
  return {
    code: 'E1004',
    message: `expected ${expected}; found ${show(found)}`,
    at: [atValue(issue.path)],
    help: isCommand ? [`write it as a list of words: [${words.join(', ')}]`] : [],
  };
}

function unknownWord(path: Path, words: readonly string[], found: unknown): Finding {
  const guess = typeof found === 'string' ? nearest(found, words) : null;
  return {
    code: 'E1005',
    message: `expected ${words.join(' | ')}; found ${show(found)}`,
    at: [atValue(path)],
    help: didYouMean(guess),
  };
}

function outOfBounds(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): Finding {
  const [side, bound] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum];
  const unit = issue.origin === 'array' ? ' entries' : issue.origin === 'string' ? ' characters' : '';
  return { code: 'E1007', message: `expected ${side} ${bound}${unit}`, at: [atValue(issue.path)] };
}

/** A value in a message: short, on one line. */
function show(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'a map' : 'nothing';
}

const showPath = (path: Path): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');

export function valueAt(root: unknown, path: Path): unknown {
  let at = root;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at;
}

type Schema = z.core.$ZodType & { readonly description?: string | undefined };

const unwrap = (schema: Schema | undefined): Schema | undefined =>
  schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;

/** The schema that a path of the file must satisfy, without its `optional`. */
function schemaAt(path: Path): Schema | undefined {
  let at: Schema | undefined = deploymentFile;
  for (const step of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(step)]);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return undefined;
  }
  return at;
}

const isDuration = (schema: Schema | undefined): boolean => schema !== undefined && durations.has(schema);
const keysOf = (schema: Schema | undefined): readonly string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

/** Where a key of this name would be right: `mode` belongs under `database.replication`. Null when nowhere. */
function placeOfKey(key: string): string | null {
  const search = (schema: Schema | undefined, path: string): string | null => {
    if (schema instanceof z.ZodArray) return search(unwrap(schema.element), path);
    if (!(schema instanceof z.ZodObject)) return null;
    if (Object.hasOwn(schema.shape, key)) return path === '' ? 'the top of the file' : `"${path}"`;
    for (const [name, child] of Object.entries(schema.shape)) {
      const found = search(unwrap(child), path === '' ? name : `${path}.${name}`);
      if (found !== null) return found;
    }
    return null;
  };
  return search(deploymentFile, '');
}
