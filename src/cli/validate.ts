import { parseArgs } from 'node:util';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { explainDeployment } from '../spec/meaning.ts';
import { parseDeployment } from '../spec/parse-deployment.ts';
import { renderDiagnostics } from '../spec/render.ts';
import { readSpecText } from './read-deployment.ts';
import { readFacts } from './read-facts.ts';

const USAGE = `Usage: farshore validate FILE [--json]

Checks a deployment file without running it: its shape, and whether it can keep what it promises.
Exit codes: 0 valid, 3 invalid, 64 usage.
`;

/** `farshore validate FILE [--json]`: `argv` is what follows the verb. Resolves to the exit code. */
export async function validate(argv: string[]): Promise<number> {
  try {
    const options = readOptions(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    return check(options.file, options.json);
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    process.stderr.write(`farshore validate: ${error.message}\n  ${error.code}: ${error.fix}\n`);
    return error.exit;
  }
}

function readOptions(argv: string[]): { file: string; json: boolean; help: boolean } {
  const options = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', messageOf(error), error);
  }
  const { values, positionals } = parsed;
  const [file, ...rest] = positionals;
  const help = values.help === true;
  if (!help && (file === undefined || rest.length > 0)) {
    throw new FarshoreError('FSH_USAGE', 'expected one deployment file: farshore validate FILE [--json]');
  }
  return { file: file ?? '', json: values.json === true, help };
}

function check(file: string, json: boolean): number {
  const text = readSpecText(file);
  const facts = readFacts();
  const parsed = parseDeployment(text, file, facts);
  const diagnostics = parsed.ok ? parsed.value.notes : parsed.error;
  const exit = parsed.ok ? 0 : 3;
  if (json) {
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.validate/v1', ok: parsed.ok, diagnostics })}\n`);
    return exit;
  }
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
