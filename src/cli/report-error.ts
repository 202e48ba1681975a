import { appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { paint } from './paint.ts';

/** Says an error on stderr: what happened, and what to do. Returns the exit code. */
export function reportError(error: unknown): number {
  const red = paint(process.stderr).red;
  if (error instanceof FarshoreError) {
    process.stderr.write(`${red('error')} ${error.code} ${error.message}\n  fix: ${error.fix}\n`);
    return error.exit;
  }
  const path = join(tmpdir(), `farshore-error-${process.getuid?.() ?? 0}.log`);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  try {
    appendFileSync(path, `${new Date().toISOString()} ${process.argv.slice(2).join(' ')}\n${stack}\n\n`, {
      mode: 0o600,
    });
    process.stderr.write(
      `${red('error')} FSH_FAILED a defect in Farshore: ${messageOf(error)}\n  fix: report it with ${path}\n`,
    );
  } catch {
    process.stderr.write(`${red('error')} FSH_FAILED a defect in Farshore: ${stack}\n`);
  }
  return 1;
}
