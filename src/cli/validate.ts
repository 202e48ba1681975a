import { FarshoreError } from '../base/errors.ts';
import { explainDeployment } from '../spec/meaning.ts';
import { parseDeployment } from '../spec/parse-deployment.ts';
import { renderDiagnostics } from '../spec/render.ts';
import { readArguments } from './arguments.ts';
import { missingScript } from './missing-script.ts';
import { paint } from './paint.ts';
import { readSpecText } from './read-deployment.ts';
import { ownFactsFolder, readFactsWithOwn } from './read-facts.ts';

const USAGE = `Usage: farshore validate FILE [--json]

Checks a deployment file without running it: its shape, and whether it can keep what it promises.
Exit codes: 0 valid, 3 invalid, 64 usage.
`;

/** `farshore validate FILE [--json]`: `argv` is what follows the verb. Resolves to the exit code. */
export async function validate(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, { json: { type: 'boolean' } }, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [file] = positionals;
  if (file === undefined)
    throw new FarshoreError('FSH_USAGE', 'which deployment file? farshore validate FILE [--json]');
  return check(file, values.json === true);
}

function check(file: string, json: boolean): number {
  const text = readSpecText(file);
  const facts = readFactsWithOwn(ownFactsFolder(undefined));
  const parsed = parseDeployment(text, file, facts);
  const diagnostics = parsed.ok ? parsed.value.notes : parsed.error;
  const exit = parsed.ok ? 0 : 3;
  const missing = parsed.ok ? missingScript(parsed.value.deployment, file) : null;
  if (json) {
    const warnings = missing === null ? [] : [missing];
    const result = { schema: 'farshore.validate/v1', ok: parsed.ok, diagnostics, warnings };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return exit;
  }
  if (missing !== null) process.stderr.write(`${paint(process.stderr).yellow('note')} ${missing}\n`);
  const color = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  if (diagnostics.length > 0) process.stderr.write(`${renderDiagnostics(diagnostics, text, { color })}\n`);
  if (parsed.ok) process.stdout.write(`${explainDeployment(parsed.value.deployment, facts).join('\n')}\n`);
  else process.stderr.write(`${file}: invalid, ${countErrors(diagnostics)}\n`);
  return exit;
}

function countErrors(diagnostics: readonly { readonly severity: string }[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  return `${errors} error${errors === 1 ? '' : 's'}`;
}
