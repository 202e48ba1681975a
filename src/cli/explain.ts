import { CODES, FarshoreError } from '../base/errors.ts';
import { SPEC_CODES } from '../spec/diagnostic.ts';
import { nearest } from '../spec/nearest.ts';
import { readArguments } from './arguments.ts';

const USAGE = `Usage: farshore explain [CODE]

What a code means and what to do: FSH_…, or E and N of a deployment file. Without CODE: all of them, as docs/reference/errors.md has them.
`;

/** `farshore explain`: `argv` is what follows the verb. Resolves to the exit code. */
export async function explain(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {}, 1);
  if (values.help === true) process.stdout.write(USAGE);
  else process.stdout.write(positionals[0] === undefined ? errorsPage() : explainCode(positionals[0]));
  return 0;
}

function explainCode(asked: string): string {
  const code = asked.toUpperCase();
  const inFile = Object.entries(SPEC_CODES).find(([name]) => name === code);
  if (inFile !== undefined) return `${code}  ${inFile[1]}\n${kindOf(code)}\n`;
  const error = Object.entries(CODES).find(([name]) => name === code);
  if (error !== undefined) return `${code}  exits with ${error[1].exit}\nfix: ${error[1].fix}\n`;
  const meant = nearest(code, [...Object.keys(CODES), ...Object.keys(SPEC_CODES)]);
  const hint = meant === null ? '`farshore explain` lists all' : `did you mean ${meant}?`;
  throw new FarshoreError('FSH_USAGE', `there is no code ${asked}; ${hint}`);
}

function kindOf(code: string): string {
  if (code.startsWith('N')) return 'a note: the file is valid';
  const where = code.startsWith('E1') ? 'the shape of a deployment file' : 'what a deployment file means';
  return `an error in ${where}; \`farshore validate FILE\` shows the lines and what would correct them`;
}

/** The text of docs/reference/errors.md. */
export function errorsPage(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const fileRows = Object.entries(SPEC_CODES).map(([code, means]) => `| ${code} | ${cell(means)} |`);
  const errorRows = Object.entries(CODES).map(([code, { exit, fix }]) => `| \`${code}\` | ${exit} | ${cell(fix)} |`);
  return `# Errors

Made by \`farshore explain > docs/reference/errors.md\`. An error says in its own words what happened and what it means for the data; here is what to do.

| code | [exit code](exit-codes.md) | what to do |
|---|---|---|
${errorRows.join('\n')}

## Of a deployment file

\`farshore validate FILE\` shows the line, what was expected and the nearest word that is known. E1 is about the file's shape, E2 about what it means; N is a note, the file is valid.

| code | what is wrong |
|---|---|
${fileRows.join('\n')}
`;
}
