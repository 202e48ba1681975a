import { readFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../base/errors.ts';
import type { Facts } from '../facts/facts.ts';
import { parseDeployment, type ParsedDeployment } from '../spec/parse-deployment.ts';
import { renderDiagnostics } from '../spec/render.ts';
import { readFacts } from './read-facts.ts';

/** The text of a deployment file. A file that cannot be read is a FarshoreError that says why. */
export function readSpecText(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FarshoreError('FSH_SPEC_INVALID', `${path} is not UTF-8 text`, error);
  }
}

function unreadable(path: string, error: unknown): FarshoreError {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ENOENT') return new FarshoreError('FSH_USAGE', `there is no file ${path}`, error);
  if (code === 'EISDIR') return new FarshoreError('FSH_USAGE', `${path} is a folder, not a deployment file`, error);
  if (code === 'EACCES') return new FarshoreError('FSH_NO_PERMISSION', `this user may not read ${path}`, error);
  return new FarshoreError('FSH_FAILED', `${path} cannot be read: ${messageOf(error)}`, error);
}

/**
 * The deployment of a file, for the verbs that run it. An invalid file is a `FSH_SPEC_INVALID` whose message
 * holds the rendered diagnostics.
 */
export function readDeployment(path: string, facts: Facts = readFacts()): ParsedDeployment {
  const text = readSpecText(path);
  const parsed = parseDeployment(text, path, facts);
  if (parsed.ok) return parsed.value;
  const color = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  const rendered = renderDiagnostics(parsed.error, text, { color });
  throw new FarshoreError('FSH_SPEC_INVALID', `${path} is not valid:\n\n${rendered}`);
}
