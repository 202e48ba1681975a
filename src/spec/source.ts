import { isAlias, isCollection, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import { messageOf } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Mark } from './diagnostic.ts';

/** Keys and list indexes from the top of the file: `['regions', 0, 'id']`. */
export type Path = readonly PropertyKey[];

/** A stretch of the file to point at: a value, or the key it stands under. */
export interface Spot {
  readonly path: Path;
  readonly part: 'value' | 'key';
  readonly label: string | null;
}

/** A YAML file that could be read: its plain value, and where each part of it stands. */
export interface Source {
  readonly value: unknown;
  mark(spot: Spot): Mark;
}

interface SyntaxError {
  readonly message: string;
  readonly mark: Mark;
}

/** A deployment file is a page or two. More is a mistake, and would be slow to point into. */
const MAX_CHARACTERS = 1_000_000;

/** Read YAML 1.2. Only the first syntax error: the others are usually caused by it. */
export function openSource(text: string): Result<Source, SyntaxError> {
  const top = { line: 1, column: 1, length: 1, label: null };
  if (text.length > MAX_CHARACTERS) return err({ message: 'the file is longer than 1 MB', mark: top });
  const lines = new LineCounter();
  const markOf = (start: number, end: number, label: string | null) => toMark(text, lines, start, end, label);
  try {
    // With another log level the parser itself writes warnings to stderr.
    const options = { lineCounter: lines, prettyErrors: false, version: '1.2', logLevel: 'error' } as const;
    const document = parseDocument(text, options);
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault !== undefined)
      return err({ message: plain(fault.message), mark: markOf(fault.pos[0], fault.pos[1], null) });
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return ok({ value, mark: (spot) => markOf(...rangeOf(document, spot), spot.label) });
  } catch (error) {
    // Unresolved aliases, alias bombs, and nesting deeper than the stack end here.
    return err({ message: plain(messageOf(error)), mark: top });
  }
}

/** One line, without the final full stop. */
const plain = (message: string): string => (message.split('\n')[0] ?? '').replace(/\.$/, '');

function toMark(text: string, lines: LineCounter, start: number, end: number, label: string | null): Mark {
  const at = Math.min(start, text.length);
  const { line, col } = lines.linePos(at);
  const newline = text.indexOf('\n', at);
  const lineEnd = newline === -1 ? text.length : newline;
  return {
    line: Math.max(1, line),
    column: Math.max(1, col),
    length: Math.max(1, Math.min(end, lineEnd) - at),
    label,
  };
}

/** Offsets of the spot; of the nearest part above it when the file does not have it. */
function rangeOf(document: Document, spot: Spot): [number, number] {
  let value: unknown = document.contents;
  let key: unknown = null;
  let range: [number, number] = startOf(value);
  for (const step of spot.path) {
    const child = childOf(document, value, step);
    if (child === null) return range;
    ({ key, value } = child);
    range = pointAt(key, value);
  }
  return spot.part === 'key' && isNode(key) ? nodeRange(key) : range;
}

/** A scalar is pointed at itself; a list or a map at its key, because it may be long. */
function pointAt(key: unknown, value: unknown): [number, number] {
  if (isScalar(value) && value.value !== null) return nodeRange(value);
  if (isNode(key)) return nodeRange(key);
  return isNode(value) ? startOf(value) : [0, 0];
}

function childOf(document: Document, parent: unknown, step: PropertyKey): { key: unknown; value: unknown } | null {
  const at = isAlias(parent) ? parent.resolve(document) : parent;
  if (isSeq(at)) {
    const value = typeof step === 'number' ? at.items[step] : undefined;
    return value === undefined ? null : { key: null, value };
  }
  if (!isMap(at)) return null;
  const pair = at.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair === undefined ? null : { key: pair.key, value: pair.value };
}

const nodeRange = (node: Node): [number, number] => [node.range?.[0] ?? 0, node.range?.[1] ?? 0];

/** The first key of a map, the first item of a list: where a reader sees it begin. */
function startOf(node: unknown): [number, number] {
  if (!isNode(node)) return [0, 0];
  const first: unknown = isCollection(node) ? node.items[0] : null;
  if (isMap(node) && typeof first === 'object' && first !== null && 'key' in first && isNode(first.key)) {
    return nodeRange(first.key);
  }
  return nodeRange(node);
}
