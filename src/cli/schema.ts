import { deploymentJsonSchema } from '../spec/file-schema.ts';
import { readArguments } from './arguments.ts';

const USAGE = `Usage: farshore schema

Prints the JSON Schema (draft-07) of the deployment file. Editors use it for completion and checks:
  farshore schema > farshore.schema.json
  # yaml-language-server: $schema=./farshore.schema.json     (first line of the deployment file)
`;

/** `farshore schema`: `argv` is what follows the verb. Resolves to the exit code. */
export async function schema(argv: readonly string[]): Promise<number> {
  const { values } = readArguments(argv, {}, 0);
  process.stdout.write(values.help === true ? USAGE : schemaText());
  return 0;
}

/** The text of docs/reference/farshore.schema.json. */
export const schemaText = (): string => `${JSON.stringify(deploymentJsonSchema(), null, 2)}\n`;
