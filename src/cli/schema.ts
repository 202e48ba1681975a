import { deploymentJsonSchema } from '../spec/file-schema.ts';

const USAGE = `Usage: farshore schema

Prints the JSON Schema (draft-07) of the deployment file. Editors use it for completion and checks:
  farshore schema > farshore.schema.json
  # yaml-language-server: $schema=./farshore.schema.json     (first line of the deployment file)
`;

/** `farshore schema`: `argv` is what follows the verb. Resolves to the exit code. */
export async function schema(argv: string[]): Promise<number> {
  if (argv.length === 0) {
    process.stdout.write(schemaText());
    return 0;
  }
  const help = argv.length === 1 && (argv[0] === '--help' || argv[0] === '-h');
  (help ? process.stdout : process.stderr).write(USAGE);
  return help ? 0 : 64;
}

/** The text of docs/reference/farshore.schema.json. */
export const schemaText = (): string => `${JSON.stringify(deploymentJsonSchema(), null, 2)}\n`;
